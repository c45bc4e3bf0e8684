package cluster

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Memory that a burst of work left behind", func() {
	// after looks at a node that has allocated so many MiB each second, and says at which looks memory is given back.
	after := func(perSecond ...uint64) (times []int) {
		var t thrift
		total := uint64(0)
		for i, mib := range perSecond {
			total += mib << 20
			if t.due(total) {
				times = append(times, i)
			}
		}
		return times
	}

	DescribeTable("is given back once, when the node has come to rest",
		func(times []int, perSecond ...uint64) { Expect(after(perSecond...)).To(Equal(times)) },
		Entry("after the burst, not in it", []int{3}, uint64(50), uint64(50), uint64(50), uint64(1), uint64(1), uint64(1)),
		Entry("not for a little", nil, uint64(10), uint64(1), uint64(1)),
		Entry("again after another burst", []int{1, 3}, uint64(90), uint64(0), uint64(90), uint64(0)),
	)
})
