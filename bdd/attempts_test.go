package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("An owner that loses power", Label("JOB-2"), func() {
	// interrupted has an owner whose disk is slow lose power when an attempt was sent out and is not on its disk.
	interrupted := func(tell func(w *sim.World, c *sim.Client, id job.ID)) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("10s"))
			w.SlowDisk("b1", 1000) // half a second
			w.Executor("e1", "b1")
			w.RunUntil(5*time.Second, func() bool { return w.Runs("e1") == 1 })
			w.LoseUnsynced("b1")
			saved, ok := w.Saved("b1", id)
			Expect(ok).To(BeTrue(), "it was acknowledged")
			Expect(saved.Attempted()).To(BeZero(), "the crash forgot the attempt")
			w.SlowDisk("b1", 1)
			tell(w, c, id)
		})
	}

	It("knows a deployment that it forgot by its own MAC, and lets it go on", func() {
		interrupted(func(w *sim.World, c *sim.Client, id job.ID) {
			w.Run(time.Second)
			w.Start("b1")
			w.Run(15 * time.Second)
			j := seen(w, "b1", id)
			Expect(j.State()).To(Equal(job.StateAccepted))
			Expect(runs(w, "e1")).To(Equal(1))
			Expect(j.Attempted()).To(Equal(1))
		})
	})

	It("takes the result of a deployment that it forgot", func() {
		interrupted(func(w *sim.World, c *sim.Client, id job.ID) {
			w.Run(12 * time.Second) // it ends meanwhile
			w.Start("b1")
			w.Run(5 * time.Second)
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
			Expect(runs(w, "e1")).To(Equal(1))
		})
	})

	It("deploys again what may be running only when its executors have reported, or one lease has passed", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1m"))
			w.Run(time.Second)
			w.PowerOff("b1")
			w.Isolate("e1")
			w.Executor("e2", "b1")
			w.Start("b1")
			w.Run(2800 * time.Millisecond)
			Expect(runs(w, "e2")).To(BeZero())
			Expect(told(w, "b1", id).GetWaiting()).To(Equal("this broker has just started: executors may still run it"))
			w.Run(2 * time.Second)
			Expect(runs(w, "e2")).To(Equal(1))
		})
	})
})

var _ = Describe("An executor that comes back", Label("JOB-4"), func() {
	It("has its slot free again when what it runs is over", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 1, nil, "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1m"))
			w.Run(time.Second)
			w.Isolate("e1")
			w.Run(10 * time.Second)
			c.Ask("b1", &messages.CancelJob{Job: string(id)})
			w.Heal()
			w.Run(10 * time.Second)
			next := c.Submit("b1", sim.Program("1s"))
			w.Run(5 * time.Second)
			Expect(seen(w, "b1", next).State()).To(Equal(job.StateAccepted))
		})
	})
})

var _ = Describe("A supervisor", Label("JOB-2"), func() {
	It("deploys elsewhere what ran into its timeout", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			w.Executor("e2", "b1")
			c := w.Client("c1")
			s := sim.Program("5s")
			s.Limits.Timeout, s.Retries = 2*time.Second, 1
			id := c.Submit("b1", s)
			w.Run(20 * time.Second)
			j := seen(w, "b1", id)
			Expect(j.Current().Verdict.Result.Kind).To(Equal(job.TimedOut))
			Expect(runs(w, "e1")).To(Equal(1))
			Expect(runs(w, "e2")).To(Equal(1))
		})
	})

	It("deploys elsewhere what trapped", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			w.Executor("e2", "b1")
			c := w.Client("c1")
			s := sim.Program("1s", "trap")
			s.Retries = 1
			c.Submit("b1", s)
			w.Run(10 * time.Second)
			Expect(runs(w, "e1")).To(Equal(1))
			Expect(runs(w, "e2")).To(Equal(1))
		})
	})
})

