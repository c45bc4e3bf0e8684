package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Zip writes all files and directories of fsys to w. Equal trees give equal bytes.
func Zip(w io.Writer, fsys fs.FS) error {
	z := zip.NewWriter(w)
	err := fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == "." {
			return err
		}
		return add(z, fsys, path, d)
	})
	if err != nil {
		return fmt.Errorf("zip: %w", err)
	}
	return z.Close()
}

// add writes one entry. fs.WalkDir goes in the order of names, so equal trees are written in the same order.
func add(z *zip.Writer, fsys fs.FS, path string, d fs.DirEntry) error {
	if err := checkName(path); err != nil {
		return err
	}
	switch {
	case d.IsDir():
		_, err := z.CreateHeader(&zip.FileHeader{Name: path + "/"})
		return err
	case !d.Type().IsRegular():
		return refuse("%s is %s: only files and directories can be put; copy what it stands for", path, kindOf(d.Type()))
	}
	return addFile(z, fsys, path)
}

func addFile(z *zip.Writer, fsys fs.FS, path string) (err error) {
	f, err := fsys.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() { // it may have been exchanged since it was listed
		return errors.Join(err, refuse("%s is no regular file any more", path))
	}
	w, err := z.CreateHeader(&zip.FileHeader{Name: path, Method: zip.Deflate})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// kindOf says in words what is neither file nor directory.
func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a link"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}
