package bdd_test

import (
	"crypto/sha256"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
)

// reading is a program that needs its own module and some files, each of a mebibyte.
func reading(takes, module string, files ...string) *job.Spec {
	s := sim.Program(takes)
	s.Module = job.Blob{Digest: sha256.Sum256([]byte(module)), Size: 1 << 20}
	for _, f := range files {
		s.Files = append(s.Files, job.File{Path: f, Blob: job.Blob{Digest: sha256.Sum256([]byte(f)), Size: 1 << 20}})
	}
	return s
}

// pinned is s on one executor only.
func pinned(s *job.Spec, executor string) *job.Spec {
	s.Needs.Labels = map[string]string{"name": executor}
	return s
}

var _ = Describe("A job", Label("PLACE-1", "DATA-5"), func() {
	executors := []string{"e1", "e2", "e3", "e4"}

	// spread has each executor run a job of its own, the last one first, and returns these jobs without their places.
	spread := func(w *sim.World, c *sim.Client, broker string) (again []*job.Spec) {
		for i := range executors {
			e := executors[len(executors)-1-i]
			make := func() *job.Spec { return reading("1s", fmt.Sprint("module ", i/2), fmt.Sprint("file ", i), "shared") }
			c.Submit(broker, pinned(make(), e))
			again = append(again, make())
		}
		w.Run(20 * time.Second)
		return again
	}
	fetched := func(w *sim.World) (all []uint64) {
		for _, e := range executors {
			all = append(all, w.Fetched(e)>>20)
		}
		return all
	}
	// runAgain submits jobs one after the other, so that each finds all executors idle.
	runAgain := func(w *sim.World, c *sim.Client, broker string, specs []*job.Spec) {
		for _, s := range specs {
			id := c.Submit(broker, s)
			w.Run(5 * time.Second)
			Expect(seen(w, broker, id).State()).To(Equal(job.StateAccepted))
		}
	}

	It("runs where its module and inputs are, so that a second run moves no bytes", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			for _, e := range executors {
				w.Executor(e, "b1")
			}
			c := w.Client("c1")
			again := spread(w, c, "b1")
			Expect(fetched(w)).To(Equal([]uint64{3, 3, 3, 3}))
			runAgain(w, c, "b1", again)
			Expect(fetched(w)).To(Equal([]uint64{3, 3, 3, 3}))
			Expect(runs(w, executors...)).To(Equal(8))
		})
	})

	It("does so under a broker that has just started, as executors tell what they have", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			for _, e := range executors {
				w.Executor(e, "b1")
			}
			c := w.Client("c1")
			again := spread(w, c, "b1")
			w.Restart("b1")
			w.Run(20 * time.Second)
			runAgain(w, c, "b1", again)
			Expect(fetched(w)).To(Equal([]uint64{3, 3, 3, 3}))
		})
	})

	It("does so too when it was submitted to a broker without executors, which hands it over", Label("JOB-13"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			for _, e := range executors {
				w.Executor(e, "b1")
			}
			c := w.Client("c1")
			again := spread(w, c, "b1")
			runAgain(w, c, "b2", again)
			Expect(fetched(w)).To(Equal([]uint64{3, 3, 3, 3}))
		})
	})

	It("runs elsewhere rather than wait for a slot where they are", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 1, nil, "b1")
			w.ExecutorWith("e2", 1, nil, "b1")
			c := w.Client("c1")
			c.Submit("b1", pinned(reading("1s", "module", "file"), "e2"))
			w.Run(5 * time.Second)
			first := c.Submit("b1", reading("30s", "module", "file"))
			second := c.Submit("b1", reading("30s", "module", "file"))
			w.Run(2 * time.Second)
			Expect([]string{place(w, "b1", first), place(w, "b1", second)}).To(Equal([]string{w.Node("e2").ID, w.Node("e1").ID}))
		})
	})
})
