//go:build unix

package wasm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Output is a regular file that a job left behind.
type Output struct {
	Name string // below the job directory, with slashes
	Size int64  // bytes
}

// Collect lists the regular files among names and, for directories, below them, each sorted by name. It follows no links: a
// symbolic link, FIFO or device that is named is an [*OutputError], one found below a directory is left out.
func Collect(root *os.Root, names ...string) ([]Output, error) {
	return CollectUpTo(root, math.MaxInt-1, names...)
}

// CollectUpTo is Collect for at most so many files: more, and directories that hold more of anything, are an [*OutputError].
func CollectUpTo(root *os.Root, most int, names ...string) ([]Output, error) {
	c := collector{most: most}
	for _, name := range names {
		f, err := openNoFollow(root, name)
		if err != nil {
			return nil, err
		}
		err = c.collect(f, path.Clean(name), 0)
		_ = f.Close() // opened for reading
		if err != nil {
			return nil, err
		}
	}
	return c.list, nil
}

// collector is what was found so far.
type collector struct {
	list []Output
	most int
}

// maxDepth bounds how deep directories are looked into: each level holds a file descriptor.
const maxDepth = 64

// collect appends what is at name, which f has open.
func (c *collector) collect(f *os.File, name string, depth int) error {
	st, err := f.Stat()
	switch {
	case err != nil:
		return fmt.Errorf("output %q: %w", name, err)
	case st.Mode().IsRegular() && len(c.list) >= c.most:
		return c.tooMany(name)
	case st.Mode().IsRegular():
		c.list = append(c.list, Output{Name: name, Size: st.Size()})
		return nil
	case !st.IsDir():
		return &OutputError{name, "it is neither a file nor a directory"}
	case depth == maxDepth:
		return &OutputError{name, fmt.Sprintf("it is more than %d directories deep", maxDepth)}
	}
	return c.below(f, name, depth)
}

func (c *collector) tooMany(name string) error {
	return &OutputError{name, fmt.Sprintf("there are more than %d files", c.most)}
}

// below goes through a directory.
func (c *collector) below(f *os.File, name string, depth int) error {
	entries, err := f.ReadDir(c.most + 1)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("output %q: %w", name, err)
	case len(entries) > c.most:
		return c.tooMany(name)
	}
	sortByName(entries)
	for _, e := range entries {
		if !e.IsDir() && !e.Type().IsRegular() {
			continue
		}
		below, err := openAt(f, e.Name())
		if err != nil {
			return fmt.Errorf("output %q: %w", path.Join(name, e.Name()), err)
		}
		err = c.collect(below, path.Join(name, e.Name()), depth+1)
		_ = below.Close() // opened for reading
		if err != nil {
			return err
		}
	}
	return nil
}

func sortByName(entries []fs.DirEntry) {
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
}

// OpenOutput opens a regular file that a job left below root, following no link on the way.
func OpenOutput(root *os.Root, name string) (*os.File, error) {
	f, err := openNoFollow(root, name)
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &OutputError{name, "it is not a regular file"}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// openNoFollow walks to name with one descriptor after the other.
func openNoFollow(root *os.Root, name string) (*os.File, error) {
	name = strings.TrimLeft(name, "/")
	if !filepath.IsLocal(name) {
		return nil, &OutputError{name, "the name leads out of the job directory"}
	}
	at, err := root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("output %q: %w", name, err)
	}
	for part := range strings.SplitSeq(path.Clean(name), "/") {
		next, err := openAt(at, part)
		_ = at.Close() // opened for reading
		if err != nil {
			return nil, &OutputError{name, reason(err)}
		}
		at = next
	}
	return at, nil
}

func openAt(dir *os.File, name string) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func reason(err error) string {
	switch {
	case errors.Is(err, unix.ENOENT):
		return NotWritten
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR):
		return "there is a link or a file on the way to it"
	}
	return err.Error()
}
