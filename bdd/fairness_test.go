package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
)

var _ = Describe("Submitters of equal priority", Label("PLACE-2"), func() {
	// accepted counts the jobs that are done.
	accepted := func(w *sim.World, ids []job.ID) (n int) {
		for _, id := range ids {
			if seen(w, "b1", id).State() == job.StateAccepted {
				n++
			}
		}
		return n
	}
	submit := func(c *sim.Client, n int, spec *job.Spec) (ids []job.ID) {
		for range n {
			ids = append(ids, c.Submit("b1", spec))
		}
		return ids
	}

	It("are served by turns: who comes with five jobs does not wait for who came with 500", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 2, nil, "b1")
			greedy, modest := w.Client("greedy"), w.Client("modest")
			many := submit(greedy, 500, sim.Program("1s"))
			few := submit(modest, 5, sim.Program("1s"))
			w.Run(8 * time.Second)
			Expect(accepted(w, few)).To(Equal(5))
			Expect(accepted(w, many)).To(BeNumerically("<", 20))
		})
	})

	It("share time, not jobs: who runs long programs starts fewer", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 2, nil, "b1")
			patient, hasty := w.Client("patient"), w.Client("hasty")
			long := submit(patient, 60, sim.Program("1s"))
			short := submit(hasty, 400, sim.Program("100ms"))
			w.Run(20 * time.Second)
			inLong, inShort := float64(accepted(w, long)), float64(accepted(w, short))/10
			jain := (inLong + inShort) * (inLong + inShort) / (2 * (inLong*inLong + inShort*inShort))
			Expect(jain).To(BeNumerically(">=", 0.95), "%v s and %v s", inLong, inShort)
		})
	})

	It("do not starve who has a lesser priority", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 1, nil, "b1")
			c := w.Client("c1")
			urgent := sim.Program("1s")
			urgent.Priority = 55
			many := submit(c, 100, urgent)
			plain := sim.Program("1s")
			plain.Priority = 50
			one := submit(c, 1, plain)
			w.Run(10 * time.Second)
			Expect(accepted(w, one)).To(BeZero())
			Expect(accepted(w, many)).To(BeNumerically(">", 5))
			w.Run(20 * time.Second) // four starts for each of the five priorities between
			Expect(accepted(w, one)).To(Equal(1))
		})
	})
})
