package launch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// HeldError says that another process holds what was to be held.
type HeldError struct {
	Path string // of the file that says so
	PID  int    // of the holder; 0 if it had not said yet
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%s is locked by another process", e.Path)
	}
	return fmt.Sprintf("%s is locked by process %d", e.Path, e.PID)
}

// Hold is a file that carries the id of this process and is locked by it. The kernel gives the lock back when the process
// ends, however it ends, so a file that a crash left behind holds nothing.
type Hold struct {
	file *os.File
}

// Take holds the file at path for this process, or returns a [*HeldError]. It makes missing directories.
func Take(path string) (*Hold, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("hold %s: %w", path, err)
	}
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("hold %s: %w", path, err)
		}
		hold, err := take(file)
		if hold != nil {
			return hold, nil
		}
		_ = file.Close() // nothing was written
		if err != nil {
			return nil, err
		}
	}
}

// take locks file and writes our id into it. It returns nothing when the file's last holder removed it in between.
func take(file *os.File) (*Hold, error) {
	held, err := lock(file)
	if held {
		return nil, &HeldError{Path: file.Name(), PID: holderIn(file)}
	}
	if err == nil && !isAt(file, file.Name()) {
		return nil, nil
	}
	if err == nil {
		err = sign(file)
	}
	if err != nil {
		return nil, fmt.Errorf("hold %s: %w", file.Name(), err)
	}
	return &Hold{file}, nil
}

// lock reports whether another process has the lock, and otherwise takes it.
func lock(file *os.File) (held bool, err error) {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return true, nil
		default:
			return false, err
		}
	}
}

// isAt reports whether file is still the one at path.
func isAt(file *os.File, path string) bool {
	opened, errOpened := file.Stat()
	named, errNamed := os.Stat(path)
	return errOpened == nil && errNamed == nil && os.SameFile(opened, named)
}

func sign(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

// Release removes the file and gives it up.
func (h *Hold) Release() error {
	err := os.Remove(h.file.Name())
	if errors.Is(err, fs.ErrNotExist) { // somebody removed the directory around us
		err = nil
	}
	unlock := unix.Flock(int(h.file.Fd()), unix.LOCK_UN)
	return errors.Join(err, unlock, h.file.Close())
}

// Holder returns the id of the process that holds the file at path, 0 if it has not said yet. held is false when nobody does,
// and then the file is gone.
func Holder(path string) (pid int, held bool, err error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	hold, err := Take(path)
	var other *HeldError
	switch {
	case errors.As(err, &other):
		return other.PID, true, nil
	case err != nil:
		return 0, false, err
	}
	return 0, false, hold.Release()
}

// holderIn reads the process id in file, 0 if there is none.
func holderIn(file *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(file, 0, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 1 {
		return 0
	}
	return pid
}
