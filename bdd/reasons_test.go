package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
)

var _ = Describe("A job that does not run", Label("JOB-9"), func() {
	DescribeTable("says why", func(tell func(w *sim.World, c *sim.Client) (at string, id job.ID), why string) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			at, id := tell(w, w.Client("c1"))
			Expect(seen(w, at, id).State()).NotTo(Equal(job.StateRunning))
			Expect(told(w, at, id).GetWaiting()).To(MatchRegexp(why))
		})
	},
		Entry("there is no executor", func(w *sim.World, c *sim.Client) (string, job.ID) {
			id := c.Submit("b1", sim.Program("1s"))
			w.Run(time.Second)
			return "b1", id
		}, "^no executor"),
		Entry("no executor can ever take it", func(w *sim.World, c *sim.Client) (string, job.ID) {
			w.Executor("e1", "b1")
			s := sim.Program("1s")
			s.Needs.Labels = map[string]string{"medical": "yes"}
			id := c.Submit("b1", s)
			w.Run(time.Minute)
			return "b1", id
		}, "^no executor can take it: lacks label medical=yes"),
		Entry("its owner is out of reach, and its turn to be taken over has not come", func(w *sim.World, c *sim.Client) (string, job.ID) {
			id := c.Submit("b1", sim.Program("1s"))
			w.PowerOff("b1")
			w.Run(3 * time.Second)
			return "b2", id
		}, "^waits until broker b1 acts for it"),
		Entry("the broker that took it over holds it back, whatever its owner last said", func(w *sim.World, c *sim.Client) (string, job.ID) {
			w.Executor("e1", "b1")
			id := c.Submit("b1", sim.Program("1s", "kill"))
			w.RunUntil(time.Minute, func() bool { return !w.Node("e1").Up() })
			w.Run(2 * time.Second)
			w.PowerOff("b1")
			w.Executor("e2", "b2")
			w.Executor("e3", "b2")
			w.Run(20 * time.Second)
			return "b2", id
		}, "^quarantined: it took down "),
		Entry("its retry is not due", func(w *sim.World, c *sim.Client) (string, job.ID) {
			w.Executor("e1", "b1")
			s := sim.Program("100ms", "exit=1")
			s.Retries = 100
			id := c.Submit("b1", s)
			w.RunUntil(time.Minute, func() bool { return seen(w, "b1", id).Current().Failures == 4 })
			return "b1", id
		}, "^the program exited with 1; retry 4 of 100 in "),
		Entry("its predecessor has not ended", func(w *sim.World, c *sim.Client) (string, job.ID) {
			w.Executor("e1", "b1")
			id := c.Submit("b1", after(c.Submit("b1", sim.Program("1h")), job.FailJob, "1s"))
			w.Run(time.Second)
			return "b1", id
		}, "^waits for 01"),
		Entry("its broker has just started", func(w *sim.World, c *sim.Client) (string, job.ID) {
			id := c.Submit("b1", sim.Program("1s"))
			w.Restart("b1")
			w.Run(time.Second)
			return "b1", id
		}, "^this broker has just started"),
		Entry("its end is on one disk only", func(w *sim.World, c *sim.Client) (string, job.ID) {
			w.Executor("e1", "b1")
			id := c.Submit("b1", sim.Program("2s"))
			w.Cut("b1", "b2")
			w.Run(20 * time.Second)
			return "b1", id
		}, "^its end is not on a second disk yet"),
	)

	It("does so at every moment of a life with everything in it", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1", "b1")
			s := sim.Program("3s", "flaky=2")
			s.Retries = 3
			id := c.Submit("b1", s)
			w.Executor("e1", "b1")
			w.Executor("e2", "b2")
			happens := map[int]func(){10: func() { w.Kill("e1") }, 30: func() { w.Isolate("e2") }, 70: w.Heal, 90: func() { w.Restart("b1") }}
			for i := range 300 {
				if do, ok := happens[i]; ok {
					do()
				}
				w.Run(100 * time.Millisecond)
				j, ok := w.Job("b1", id)
				if !ok || j.State() == job.StateRunning || told(w, "b1", id).GetFinal() {
					continue
				}
				Expect(told(w, "b1", id).GetWaiting()).NotTo(BeEmpty(), "at %s it is %s", w.Now(), j.State())
			}
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
		})
	})
})
