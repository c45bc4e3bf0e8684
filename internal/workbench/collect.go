package workbench

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/urbancompute/ucp/internal/archive"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

// The bounds of what a result lists, so that it fits into a frame, and of what is zipped into one thing. How many bytes there are the job's limit says.
const (
	maxListed      = 1024
	maxListedBytes = 64 << 10 // of their names
	maxZipped      = 1 << 16
)

// collection is the taking of outputs: what was asked for and cannot be had is noted, and the others are kept.
type collection struct {
	*attempt
	root   *os.Root
	result *job.Result
	files  int
	names  int
	bytes  int64
}

// collect takes what the job left. The errors are of this executor and not of the job.
func (a *attempt) collect(r *job.Result, stdout, stderr *spool) error {
	if a.dir == "" {
		return nil
	}
	root, err := os.OpenRoot(a.dir)
	if err != nil {
		return fmt.Errorf("the job's directory: %w", err)
	}
	defer root.Close() //nolint:errcheck // opened for reading
	c := collection{attempt: a, root: root, result: r}
	c.copyStream(a.Spec.StdoutFile, stdout, r.Truncated.Stdout)
	c.copyStream(a.Spec.StderrFile, stderr, r.Truncated.Stderr)
	for _, name := range a.Spec.Outputs {
		if err := c.output(name); err != nil {
			return fmt.Errorf("output %s: %w", name, err)
		}
	}
	for _, n := range a.Spec.Results {
		if err := c.named(n); err != nil {
			return fmt.Errorf("named result %s: %w", n.Name, err)
		}
	}
	return nil
}

// copyStream puts a copy of what the program wrote where its outputs are, in place of what may be there. A part of it would be taken for all of it, so
// there is none then.
func (c *collection) copyStream(to string, s *spool, truncated bool) {
	if to == "" {
		return
	}
	if err := c.writeStream(to, s, truncated); err != nil {
		c.missing(fmt.Sprintf("output %q: %v", to, err))
	}
}

