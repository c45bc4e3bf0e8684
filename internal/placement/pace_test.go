package placement

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The window of an executor", func() {
	after := func(took ...time.Duration) int {
		p := Pace{Slots: 2}
		for _, d := range took {
			p.Took(d)
		}
		return p.Window()
	}
	many := func(d time.Duration) []time.Duration {
		all := make([]time.Duration, 200)
		for i := range all {
			all[i] = d
		}
		return all
	}

	DescribeTable("is its slots, and a queue worth 4 ms of its programs",
		func(window int, took []time.Duration) { Expect(after(took...)).To(BeEquivalentTo(window)) },
		Entry("before it has run anything", 2, nil),
		Entry("when programs take a second", 2, many(time.Second)),
		Entry("when programs take a millisecond", 10, many(time.Millisecond)),
		Entry("bounded when programs take no time", 130, many(time.Microsecond)),
		Entry("shrunk at once by one long program", 2, append(many(time.Microsecond), time.Second)),
		Entry("hardly moved by a hiccup", 130, append(many(10*time.Microsecond), 3*time.Millisecond/4)),
	)
})
