package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// atWork has e1, at home at b1 and linked to b2 too, run a job of 20 s, which e2 could run as well.
func atWork(w *sim.World) job.ID {
	brokers(w, "b1", "b2")
	w.Executor("e1", "b1", "b2")
	w.Run(time.Second)
	id := w.Client("c1").Submit("b1", sim.Program("20s"))
	w.RunUntil(5*time.Second, func() bool { return w.Runs("e1") == 1 })
	w.Executor("e2", "b1", "b2")
	return id
}

var _ = Describe("An executor that only its home broker does not hear", Label("LOSS-3", "DISC-3"), func() {
	It("keeps its jobs: another broker hears it, and it moves there", func() {
		inWorld(func(w *sim.World) {
			id := atWork(w)
			w.Cut("e1", "b1")
			w.Run(30 * time.Second)
			j := seen(w, "b1", id)
			Expect(j.State()).To(Equal(job.StateAccepted))
			Expect(j.Attempted()).To(Equal(1))
			Expect(runs(w, "e2")).To(BeZero())
		})
	})

	It("loses what it had in hand when it began another life meanwhile", func() {
		inWorld(func(w *sim.World) {
			id := atWork(w)
			w.Cut("e1", "b1")
			w.Restart("e1")
			w.RunUntil(5*time.Second, func() bool { return w.Runs("e2") == 1 })
			Expect(seen(w, "b1", id).Current().Attempts[0].Note).To(Equal("its executor does not have it"))
		})
	})

	It("loses it within a lease after its new home heard it last, however long that goes on believing in it", func() {
		inWorld(func(w *sim.World) {
			id := atWork(w)
			w.Cut("e1", "b1")
			w.Run(8 * time.Second) // it is home at b2, which says that it has the attempt
			Expect(seen(w, "b1", id).Attempted()).To(Equal(1))
			w.PowerOff("e1")
			w.Run(3500 * time.Millisecond)
			Expect(runs(w, "e2")).To(Equal(1))
		})
	})

	It("loses what it had in hand when who hears it hears another life", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1", "b2", "b3")
			w.Run(time.Second)
			id := w.Client("c1").Submit("b1", sim.Program("20s"))
			w.RunUntil(5*time.Second, func() bool { return w.Runs("e1") == 1 })
			w.Executor("e2", "b1", "b2")
			w.Run(time.Second)
			home := ""
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.ExecutorRegistered); ok && a.To == "e1" {
					home = a.From
				}
			})
			w.PowerOff("e1")
			apart := func() { // b3 from the others, so that they do not hear whose home it is
				w.Cut("b1", "b3")
				w.Cut("b2", "b3")
			}
			apart()
			w.Cut("e1", "b1")
			w.Cut("e1", "b2")
			w.Start("e1")
			Expect(w.RunUntil(time.Second, func() bool { return home == "b3" })).To(BeTrue())
			w.Heal()
			apart()
			w.Cut("e1", "b1")
			w.Run(3 * time.Second)
			Expect(w.Rare["executor heard elsewhere"]).To(Equal(1))
			Expect(seen(w, "b1", id).Current().Attempts[0].Note).To(Equal("its executor began another life"))
			Expect(runs(w, "e2")).To(Equal(1))
		})
	})

	It("loses them when it falls silent everywhere", func() {
		inWorld(func(w *sim.World) {
			atWork(w)
			w.Run(time.Second)
			w.Pause("e1")
			w.Run(3200 * time.Millisecond)
			Expect(runs(w, "e2")).To(Equal(1), "silence ends within a lease, and others are asked in that time too")
		})
	})
})

var _ = Describe("An executor whose connection closes", Label("LOSS-2"), func() {
	It("is lost 300 ms later, and what other brokers say takes 100 ms more", func() {
		inWorld(func(w *sim.World) {
			atWork(w)
			w.Run(time.Second)
			w.Kill("e1")
			w.Run(300 * time.Millisecond)
			Expect(runs(w, "e2")).To(BeZero())
			w.Run(200 * time.Millisecond)
			Expect(runs(w, "e2")).To(Equal(1))
		})
	})
})

