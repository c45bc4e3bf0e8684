package ledger

import (
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A stream", Label("SYNC-3"), func() {
	It("has the records in the order of their creation, whoever changed them since", func() {
		a, b := replica("a"), replica("b")
		for i := range 5 {
			a.Put(Normal, key(i), wrote(1), at(i))
		}
		a.Put(Normal, key(0), wrote(2), at(99))
		Expect(exchange(a, b)).To(Equal([]Key{key(0), key(1), key(2), key(3), key(4)}))
	})

	It("has urgent records first, with those that they name", Label("SYNC-9"), func() {
		a, b := replica("a"), replica("b")
		for i := range 4 {
			a.Put(Normal, key(i), wrote(1), at(i))
		}
		a.Put(Urgent, key(4), history{names: []Key{key(2), key(9)}}, at(4))
		a.Put(Urgent, HorizonKey, HorizonState{}, at(5))
		Expect(exchange(a, b)).To(Equal([]Key{HorizonKey, key(2), key(4), key(0), key(1), key(3)}))
	})

	It("never has a record before one that its creation named, whatever the clocks said", func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), wrote(1), at(100))
		a.Put(Normal, key(2), history{names: []Key{key(1), key(3)}}, at(50))
		a.Put(Normal, key(3), history{names: []Key{key(2)}}, at(60)) // a circle ends
		Expect(exchange(a, b)).To(HaveLen(3))
		Expect(exchange(a, replica("c"))).To(HaveExactElements(key(1), key(3), key(2)))
	})

	It("that is cut is adopted up to the mark, and resumed by anybody without sending a record twice", func() {
		a, b, c := replica("a"), replica("b"), replica("c")
		for i := range 100 {
			a.Put(Normal, key(i), wrote(1), at(i))
		}
		exchange(a, c)
		for i := range 100 { // another's writes, in another order: no mark can pass the first of them
			c.Put(Normal, key(99-i), wrote(2), at(200+i))
		}
		first := take(b, c.Missing(b.Seen()), 500, 3)
		Expect(len(first)).To(BeNumerically("~", 50, 49))
		Expect(b.Vector()).To(Equal(upto(dot("a", uint64(len(first))))))
		Expect(b.Seen().Extra).To(HaveLen(1))

		torn, _ := c.Missing(b.Seen()).Next(500)
		takeRecords(b, torn.Records)
		second := exchange(c, b)
		Expect(len(first) + len(torn.Records) + len(second)).To(Equal(100))
		expectEqual(b, c)
	})

	// The counterexample of docs/model: by the order of last writes, A's first write of R would count as known and be lost with B.
	It("that is cut loses nothing, even if its sender is lost and what it added is known to nobody else", func() {
		r, s := key(1), key(2)
		a, b := replica("a"), replica("b")
		a.Put(Normal, r, wrote(1), at(1))
		a.Put(Normal, s, wrote(2), at(2))
		exchange(a, b)
		b.Put(Normal, r, wrote(3), at(3))
		for parts := range 4 {
			t := replica("t")
			take(t, b.Missing(t.Seen()), 1, parts)
			exchange(a, t)
			Expect(writesOf(t, r)).To(ContainElement(uint64(1)))
			Expect(writesOf(t, s)).To(Equal([]uint64{2}))
		}
	})

	It("keeps what it was planned as, while the replica goes on and forgets", Label("SYNC-8"), func() {
		a, b := replica("a"), replica("b")
		for i := range 10 {
			a.Put(Normal, key(i), history{writes: []uint64{1}, ended: true}, at(i))
		}
		plan := a.Missing(b.Seen())
		take(b, plan, 100, 2)
		a.Put(Urgent, HorizonKey, HorizonState{Vector: a.Vector(), At: at(20)}, at(20))
		Expect(a.ApplyHorizon()).To(HaveLen(10))
		a.Put(Normal, key(11), wrote(2), at(21))
		take(b, plan, everything, everything)
		Expect(b.Vector()).To(Equal(upto(dot("a", 10))))
		exchange(a, b)
		b.ApplyHorizon()
		expectEqual(a, b)
	})

	It("whose parts come twice brings nothing new", func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), wrote(1), at(1))
		p, more := a.Missing(b.Seen()).Next(everything)
		Expect(more).To(BeFalse())
		_, outcome := b.Merge(p.Records[0], false)
		Expect(outcome).To(Equal(Taken))
		adopted, changed := b.TakeMarks(p.From, p.Marks)
		Expect(adopted).To(Equal(upto(dot("a", 1))))
		Expect(changed).To(BeTrue())
		_, outcome = b.Merge(p.Records[0], false)
		Expect(outcome).To(Equal(Known))
		_, changed = b.TakeMarks(p.From, p.Marks)
		Expect(changed).To(BeFalse())
	})

	It("on a stick is adopted only by who has got as far as it begins", Label("SYNC-7"), func() {
		a, b, c := replica("a"), replica("b"), replica("c")
		a.Put(Normal, key(1), wrote(1), at(1))
		exchange(a, b)
		a.Put(Normal, key(2), wrote(2), at(2))
		stick := Knowledge{Vector: b.Vector()}
		take(b, a.Missing(stick), everything, everything)
		take(c, a.Missing(stick), everything, everything)
		expectEqual(a, b)
		Expect(writesOf(c, key(2))).To(Equal([]uint64{2}), "records always merge")
		Expect(c.Vector().Dots()).To(BeEmpty())
	})

	It("tells of very many exceptions the largest, and the rest comes twice", func() {
		a, b := replica("a"), replica("b")
		n := 2*maxSpans + 100
		for i := range n {
			a.Put(Normal, key(i), wrote(1), at(i))
		}
		for i := range n {
			if i%2 == 1 || i < 50 {
				b.Merge(mustGet(a, key(i)), false)
			}
		}
		k := b.Seen()
		Expect(k.Extra).To(HaveLen(maxSpans))
		Expect(k.Extra[0]).To(Equal(Span{dot("a", 1).Origin, 1, 50}))
		Expect(slices.IsSortedFunc(k.Extra, func(a, b Span) int { return int(a.First) - int(b.First) })).To(BeTrue())
		Expect(len(k.Append(nil))).To(BeNumerically("<", 128<<10))
		exchange(a, b)
		expectEqual(a, b)
	})
})
