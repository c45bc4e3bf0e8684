package roster_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/internal/vclock"
)

// anyStore draws a version of one datastore's record.
var anyStore = rapid.Custom(func(t *rapid.T) roster.Store {
	return roster.Store{
		Node: "n", Name: "d", Home: rapid.SampledFrom([]string{"b1", "b2"}).Draw(t, "home"), Lease: rapid.Uint64Range(1, 3).Draw(t, "lease"), Life: 1,
		State: rapid.SampledFrom([]roster.Standing{roster.Up, roster.Lost, roster.Left}).Draw(t, "state"), Free: rapid.Uint64().Draw(t, "free"),
		Used: rapid.Uint64().Draw(t, "used"), At: vclock.Hybrid{Wall: rapid.Int64Range(1, 3).Draw(t, "wall")},
	}
})

func stores(n int) (all []roster.Store) {
	for i := range n {
		all = append(all, roster.Store{Node: fmt.Sprintf("node-%02d", i), State: roster.Up, Free: 1 << 30})
	}
	return all
}

func nodes(of []roster.Store) (all []string) {
	for _, s := range of {
		all = append(all, s.Node)
	}
	return all
}

func digest(i int) [32]byte { return sha256.Sum256(fmt.Append(nil, i)) }

var _ = Describe("The record of a datastore", Label("DATA-3"), func() {
	It("merges in any order and any number of times to the same", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			a, b, c := anyStore.Draw(t, "a"), anyStore.Draw(t, "b"), anyStore.Draw(t, "c")
			if a.Merge(b) != b.Merge(a) || a.Merge(b.Merge(c)) != a.Merge(b).Merge(c) || a.Merge(a) != a {
				t.Fatalf("%v, %v and %v do not merge alike", a, b, c)
			}
		})
	})

	It("is the same after it was written and read", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			s := anyStore.Draw(t, "s")
			if back, err := roster.DecodeStore(s.Append(nil)); err != nil || back != s {
				t.Fatalf("%v came back as %v, %v", s, back, err)
			}
		})
	})

	It("prefers what was said under a later lease, even if it was said earlier", func() {
		old := roster.Store{Node: "n", Lease: 1, State: roster.Lost, At: vclock.Hybrid{Wall: 9}}
		renewed := roster.Store{Node: "n", Lease: 2, State: roster.Up, At: vclock.Hybrid{Wall: 1}}
		Expect(old.Merge(renewed)).To(Equal(renewed))
	})

	DescribeTable("tells bytes coarsely", func(n, told uint64) { Expect(roster.Coarse(n)).To(Equal(told)) },
		Entry("too little to count", uint64(1<<20-1), uint64(0)),
		Entry("a step", uint64(1<<20), uint64(1<<20)),
		Entry("between steps", uint64(7<<20+9), uint64(7<<20)),
		Entry("much, to an eighth", uint64(1000<<30+1), uint64(896<<30)),
	)
})

var _ = Describe("Where a blob belongs", Label("DATA-3"), func() {
	It("is the same in whatever order the stores are known", func() {
		all := stores(7)
		back := slices.Clone(all)
		slices.Reverse(back)
		Expect(roster.Rank(digest(1), all)).To(Equal(roster.Rank(digest(1), back)))
	})

	It("does not change among the others when a store comes or goes", func() {
		all := stores(7)
		for i := range 100 {
			ranked := nodes(roster.Rank(digest(i), all))
			without := slices.DeleteFunc(ranked, func(n string) bool { return n == "node-03" })
			Expect(nodes(roster.Rank(digest(i), slices.Delete(slices.Clone(all), 3, 4)))).To(Equal(without))
		}
	})

	It("spreads evenly", func() {
		all, first := stores(4), map[string]int{}
		for i := range 4000 {
			first[roster.Rank(digest(i), all)[0].Node]++
		}
		for _, s := range all {
			Expect(first[s.Node]).To(BeNumerically("~", 1000, 150))
		}
	})

	It("is no longer where as many as should have it have it too, whoever else does", func() {
		all := stores(4)
		rank := nodes(roster.Rank(digest(1), all))
		known := roster.Stores{All: all, Replicas: 2}
		having := func(of ...string) func(string) bool { return func(n string) bool { return slices.Contains(of, n) } }
		keepers, surplus := known.Surplus(rank[3], digest(1), 1, having(rank[0], rank[1], rank[3]))
		Expect(nodes(keepers)).To(Equal(rank[:2]))
		Expect(surplus).To(BeTrue())
		for what, has := range map[string][]string{"one of them lacks it": {rank[0], rank[2], rank[3]}, "it is alone": {rank[3]}} {
			_, surplus := known.Surplus(rank[3], digest(1), 1, having(has...))
			Expect(surplus).To(BeFalse(), what)
		}
		_, surplus = known.Surplus(rank[1], digest(1), 1, having(rank...))
		Expect(surplus).To(BeFalse(), "who should have it keeps it")
		known.Replicas = 5
		_, surplus = known.Surplus(rank[3], digest(1), 1, having(rank...))
		Expect(surplus).To(BeFalse(), "there are fewer than there should be")
	})

	DescribeTable("is only known for all when none is hidden",
		func(state roster.Standing, at int64, whole bool) {
			all := stores(3)
			all[1].State, all[1].At.Wall = state, at
			Expect(roster.Stores{All: all}.Whole(time.UnixMilli(1000))).To(Equal(whole))
		},
		Entry("all are up", roster.Up, int64(9999), true),
		Entry("one said goodbye just now", roster.Left, int64(9999), true),
		Entry("one is lost, or behind a partition", roster.Lost, int64(1001), false),
		Entry("one was lost long ago", roster.Lost, int64(1000), true),
		Entry("nobody asked sees one", roster.Unseen, int64(1), false),
	)

	It("passes over stores that are not up or have no room, and asks for no more than there are", func() {
		all := stores(4)
		all[0].State, all[1].Free = roster.Lost, 10
		known := roster.Stores{All: all, Replicas: 3}
		none := func(string) bool { return false }
		Expect(nodes(known.Should(digest(1), 11, none))).To(ConsistOf("node-02", "node-03"))
		Expect(nodes(known.Should(digest(1), 10, none))).To(ConsistOf("node-01", "node-02", "node-03"))
		full := func(node string) bool { return node == "node-01" }
		Expect(nodes(known.Should(digest(1), 11, full))).To(ConsistOf("node-01", "node-02", "node-03"), "what it has needs no room")
		known.Replicas = 1
		Expect(known.Should(digest(1), 11, none)).To(HaveLen(1))
	})
})
