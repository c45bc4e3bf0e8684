//go:build unix

package wasm

import (
	"errors"
	"fmt"
	"io/fs"
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

// OutputError says why something a job left behind, or should have, is not collected.
type OutputError struct{ Name, Reason string }

// Error returns the sentence.
func (e *OutputError) Error() string { return fmt.Sprintf("output %q: %s", e.Name, e.Reason) }

// Collect lists the regular files among names and, for directories, below them, each sorted by name. It follows no links: a
// symbolic link, FIFO or device that is named is an [*OutputError], one found below a directory is left out.
func Collect(root *os.Root, names ...string) ([]Output, error) {
	var list []Output
	for _, name := range names {
		f, err := openNoFollow(root, name)
		if err != nil {
			return nil, err
		}
		list, err = collect(list, f, path.Clean(name))
		_ = f.Close() // opened for reading
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// collect appends what is at name, which f has open.
func collect(list []Output, f *os.File, name string) ([]Output, error) {
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("output %q: %w", name, err)
	case st.Mode().IsRegular():
		return append(list, Output{Name: name, Size: st.Size()}), nil
	case !st.IsDir():
		return nil, &OutputError{name, "it is neither a file nor a directory"}
	}
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, fmt.Errorf("output %q: %w", name, err)
	}
	sortByName(entries)
	for _, e := range entries {
		if !e.IsDir() && !e.Type().IsRegular() {
			continue
		}
		below, err := openAt(f, e.Name())
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", path.Join(name, e.Name()), err)
		}
		list, err = collect(list, below, path.Join(name, e.Name()))
		_ = below.Close() // opened for reading
		if err != nil {
			return nil, err
		}
	}
	return list, nil
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
		return "the job did not write it"
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR):
		return "there is a link or a file on the way to it"
	}
	return err.Error()
}
