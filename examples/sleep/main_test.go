package main

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Sleep", func() {
	DescribeTable("reads", func(arg string, d time.Duration) {
		Expect(duration([]string{arg})).To(Equal(d))
	},
		Entry("seconds", "30", 30*time.Second),
		Entry("parts of a second", "0.25", 250*time.Millisecond),
		Entry("a duration", "1m30s", 90*time.Second),
		Entry("no time at all", "0", time.Duration(0)),
	)

	DescribeTable("refuses", func(args ...string) {
		_, err := duration(args)
		Expect(err).To(HaveOccurred())
	},
		Entry("no argument"),
		Entry("two", "1", "2"),
		Entry("what is no time", "long"),
	)
})
