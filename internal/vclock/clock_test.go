package vclock_test

import (
	"slices"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/vclock"
)

var (
	b1   = vclock.Key{Node: "b1", Incarnation: 1}
	b1x2 = vclock.Key{Node: "b1", Incarnation: 2}
	b2   = vclock.Key{Node: "b2", Incarnation: 1}
)

var _ = Describe("A vector clock", Label("CLK-2"), func() {
	It("is empty and ready to use as its zero value", func() {
		var c vclock.Clock
		Expect(c.Len()).To(BeZero())
		Expect(c.Get(b1)).To(BeZero())
		Expect(c.Compare(vclock.Clock{})).To(Equal(vclock.Equal))
		Expect(c.Merge(c).Len()).To(BeZero())
		Expect(c.With(b1, 3).Get(b1)).To(BeEquivalentTo(3))
	})

	It("never goes back", func() {
		c := vclock.Clock{}.With(b1, 3)
		Expect(c.With(b1, 2).Get(b1)).To(BeEquivalentTo(3))
		Expect(c.With(b1, 0).Get(b1)).To(BeEquivalentTo(3))
		Expect(c.Merge(vclock.Clock{}.With(b1, 1)).Get(b1)).To(BeEquivalentTo(3))
	})

	It("has no entry for the zero key", func() {
		Expect(vclock.Clock{}.With(vclock.Key{}, 3).Len()).To(BeZero())
	})

	DescribeTable("compares two clocks",
		func(a, b vclock.Clock, want vclock.Order) {
			Expect(a.Compare(b)).To(Equal(want))
		},
		Entry("as equal when they know the same",
			vclock.Clock{}.With(b1, 1).With(b2, 2), vclock.Clock{}.With(b2, 2).With(b1, 1), vclock.Equal),
		Entry("as before when the second counts more",
			vclock.Clock{}.With(b1, 1), vclock.Clock{}.With(b1, 2), vclock.Before),
		Entry("as before when the second knows another node",
			vclock.Clock{}.With(b1, 1), vclock.Clock{}.With(b1, 1).With(b2, 1), vclock.Before),
		Entry("as after when the first knows more",
			vclock.Clock{}.With(b1, 2).With(b2, 1), vclock.Clock{}.With(b1, 2), vclock.After),
		Entry("as concurrent when each knows what the other does not",
			vclock.Clock{}.With(b1, 2).With(b2, 1), vclock.Clock{}.With(b1, 1).With(b2, 2), vclock.Concurrent),
		Entry("as concurrent when each knows a node of its own",
			vclock.Clock{}.With(b1, 1), vclock.Clock{}.With(b2, 1), vclock.Concurrent),
		Entry("as concurrent when they know different lives of one node",
			vclock.Clock{}.With(b1, 9), vclock.Clock{}.With(b1x2, 1), vclock.Concurrent),
	)

	DescribeTable("names the orders",
		func(o vclock.Order, name string) { Expect(o.String()).To(Equal(name)) },
		Entry(nil, vclock.Equal, "equal"), Entry(nil, vclock.Before, "before"),
		Entry(nil, vclock.After, "after"), Entry(nil, vclock.Concurrent, "concurrent"))

	It("yields its entries sorted, for as long as they are wanted", func() {
		c := vclock.Clock{}.With(b2, 7).With(b1x2, 4).With(b1, 3)
		var seen []vclock.Key
		for k := range c.All() {
			seen = append(seen, k)
		}
		Expect(seen).To(Equal([]vclock.Key{b1, b1x2, b2}))
		for k := range c.All() {
			Expect(k).To(Equal(b1))
			break
		}
	})

	DescribeTable("prints sorted",
		func(c vclock.Clock, want string) { Expect(c.String()).To(Equal(want)) },
		Entry("nothing", vclock.Clock{}, "{}"),
		Entry("counts by node", vclock.Clock{}.With(b2, 7).With(b1, 3), "{b1:3 b2:7}"),
		Entry("incarnations where a node has several", vclock.Clock{}.With(b2, 7).With(b1x2, 1).With(b1, 3),
			"{b1#1:3 b1#2:1 b2:7}"),
	)

	It("allocates nothing to compare, or to merge what it knows", func() {
		a, behind := manyNodes(64, 1), vclock.Clock{}
		for k := range a.All() {
			behind = behind.With(k, 1)
		}
		other := manyNodes(64, 2)
		accept := func(vclock.Key) bool { return false }
		Expect(testing.AllocsPerRun(100, func() {
			a.Compare(other)
			a.Compare(behind)
			a.Merge(behind)
			behind.Merge(a)
			a.MergeIf(other, accept)
			a.With(b1, 0)
			a.Without(b1)
		})).To(BeZero())
	})
})

var _ = Describe("A node that starts anew", Label("CLK-4"), func() {
	It("counts under a new key, beside its former lives", func() {
		c := vclock.Clock{}.With(b1, 9).With(b1x2, 1)
		Expect(c.Get(b1)).To(BeEquivalentTo(9))
		Expect(c.Get(b1x2)).To(BeEquivalentTo(1))
	})
})

var _ = Describe("Retiring nodes", Label("CLK-6"), func() {
	It("drops their entries and no others", func() {
		c := vclock.Clock{}.With(b1, 9).With(b1x2, 1).With(b2, 2)
		Expect(c.Without(b1, b2).String()).To(Equal("{b1:1}"))
		Expect(c.Len()).To(Equal(3))
		Expect(c.Without(vclock.Key{Node: "zz"}).Compare(c)).To(Equal(vclock.Equal))
	})
})

