//go:build unix

package wasm

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	esys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
	"golang.org/x/sys/unix"
)

// jobFS shows a guest the job's directory as its whole world.
//
// Paths are resolved by os.Root, which walks them with descriptors and refuses what leads out, symbolic links included. What
// acts on a name rather than on what it leads to (rename, unlink, link, …) happens with *at calls on the descriptor of the parent
// directory that os.Root found, and those follow no last link. FIFOs, sockets and devices cannot be opened.
type jobFS struct {
	esys.UnimplementedFS
	root  *os.Root
	quota *quota
	open  map[*jobFile]struct{}
	uses  map[inode]int // of those, by file
}

type inode struct{ dev, ino uint64 }

func openJobFS(dir string, l Limits) (*jobFS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &jobFS{root: root, quota: newQuota(l), open: make(map[*jobFile]struct{}), uses: make(map[inode]int)}, nil
}

// close closes the directory and what the guest left open.
func (f *jobFS) close() {
	for file := range f.open {
		_ = file.Close() // what it wrote is written
	}
	_ = f.root.Close() // a directory opened for reading
}

// relative makes a guest's path one of os.Root's: "a/b", "." for the top.
func relative(p string) string {
	if p = strings.TrimLeft(path.Clean("/"+p), "/"); p != "" {
		return p
	}
	return "."
}

// errno translates err for the guest. What leads out of the directory is forbidden rather than absent.
func errno(err error) esys.Errno {
	var known esys.Errno
	var number syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &known):
		return known
	case errors.As(err, &number):
		return esys.UnwrapOSError(number)
	case strings.Contains(err.Error(), "escapes from parent"): // os.Root exports no error for it
		return esys.EPERM
	case errors.Is(err, fs.ErrClosed):
		return esys.EBADF
	}
	return esys.UnwrapOSError(err)
}

// at calls do with the descriptor of p's parent directory and p's last name.
func (f *jobFS) at(p string, do func(dir int, name string) error) esys.Errno {
	p = relative(p)
	if p == "." {
		return esys.EPERM
	}
	parent, name := path.Split(p)
	dir, err := f.root.OpenFile(relative(parent), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return errno(err)
	}
	defer func() { _ = dir.Close() }()
	return errno(do(int(dir.Fd()), name))
}

// Stat follows links, within the directory.
func (f *jobFS) Stat(p string) (sys.Stat_t, esys.Errno) {
	st, err := f.root.Stat(relative(p))
	return stat(st, err)
}

// Lstat follows no last link.
func (f *jobFS) Lstat(p string) (sys.Stat_t, esys.Errno) {
	st, err := f.root.Lstat(relative(p))
	return stat(st, err)
}

func stat(st fs.FileInfo, err error) (sys.Stat_t, esys.Errno) {
	if err != nil {
		return sys.Stat_t{}, errno(err)
	}
	return sys.NewStat_t(st), 0
}

// Mkdir makes a directory that only the node's user enters, whatever the guest asks.
func (f *jobFS) Mkdir(p string, _ fs.FileMode) esys.Errno {
	return f.create(p, func(dir int, name string) error { return unix.Mkdirat(dir, name, 0o700) })
}

// create makes a name, if one may still be made.
func (f *jobFS) create(p string, do func(dir int, name string) error) esys.Errno {
	if !f.quota.addEntry() {
		return esys.EIO
	}
	number := f.at(p, do)
	if number != 0 {
		f.quota.entries++
	}
	return number
}

// Rename has the meaning of POSIX: an empty directory, or a file, is replaced.
func (f *jobFS) Rename(from, to string) esys.Errno {
	freed := f.freedBy(to)
	if same(f.root, from, to) {
		freed = 0
	}
	number := f.at(from, func(fromDir int, fromName string) error {
		inner := f.at(to, func(toDir int, toName string) error {
			return unix.Renameat(fromDir, fromName, toDir, toName)
		})
		return asError(inner)
	})
	if number == 0 {
		f.quota.grow(-freed)
	}
	return number
}

func same(root *os.Root, a, b string) bool {
	x, errX := root.Lstat(relative(a))
	y, errY := root.Lstat(relative(b))
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// asError carries an errno through a func that returns an error.
func asError(number esys.Errno) error {
	if number == 0 {
		return nil
	}
	return number
}

// freedBy returns the bytes given back when the name p goes.
func (f *jobFS) freedBy(p string) int64 {
	st, number := f.Lstat(p)
	if number != 0 || !st.Mode.IsRegular() || st.Nlink != 1 || f.uses[inode{st.Dev, st.Ino}] > 0 {
		return 0
	}
	return st.Size
}

// Unlink removes a file or link.
func (f *jobFS) Unlink(p string) esys.Errno {
	if strings.HasSuffix(p, "/") {
		return esys.ENOTDIR
	}
	freed := f.freedBy(p)
	number := f.at(p, func(dir int, name string) error { return unix.Unlinkat(dir, name, 0) })
	if number == 0 {
		f.quota.grow(-freed)
		f.quota.entries++
	}
	return number
}

// Rmdir removes an empty directory.
func (f *jobFS) Rmdir(p string) esys.Errno {
	number := f.at(p, func(dir int, name string) error { return unix.Unlinkat(dir, name, unix.AT_REMOVEDIR) })
	if number == 0 {
		f.quota.entries++
	}
	return number
}

// Link makes a hard link, of a symbolic link itself rather than of what it leads to.
func (f *jobFS) Link(from, to string) esys.Errno {
	return f.at(from, func(fromDir int, fromName string) error {
		return asError(f.create(to, func(toDir int, toName string) error {
			return unix.Linkat(fromDir, fromName, toDir, toName, 0)
		}))
	})
}

// Symlink refuses targets that lead out, so that nobody who looks at the directory later is led out either.
func (f *jobFS) Symlink(target, link string) esys.Errno {
	inside := path.Join(path.Dir(relative(link)), target)
	if path.IsAbs(target) || inside == ".." || strings.HasPrefix(inside, "../") {
		return esys.EPERM
	}
	return f.create(link, func(dir int, name string) error { return unix.Symlinkat(target, dir, name) })
}

// Readlink returns what a link says.
func (f *jobFS) Readlink(p string) (string, esys.Errno) {
	target, err := f.root.Readlink(relative(p))
	return target, errno(err)
}

// Utimens sets times in nanoseconds.
func (f *jobFS) Utimens(p string, atim, mtim int64) esys.Errno {
	return errno(f.root.Chtimes(relative(p), moment(atim), moment(mtim)))
}

// moment is zero, which leaves a time as it is, for UTIME_OMIT.
func moment(ns int64) time.Time {
	if ns == esys.UTIME_OMIT {
		return time.Time{}
	}
	return time.Unix(0, ns)
}
