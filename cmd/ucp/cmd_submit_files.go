package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/plan"
)

// localFile is what a plan names on this machine.
type localFile struct {
	path  string   // on this machine
	files []string // of a directory: the regular files in it, relative to it with slashes; nil: it is a file itself
	dir   bool
	size  int64 // of all its files
}

// localFiles are those of a plan, by the path that is written there.
type localFiles map[string]*localFile

// size returns how many bytes all of them have.
func (l localFiles) size() int64 {
	var n int64
	for _, f := range l {
		n += f.size
	}
	return n
}

// findFiles looks for all files that a plan names, and says which of them cannot be used.
func findFiles(name string, p plan.Plan) (localFiles, []plan.Problem) {
	found := localFiles{}
	var problems []plan.Problem
	tell := func(l *plan.Local, format string, args ...any) {
		problem := plan.Problem{File: name, At: l.At, Text: fmt.Sprintf(format, args...)}
		if !slices.Contains(problems, problem) { // an array has it once for each of its jobs
			problems = append(problems, problem)
		}
	}
	base := filepath.Dir(name)
	for _, l := range p.Data {
		if found[l.Path] != nil {
			continue
		}
		f, err := findFile(base, l.Path)
		if err != nil {
			tell(l, "%q names the file %s, which cannot be read: %s", l.Name, l.Path, reason(err))
			continue
		}
		found[l.Path] = f
	}
	modules := map[string]bool{}
	for _, j := range p.Jobs {
		if l := j.Stdin; l != nil && found[l.Path] != nil && found[l.Path].dir {
			tell(l, "%q is the directory %s; a program can have a file as its standard input, no directory", l.Name, l.Path)
		}
		l := j.Module
		if l == nil || found[l.Path] == nil || modules[l.Path] {
			continue
		}
		modules[l.Path] = true
		if _, err := readModule(found[l.Path].path); err != nil {
			tell(l, "%s", err)
		}
	}
	return found, problems
}

// findFile looks at a file or directory. Links are followed to it, and not below it.
func findFile(base, name string) (*localFile, error) {
	f := &localFile{path: filepath.FromSlash(name)}
	if !filepath.IsAbs(f.path) {
		f.path = filepath.Join(base, f.path)
	}
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if f.dir = info.IsDir(); !f.dir {
		f.size = info.Size()
		if !info.Mode().IsRegular() {
			return nil, errors.New("it is neither a file nor a directory")
		}
		return f, readable(f.path)
	}
	return f, fs.WalkDir(os.DirFS(f.path), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s in it is neither a file nor a directory", name)
		}
		if err == nil {
			f.files, f.size = append(f.files, name), f.size+info.Size()
		}
		return err
	})
}

func readable(name string) error {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return err
	}
	return f.Close()
}

// known is what the network knows of a plan's files: their bytes by the path on this machine.
type known struct {
	files localFiles
	blobs map[string]client.Blob
}

// blob returns a plan's file, zero for a directory.
func (k known) blob(l *plan.Local) client.Blob { return k.blobs[k.files[l.Path].path] }

// place returns a file, or all files of a directory, for the job's directory.
func (k known) place(guest string, l *plan.Local) []client.File {
	f := k.files[l.Path]
	if !f.dir {
		return []client.File{{Path: guest, Blob: k.blobs[f.path]}}
	}
	var files []client.File
	for _, name := range f.files {
		files = append(files, client.File{Path: path.Join(guest, name), Blob: k.blobs[filepath.Join(f.path, filepath.FromSlash(name))]})
	}
	return files
}

// upload makes all files of a plan known to the network, and puts them under their names.
func (a *app) upload(ctx context.Context, c *client.Client, p plan.Plan, files localFiles) (known, error) {
	k := known{files, map[string]client.Blob{}}
	show := a.progressOf("uploading", files.size())
	defer show.end()
	for _, l := range p.Data {
		f := files[l.Path]
		paths := []string{f.path}
		if f.dir {
			paths = nil
			for _, name := range f.files {
				paths = append(paths, filepath.Join(f.path, filepath.FromSlash(name)))
			}
		}
		for _, path := range paths {
			if _, done := k.blobs[path]; done {
				continue
			}
			b, err := putFile(ctx, c, path, show)
			if err != nil {
				return k, fmt.Errorf("%s: %w", path, err)
			}
			k.blobs[path] = b
		}
	}
	return k, publishAll(ctx, c, p, k)
}

// putFile sends a file unless the network has it, and shows how far it is.
func putFile(ctx context.Context, c *client.Client, path string, show *progress) (b client.Blob, err error) {
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return b, reason(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return b, err
	}
	r := &sentFile{ReadSeeker: f, show: show, left: info.Size()}
	b, err = c.Put(ctx, r)
	show.move(r.left) // what the network has already
	return b, err
}

// sentFile moves a bar by what is sent of a file. It is read once before that, to be named by its hash.
type sentFile struct {
	io.ReadSeeker
	show    *progress
	sending bool
	left    int64
}

// Seek implements io.Seeker.
func (f *sentFile) Seek(offset int64, whence int) (int64, error) {
	f.sending = whence == io.SeekStart
	return f.ReadSeeker.Seek(offset, whence)
}

// Read implements io.Reader.
func (f *sentFile) Read(p []byte) (int, error) {
	n, err := f.ReadSeeker.Read(p)
	if moved := min(int64(n), f.left); f.sending {
		f.show.move(moved)
		f.left -= moved
	}
	return n, err
}
