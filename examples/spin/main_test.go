package main

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Spin", func() {
	spun := func(args ...string) (out, progress string) {
		GinkgoHelper()
		var o, p strings.Builder
		Expect(run(args, &o, &p)).To(Succeed())
		return o.String(), p.String()
	}

	It("ends with the same number always", func() {
		out, _ := spun("-count", "1000")
		Expect(out).To(Equal("1000 rounds: 56b663219f6e38f5\n"))
	})

	It("ends with the same number however often it shows progress", func() {
		for _, steps := range []string{"0", "1", "3", "7", "1000", "5000"} {
			out, _ := spun("-count", "1000", "-steps", steps)
			Expect(out).To(ContainSubstring("56b663219f6e38f5"), steps+" steps")
		}
	})

	It("shows how far it is", func() {
		_, progress := spun("-count", "1000", "-steps", "4")
		Expect(strings.Split(strings.TrimSpace(progress), "\n")).To(Equal([]string{
			"spin:  25% (250 of 1000)", "spin:  50% (500 of 1000)", "spin:  75% (750 of 1000)", "spin: 100% (1000 of 1000)",
		}))
	})

	It("takes work in seconds", func() {
		out, _ := spun("-seconds", "0.001")
		Expect(out).To(HavePrefix("500000 rounds"))
	})

	It("does nothing when asked for nothing", func() {
		out, _ := spun("-seconds", "-1")
		Expect(out).To(HavePrefix("0 rounds"))
	})

	It("shows its flags to whoever mistypes one", func() {
		var usage strings.Builder
		Expect(run([]string{"-secnods", "1"}, &usage, &usage)).NotTo(Succeed())
		Expect(usage.String()).To(ContainSubstring("-seconds"))
	})
})
