//go:build !linux

package launch

import "syscall"

// ownSession keeps a terminal's signals from the node, since its launch ends it in order. Should the launch be killed, the
// node's standard input ends, and the node with it.
func ownSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
