package link

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unheardTime is how long the other kernel may leave what was sent unconfirmed before the connection is given up. The kernel sends it again at
// pauses that double, so that a cable that was out for minutes would be noticed to be back only after as many more; a new connection is tried
// every few seconds. A peer that is stopped or busy is not given up: its kernel confirms.
const unheardTime = 10 * time.Second

// impatient makes a socket, or those that a listening one accepts, give up after [unheardTime].
func impatient(_, _ string, raw syscall.RawConn) error {
	var refused error
	err := raw.Control(func(fd uintptr) {
		refused = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unheardTime.Milliseconds()))
	})
	return errors.Join(err, refused)
}
