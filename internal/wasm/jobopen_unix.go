//go:build unix

package wasm

import (
	"io/fs"
	"os"

	esys "github.com/tetratelabs/wazero/experimental/sys"
	"github.com/tetratelabs/wazero/sys"
	"golang.org/x/sys/unix"
)

// OpenFile opens a regular file or a directory below the job's directory.
func (f *jobFS) OpenFile(p string, flag esys.Oflag, _ fs.FileMode) (esys.File, esys.Errno) {
	if !f.quota.openFile() {
		return nil, esys.EIO
	}
	file, number := f.openFile(relative(p), flag)
	if number != 0 {
		f.quota.files++
		return nil, number
	}
	return file, 0
}

func (f *jobFS) openFile(p string, flag esys.Oflag) (*jobFile, esys.Errno) {
	fresh := flag&esys.O_CREAT != 0 && !f.exists(p)
	if fresh && !f.quota.addEntry() {
		return nil, esys.EIO
	}
	h, number := f.openHandle(p, flag)
	if number != 0 {
		if fresh {
			f.quota.entries++
		}
		return nil, number
	}
	file, number := f.admit(h, p, flag)
	if number != 0 {
		_ = h.Close()
		return nil, number
	}
	return file, 0
}

func (f *jobFS) exists(p string) bool {
	_, err := f.root.Stat(p)
	return err == nil
}

// openHandle never blocks, as a FIFO would, and never truncates: that is done where bytes are counted.
func (f *jobFS) openHandle(p string, flag esys.Oflag) (*os.File, esys.Errno) {
	flags := openFlags(flag) | unix.O_NONBLOCK | unix.O_CLOEXEC
	if flag&esys.O_NOFOLLOW == 0 || p == "." {
		h, err := f.root.OpenFile(p, flags, 0o600)
		return h, errno(err)
	}
	var h *os.File
	number := f.at(p, func(dir int, name string) error {
		fd, err := unix.Openat(dir, name, flags|unix.O_NOFOLLOW, 0o600)
		if err == nil {
			h = os.NewFile(uintptr(fd), p)
		}
		return err
	})
	return h, number
}

func openFlags(flag esys.Oflag) int {
	flags := os.O_RDONLY
	switch {
	case flag&esys.O_RDWR != 0:
		flags = os.O_RDWR
	case flag&esys.O_WRONLY != 0:
		flags = os.O_WRONLY
	}
	for _, f := range [...]struct {
		guest esys.Oflag
		host  int
	}{
		{esys.O_APPEND, os.O_APPEND},
		{esys.O_CREAT, os.O_CREATE},
		{esys.O_EXCL, os.O_EXCL},
		{esys.O_SYNC, unix.O_SYNC},
		{esys.O_DSYNC, unix.O_SYNC},
		{esys.O_DIRECTORY, unix.O_DIRECTORY},
	} {
		if flag&f.guest != 0 {
			flags |= f.host
		}
	}
	return flags
}

// admit looks at what was opened before the guest does.
func (f *jobFS) admit(h *os.File, p string, flag esys.Oflag) (*jobFile, esys.Errno) {
	st, err := h.Stat()
	if err != nil {
		return nil, errno(err)
	}
	writes := flag&(esys.O_RDWR|esys.O_WRONLY) != 0
	switch {
	case st.IsDir() && writes:
		return nil, esys.EISDIR
	case !st.IsDir() && !st.Mode().IsRegular():
		return nil, esys.EPERM
	}
	s := sys.NewStat_t(st)
	file := &jobFile{
		fs: f, f: h, name: p, id: inode{s.Dev, s.Ino}, dir: st.IsDir(),
		appends: flag&esys.O_APPEND != 0, reads: flag&esys.O_WRONLY == 0, writes: writes,
	}
	if flag&esys.O_TRUNC != 0 && writes && st.Size() > 0 {
		if number := file.Truncate(0); number != 0 {
			return nil, number
		}
	}
	f.uses[file.id]++
	f.open[file] = struct{}{}
	return file, 0
}