var _ = Describe("A result", Label("JOB-3"), func() {
	answers := func(w *sim.World) *[]*messages.ResultAnswered {
		var all []*messages.ResultAnswered
		w.OnArrival(func(a sim.Arrival) {
			if m, ok := a.Message.(*messages.ResultAnswered); ok {
				all = append(all, m)
			}
		})
		return &all
	}

	It("is on disk with the verdict before its executor is told", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			w.SlowDisk("b1", 1000)
			id := c.Submit("b1", sim.Program("1s"))
			told := false
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.ResultAnswered); ok {
					told = true
					saved, _ := w.Saved("b1", id)
					Expect(saved.State()).To(Equal(job.StateAccepted))
				}
			})
			w.Run(5 * time.Second)
			Expect(told).To(BeTrue())
		})
	})

	It("that was accepted and is sent again is accepted again", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1s"))
			sent := 0
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.AttemptFinished); ok {
					sent++
				}
			})
			all := answers(w)
			w.Run(900 * time.Millisecond)
			w.CutOneWay("b1", "e1") // the answer does not arrive
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
			w.Heal()
			w.Run(5 * time.Second)
			Expect(sent).To(BeNumerically(">=", 2))
			Expect(*all).NotTo(BeEmpty())
			for _, m := range *all {
				Expect(m.GetAccepted()).To(BeTrue())
			}
			Expect(seen(w, "b1", id).Current().Rejected).To(BeEmpty())
		})
	})

	DescribeTable("that comes too late is told apart, with the winner's attempt", func(spec *job.Spec, cancel bool, why job.Lateness) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", spec)
			w.Run(time.Second)
			w.Isolate("e1")
			w.Executor("e2", "b1")
			w.Run(10 * time.Second)
			if cancel {
				c.Cancel("b1", id)
			}
			w.Run(10 * time.Second)
			all := answers(w)
			w.Heal()
			w.Run(10 * time.Second)
			j := seen(w, "b1", id)
			Expect(j.Current().Rejected).To(HaveLen(1))
			Expect(j.Current().Rejected[0].Why).To(Equal(why))
			Expect(*all).NotTo(BeEmpty())
			Expect((*all)[0].GetAccepted()).To(BeFalse())
			if why != job.AfterVerdict {
				Expect(messages.AttemptFromWire((*all)[0].GetWinner())).To(Equal(j.Current().Verdict.Attempt))
			}
		})
	},
		Entry("equal to the winner's", sim.Program("10s"), false, job.EqualDigest),
		Entry("another one than the winner's", sim.Program("10s", "wild"), false, job.DifferentDigest),
		Entry("after the job was cancelled", sim.Program("10s"), true, job.AfterVerdict),
	)

	It("of an owner's one verdict stays the only one, also over restarts", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1s", "wild"))
			w.Run(3 * time.Second)
			verdict := *seen(w, "b1", id).Current().Verdict
			for range 3 {
				w.Restart("b1")
				w.Run(5 * time.Second)
			}
			Expect(*seen(w, "b1", id).Current().Verdict).To(Equal(verdict))
			Expect(runs(w, "e1")).To(Equal(1))
		})
	})
})

var _ = Describe("The limits of a job", Label("JOB-5"), func() {
	It("are five attempts of an owner, each after a longer pause", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			s := sim.Program("100ms", "exit=1")
			s.Retries = 1000
			id := c.Submit("b1", s)
			w.Run(time.Minute)
			j := seen(w, "b1", id)
			Expect(j.State()).To(Equal(job.StateFailed))
			attempts := j.Current().Attempts
			Expect(attempts).To(HaveLen(5))
			for i := 2; i < len(attempts); i++ {
				pause := attempts[i].Placed.Wall - attempts[i-1].Ended.Wall
				Expect(pause).To(BeNumerically(">", attempts[i-1].Placed.Wall-attempts[i-2].Ended.Wall))
			}
		})
	})

	It("are two attempts of a taker, whose end is provisional", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b2")
			c := w.Client("c1")
			w.Cut("b1", "b2")
			w.Run(10 * time.Second)
			s := sim.Program("100ms", "exit=1")
			s.Retries = 1000
			id := c.NewID("b1")
			c.Ask("b2", c.Submission(id, s))
			w.Run(time.Minute)
			Expect(runs(w, "e1")).To(Equal(2))
			Expect(seen(w, "b2", id).State()).To(Equal(job.StateFailed))
			Expect(told(w, "b2", id).GetFinal()).To(BeFalse())
		})
	})

	It("fail a module that traps the same way on two executors, whatever its retries", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			w.Executor("e2", "b1")
			w.Executor("e3", "b1")
			c := w.Client("c1")
			s := sim.Program("100ms", "trap")
			s.Retries = 1000
			id := c.Submit("b1", s)
			w.Run(time.Minute)
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateFailed))
			Expect(runs(w, "e1", "e2", "e3")).To(Equal(2))
		})
	})

	It("quarantine a job that takes down three executors, until an operator lets it go on", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			for _, e := range []string{"e1", "e2", "e3", "e4"} {
				w.Executor(e, "b1")
			}
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("2s", "kill"))
			w.Run(time.Minute)
			Expect(runs(w, "e1", "e2", "e3", "e4")).To(Equal(3))
			j := seen(w, "b1", id)
			Expect(j.State()).To(Equal(job.StateQueued))
			Expect(j.Current().Quarantined).To(BeTrue())
			Expect(told(w, "b1", id).GetWaiting()).To(HavePrefix("quarantined: it took down "))

			c.Ask("b1", &messages.ReprieveJob{Job: string(id)})
			w.Run(time.Second)
			Expect(runs(w, "e1", "e2", "e3", "e4")).To(Equal(4))
		})
	})
})