var _ = Describe("Executors of which most fall silent at once", Label("LOSS-4"), func() {
	// parted has three of four executors cut off while one of them is at a long job and one at a short one.
	parted := func(tell func(w *sim.World, long, short job.ID)) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			w.ExecutorWith("e1", 1, map[string]string{"part": "there"}, "b1")
			w.ExecutorWith("e2", 1, map[string]string{"part": "there"}, "b1")
			w.ExecutorWith("e3", 1, map[string]string{"part": "elsewhere"}, "b1")
			w.Run(time.Second)
			submit := func() job.ID {
				s := sim.Program("30s")
				s.Needs.Labels = map[string]string{"part": "there"}
				return c.Submit("b1", s)
			}
			long := submit()
			w.Run(6 * time.Second)
			short := submit()
			w.Run(300 * time.Millisecond)
			Expect(runs(w, "e1", "e2")).To(Equal(2))
			w.ExecutorWith("e4", 2, map[string]string{"part": "there"}, "b1")
			w.Run(time.Second)
			for _, e := range []string{"e1", "e2", "e3"} {
				w.Isolate(e)
			}
			w.Run(4 * time.Second)
			tell(w, long, short)
		}, sim.With(func(s *sim.Settings) { s.Broker.LongJob, s.Broker.Grace = 5*time.Second, 10*time.Second }))
	}

	It("are waited for by what ran for long, which says so; the rest is deployed again", func() {
		parted(func(w *sim.World, long, short job.ID) {
			Expect(runs(w, "e4")).To(Equal(1))
			Expect(seen(w, "b1", short).Attempted()).To(Equal(2))
			Expect(told(w, "b1", long).GetWaiting()).To(MatchRegexp(`^executor e\d fell silent together with most others, as in a partition: it has \ds to come back$`))
			w.Heal()
			w.Run(40 * time.Second)
			j := seen(w, "b1", long)
			Expect(j.State()).To(Equal(job.StateAccepted))
			Expect(j.Attempted()).To(Equal(1))
			Expect(told(w, "b1", long).GetWaiting()).To(BeEmpty())
		})
	})

	It("are waited for no longer than that, and only once for each attempt", func() {
		parted(func(w *sim.World, long, _ job.ID) {
			w.Heal()
			w.Run(4 * time.Second)
			Expect(seen(w, "b1", long).Attempted()).To(Equal(1))
			for _, e := range []string{"e1", "e2", "e3"} {
				w.Isolate(e)
			}
			w.Run(4 * time.Second)
			Expect(seen(w, "b1", long).Attempted()).To(Equal(2))
		})
		parted(func(w *sim.World, long, _ job.ID) {
			w.Run(6 * time.Second)
			Expect(seen(w, "b1", long).Attempted()).To(Equal(1))
			w.Run(5 * time.Second)
			Expect(seen(w, "b1", long).Attempted()).To(Equal(2))
		})
	})
})

var _ = Describe("A broker whose executor has moved to another one while it stood still", Label("DISC-3", "JOB-5", "PLACE-1"), func() {
	It("lets it go with the first attempt that is declined, so that no job uses up its attempts there", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1", "b2")
			c := w.Client("c1")
			w.Run(time.Second)
			w.Pause("b1")
			w.Run(5 * time.Second) // it moves
			var ids []job.ID
			declined := 0
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.AttemptDeclined); ok {
					declined++
				}
			})
			w.Resume("b1")
			for range 20 {
				ids = append(ids, c.Submit("b1", sim.Program("10ms")))
			}
			w.Run(20 * time.Second)
			for _, id := range ids {
				Expect(seen(w, "b2", id).State()).To(Equal(job.StateAccepted))
			}
			Expect(declined).To(BeNumerically("<=", 2), "the slots that it seemed to have")
		}, sim.With(func(s *sim.Settings) { s.Links.Silence = time.Minute })) // links of real nodes outlast that
	})
})
