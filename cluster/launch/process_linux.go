package launch

import "syscall"

// ownSession keeps a terminal's signals from the node, since its launch ends it in order, and has the kernel kill it should the
// launch be killed.
func ownSession() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}
