package bdd_test

import (
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// page is the state of a record that a spec writes to a ledger of its own.
type page struct {
	words []string // sorted
	after []ledger.Key
	ended bool
}

func (p *page) Merge(s ledger.State) ledger.State {
	o := s.(*page)
	words := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(p.words), o.words...))))
	return &page{words: words, after: p.after, ended: p.ended || o.ended}
}

func (p *page) Append(b []byte) []byte { return fmt.Appendf(b, "%q %v %t", p.words, p.after, p.ended) }
func (p *page) Names() []ledger.Key    { return p.after }
func (p *page) Ended() bool            { return p.ended }

func pageKey(n int) ledger.Key { return ledger.Key{Kind: ledger.Job, ID: fmt.Sprint("page ", n)} }

// write puts a page into a ledger, at a time of its number.
func write(r *ledger.Replica, lane ledger.Lane, n int, word string, after ...ledger.Key) ledger.Record {
	return r.Put(lane, pageKey(n), &page{words: []string{word}, after: after}, vclock.Hybrid{Wall: int64(n)})
}

// bring gives a ledger the parts of a delta, and returns the keys in the order in which they came.
func bring(to *ledger.Replica, d *ledger.Delta) (keys []ledger.Key) {
	for more := true; more; {
		var p ledger.Part
		p, more = d.Next(1)
		for _, rec := range p.Records {
			to.Merge(rec, false)
			keys = append(keys, rec.Key)
		}
		to.TakeMarks(p.From, p.Marks)
	}
	return keys
}

var _ = Describe("A delta on a stick", Label("SYNC-7"), func() {
	// exported is what a ledger wrote after since: all of it as one part with its from- and to-vectors.
	exported := func(r *ledger.Replica, since ledger.Vector) ledger.Part {
		p, more := r.Missing(ledger.Knowledge{Vector: since}).Next(1 << 30)
		Expect(more).To(BeFalse())
		return p
	}
	imported := func(r *ledger.Replica, p ledger.Part) (adopted bool) {
		for _, rec := range p.Records {
			r.Merge(rec, false)
		}
		_, adopted = r.TakeMarks(p.From, p.Marks)
		return adopted
	}

	It("brings records and their vector to a ledger that knows what came before", func() {
		a, b := ledger.New("A", 1), ledger.New("B", 1)
		write(a, ledger.Normal, 1, "one")
		bring(b, a.Missing(b.Seen()))
		since := a.Vector()
		write(a, ledger.Normal, 2, "two")
		Expect(imported(b, exported(a, since))).To(BeTrue())
		Expect(b.Hash()).To(Equal(a.Hash()))
	})

	It("brings its records, and no vector, to one that misses what came before", func() {
		a, b := ledger.New("A", 1), ledger.New("B", 1)
		write(a, ledger.Normal, 1, "one")
		since := a.Vector()
		write(a, ledger.Normal, 2, "two")
		stick := exported(a, since)
		Expect(imported(b, stick)).To(BeFalse())
		_, here := b.Get(pageKey(2))
		Expect(here).To(BeTrue())
		Expect(b.Vector().CoversAll(a.Vector())).To(BeFalse(), "it would never ask for the first one")
		Expect(bring(b, a.Missing(b.Seen()))).To(ConsistOf(pageKey(1)), "and the second is not sent again")
		Expect(b.Hash()).To(Equal(a.Hash()))
	})

	It("is the same when it is brought twice, or late", func() {
		a, b := ledger.New("A", 1), ledger.New("B", 1)
		write(a, ledger.Normal, 1, "one")
		stick := exported(a, ledger.Vector{})
		write(a, ledger.Normal, 1, "more")
		bring(b, a.Missing(b.Seen()))
		before := b.Hash()
		imported(b, stick)
		imported(b, stick)
		Expect(b.Hash()).To(Equal(before))
	})

	It("moves the vector only for origins that it was made for", func() {
		a, b, c := ledger.New("A", 1), ledger.New("B", 1), ledger.New("C", 1)
		write(a, ledger.Normal, 1, "one")
		write(b, ledger.Normal, 2, "two")
		bring(c, a.Missing(c.Seen()))
		bring(a, b.Missing(a.Seen()))
		since := a.Vector()
		write(a, ledger.Normal, 3, "three")
		write(b, ledger.Normal, 4, "four")
		bring(a, b.Missing(a.Seen()))
		imported(c, exported(a, since)) // C knows A's first write, and not B's
		Expect(c.Vector().CoversAll(a.Vector().Of("A"))).To(BeTrue())
		Expect(c.Vector().Of("B").Dots()).To(BeEmpty())
	})
})

