package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// apart keeps Ctrl-C of a terminal from a process, since the demo ends it in order, and has the kernel end it with the
// thread that started it.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// adoptOrphans makes every process below this one, whose parent dies, a child of this one: none can get lost.
func adoptOrphans() {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // every Linux has it
}

// process is a line of the system's list of processes.
type process struct {
	pid, parent int
	state       byte // R runs or wants to, S sleeps, Z is dead, …
}

// processes lists all processes of this machine.
func processes() []process {
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is fine
	var all []process
	for _, file := range files {
		if state, parent, ok := readStat(file); ok {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file))) // the pattern says so
			all = append(all, process{pid, parent, state})
		}
	}
	return all
}

// readStat reads the state and the parent of a process or thread; see proc(5). It is not ok when that has ended.
func readStat(file string) (state byte, parent int, ok bool) {
	text := readFile(file)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0, 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return fields[0][0], parent, err == nil
}

// below returns the living processes that pid started, or what these started.
func below(pid int, all []process) []int {
	var found []int
	for _, p := range all {
		if p.parent != pid {
			continue
		}
		if p.state != 'Z' && p.state != 'X' {
			found = append(found, p.pid)
		}
		found = append(found, below(p.pid, all)...)
	}
	return found
}

// leftovers returns the processes below this one that run program.
func leftovers(program string) []int {
	return slices.DeleteFunc(below(os.Getpid(), processes()), func(pid int) bool {
		exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
		return err != nil || strings.TrimSuffix(exe, " (deleted)") != program
	})
}

// resting says that no thread of the processes below pid runs or wants to.
func resting(pid int) bool {
	for _, child := range below(pid, processes()) {
		threads, _ := filepath.Glob(filepath.Join("/proc", strconv.Itoa(child), "task/*/stat")) // the pattern is fine
		for _, thread := range threads {
			if state, _, ok := readStat(thread); ok && state != 'S' {
				return false
			}
		}
	}
	return true
}
