package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("A hand-over", Label("JOB-13"), func() {
	It("is made by the record, and moves the authority", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e2", "b2")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1s"))
			w.Run(5 * time.Second)
			j := seen(w, "b1", id)
			Expect(j.Tenures[0].Verdict.Kind).To(Equal(job.Released))
			_, by := j.Decided()
			Expect(by).To(Equal(job.Ownership{H: 1, Journal: w.Journal("b2")}))
			Expect(told(w, "b1", id).GetFinal()).To(BeTrue())
		})
	})

	It("goes on from broker to broker, also after attempts", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e2", "b2")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("10s"))
			w.Run(2 * time.Second)
			w.Kill("e2")
			w.Executor("e3", "b3")
			w.Run(20 * time.Second)
			same(w, id, "b1", "b2", "b3")
			j := seen(w, "b1", id)
			Expect(j.Tenures).To(HaveLen(3))
			_, by := j.Decided()
			Expect(by).To(Equal(job.Ownership{H: 2, Journal: w.Journal("b3")}))
			Expect(j.Attempted()).To(Equal(2))
		})
	})

	It("frees the slots that other peers held for the job, as soon as they hear of it", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.ExecutorWith("e2", 1, nil, "b2")
			w.ExecutorWith("e3", 1, nil, "b3")
			c := w.Client("c1")
			c.Submit("b1", sim.Program("1h"))
			w.Run(100 * time.Millisecond)
			c.Submit("b1", sim.Program("1h"))
			w.Run(100 * time.Millisecond)
			Expect(runs(w, "e2", "e3")).To(Equal(2))
		})
	})

	It("is asked for once a second while no peer has a slot, however many jobs start, and at once for an emergency", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.ExecutorWith("e1", 1, nil, "b1")
			w.ExecutorWith("e2", 1, nil, "b2")
			c := w.Client("c1")
			c.Submit("b2", sim.Program("1h"))
			w.Run(2 * time.Second)
			asked := 0
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.SlotRequest); ok && a.To == "b2" {
					asked++
				}
			})
			for range 100 {
				c.Submit("b1", sim.Program("50ms"))
			}
			w.Run(3 * time.Second)
			Expect(w.Runs("e1")).To(BeNumerically(">", 40))
			Expect(asked).To(BeNumerically("~", 4, 1))
			asked = 0
			c.Submit("b1", of("fire", "50ms"))
			w.Run(10 * time.Millisecond)
			Expect(asked).To(Equal(1))
		})
	})

	It("happens at most eight times", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			w.Executor("e2", "b2")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1h"))
			for range 10 { // wherever it runs, that executor falls silent, and the other one is back
				w.Run(10 * time.Second)
				running := "e1"
				if live := seen(w, "b1", id).Current().Live(); len(live) > 0 && live[0].Executor == w.Node("e2").ID {
					running = "e2"
				}
				w.Heal()
				w.Isolate(running)
			}
			end, _ := seen(w, "b1", id).Authority()
			Expect(end.H).To(BeNumerically(">", 1))
			Expect(end.H).To(BeNumerically("<=", job.MaxHandOvers))
		})
	})

	It("leaves a released owner to forward results, and to reject none", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("10s", "wild"))
			w.Run(time.Second)
			w.Isolate("e1")
			w.Executor("e2", "b2")
			w.Run(8 * time.Second)
			Expect(seen(w, "b1", id).Current().Node).To(Equal(w.Node("b2").ID))
			w.Run(2500 * time.Millisecond) // e1 is through, e2 not yet
			answered := false
			w.OnArrival(func(a sim.Arrival) {
				if m, ok := a.Message.(*messages.ResultAnswered); ok && a.To == "e1" {
					answered = true
					Expect(m.GetAccepted()).To(BeTrue())
				}
			})
			w.Heal()
			w.Run(5 * time.Second)
			Expect(answered).To(BeTrue())
			v, by := seen(w, "b1", id).Decided()
			Expect(by.Journal).To(Equal(w.Journal("b2")))
			Expect(v.Executor).To(Equal(w.Node("e1").ID))
			Expect(w.Stops("e2")).To(Equal(1))
		})
	})

	It("made a second time, by a broker whose disk went back, makes nothing final", Label("JOB-7"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			c := w.Client("c1")
			w.Isolate("b3")
			id := c.Submit("b1", sim.Program("1s", "wild"))
			w.Run(time.Second)
			w.Remember("b1")
			before := w.Now()
			w.ExecutorWith("e2", 1, nil, "b2")
			w.Run(5 * time.Second)
			Expect(told(w, "b2", id).GetFinal()).To(BeTrue())
			first, _ := seen(w, "b2", id).Decided()
			w.PowerOff("b1")
			Expect(w.RollBack("b1", before)).To(BeTrue())
			w.Heal()
			w.Isolate("b2")
			w.ExecutorWith("e3", 1, nil, "b3")
			w.Restart("b1")
			w.RunUntil(time.Minute, func() bool { j, ok := w.Job("b3", id); return ok && j.State().Terminal() })
			w.Run(2 * time.Second) // b1 has it on its disk too
			second, _ := seen(w, "b3", id).Decided()
			Expect(second.Same(first)).To(BeFalse())
			Expect(told(w, "b3", id).GetFinal()).To(BeFalse())
			w.Heal()
			w.Run(20 * time.Second)
			same(w, id, "b1", "b2", "b3")
			Expect(told(w, "b3", id).GetFinal()).To(BeTrue())
			stands, _ := seen(w, "b3", id).Decided()
			Expect(stands.Same(first)).To(BeTrue())
		})
	})

	It("is not asked for while an attempt is under way, whoever began it", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.ExecutorWith("e2", 1, map[string]string{"party": "red"}, "b2")
			c := w.Client("c1")
			w.Isolate("b1")
			w.Run(10 * time.Second)
			id := c.NewID("b1")
			s := sim.Program("20s")
			s.Quorum = 2
			c.Ask("b2", c.Submission(id, s))
			w.Run(time.Second)
			w.Heal()
			w.Run(time.Second)
			w.ExecutorWith("e3", 1, map[string]string{"party": "blue"}, "b2") // b1 acts again, and wants a second result
			asked := 0
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.SlotRequest); ok {
					asked++
				}
			})
			w.Run(10 * time.Second)
			end, _ := seen(w, "b1", id).Authority()
			Expect(end.Journal).To(Equal(w.Journal("b1")))
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateRunning))
			Expect(asked).To(BeZero())
			w.RunUntil(time.Minute, func() bool { return seen(w, "b1", id).State().Terminal() })
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
			Expect(asked).To(BeNumerically("<", 5))
		})
	})

	It("of a taker moves its provisional ownership and not the authority", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			c := w.Client("c1")
			w.Isolate("b1")
			w.Run(10 * time.Second)
			id := c.NewID("b1")
			c.Ask("b2", c.Submission(id, sim.Program("1s")))
			w.Executor("e3", "b3")
			w.Cut("e3", "b1")
			w.Run(5 * time.Second)
			j := seen(w, "b2", id)
			v, by := j.Winner()
			Expect(v.Kind).To(Equal(job.Accepted))
			Expect(by).To(Equal(job.Ownership{T: 1, H: 1, Journal: w.Journal("b3")}))
			end, _ := j.Authority()
			Expect(end).To(Equal(job.Ownership{Journal: w.Journal("b1")}))
			Expect(told(w, "b3", id).GetFinal()).To(BeFalse())
			w.Heal()
			w.Run(10 * time.Second)
			v, _ = seen(w, "b3", id).Decided()
			Expect(v.Adopted).To(Equal(by))
		})
	})
})
