package archive

import (
	"archive/zip"
	"bytes"
	"cmp"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// Limits bound what an archive may grow to. A limit of 0 is the default.
type Limits struct {
	Entries int   // files and directories: 65,536 by default
	Bytes   int64 // of all files together: 1 GiB by default
	Ratio   int64 // so many times the archive's size at most, once that is more than 16 MiB: 200 by default
}

func (l Limits) orDefaults() Limits {
	return Limits{cmp.Or(l.Entries, 1<<16), cmp.Or(l.Bytes, 1<<30), cmp.Or(l.Ratio, 200)}
}

// small is what any archive may grow to: a few well compressed files are no bomb.
const small = 16 << 20

// Unzip unpacks the archive in the first size bytes of r. Its errors are sentences for the person whose archive it is; they wrap
// [ErrRefused] if it is at fault.
func Unzip(r io.ReaderAt, size int64, into *os.Root, limits Limits) error {
	limits = limits.orDefaults()
	z, err := open(r, size, limits)
	if err != nil {
		return err
	}
	most := min(limits.Bytes, max(small, size*limits.Ratio))
	if err := inspect(z, limits, most, size); err != nil {
		return err
	}
	for _, f := range z.File {
		if err := extract(f, into); err != nil {
			return fmt.Errorf("unzip %.80q: %w", f.Name, err)
		}
	}
	return nil
}

// open reads the archive's directory.
func open(r io.ReaderAt, size int64, limits Limits) (*zip.Reader, error) {
	directory := &directoryReader{r: r, left: limits.Entries + unlisted, counts: true}
	z, err := zip.NewReader(directory, size)
	directory.counts = false
	switch {
	case errors.Is(err, errCrowded):
		return nil, tooMany(limits)
	case errors.Is(err, zip.ErrFormat), errors.Is(err, zip.ErrAlgorithm), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return nil, refuse("it is no zip file, or a damaged one")
	case err != nil && !errors.Is(err, zip.ErrInsecurePath): // inspect says it better
		return nil, err
	}
	return z, nil
}

// directoryReader fails when more entries were read than are allowed: a directory of millions would fill the memory before anybody could count it.
type directoryReader struct {
	r      io.ReaderAt
	left   int
	counts bool // until the directory was read: files may hold anything
}

var (
	errCrowded = errors.New("too many entries")
	entryMark  = []byte("PK\x01\x02")
)

// unlisted is how many marks may be seen that are none of the directory's, when its end is looked for: in 66 KiB, each of 46 bytes.
const unlisted = 1500

// ReadAt implements io.ReaderAt.
func (d *directoryReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.r.ReadAt(p, off)
	if !d.counts {
		return n, err
	}
	if d.left -= bytes.Count(p[:n], entryMark); d.left < 0 {
		return 0, errCrowded
	}
	return n, err
}

func tooMany(limits Limits) error { return refuse("it has more than %d entries", limits.Entries) }

// inspect refuses what can be refused before anything is written.
func inspect(z *zip.Reader, limits Limits, most, size int64) error {
	if len(z.File) > limits.Entries {
		return tooMany(limits)
	}
	seen := make(map[string]bool, len(z.File)) // whether it is a directory
	total := uint64(0)
	for _, f := range z.File {
		if err := inspectEntry(f, seen); err != nil {
			return err
		}
		if f.UncompressedSize64 > uint64(most) || total+f.UncompressedSize64 > uint64(most) {
			return bomb(most, size)
		}
		total += f.UncompressedSize64
	}
	return nil
}

func inspectEntry(f *zip.File, seen map[string]bool) error {
	name, isDir := strings.CutSuffix(f.Name, "/")
	if err := checkName(name); err != nil {
		return err
	}
	mode := f.Mode()
	switch {
	case mode.Type() != 0 && !mode.IsDir():
		return refuse("%.80q is %s: only files and directories are unpacked", f.Name, kindOf(mode.Type()))
	case f.Flags&encrypted != 0:
		return refuse("%.80q is encrypted", f.Name)
	case isDir && f.UncompressedSize64 > 0:
		return refuse("%.80q is a directory with bytes of its own", f.Name)
	}
	for p := name; p != "."; p = path.Dir(p) {
		dir := isDir || p != name
		was, ok := seen[p]
		if ok && (p == name && !dir || was != dir) {
			return refuse("%.80q is in it twice", p)
		}
		seen[p] = dir
		if ok && p != name {
			break // and so are those above it
		}
	}
	return nil
}

// encrypted is the flag of an entry that needs a password.
const encrypted = 1

func bomb(most, size int64) error {
	return refuse("its files have more than %d bytes, which an archive of %d bytes may not grow to", most, size)
}

// extract writes one entry. Its reader fails when there is more than the entry says, which inspect has seen to fit.
func extract(f *zip.File, into *os.Root) (err error) {
	name, isDir := strings.CutSuffix(f.Name, "/")
	if isDir {
		return into.MkdirAll(name, 0o755)
	}
	if err := into.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	r, err := f.Open()
	if err != nil {
		return damaged(err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	out, err := into.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, r) //nolint:gosec // inspect has bounded what all entries may have
	return errors.Join(damaged(err), out.Close())
}

// damaged marks what is the archive's fault.
func damaged(err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.As(err, &corrupt), errors.Is(err, zip.ErrFormat), errors.Is(err, zip.ErrAlgorithm), errors.Is(err, zip.ErrChecksum), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("it is damaged: %w: %w", err, ErrRefused)
	}
	return err
}
