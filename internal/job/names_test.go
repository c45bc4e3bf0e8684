package job_test

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/job"
)

var _ = Describe("The name of named data", Label("DATA-2"), func() {
	DescribeTable("is taken", func(name string) {
		Expect(job.ValidDataName(name)).To(Succeed())
		Expect(job.ValidDataPattern(name)).To(Succeed())
	},
		Entry("of one part", "north"),
		Entry("of several parts", "maps/2026/north.png"),
		Entry("with dots that lead nowhere", "a/..b/.c/d..."),
		Entry("in any script, with spaces", "карты/Δ 北"),
		Entry("of 1024 bytes", strings.Repeat("a", 1024)),
	)

	DescribeTable("is refused with a sentence", func(name, why string) {
		Expect(job.ValidDataName(name)).To(And(MatchError(ContainSubstring(why)), MatchError(job.ErrInvalid)))
		Expect(job.ValidDataPattern(name + "/*")).To(MatchError(job.ErrInvalid))
	},
		Entry("when it is empty", "", "at least one letter"),
		Entry("when it is absolute", "/etc/passwd", "begins without a /"),
		Entry("when it climbs", "a/../../b", ". or .."),
		Entry("when it is ..", "..", ". or .."),
		Entry("when it stands still", "a/./b", ". or .."),
		Entry("when a part is empty", "a//b", "may be empty"),
		Entry("when it ends in a slash", "a/", "may be empty"),
		Entry("with a backslash", `a\..\b`, "divided by /"),
		Entry("with a star", "a/*/b", "only at the end"),
		Entry("with a newline", "a\nb", "control characters"),
		Entry("with a zero byte", "a\x00b", "control characters"),
		Entry("with what turns the line round", "a\u202egpj.exe", "control characters"),
		Entry("with bytes that are no UTF-8", "a\xff", "not UTF-8"),
		Entry("when it is 4 KiB long", strings.Repeat("a/", 2047)+"ab", "has 4096 bytes"),
	)

	It("may end in a star where many are read, and nowhere else", func() {
		Expect(job.ValidDataPattern("a/b/*")).To(Succeed())
		Expect(job.ValidDataName("a/b/*")).To(MatchError(ContainSubstring("only at the end")))
		Expect(job.ValidDataPattern("*")).To(MatchError(job.ErrInvalid))
		Expect(job.ValidDataPattern("a*")).To(MatchError(job.ErrInvalid))
	})
})
