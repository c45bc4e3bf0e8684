package ledger

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Forgetting", Label("SYNC-8"), func() {
	ended := func(ids ...uint64) history { return history{writes: ids, ended: true} }
	var a, b, away *Replica

	// Record 1 has ended and everybody but one who is away knows; record 2 goes on.
	BeforeEach(func() {
		a, b, away = replica("a"), replica("b"), replica("c")
		a.Put(Normal, key(1), wrote(1), at(1))
		a.Put(Normal, key(2), wrote(2), at(2))
		exchange(a, b)
		exchange(a, away)
		a.Put(Normal, key(1), ended(3), at(3))
		exchange(a, b)
		a.Put(Urgent, HorizonKey, HorizonState{Vector: a.Vector().Meet(b.Vector()), At: at(4)}, at(4))
		Expect(a.ApplyHorizon()).To(Equal([]Key{key(1)}))
	})

	It("drops what has ended below the horizon everywhere, and leaves equal replicas", Label("SYNC-4"), func() {
		exchange(a, b)
		Expect(b.ApplyHorizon()).To(Equal([]Key{key(1)}))
		expectEqual(a, b)
		Expect(a.Len()).To(Equal(2))
		Expect(a.Horizon()).To(Equal(upto(dot("a", 3))))
		Expect(b.Behind()).To(BeFalse())
		Expect(a.ApplyHorizon()).To(BeEmpty())
	})

	It("refuses what one who was away brings back, and tells it", func() {
		away.Put(Normal, key(1), wrote(4), at(5))
		rec, outcome := a.Merge(mustGet(away, key(1)), false)
		Expect(outcome).To(Equal(Refused))
		Expect(away.Forgotten(rec.Key)).To(BeFalse(), "it does not know that it was away")
		exchange(a, away)
		Expect(away.Behind()).To(BeTrue(), "the horizon comes first")
		Expect(away.Forgotten(rec.Key)).To(BeTrue())
		exchange(away, a)
		exchange(a, away)
		away.ApplyHorizon()
		expectEqual(a, away)
	})

	It("waits until all that the horizon covers is known", func() {
		rec := mustGet(a, HorizonKey)
		away.Merge(rec, false)
		Expect(away.ApplyHorizon()).To(BeNil())
		Expect(away.Horizon().Dots()).To(BeEmpty())
	})

	It("does not take a hole for a forgotten record: what is lost comes back by repair, or with any delta once it is missed", func() {
		rec := mustGet(a, key(2))
		a.Drop(key(2))
		_, outcome := a.Merge(rec, false)
		Expect(outcome).To(Equal(Refused))
		_, outcome = a.Merge(rec, true)
		Expect(outcome).To(Equal(Taken))
		a.Lost(key(2))
		_, outcome = a.Merge(rec, false)
		Expect(outcome).To(Equal(Taken))
	})

	It("does not repair what has ended", func() {
		_, outcome := a.Merge(mustGet(b, key(1)), true)
		Expect(outcome).To(Equal(Refused))
		Expect(b.Forgotten(key(1))).To(BeTrue())
	})

	It("never makes a broker that is not behind drop what still lives", func() {
		Expect(b.Forgotten(key(2))).To(BeFalse())
		Expect(b.Len()).To(Equal(2))
	})

	It("survives a restart", func() {
		again := New("a", 2)
		for _, rec := range []Record{mustGet(a, key(2)), mustGet(a, HorizonKey)} {
			again.Restore(rec)
		}
		again.Adopt(a.Vector())
		Expect(again.ApplyHorizon()).To(BeEmpty())
		Expect(again.Behind()).To(BeFalse())
		_, outcome := again.Merge(mustGet(away, key(1)), false)
		Expect(outcome).To(Equal(Refused))
		expectEqual(a, again)
	})

	It("never goes back", func() {
		a.Put(Urgent, HorizonKey, HorizonState{Vector: upto(dot("a", 1)), At: at(1)}, at(9))
		h, err := DecodeHorizon(mustGet(a, HorizonKey).State.Append(nil))
		Expect(err).NotTo(HaveOccurred())
		Expect(h).To(Equal(HorizonState{Vector: upto(dot("a", 3)), At: at(4)}))
	})
})
