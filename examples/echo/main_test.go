package main

import (
	"errors"
	"strings"
	"testing/iotest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Echo", func() {
	DescribeTable("prints", func(printed string, args ...string) {
		var out strings.Builder
		Expect(echo(args, strings.NewReader("input\x00\n"), &out)).To(Succeed())
		Expect(out.String()).To(Equal(printed))
	},
		Entry("an empty line for nothing", "\n"),
		Entry("its arguments", "one two\n", "one", "two"),
		Entry("its input, byte for byte", "input\x00\n", "-"),
		Entry("a dash among others", "- -\n", "-", "-"),
	)

	It("says when its input breaks", func() {
		broken := errors.New("broken")
		Expect(echo([]string{"-"}, iotest.ErrReader(broken), &strings.Builder{})).To(MatchError(broken))
	})
})
