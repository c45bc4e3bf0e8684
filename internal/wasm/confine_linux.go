package wasm

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// confine gives up what a worker has no use for.
func confine(s workerSettings) error {
	closeInherited()
	if err := os.Chdir("/"); err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	limits := map[int]int64{unix.RLIMIT_CORE: 0, unix.RLIMIT_NOFILE: s.openFiles}
	if !raceEnabled { // the race detector maps more than any machine has
		limits[unix.RLIMIT_DATA] = s.dataBytes
	}
	for resource, limit := range limits {
		if err := lower(resource, uint64(limit)); err != nil {
			return fmt.Errorf("worker: limit %d to %d: %w", resource, limit, err)
		}
	}
	// A machine short of memory is to take it from the guest, not from the node. Where this is refused, it chooses by size.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
	stepBack()
	// The kernel may share the processor between sessions first, and a worker has its own.
	_ = os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(niceness)), 0)
	return nil
}

// lower sets a resource limit, or leaves it where it is lower already.
func lower(resource int, limit uint64) error {
	var have syscall.Rlimit
	if err := syscall.Getrlimit(resource, &have); err != nil {
		return err
	}
	limit = min(limit, have.Max)
	return syscall.Setrlimit(resource, &syscall.Rlimit{Cur: limit, Max: limit})
}

// closeInherited closes what the node itself inherited from whoever started it, and so passed on. The Go runtime's own
// descriptors, which poll, stay.
func closeInherited() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return // no /proc: Go's own descriptors are closed on exec in any case
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= fdLifeline {
			continue
		}
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && !strings.HasPrefix(target, "anon_inode:") {
			_ = unix.Close(fd) // the one of ReadDir is gone already
		}
	}
}

// sandboxed are the attributes of a worker process: a session of its own, and no life after the node's.
func sandboxed() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

// selfExe names this binary in a way that survives its replacement on disk.
func selfExe() (string, error) { return "/proc/self/exe", nil }