var _ = Describe("The laws of clocks", Label("CLK-2"), func() {
	law := func(sentence string, check func(t *rapid.T, a, b, c vclock.Clock)) {
		It(sentence, func() {
			rapid.Check(GinkgoT(), func(t *rapid.T) {
				check(t, clocks.Draw(t, "a"), clocks.Draw(t, "b"), clocks.Draw(t, "c"))
			})
		})
	}
	same := func(t *rapid.T, a, b vclock.Clock) {
		if a.Compare(b) != vclock.Equal || !slices.Equal(a.AppendBinary(nil), b.AppendBinary(nil)) {
			t.Fatalf("%v is not %v", a, b)
		}
	}
	notAfter := func(t *rapid.T, a, b vclock.Clock) {
		if order := a.Compare(b); order != vclock.Before && order != vclock.Equal {
			t.Fatalf("%v is %v %v", a, order, b)
		}
	}
	law("merge is commutative", func(t *rapid.T, a, b, _ vclock.Clock) { same(t, a.Merge(b), b.Merge(a)) })
	law("merge is associative", func(t *rapid.T, a, b, c vclock.Clock) {
		same(t, a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
	})
	law("merge is idempotent", func(t *rapid.T, a, b, _ vclock.Clock) {
		same(t, a.Merge(a), a)
		same(t, a.Merge(b).Merge(b), a.Merge(b))
	})
	law("merge knows all that both knew", func(t *rapid.T, a, b, _ vclock.Clock) {
		notAfter(t, a, a.Merge(b))
		notAfter(t, b, a.Merge(b))
	})
	law("merge knows no more than both knew", func(t *rapid.T, a, b, c vclock.Clock) {
		above := a.Merge(b).Merge(c)
		notAfter(t, a.Merge(b), above)
	})
	law("merge is monotone", func(t *rapid.T, a, b, c vclock.Clock) { notAfter(t, a.Merge(c), a.Merge(b).Merge(c)) })
	law("a is not after b exactly when merging a into b changes nothing", func(t *rapid.T, a, b, _ vclock.Clock) {
		order := a.Compare(b)
		_, changed := b.MergeIf(a, nil)
		if (order == vclock.Before || order == vclock.Equal) == changed {
			t.Fatalf("%v is %v %v, merging changes: %v", a, order, b, changed)
		}
	})
	law("compare is antisymmetric", func(t *rapid.T, a, b, _ vclock.Clock) {
		mirror := map[vclock.Order]vclock.Order{
			vclock.Equal: vclock.Equal, vclock.Concurrent: vclock.Concurrent,
			vclock.Before: vclock.After, vclock.After: vclock.Before,
		}
		if b.Compare(a) != mirror[a.Compare(b)] {
			t.Fatalf("%v, %v", a, b)
		}
	})
	law("compare is transitive", func(t *rapid.T, a, b, c vclock.Clock) {
		b = a.Merge(b)
		c = b.Merge(c)
		notAfter(t, a, c)
	})
	law("an entry only grows", func(t *rapid.T, a, b, _ vclock.Clock) {
		k, count := keys.Draw(t, "key"), counts.Draw(t, "count")
		notAfter(t, a, a.With(k, count))
		if a.With(k, count).Get(k) != max(a.Get(k), count) || a.Merge(b).Get(k) != max(a.Get(k), b.Get(k)) {
			t.Fatal("not the greater count")
		}
	})
	law("merging with a condition is merging the entries that meet it", func(t *rapid.T, a, b, _ vclock.Clock) {
		k := keys.Draw(t, "refused")
		merged, changed := a.MergeIf(b, func(asked vclock.Key) bool { return asked != k })
		same(t, merged, a.Merge(b.Without(k)))
		if changed != (merged.Compare(a) != vclock.Equal) {
			t.Fatalf("changed is %v: %v to %v", changed, a, merged)
		}
	})
})

var _ = Describe("A clock and its dumb twin", Label("CLK-2"), func() {
	It("agree after any sequence of operations, and values once made never change", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			made := []vclock.Clock{{}}
			twins := []twin{{}}
			pick := func(label string) int { return rapid.IntRange(0, len(made)-1).Draw(t, label) }
			add := func(c vclock.Clock, w twin) { made, twins = append(made, c), append(twins, w) }
			t.Repeat(map[string]func(*rapid.T){
				"with": func(t *rapid.T) {
					i, k, count := pick("i"), keys.Draw(t, "key"), counts.Draw(t, "count")
					add(made[i].With(k, count), twins[i].with(k, count))
				},
				"merge": func(*rapid.T) {
					i, j := pick("i"), pick("j")
					add(made[i].Merge(made[j]), twins[i].merge(twins[j]))
				},
				"without": func(t *rapid.T) {
					i, gone := pick("i"), rapid.SliceOfN(keys, 0, 3).Draw(t, "gone")
					add(made[i].Without(gone...), twins[i].without(gone...))
				},
				"delta": func(*rapid.T) {
					i, j := pick("i"), pick("j")
					c, rest, err := made[i].ApplyDelta(made[j].AppendDelta(nil, made[i]))
					if err != nil || len(rest) > 0 {
						t.Fatalf("%d left over, %v", len(rest), err)
					}
					add(c, twins[i].merge(twins[j]))
				},
				"compare": func(t *rapid.T) {
					i, j := pick("i"), pick("j")
					if got, want := made[i].Compare(made[j]), twins[i].compare(twins[j]); got != want {
						t.Fatalf("%v to %v is %v, not %v", made[i], made[j], got, want)
					}
				},
				"": func(t *rapid.T) {
					for i := range made {
						if got := twinOf(made[i]); made[i].Len() != len(twins[i]) || got.compare(twins[i]) != vclock.Equal {
							t.Fatalf("clock %d is %v, its twin %v", i, made[i], twins[i])
						}
					}
				},
			})
		})
	})
})
