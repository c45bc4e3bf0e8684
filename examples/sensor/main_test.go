package main

import (
	"os"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Sensor", func() {
	DescribeTable("finds the level of", func(report string, want level) {
		Expect(classify(report)).To(Equal(want))
	},
		Entry("a value below every step", "t s smoke 0.049", ok),
		Entry("a value exactly on a step", "t s smoke 0.05", low),
		Entry("a value between two steps", "t s temperature 50", medium),
		Entry("a high value", "t s water 1.2", high),
		Entry("a value above every step", "t s gas 1e9", critical),
		Entry("no end of it", "t s gas +Inf", critical),
		Entry("less than nothing", "t s temperature -40", ok),
	)

	DescribeTable("does not understand", func(report, sentence string) {
		_, err := classify(report)
		Expect(err).To(MatchError(ContainSubstring(sentence)))
	},
		Entry("half a report", "t s smoke", `not "t s smoke"`),
		Entry("a kind it does not know", "t s noise 1", `"noise"`),
		Entry("a value that is none", "t s smoke much", `"much"`),
		Entry("a value that is not a number", "t s smoke NaN", `"NaN"`),
	)

	// report runs the program.
	report := func(in string, args ...string) (out, notes string) {
		GinkgoHelper()
		var o, n strings.Builder
		Expect(run(args, strings.NewReader(in), &o, &n)).To(Succeed())
		return o.String(), n.String()
	}

	It("prints each report with its level, and a summary", func() {
		out, notes := report("t1 a smoke 0.9\n\nt2 b smoke 0\nwhat?\n")
		Expect(out).To(Equal("critical t1 a smoke 0.9\nok       t2 b smoke 0\n"))
		Expect(notes).To(Equal("line 4: want \"time sensor kind value\", not \"what?\"\n" +
			"1 critical, 0 high, 0 medium, 0 low, 1 ok, 1 not understood\n"))
	})

	It("prints only what is urgent enough", func() {
		alarms, err := os.ReadFile("alarms.txt")
		Expect(err).NotTo(HaveOccurred())
		out, notes := report(string(alarms), "-min", "critical")
		Expect(strings.Count(out, "\n")).To(Equal(4))
		Expect(notes).To(HavePrefix("4 critical, 5 high, 4 medium, 3 low, 4 ok, 0 not"))
	})

	It("refuses a level that is none, and names those there are", func() {
		err := run([]string{"-min", "urgent"}, strings.NewReader(""), GinkgoWriter, GinkgoWriter)
		Expect(err).To(MatchError(And(ContainSubstring(`"urgent"`), ContainSubstring("medium"))))
	})
})
