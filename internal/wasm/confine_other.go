//go:build unix && !linux

package wasm

import (
	"fmt"
	"os"
	"syscall"
)

// confine gives up what a worker has no use for. Without Linux's limits on data a guest is held by its own limits alone.
func confine(workerSettings) error {
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("worker: limit core files: %w", err)
	}
	stepBack()
	return nil
}

// sandboxed are the attributes of a worker process: a session of its own. Its lifeline ends it with the node.
func sandboxed() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

func selfExe() (string, error) { return os.Executable() }
