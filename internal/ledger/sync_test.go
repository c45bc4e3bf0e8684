package ledger

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Two replicas", Label("SYNC-1"), func() {
	It("agree after one exchange each way", Label("SYNC-4"), func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), wrote(1), at(1))
		b.Put(Normal, key(2), wrote(2), at(2))
		exchange(a, b)
		exchange(b, a)
		expectEqual(a, b)
		Expect(a.Len()).To(Equal(2))
	})

	It("exchange exactly what is missing, each record once and in its newest state", Label("SYNC-2"), func() {
		a, b := replica("a"), replica("b")
		for i := range 100 {
			a.Put(Normal, key(i), wrote(1), at(i))
		}
		Expect(exchange(a, b)).To(HaveLen(100))
		Expect(a.Missing(b.Seen()).Empty()).To(BeTrue())
		a.Put(Normal, key(7), wrote(2), at(200))
		a.Put(Urgent, key(7), wrote(3), at(201))
		Expect(exchange(a, b)).To(ConsistOf(key(7)))
	})

	It("merge writes made at the same time, and lose none", Label("SYNC-6"), func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), wrote(5), at(2))
		b.Put(Normal, key(1), wrote(9), at(1))
		exchange(a, b)
		exchange(b, a)
		expectEqual(a, b)
		rec, _ := a.Get(key(1))
		Expect(rec.State).To(Equal(wrote(5, 9)))
		Expect(rec.Created).To(Equal(dot("b", 1)), "the creation that was first stays")
		Expect(rec.CreatedAt).To(Equal(at(1)))
	})

	It("let the causally later state win", Label("SYNC-6"), func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), wrote(1), at(1))
		exchange(a, b)
		b.Put(Normal, key(1), wrote(2), at(2))
		_, outcome := b.Merge(mustGet(a, key(1)), false)
		Expect(outcome).To(Equal(Known))
		Expect(writesOf(b, key(1))).To(Equal([]uint64{1, 2}))
	})
})

func mustGet(r *Replica, k Key) Record {
	rec, ok := r.Get(k)
	ExpectWithOffset(1, ok).To(BeTrue())
	return rec
}

