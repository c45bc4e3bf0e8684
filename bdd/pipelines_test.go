package bdd_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
)

// after is a program that waits for a job.
func after(id job.ID, rule job.OnFailure, program ...string) *job.Spec {
	s := sim.Program(program...)
	s.After = []job.Dependency{{Job: id, OnFailure: rule}}
	return s
}

var _ = Describe("A job that comes after another", Label("JOB-10"), func() {
	It("says whom it waits for, and runs with the digest of its result", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			first := c.Submit("b1", sim.Program("5s"))
			second := c.Submit("b1", after(first, job.FailJob, "1s"))
			w.Run(2 * time.Second)
			Expect(told(w, "b1", second).GetWaiting()).To(Equal("waits for " + string(first)))
			Expect(runs(w, "e1")).To(Equal(1))
			w.Run(10 * time.Second)
			v := seen(w, "b1", second).Current().Verdict
			Expect(v.Kind).To(Equal(job.Accepted))
			Expect(v.Inputs).To(Equal([][32]byte{seen(w, "b1", first).Current().Verdict.Result.Digest}))
		})
	})

	DescribeTable("whose predecessor fails", func(rule job.OnFailure, end job.State) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			first := c.Submit("b1", sim.Program("1s", "exit=1"))
			second := c.Submit("b1", after(first, rule, "1s"))
			third := c.Submit("b1", after(second, rule, "1s"))
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", second).State()).To(Equal(end))
			Expect(seen(w, "b1", third).State()).To(Equal(end), "and so do those after it")
		})
	},
		Entry("fails with it", job.FailJob, job.StateFailed),
		Entry("is skipped", job.SkipJob, job.StateSkipped),
		Entry("runs all the same", job.RunAnyway, job.StateAccepted),
	)

	It("waits for one that is not here yet, by name", Label("SYNC-3", "JOB-9"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1", "b2")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
			w.Cut("b1", "b2")
			first := one.Submit("b1", sim.Program("1s"))
			second := two.Submit("b2", after(first, job.FailJob, "1s"))
			w.Run(3 * time.Second)
			Expect(told(w, "b2", second).GetWaiting()).To(Equal(string(first) + " is not here yet"))
			w.Heal()
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", second).State()).To(Equal(job.StateAccepted))
		})
	})

	// provisionally has b2 run one job as a taker and its own successor on what came of it, while b1, the owner of the first, is cut off with e1.
	provisionally := func(tell func(w *sim.World, first, second job.ID)) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
			first := one.Submit("b1", sim.Program("20s", "wild"))
			w.Run(time.Second)
			w.Split("b1", "e1", "c1")
			w.Executor("e2", "b2")
			w.Run(time.Second)
			second := two.Submit("b2", after(first, job.FailJob, "1s", "wild"))
			w.Run(40 * time.Second)
			tell(w, first, second)
		})
	}

	It("runs on a provisional result, and is held until that is final", func() {
		provisionally(func(w *sim.World, first, second job.ID) {
			Expect(seen(w, "b2", first).State()).To(Equal(job.StateAccepted))
			j := seen(w, "b2", second)
			Expect(runs(w, "e2")).To(Equal(2))
			Expect(j.State()).To(Equal(job.StateQueued))
			Expect(j.Current().Candidates).To(HaveLen(1))
			Expect(told(w, "b2", second).GetWaiting()).To(Equal("has a result and waits for its inputs to be final"))
		})
	})

	It("runs again when the result that it used is superseded", func() {
		provisionally(func(w *sim.World, first, second job.ID) {
			w.Heal()
			w.Run(20 * time.Second)
			final, by := seen(w, "b2", first).Decided()
			Expect(by.T).To(BeZero())
			v, _ := seen(w, "b2", second).Decided()
			Expect(v).NotTo(BeNil())
			Expect(v.Inputs).To(Equal([][32]byte{final.Result.Digest}))
			Expect(runs(w, "e1", "e2")).To(Equal(4), "each twice")
			Expect(told(w, "b1", second).GetFinal()).To(BeTrue())
		})
	})

	It("may be one of an array that others come after", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 5, nil, "b1")
			c := w.Client("c1")
			join := sim.Program("1s", "join")
			for i := range 5 {
				part := sim.Program("1s", fmt.Sprint("part ", i))
				part.Array = "parts"
				join.After = append(join.After, job.Dependency{Job: c.Submit("b1", part)})
			}
			id := c.Submit("b1", join)
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", id).Current().Verdict.Inputs).To(HaveLen(5))
		})
	})
})

var _ = Describe("A straggler of an array that speculates", Label("JOB-11"), func() {
	It("gets one backup, and the first result of the two wins", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 5, nil, "b1")
			w.ExecutorWith("e2", 5, nil, "b1")
			c := w.Client("c1")
			like := func(length string) *job.Spec {
				s := sim.Program(length)
				s.Array, s.Speculate = "likes", true
				return s
			}
			for range 9 {
				c.Submit("b1", like("1s"))
			}
			slow := c.Submit("b1", like("20s"))
			w.Run(5 * time.Second)
			attempts := seen(w, "b1", slow).Current().Live()
			Expect(attempts).To(HaveLen(2))
			Expect(attempts[0].Executor).NotTo(Equal(attempts[1].Executor))
			w.Run(18 * time.Second)
			j := seen(w, "b1", slow)
			Expect(j.Current().Verdict.Attempt).To(Equal(attempts[0].Name))
			Expect(j.Current().Attempts[1].State).To(Equal(job.Stopped))
			Expect(runs(w, "e1", "e2")).To(Equal(11))
			Expect(w.Stops("e1") + w.Stops("e2")).To(Equal(1))
		})
	})

	It("gets none when its spec does not ask for it", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 10, nil, "b1")
			c := w.Client("c1")
			for _, length := range []string{"1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "20s"} {
				s := sim.Program(length)
				s.Array = "likes"
				c.Submit("b1", s)
			}
			w.Run(30 * time.Second)
			Expect(runs(w, "e1")).To(Equal(10))
		})
	})
})
