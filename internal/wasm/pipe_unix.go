//go:build unix

package wasm

import (
	"os"
	"syscall"
)

func newPipe() (pipe, error) {
	var fds [2]int
	syscall.ForkLock.RLock() // no fork may come between making the pipe and marking it
	defer syscall.ForkLock.RUnlock()
	if err := syscall.Pipe(fds[:]); err != nil {
		return pipe{}, os.NewSyscallError("pipe", err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	return pipe{r: os.NewFile(uintptr(fds[0]), "pipe"), w: os.NewFile(uintptr(fds[1]), "pipe")}, nil
}

// polled returns f as a file whose readers wait in Go's poller. A read that blocks in the system would keep its processor from everybody
// else in the node until the runtime takes it away, which costs others a hundred times what the poller costs this reader.
func polled(f *os.File) (*os.File, error) {
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("nonblock", err)
	}
	return os.NewFile(uintptr(fd), "pipe"), f.Close()
}
