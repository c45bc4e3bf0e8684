package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
)

// naming returns the processes whose command line says text, as directories of /proc, by their ids.
func naming(text string) map[string]string {
	found := map[string]string{}
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is fine
	for _, dir := range dirs {
		if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && bytes.Contains(line, []byte(text)) {
			found[filepath.Base(dir)] = dir
		}
	}
	return found
}

// stat returns the state and the parent of a process; see proc(5). There is none when it has ended.
func stat(dir string) (state, parent string) {
	text, _ := os.ReadFile(filepath.Join(dir, "stat"))
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 {
		return "", ""
	}
	return fields[0], fields[1]
}

// family returns the processes whose command line says text, and their children, that have not ended.
func family(text string) (all []string) {
	parents := naming(text)
	for id, dir := range naming("") {
		state, parent := stat(dir)
		if (parents[id] != "" || parents[parent] != "") && state != "" && state != "Z" {
			all = append(all, dir)
		}
	}
	return all
}

var _ = Describe("ucp bench loss at Ctrl-C", Label("real"), func() {
	It("says that it was interrupted, and leaves no process and no directory behind, also while a node is frozen", func(ctx SpecContext) {
		u := somebody()
		tmp := filepath.Join(u.dir, "tmp")
		Expect(os.Mkdir(tmp, 0o700)).To(Succeed())
		cmd := u.command(ctx, "bench", "loss", "--kind", "freeze")
		errs := gbytes.NewBuffer()
		cmd.Env, cmd.Stderr = append(cmd.Env, "TMPDIR="+tmp), errs
		Expect(cmd.Start()).To(Succeed())
		Eventually(ctx, func() (states []string) {
			for _, dir := range naming(tmp) {
				state, _ := stat(dir)
				states = append(states, state)
			}
			return states
		}).Should(And(HaveLen(3), ContainElement("T")), "one of three nodes is frozen")
		left := family(tmp)
		Expect(len(left)).To(And(BeNumerically(">=", 5), BeNumerically("<=", 7)), "a broker, two executors with a worker each, and perhaps a spare one")
		Expect(cmd.Process.Signal(syscall.SIGINT)).To(Succeed())
		Expect(cmd.Wait()).To(MatchError("exit status 1"))
		Expect(string(errs.Contents())).To(oneSentence("interrupted before the measurement was complete"))
		Expect(os.ReadDir(tmp)).To(BeEmpty())
		Eventually(ctx, func() (alive []string) {
			for _, dir := range left {
				if state, _ := stat(dir); state != "" && state != "Z" {
					alive = append(alive, dir)
				}
			}
			return alive
		}).Should(BeEmpty())
	}, SpecTimeout(soon))
})