var _ = Describe("A replica", func() {
	It("passes on what it heard from others, also when they are gone for ever", Label("SYNC-5"), func() {
		a, b, c := replica("a"), replica("b"), replica("c")
		a.Put(Normal, key(1), wrote(1), at(1))
		exchange(a, b)
		exchange(b, c)
		Expect(writesOf(c, key(1))).To(Equal([]uint64{1}))
	})

	It("is filled by its peers when it comes back with an empty disk, under a journal of its own", Label("SYNC-9"), func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), wrote(1), at(1))
		exchange(a, b)
		again := replica("a2")
		exchange(b, again)
		again.Put(Normal, key(2), wrote(2), at(2))
		exchange(again, b)
		expectEqual(again, b)
	})

	It("goes on as another journal without forgetting what it knows", Label("SYNC-9"), func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), wrote(1), at(1))
		a.Rename("a2", 7)
		a.Put(Normal, key(1), wrote(2), at(2))
		exchange(a, b)
		expectEqual(a, b)
		Expect(b.Vector().Dots()).To(Equal([]Dot{dot("a", 1), {Origin{"a2", 7, Normal}, 1}}))
	})

	It("takes own writes that it misses from peers like anybody's, and numbers the next after the greatest heard of", Label("SYNC-9"), func() {
		before, b := replica("a"), replica("b")
		for i := range 3 {
			before.Put(Normal, key(i), wrote(uint64(i)), at(i))
		}
		exchange(before, b)
		a := replica("a")
		a.Missing(b.Seen()) // a peer that asks is heard already
		rec := a.Put(Normal, key(9), wrote(9), at(9))
		Expect(rec.Created).To(Equal(dot("a", 4)))
		Expect(a.Vector().Dots()).To(BeEmpty(), "over the gap the vector does not follow")
		Expect(a.Seen().Extra).To(ConsistOf(Span{dot("a", 4).Origin, 4, 4}))

		Expect(exchange(b, a)).To(HaveLen(3))
		Expect(a.Vector()).To(Equal(upto(dot("a", 4))), "the gap is closed, and what was written beyond it counts")
		exchange(a, b)
		expectEqual(a, b)
	})

	DescribeTable("hears of its own numbers from", Label("SYNC-9"), func(hear func(a *Replica)) {
		a := replica("a")
		hear(a)
		Expect(a.Put(Normal, key(1), wrote(1), at(1)).Created).To(Equal(dot("a", 6)))
	},
		Entry("a record", func(a *Replica) {
			a.Merge(Record{Key: key(2), Created: dot("a", 5), Writes: upto(dot("a", 5)), State: wrote(1)}, false)
		}),
		Entry("a record that it refuses", func(a *Replica) {
			a.applied = upto(dot("a", 5))
			a.Merge(Record{Key: key(2), Created: dot("a", 5), Writes: upto(dot("a", 5)), State: wrote(1)}, false)
		}),
		Entry("marks that it cannot adopt", func(a *Replica) { a.TakeMarks(upto(dot("a", 4)), upto(dot("a", 5))) }),
		Entry("its own disk", func(a *Replica) { a.Adopt(upto(dot("a", 5))) }),
	)

	It("pushes own writes, and who missed a push does not adopt the next", Label("SYNC-1"), func() {
		a, b, c := replica("a"), replica("b"), replica("c")
		start := a.Own()
		a.Put(Normal, key(1), wrote(1), at(1))
		second := a.Own()
		take(b, a.Push(start, Vector{}), everything, everything)
		a.Put(Normal, key(2), wrote(2), at(2))
		take(b, a.Push(second, Vector{}), everything, everything)
		take(c, a.Push(second, Vector{}), everything, everything)
		expectEqual(a, b)
		Expect(c.Vector().Dots()).To(BeEmpty())
		Expect(exchange(a, c)).To(ConsistOf(key(1)), "the push counts as an exception")
		expectEqual(a, c)
	})

	It("pushes what is urgent by itself, with what it names, and marks nothing else", Label("EMG-4"), func() {
		a, b := replica("a"), replica("b")
		start, urgent := a.Own(), a.OwnUrgent()
		for i := range 20 {
			a.Put(Normal, key(i), wrote(1), at(i))
		}
		a.Put(Urgent, key(50), history{names: []Key{key(3)}}, at(50))
		Expect(take(b, a.PushUrgent(urgent, Vector{}), everything, everything)).To(Equal([]Key{key(3), key(50)}))
		Expect(b.Vector().Dots()).To(HaveLen(1), "the urgent lane's")
		Expect(b.Vector().CoversAll(a.OwnUrgent())).To(BeTrue())
		Expect(take(b, a.PushUrgent(a.OwnUrgent(), Vector{}), everything, everything)).To(BeEmpty())
		take(b, a.Push(start, Vector{}), everything, everything)
		expectEqual(a, b)
	})

	It("pushes along what a new record names, unless its peers are known to have that", Label("SYNC-3"), func() {
		a, b := replica("a"), replica("b")
		b.Put(Normal, key(1), wrote(1), at(1))
		exchange(b, a)
		start := a.Own()
		a.Put(Normal, key(2), history{names: []Key{key(1)}}, at(2))
		Expect(take(replica("c"), a.Push(start, Vector{}), everything, everything)).To(Equal([]Key{key(1), key(2)}))
		Expect(take(replica("c"), a.Push(start, b.Vector()), everything, everything)).To(Equal([]Key{key(2)}))
	})

	It("keeps its logs as long as what is in them, not as what was", func() {
		a := replica("a")
		for i := range 100_000 {
			a.Put(Normal, key(i%10), history{ended: i > 99_980}, at(i))
		}
		a.Put(Urgent, HorizonKey, HorizonState{Vector: a.Vector(), At: at(200_000)}, at(200_000))
		Expect(a.ApplyHorizon()).To(HaveLen(10))
		Expect(len(a.lines[0].log.entries)).To(BeNumerically("<", 2*minClear))
		Expect(cap(a.lines[0].log.entries)).To(BeNumerically("<", 8*minClear))
	})

	It("sorts in what comes out of order when somebody reads", func() {
		var l log
		for _, seq := range []uint64{5, 9, 1, 7, 7, 3, 12, 2} {
			l.add(seq, &cell{})
		}
		var seqs []uint64
		for _, e := range l.after(1) {
			seqs = append(seqs, e.seq)
		}
		Expect(seqs).To(Equal([]uint64{2, 3, 5, 7, 7, 9, 12}))
	})
})
