package vclock_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/vclock"
)

var hybrids = rapid.Custom(func(t *rapid.T) vclock.Hybrid {
	return vclock.Hybrid{
		Wall:    rapid.Int64Range(0, 5).Draw(t, "wall"),
		Logical: rapid.SampledFrom([]uint32{0, 1, 2, 65534, 65535}).Draw(t, "logical"),
	}
})

var _ = Describe("Hybrid logical time", Label("CLK-2"), func() {
	DescribeTable("takes the next time",
		func(h vclock.Hybrid, wall int, want vclock.Hybrid) { Expect(h.Next(int64(wall))).To(Equal(want)) },
		Entry("from the wall clock when that has moved on", vclock.Hybrid{Wall: 5, Logical: 3}, 6, vclock.Hybrid{Wall: 6}),
		Entry("by counting within a millisecond", vclock.Hybrid{Wall: 5, Logical: 3}, 5, vclock.Hybrid{Wall: 5, Logical: 4}),
		Entry("by counting when the wall clock went back", vclock.Hybrid{Wall: 5}, 2, vclock.Hybrid{Wall: 5, Logical: 1}),
		Entry("in the next millisecond when one is used up",
			vclock.Hybrid{Wall: 5, Logical: 65535}, 5, vclock.Hybrid{Wall: 6}),
	)

	It("always moves on, and never behind the wall clock", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			h, wall := hybrids.Draw(t, "h"), rapid.Int64Range(0, 8).Draw(t, "wall")
			if next := h.Next(wall); next.Compare(h) <= 0 || next.Wall < wall || next.Pack() <= h.Pack() {
				t.Fatalf("%v after %v", next, h)
			}
		})
	})

	It("merges to the latest, in any order and however often", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			a, b, c := hybrids.Draw(t, "a"), hybrids.Draw(t, "b"), hybrids.Draw(t, "c")
			wall := rapid.Int64Range(0, 8).Draw(t, "wall")
			ab := a.Merge(b, wall)
			switch {
			case ab != b.Merge(a, wall), ab != ab.Merge(b, wall), ab.Merge(c, wall) != a.Merge(b.Merge(c, wall), wall):
				t.Fatal("the order matters")
			case ab.Compare(a) < 0 || ab.Compare(b) < 0 || ab.Wall < wall:
				t.Fatalf("%v lies behind", ab)
			case ab != a && ab != b && ab != vclock.Hybrid{Wall: wall}:
				t.Fatalf("%v comes from nowhere", ab)
			}
		})
	})

	It("fits into a word that sorts as it does", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			a, b := hybrids.Draw(t, "a"), hybrids.Draw(t, "b")
			if vclock.Unpack(a.Pack()) != a || (a.Pack() < b.Pack()) != (a.Compare(b) < 0) {
				t.Fatalf("%v packs to %x, %v to %x", a, a.Pack(), b, b.Pack())
			}
		})
	})

	It("takes a wall clock that is beyond bounds for the bound", func() {
		Expect(vclock.Hybrid{Wall: -1}.Pack()).To(BeZero())
		Expect(vclock.Unpack(vclock.Hybrid{Wall: 1 << 60}.Pack()).Wall).To(BeEquivalentTo(1<<48 - 1))
	})

	It("prints as a time that people read", func() {
		h := vclock.Hybrid{Wall: 1_767_366_245_678, Logical: 3}
		Expect(h.String()).To(Equal("2026-01-02T15:04:05.678Z+3"))
		Expect(h.Time().UnixMilli()).To(Equal(h.Wall))
	})
})
