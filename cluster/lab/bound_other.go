//go:build !linux

package lab

import "syscall"

// bound keeps a terminal's signals from the process. Should the lab be killed, it goes on: there is no way to say otherwise here.
func bound() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
