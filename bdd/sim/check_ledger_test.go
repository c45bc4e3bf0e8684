package sim_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
)

var _ = Describe("The check that a job comes after those that it follows", Label("SYNC-3"), func() {
	var (
		w      *sim.World
		c1, c2 *sim.Client
		spec   *job.Spec
		second job.ID
	)
	BeforeEach(func() {
		w = sim.New(1, sim.Quiet(), sim.With(func(s *sim.Settings) { s.Honest = true }))
		DeferCleanup(w.Close)
		w.Broker("b1")
		w.Broker("b2")
		c1, c2 = w.Client("c1", "b1"), w.Client("c2", "b2")
		w.Run(time.Second)
		w.Cut("b1", "b2")
		first := c1.Submit("b1", sim.Program("1s"))
		spec = sim.Program("1s")
		spec.After = []job.Dependency{{Job: first}}
		second = c1.Submit("b1", spec)
	})

	It("lets a broker take a job whose predecessors it has not heard of, also when one that has them took it before", func() {
		c2.Ask("b2", c2.Submission(second, spec))
		_, taken := w.Job("b2", second)
		Expect(taken).To(BeTrue())
		w.Heal()
		w.Run(5 * time.Second)
		Expect(w.Violations()).To(BeEmpty())
	})

	It("does not let the job of a broker that had them come to another one alone", func() {
		saved, err := w.Node("b1").Disk.Load()
		Expect(err).NotTo(HaveOccurred())
		for _, r := range saved.Records {
			if r.Key == (ledger.Key{Kind: ledger.Job, ID: string(second)}) {
				w.Node("b2").Disk.Write(sim.Batch{Records: []sim.SavedRecord{r}}, func(error) {})
			}
		}
		Expect(w.Violations()).To(ConsistOf(And(HaveField("Check", "S7"), HaveField("Saw", ContainSubstring("which it follows")))))
	})
})

var _ = Describe("The check that an acknowledged job is on as many disks as was said", Label("JOB-1", "SYNC-8"), func() {
	var (
		w *sim.World
		c *sim.Client
	)
	BeforeEach(func() {
		w = sim.New(1, sim.Quiet(), sim.With(func(s *sim.Settings) { s.Honest = true }))
		DeferCleanup(w.Close)
		w.Broker("b1")
		w.Broker("b2")
		w.Executor("e1", "b1")
		c = w.Client("c1")
		w.Run(4 * time.Second) // each counts as a second disk
	})
	saved := func(broker string, id job.ID) bool {
		_, ok := w.Saved(broker, id)
		return ok
	}
	again := func(broker string, id job.ID, spec *job.Spec) {
		GinkgoHelper()
		answer := c.Ask(broker, c.Submission(id, spec))
		Expect(answer).To(HaveField("Durability", BeEquivalentTo(2)), "%v", answer)
	}

	It("lets a broker acknowledge again what has ended and others have just forgotten", func() {
		spec := sim.Program("1s")
		spec.Retention = time.Second
		id := c.Submit("b1", spec)
		w.Run(time.Second)
		Expect(saved("b1", id) && saved("b2", id)).To(BeTrue())
		Expect(w.RunUntil(time.Minute, func() bool { return !saved("b1", id) || !saved("b2", id) })).To(BeTrue())
		w.Cut("b1", "b2")
		last := "b1"
		if saved("b2", id) {
			last = "b2"
		}
		Expect(saved(last, id)).To(BeTrue())
		again(last, id, spec)
		Expect(w.Violations()).To(BeEmpty())
	})

	It("does not let a disk drop what has not ended", func() {
		spec := sim.Program("1h")
		id := c.Submit("b1", spec)
		w.Run(time.Second)
		w.Node("b2").Disk.Write(sim.Batch{Records: []sim.SavedRecord{{Key: ledger.Key{Kind: ledger.Job, ID: string(id)}}}}, func(error) {})
		Expect(w.RunUntil(time.Second, func() bool { return !saved("b2", id) })).To(BeTrue())
		again("b1", id, spec)
		Expect(w.Violations()).To(ConsistOf(And(HaveField("Check", "S1"), HaveField("Saw", ContainSubstring("it is on 1 disks")))))
	})
})
