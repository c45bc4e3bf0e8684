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
