package lab

import "syscall"

// bound has the kernel kill the process should the lab's be killed.
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}
