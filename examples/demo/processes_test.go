//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Processes", func() {
	It("are found below the one that started them, and below these, unless they are dead", func() {
		all := []process{{2, 1, 'S'}, {3, 2, 'R'}, {4, 3, 'T'}, {5, 3, 'Z'}, {6, 1, 'S'}}
		Expect(below(2, all)).To(ConsistOf(3, 4))
		Expect(below(6, all)).To(BeEmpty())
	})

	It("are told by the system", func() {
		ours := func(p process) bool { return p.pid == os.Getpid() && p.parent == os.Getppid() }
		Expect(slices.ContainsFunc(processes(), ours)).To(BeTrue())
	})

	It("are read also when their name looks like the end of it", func() {
		file := filepath.Join(GinkgoT().TempDir(), "stat")
		Expect(os.WriteFile(file, []byte("77 (a) R 1) S 12 77 0\n"), 0o600)).To(Succeed())
		state, parent, ok := readStat(file)
		Expect(ok).To(BeTrue())
		Expect(string(state)).To(Equal("S"))
		Expect(parent).To(Equal(12))
		_, _, ok = readStat(file + " gone")
		Expect(ok).To(BeFalse())
	})
})
