//go:build unix

package wasm

import (
	"os"

	"golang.org/x/sys/unix"
)

// pollReadable waits until f has bytes or its end, for so many milliseconds, below 0 without end.
func pollReadable(f *os.File, timeoutMillis int32) bool {
	fds := []unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLIN}} //nolint:gosec // a descriptor is small
	for {
		n, err := unix.Poll(fds, int(timeoutMillis))
		if err != unix.EINTR {
			return n > 0
		}
	}
}