func (c *collection) writeStream(to string, s *spool, truncated bool) error {
	r, err := s.reader()
	if err != nil {
		return err
	}
	if err := c.root.Remove(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if truncated {
		return fmt.Errorf("the program printed more than the %d bytes that are kept", s.size)
	}
	f, err := place(c.root, to)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// missing notes something that was asked for and is not there.
func (c *collection) missing(why string) { c.result.Missing = append(c.result.Missing, why) }

// output takes a file, or all files of a directory.
func (c *collection) output(name string) error {
	found, err := c.find(name)
	if err != nil {
		return c.note(err)
	}
	for _, o := range found {
		b, err := c.keepFile(o.Name)
		if err != nil {
			return err
		}
		at := o.Name
		if len(found) == 1 && path.Clean(name) == o.Name {
			at = name
		}
		c.result.Outputs = append(c.result.Outputs, job.File{Path: at, Blob: b})
	}
	return nil
}

// note takes down what is the job's own doing, and returns what is not.
func (c *collection) note(err error) error {
	if _, own := errors.AsType[*wasm.OutputError](err); own {
		c.missing(err.Error())
		return nil
	}
	return err
}

// find lists the files at a name, if the result has room for them.
func (c *collection) find(name string) ([]wasm.Output, error) {
	found, err := wasm.CollectUpTo(c.root, maxListed-c.files, name)
	if err != nil {
		return nil, err
	}
	names := 0
	for _, o := range found {
		names += len(o.Name)
	}
	if c.names+names > maxListedBytes {
		return nil, &wasm.OutputError{Name: name, Reason: "the names of all files are too long together: have them zipped, as a named result"}
	}
	if err := c.fits(name, found); err != nil {
		return nil, err
	}
	c.files, c.names = c.files+len(found), c.names+names
	return found, nil
}

// fits says whether files are within the limit of what the job may leave, and counts them.
func (c *collection) fits(name string, found []wasm.Output) error {
	size := int64(0)
	for _, o := range found {
		size += o.Size
	}
	if limit := c.outputLimit(); c.bytes+size > limit {
		return &wasm.OutputError{Name: name, Reason: fmt.Sprintf("all outputs have more than the %d bytes that a job may leave", limit)}
	}
	c.bytes += size
	return nil
}

func (c *collection) keepFile(name string) (job.Blob, error) {
	f, err := wasm.OpenOutput(c.root, name)
	if err != nil {
		return job.Blob{}, err
	}
	b, err := c.keepOpen(f)
	return b, errors.Join(err, f.Close())
}

func (c *collection) keepOpen(f *os.File) (job.Blob, error) {
	info, err := f.Stat()
	if err != nil {
		return job.Blob{}, err
	}
	return c.keep(f, info.Size())
}

// named takes a named result. Others may wait for it: a job that ended well and did not write it has failed.
func (c *collection) named(n job.NamedResult) error {
	err := c.nameOne(n)
	own, _ := errors.AsType[*wasm.OutputError](err)
	if own == nil && !errors.Is(err, archive.ErrRefused) {
		return err
	}
	why := fmt.Sprintf("named result %s: %v", n.Name, err)
	switch {
	case own != nil && own.Reason == wasm.NotWritten:
		why = fmt.Sprintf("named result %s: the job did not write %s", n.Name, n.Path)
	case own != nil:
		why = fmt.Sprintf("named result %s: %s: %s", n.Name, own.Name, own.Reason)
	}
	c.missing(why)
	if c.result.Success() {
		c.result.Kind, c.result.Message = job.Incomplete, why
	}
	return nil
}

func (c *collection) nameOne(n job.NamedResult) error {
	if dir, many := strings.CutSuffix(n.Path, "/*"); many {
		return c.nameAll(dir, strings.TrimSuffix(n.Name, "*"))
	}
	info, err := c.root.Lstat(path.Clean(n.Path))
	if err == nil && info.IsDir() {
		return c.zip(n)
	}
	found, err := c.find(n.Path)
	if err != nil {
		return err
	}
	b, err := c.keepFile(found[0].Name)
	if err == nil {
		c.result.Named = append(c.result.Named, job.NamedFile{Name: n.Name, Blob: b})
	}
	return err
}

// nameAll names every file in or below a directory.
func (c *collection) nameAll(dir, prefix string) error {
	found, err := c.find(dir)
	if err != nil {
		return err
	}
	clean := path.Clean(dir)
	for _, o := range found {
		if o.Name == clean {
			return &wasm.OutputError{Name: dir, Reason: "it is not a directory"}
		}
		name := prefix + strings.TrimPrefix(o.Name, clean+"/")
		if err := job.ValidDataName(name); err != nil {
			return &wasm.OutputError{Name: o.Name, Reason: err.Error()}
		}
	}
	for _, o := range found {
		b, err := c.keepFile(o.Name)
		if err != nil {
			return err
		}
		c.result.Named = append(c.result.Named, job.NamedFile{Name: prefix + strings.TrimPrefix(o.Name, clean+"/"), Blob: b})
	}
	return nil
}

// zip keeps a directory as one thing.
func (c *collection) zip(n job.NamedResult) error {
	found, err := wasm.CollectUpTo(c.root, maxZipped, n.Path)
	if err != nil {
		return err
	}
	if err := c.fits(n.Path, found); err != nil {
		return err
	}
	dir, err := c.root.OpenRoot(path.Clean(n.Path)) // no part of it is a link: it was found without following any
	if err != nil {
		return err
	}
	defer dir.Close() //nolint:errcheck // opened for reading
	s := &spool{dir: c.bench.cfg.Dir}
	defer s.close()
	if err := errors.Join(archive.Zip(s, unlinked{dir.FS()}), s.err); err != nil {
		return err
	}
	var b job.Blob
	if err := c.keepStream(&b, s); err != nil {
		return err
	}
	c.result.Named = append(c.result.Named, job.NamedFile{Name: n.Name, Blob: b, Zip: true})
	return nil
}

// unlinked is a tree without what is neither file nor directory: links are not followed, and not kept.
type unlinked struct{ fs.FS }

// ReadDir implements fs.ReadDirFS.
func (u unlinked) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(u.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.IsDir() && !e.Type().IsRegular() }), err
}
