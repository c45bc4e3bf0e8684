package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// halves has a job of b1's run on both sides of a partition: b1 and e1 on one, b2, b3 and e2 on the other, a client on each.
func halves(program []string, tell func(w *sim.World, one, two *sim.Client, id job.ID)) {
	inWorld(func(w *sim.World) {
		brokers(w, "b1", "b2", "b3")
		w.Executor("e1", "b1")
		one, two := w.Client("c1", "b1"), w.Client("c2", "b2", "b3")
		id := one.Submit("b1", sim.Program(program...))
		w.Run(time.Second)
		w.Executor("e2", "b2")
		w.Split("b1", "e1", "c1")
		for _, b := range []string{"b2", "b3"} {
			two.Ask(b, &messages.JobRequest{Job: string(id), Watch: true})
		}
		tell(w, one, two, id)
	})
}

var _ = Describe("The end of a job", Label("JOB-7"), func() {
	It("is reached on every side of a partition, and provisional on each", func() {
		halves([]string{"10s", "wild"}, func(w *sim.World, one, two *sim.Client, id job.ID) {
			w.Run(40 * time.Second)
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
			Expect(seen(w, "b2", id).State()).To(Equal(job.StateAccepted))
			Expect(one.Final("b1", id)).To(BeFalse(), "one disk of two")
			Expect(one.Waiting("b1", id)).To(Equal("its end is not on a second disk yet"))
			Expect(two.Final("b2", id)).To(BeFalse())
			Expect(two.Waiting("b2", id)).To(Equal("waits until broker b1 makes its end final"))
		})
	})

	It("is the authority's after the heal, everywhere, and the loser's client is told so once", Label("SYNC-6"), func() {
		halves([]string{"10s", "wild"}, func(w *sim.World, one, two *sim.Client, id job.ID) {
			w.Run(40 * time.Second)
			first := seen(w, "b1", id).Current().Verdict.Result.Digest
			w.Heal()
			w.Run(10 * time.Second)
			same(w, id, "b1", "b2", "b3")
			for _, b := range []string{"b1", "b2", "b3"} {
				v, _ := seen(w, b, id).Winner()
				Expect(v.Result.Digest).To(Equal(first))
				Expect(told(w, b, id).GetFinal()).To(BeTrue())
			}
			Expect(two.Superseded(id)).To(Equal(1))
			Expect(one.Superseded(id)).To(BeZero())

			tenures := seen(w, "b3", id).Tenures
			lost := tenures[len(tenures)-1]
			Expect(lost.Superseded).To(BeTrue())
			Expect(lost.Verdict.Result.Digest).NotTo(Equal(first), "what lost stays in the record")
		})
	})

	It("is told not to stand once more by a broker whose disk has lost that it told so, and not again", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			w.Executor("e2", "b2")
			c := w.Client("c1")
			apart := func(cuts ...[2]string) {
				w.Heal()
				for _, pair := range append(cuts, [2]string{"e1", "b2"}, [2]string{"e2", "b1"}) {
					w.Cut(pair[0], pair[1])
				}
			}
			apart([2]string{"b1", "b2"}, [2]string{"b1", "b3"}, [2]string{"b2", "b3"})
			w.Run(10 * time.Second)
			ask := c.Submission(c.NewID("b1"), sim.Program("1s", "wild"))
			id := job.ID(ask.GetJob())
			c.Ask("b1", ask)
			c.Ask("b2", ask)
			w.Run(5 * time.Second)
			w.Remember("b2")
			before, old := w.Now(), w.Journal("b2")
			apart([2]string{"b1", "b2"}, [2]string{"b2", "b3"}) // b3 hears of the decision
			w.Run(5 * time.Second)
			apart([2]string{"b1", "b3"}, [2]string{"b2", "b3"}) // and not of what b2 does about it
			w.Run(5 * time.Second)
			Expect(w.Rare["superseded"]).To(Equal(1))

			w.PowerOff("b2")
			Expect(w.RollBack("b2", before)).To(BeTrue())
			apart([2]string{"b1", "b2"}, [2]string{"b1", "b3"})
			w.Start("b2")
			w.Run(5 * time.Second)
			Expect(w.Journal("b2")).To(Equal(old), "it cannot know what it has lost")
			Expect(w.Rare["superseded"]).To(Equal(2))

			apart()
			w.Run(20 * time.Second)
			Expect(w.Journal("b2")).NotTo(Equal(old))
			Expect(w.Rare["superseded"]).To(Equal(2))
			same(w, id, "b1", "b2", "b3")
			Expect(w.Rest()).To(BeEmpty())
		})
	})

	// A client that watches at a broker which only stands by is told the final end as if it had never been told another.
	It("is no conflict when the digests are equal", func() {
		halves([]string{"10s"}, func(w *sim.World, one, two *sim.Client, id job.ID) {
			w.Run(40 * time.Second)
			w.Heal()
			w.Run(10 * time.Second)
			Expect(runs(w, "e1", "e2")).To(Equal(2))
			Expect(told(w, "b2", id).GetFinal()).To(BeTrue())
			Expect(one.Superseded(id) + two.Superseded(id)).To(BeZero())
		})
	})

	It("becomes final when an authority without a verdict adopts a provisional one", func() {
		halves([]string{"10s", "wild"}, func(w *sim.World, one, two *sim.Client, id job.ID) {
			w.PowerOff("b1")
			w.Run(30 * time.Second)
			v, taker := seen(w, "b2", id).Winner()
			w.Cut("e1", "b1")
			w.Start("b1")
			w.Heal()
			w.Cut("e1", "b1")
			w.Run(10 * time.Second)
			decided, by := seen(w, "b3", id).Decided()
			Expect(by.T).To(BeZero())
			Expect(decided.Adopted).To(Equal(taker))
			Expect(decided.Result.Digest).To(Equal(v.Result.Digest))
			Expect(told(w, "b3", id).GetFinal()).To(BeTrue())
			Expect(two.Superseded(id)).To(BeZero())
		})
	})

	It("is told as final only from two disks on, and never changes then", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1", "b1")
			id := c.Submit("b1", sim.Program("2s", "wild"))
			w.Run(time.Second)
			w.Cut("b1", "b2")
			w.Run(20 * time.Second)
			Expect(c.Final("b1", id)).To(BeFalse())
			w.Heal()
			w.Run(3 * time.Second)
			Expect(c.Final("b1", id)).To(BeTrue())
			saved, _ := w.Saved("b2", id)
			final := *saved.Current().Verdict
			w.PowerOff("b1")
			w.LoseDisk("b1")
			w.Run(20 * time.Second)
			v, _ := seen(w, "b2", id).Decided()
			Expect(*v).To(Equal(final))
			Expect(told(w, "b2", id).GetFinal()).To(BeTrue())
		})
	})

	It("is final from one disk on when the acknowledgement said one", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1", "b1")
			w.Cut("b1", "b2")
			w.Run(10 * time.Second)
			id := c.Submit("b1", sim.Program("1s"))
			w.Run(5 * time.Second)
			Expect(c.Final("b1", id)).To(BeTrue())
		})
	})

	It("is cancelled rather than accepted while both are provisional", Label("JOB-8"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e2", "b2")
			c := w.Client("c1")
			for _, pair := range [][2]string{{"b1", "b2"}, {"b1", "b3"}, {"b2", "b3"}, {"b1", "e2"}} {
				w.Cut(pair[0], pair[1])
			}
			w.Run(10 * time.Second)
			id := c.NewID("b1")
			ask := c.Submission(id, sim.Program("5s"))
			c.Ask("b2", ask)
			c.Ask("b3", ask)
			w.Run(time.Second)
			c.Cancel("b3", id)
			w.Run(10 * time.Second)
			Expect(seen(w, "b2", id).State()).To(Equal(job.StateAccepted))
			Expect(seen(w, "b3", id).State()).To(Equal(job.StateCancelled))
			w.Heal()
			w.Isolate("b1") // the two takers meet before it sees either
			w.Run(5 * time.Second)
			Expect(seen(w, "b2", id).State()).To(Equal(job.StateCancelled))
			w.Heal()
			w.Run(20 * time.Second)
			for _, b := range []string{"b1", "b2", "b3"} {
				Expect(seen(w, b, id).State()).To(Equal(job.StateCancelled))
				Expect(told(w, b, id).GetFinal()).To(BeTrue())
			}
		})
	})
})

var _ = Describe("A wish to cancel", Label("JOB-8"), func() {
	It("is kept in the record until the authority, out of reach, makes it its verdict", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1m"))
			w.Run(time.Second)
			w.Cut("b1", "b2")
			c.Cancel("b2", id)
			w.Run(2 * time.Second)
			j := seen(w, "b2", id)
			Expect(j.Cancel).NotTo(BeNil())
			Expect(j.State()).To(Equal(job.StateRunning))
			Expect(seen(w, "b1", id).Cancel).To(BeNil())
			w.Heal()
			w.Run(3 * time.Second)
			v, by := seen(w, "b2", id).Decided()
			Expect(v.Kind).To(Equal(job.Cancelled))
			Expect(by.Journal).To(Equal(w.Journal("b1")))
			Expect(w.Stops("e1")).To(Equal(1))
		})
	})

	It("comes too late for an authority that has decided", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("3s"))
			w.Run(time.Second)
			w.Cut("b1", "b2")
			c.Cancel("b2", id)
			w.Run(5 * time.Second)
			w.Heal()
			w.Run(5 * time.Second)
			same(w, id, "b1", "b2")
			Expect(seen(w, "b2", id).State()).To(Equal(job.StateAccepted))
		})
	})
})
