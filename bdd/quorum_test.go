package bdd_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("A job with a quorum of two", Label("JOB-12"), func() {
	quorum := func(program ...string) *job.Spec {
		s := sim.Program(program...)
		s.Quorum = 2
		return s
	}
	// parties adds an executor of each of these parties.
	parties := func(w *sim.World, names ...string) {
		for i, p := range names {
			w.ExecutorWith(fmt.Sprint("e", i+1), 1, map[string]string{"party": p}, "b1")
		}
	}

	It("is accepted when executors of two parties agree on the digest", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			parties(w, "red", "blue", "green")
			c := w.Client("c1")
			id := c.Submit("b1", quorum("1s"))
			w.Run(5 * time.Second)
			j := seen(w, "b1", id)
			Expect(j.State()).To(Equal(job.StateAccepted))
			Expect(j.Attempted()).To(Equal(2))
		})
	})

	It("holds the first result, on two disks before its executor is told so", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			parties(w, "red")
			c := w.Client("c1")
			id := c.Submit("b1", quorum("1s"))
			held := 0
			w.OnArrival(func(a sim.Arrival) {
				if m, ok := a.Message.(*messages.ResultAnswered); ok && m.GetHeld() {
					held++
					for _, b := range []string{"b1", "b2"} {
						saved, _ := w.Saved(b, id)
						Expect(saved.Current().Candidates).NotTo(BeEmpty(), "on the disk of %s", b)
					}
				}
			})
			w.Run(1500 * time.Millisecond)
			Expect(held).To(BeNumerically(">", 0))
			Expect(seen(w, "b1", id).State().Terminal()).To(BeFalse())
		})
	})

	It("counts a party once, however many executors it has", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			parties(w, "red", "red")
			c := w.Client("c1")
			id := c.Submit("b1", quorum("1s"))
			w.Run(4 * time.Second)
			j := seen(w, "b1", id)
			Expect(j.Current().Candidates).To(HaveLen(1))
			Expect(runs(w, "e1", "e2")).To(Equal(1), "the other one would say nothing that counts")
			Expect(told(w, "b1", id).GetWaiting()).To(Equal("no executor can take it: has a say in its result already (2 of 2)"))
			Expect(j.State().Terminal()).To(BeFalse())
		})
	})

	It("waits for another party when all that are here have had their say and do not agree", Label("JOB-9"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			parties(w, "red", "blue")
			c := w.Client("c1")
			id := c.Submit("b1", quorum("1s", "wild"))
			w.Run(20 * time.Second)
			j := seen(w, "b1", id)
			Expect(j.State().Terminal()).To(BeFalse())
			Expect(j.Attempted()).To(Equal(2))
			Expect(told(w, "b1", id).GetWaiting()).NotTo(BeEmpty())
		})
	})

	It("fails after five attempts for each result that it needs, if they never agree", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			parties(w, "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11")
			c := w.Client("c1")
			id := c.Submit("b1", quorum("1s", "wild"))
			w.Run(time.Minute)
			j := seen(w, "b1", id)
			Expect(j.State()).To(Equal(job.StateFailed))
			Expect(j.Attempted()).To(Equal(10))
		})
	})
})
