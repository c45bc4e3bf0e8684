//go:build unix

package wasm

import (
	"errors"
	"io"
	"os"

	esys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
	"golang.org/x/sys/unix"
)

// jobFile is a file or directory that a guest has open.
type jobFile struct {
	esys.UnimplementedFile
	fs      *jobFS
	f       *os.File
	name    string
	id      inode
	dir     bool
	appends bool
	reads   bool
	writes  bool
	closed  bool
}

func (f *jobFile) fd() int { return int(f.f.Fd()) }

// Dev returns the device.
func (f *jobFile) Dev() (uint64, esys.Errno) { return f.id.dev, 0 }

// Ino returns the inode.
func (f *jobFile) Ino() (sys.Inode, esys.Errno) { return f.id.ino, 0 }

// IsDir reports whether it is a directory.
func (f *jobFile) IsDir() (bool, esys.Errno) { return f.dir, 0 }

// IsAppend reports whether each write goes to the end.
func (f *jobFile) IsAppend() bool { return f.appends }

// SetAppend turns appending on or off.
func (f *jobFile) SetAppend(on bool) esys.Errno {
	flags, err := unix.FcntlInt(f.f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return errno(err)
	}
	flags &^= unix.O_APPEND
	if on {
		flags |= unix.O_APPEND
	}
	if _, err := unix.FcntlInt(f.f.Fd(), unix.F_SETFL, flags); err != nil {
		return errno(err)
	}
	f.appends = on
	return 0
}

// Stat returns the file's status.
func (f *jobFile) Stat() (sys.Stat_t, esys.Errno) {
	st, err := f.f.Stat()
	return stat(st, err)
}

// usable checks that a file may be used in a way.
func (f *jobFile) usable(allowed bool) esys.Errno {
	switch {
	case f.dir:
		return esys.EISDIR
	case !allowed:
		return esys.EBADF
	}
	return 0
}

// Read reads from the current offset.
func (f *jobFile) Read(b []byte) (int, esys.Errno) {
	if number := f.usable(f.reads); number != 0 {
		return 0, number
	}
	n, err := f.f.Read(b)
	return n, errno(notEOF(err))
}

// Pread reads from an offset.
func (f *jobFile) Pread(b []byte, off int64) (int, esys.Errno) {
	if number := f.usable(f.reads); number != 0 {
		return 0, number
	}
	if off < 0 {
		return 0, esys.EINVAL
	}
	n, err := f.f.ReadAt(b, off)
	return n, errno(notEOF(err))
}

func notEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// offset is an int64 by another name, so that vet does not take wazero's Seek for a misspelt io.Seeker.
type offset = int64

// Seek moves the offset of a file, or rewinds a directory.
func (f *jobFile) Seek(to offset, whence int) (int64, esys.Errno) {
	if whence < io.SeekStart || whence > io.SeekEnd || f.dir && (to != 0 || whence != io.SeekStart) {
		return 0, esys.EINVAL
	}
	n, err := f.f.Seek(to, whence)
	return n, errno(err)
}

// Readdir returns the next n entries of a directory, all that are left if n <= 0.
func (f *jobFile) Readdir(n int) ([]esys.Dirent, esys.Errno) {
	if !f.dir {
		return nil, esys.ENOTDIR
	}
	entries, err := f.f.ReadDir(n)
	if notEOF(err) != nil {
		return nil, errno(err)
	}
	list := make([]esys.Dirent, 0, len(entries))
	for _, e := range entries {
		var st unix.Stat_t
		if err := unix.Fstatat(f.fd(), e.Name(), &st, unix.AT_SYMLINK_NOFOLLOW); err == nil {
			list = append(list, esys.Dirent{Name: e.Name(), Ino: st.Ino, Type: e.Type()})
		}
	}
	return list, 0
}

// Write writes at the current offset, or at the end when appending.
func (f *jobFile) Write(b []byte) (int, esys.Errno) {
	if number := f.usable(f.writes); number != 0 {
		return 0, number
	}
	size, err := f.f.Seek(0, io.SeekCurrent)
	if f.appends || err != nil {
		size = -1
	}
	if number := f.reserve(size, len(b)); number != 0 {
		return 0, number
	}
	n, err := f.f.Write(b)
	return n, errno(err)
}

// Pwrite writes at an offset.
func (f *jobFile) Pwrite(b []byte, off int64) (int, esys.Errno) {
	if number := f.usable(f.writes); number != 0 {
		return 0, number
	}
	if off < 0 {
		return 0, esys.EINVAL
	}
	if number := f.reserve(off, len(b)); number != 0 {
		return 0, number
	}
	n, err := unix.Pwrite(f.fd(), b, off)
	return max(n, 0), errno(err)
}

// reserve counts what the file grows by when n bytes are written at off, below 0 at its end.
func (f *jobFile) reserve(off int64, n int) esys.Errno {
	st, err := f.f.Stat()
	if err != nil {
		return errno(err)
	}
	if off < 0 {
		off = st.Size()
	}
	if end := off + int64(n); end > st.Size() && !f.fs.quota.grow(end-st.Size()) {
		return esys.EIO
	}
	return 0
}

// Truncate makes the file size bytes long, with a hole if it was shorter.
func (f *jobFile) Truncate(size int64) esys.Errno {
	if number := f.usable(f.writes); number != 0 {
		return number
	}
	if size < 0 {
		return esys.EINVAL
	}
	st, err := f.f.Stat()
	if err != nil {
		return errno(err)
	}
	if !f.fs.quota.grow(size - st.Size()) {
		return esys.EIO
	}
	return errno(f.f.Truncate(size))
}

// Sync has nothing to do: what a job wrote matters once it is collected, and a machine that fails before that runs it again.
func (f *jobFile) Sync() esys.Errno { return 0 }

// Datasync has nothing to do either.
func (f *jobFile) Datasync() esys.Errno { return 0 }

// Utimens sets times in nanoseconds.
func (f *jobFile) Utimens(atim, mtim int64) esys.Errno {
	return f.fs.Utimens(f.name, atim, mtim)
}

// Close closes the file. It may be called again.
func (f *jobFile) Close() esys.Errno {
	if f.closed {
		return 0
	}
	f.closed = true
	f.fs.quota.files++
	delete(f.fs.open, f)
	if f.fs.uses[f.id]--; f.fs.uses[f.id] == 0 {
		delete(f.fs.uses, f.id)
	}
	return errno(f.f.Close())
}