var _ = Describe("A record of the urgent lane", Label("SYNC-9"), func() {
	It("takes those that it names along, before everything else", func() {
		a, b := ledger.New("A", 1), ledger.New("B", 1)
		for n := 1; n <= 9; n++ {
			write(a, ledger.Normal, n, "calm")
		}
		write(a, ledger.Urgent, 10, "urgent", pageKey(7))
		Expect(bring(b, a.Missing(b.Seen()))[:2]).To(Equal([]ledger.Key{pageKey(7), pageKey(10)}))
		Expect(b.Hash()).To(Equal(a.Hash()))
	})

	It("has a context of one dot for each journal, incarnation and lane", func() {
		a := ledger.New("A", 1)
		write(a, ledger.Normal, 1, "one")
		write(a, ledger.Normal, 1, "two")
		write(a, ledger.Urgent, 1, "three")
		a.Rename("A", 2)
		rec := write(a, ledger.Normal, 1, "four")
		Expect(rec.Writes.Dots()).To(HaveLen(3))
	})
})

var _ = Describe("Forgetting", Label("SYNC-8"), func() {
	brief := func(program ...string) *job.Spec {
		s := sim.Program(program...)
		s.Retention = 3 * time.Second
		return s
	}
	known := func(w *sim.World, broker string, id job.ID) bool {
		_, ok := w.Job(broker, id)
		return ok
	}

	It("follows the horizon: everybody lets go of what ended, also on disk", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", brief("1s"))
			w.Run(3 * time.Second)
			Expect(known(w, "b3", id)).To(BeTrue())
			w.Run(30 * time.Second)
			for _, b := range []string{"b1", "b2", "b3"} {
				Expect(known(w, b, id)).To(BeFalse())
				_, saved := w.Saved(b, id)
				Expect(saved).To(BeFalse())
			}
		})
	})

	It("refuses what comes back, also right after a start", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", brief("3s"))
			w.Run(time.Second)
			w.Isolate("b3")
			w.Run(time.Minute)
			Expect(known(w, "b1", id)).To(BeFalse())
			w.PowerOff("b2")
			w.Restart("b1")
			w.Heal()
			w.RunUntil(30*time.Second, func() bool { return w.Rare["resurrection refused"] > 0 })
			Expect(w.Rare["resurrection refused"]).To(Equal(1))
			Expect(known(w, "b1", id)).To(BeFalse())
		})
	})

	It("takes no job back from brokers that were away together and hold the same", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3", "b4")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", brief("3s"))
			w.Run(time.Second)
			w.Split("b3", "b4")
			w.Run(time.Minute)
			Expect(known(w, "b1", id)).To(BeFalse())
			Expect(known(w, "b3", id) && known(w, "b4", id)).To(BeTrue())
			behind, parted := map[string]bool{}, false
			w.OnArrival(func(a sim.Arrival) {
				if m, ok := a.Message.(*messages.SyncPing); ok {
					behind[a.From] = m.GetBehind()
				}
				if _, ok := a.Message.(*messages.SyncDelta); ok && a.From == "b1" && a.To == "b3" && !parted {
					parted = true
					w.Split("b3", "b4") // b3 has heard that it was away, and not what was forgotten
				}
			})
			w.Heal()
			w.Split("b2")
			w.Split("b4")
			w.RunUntil(20*time.Second, func() bool { return parted })
			w.Heal()
			w.Split("b3", "b4")
			w.Run(10 * time.Second)
			Expect(behind).To(And(HaveKeyWithValue("b3", true), HaveKeyWithValue("b4", true)))
			w.Heal()
			w.Run(20 * time.Second)
			Expect(behind).To(And(HaveKeyWithValue("b3", false), HaveKeyWithValue("b4", false)))
			for _, b := range []string{"b1", "b2", "b3", "b4"} {
				Expect(known(w, b, id)).To(BeFalse(), b)
			}
		})
	})

	It("is set by nobody who was away while others forgot, until it has caught up with one who was not", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3", "b4")
			w.Executor("e1", "b1")
			w.Executor("e3", "b3")
			c := w.Client("c1")
			c.Submit("b1", brief("1s"))
			w.Run(500 * time.Millisecond)
			w.Split("b3", "b4", "e3")
			w.Run(time.Minute)
			parted := false
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.SyncDelta); ok && !parted && (a.From == "b1" || a.From == "b2") {
					parted = true
					w.Split("b3", "b4", "e3", "c1") // the first part has told it that there is a horizon
				}
			})
			w.Heal()
			w.Split("b4")
			Expect(w.RunUntil(20*time.Second, func() bool { return parted })).To(BeTrue())
			w.Heal()
			w.Split("b3", "b4", "e3", "c1")
			w.Run(5 * time.Second)
			id := c.Submit("b3", brief("1s"))
			w.Run(time.Minute)
			Expect(seen(w, "b3", id).Ended).To(BeTrue())
			w.Heal()
			w.Run(30 * time.Second)
			for _, b := range []string{"b1", "b2", "b3", "b4"} {
				Expect(known(w, b, id)).To(BeFalse(), b)
			}
		})
	})

	It("lets no end be final of a job that was taken a second time behind a partition that outlasted it", Label("JOB-7"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			w.Isolate("b3")
			w.Run(6 * time.Second)
			id := c.NewID("b1")
			again := c.Submission(id, brief("1s", "wild"))
			c.Ask("b1", again)
			w.Run(3 * time.Second)
			Expect(told(w, "b1", id).GetFinal()).To(BeTrue())
			one := w.Client("c3", "b3") // the same submission, of a client that heard no answer
			one.Ask("b3", again)
			Expect(known(w, "b3", id)).To(BeTrue())
			w.Run(time.Minute)
			Expect(known(w, "b1", id)).To(BeFalse())
			w.Heal()
			w.RunUntil(20*time.Second, func() bool { j, ok := w.Job("b1", id); return ok && j.State().Terminal() })
			w.Run(time.Second)
			for _, b := range []string{"b1", "b2", "b3"} {
				m := told(w, b, id)
				Expect(seen(w, b, id).State()).To(Equal(job.StateAccepted))
				Expect(m.GetFinal()).To(BeFalse())
				Expect(m.GetWaiting()).To(ContainSubstring("stays provisional"))
			}
		})
	})

	It("waits for a broker that is away, for as long as brokers are waited for", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", brief("1s"))
			w.Run(2 * time.Second)
			w.PowerOff("b3")
			w.Run(15 * time.Second)
			Expect(known(w, "b1", id)).To(BeTrue())
			w.Run(30 * time.Second)
			Expect(known(w, "b1", id)).To(BeFalse())
		})
	})

	It("is final: what somebody away too long brings back is refused, and he is told", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", brief("1s"))
			w.Run(2 * time.Second)
			w.Cut("b3", "b1")
			w.Cut("b3", "b2")
			w.Run(time.Second)
			c.Cancel("b3", id) // a write that nobody else knows
			w.Run(time.Minute)
			Expect(known(w, "b1", id)).To(BeFalse())
			Expect(known(w, "b3", id)).To(BeTrue())
			w.Heal()
			w.Run(10 * time.Second)
			for _, b := range []string{"b1", "b2", "b3"} {
				Expect(known(w, b, id)).To(BeFalse())
			}
		})
	})

	It("is not what a hole in a disk is: that is repaired from a peer", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			id, other := c.Submit("b1", sim.Program("1h")), c.Submit("b2", sim.Program("1h"))
			w.Run(time.Second)
			w.PowerOff("b2")
			w.PunchHole("b2", id)
			w.PunchHole("b2", other)
			w.Start("b2")
			audited := false
			w.OnArrival(func(a sim.Arrival) {
				_, repair := a.Message.(*messages.SyncRepair)
				audited = audited || repair
			})
			w.Run(10 * time.Second)
			Expect(audited).To(BeTrue())
			same(w, id, "b1", "b2")
			same(w, other, "b1", "b2")
		})
	})

	It("is not what a flipped bit is: that is found, and repaired from a peer", func() {
		a, b := ledger.New("A", 1), ledger.New("B", 1)
		for n := range 100 {
			write(a, ledger.Normal, n, "word")
		}
		bring(b, a.Missing(b.Seen()))
		rec, _ := b.Get(pageKey(42))
		rec.State.(*page).words = []string{"wird"} // in both: they share the state
		var damaged []ledger.Key
		for i := range ledger.Ranges {
			damaged = append(damaged, b.Verify(i)...)
		}
		Expect(damaged).To(Equal([]ledger.Key{pageKey(42)}))
		b.Lost(pageKey(42))
		Expect(b.Root()).NotTo(Equal(a.Root()))
		rec.State.(*page).words = []string{"word"} // A's was never damaged
		whole, _ := a.Get(pageKey(42))
		b.Merge(whole, true)
		Expect(b.Hash()).To(Equal(a.Hash()))
	})

	It("keeps the last numbers of journals that are gone, so that none is given twice", func() {
		a, b := ledger.New("A", 1), ledger.New("B", 1)
		a.Put(ledger.Normal, pageKey(1), &page{ended: true}, vclock.Hybrid{Wall: 1})
		bring(b, a.Missing(b.Seen()))
		b.Put(ledger.Urgent, ledger.HorizonKey, ledger.HorizonState{Vector: a.Vector()}, vclock.Hybrid{Wall: 2})
		Expect(b.ApplyHorizon()).To(Equal([]ledger.Key{pageKey(1)}))
		Expect(b.Vector().CoversAll(a.Vector())).To(BeTrue())
	})
})
