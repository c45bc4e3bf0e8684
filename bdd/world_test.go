package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// worldSeed is where every world of a spec begins. Each spec holds for others too.
const worldSeed = 1

// inWorld tells a story in a simulated network in which nothing fails by itself, and sees to it that no invariant was broken.
func inWorld(tell func(w *sim.World), options ...sim.Option) {
	GinkgoHelper()
	w := sim.New(worldSeed, append([]sim.Option{sim.Quiet(), sim.Verbose(GinkgoWriter)}, options...)...)
	defer w.Close()
	tell(w)
	Expect(w.Violations()).To(BeEmpty())
}

// brokers adds brokers that all know each other, and waits until each counts as a second disk.
func brokers(w *sim.World, names ...string) {
	for _, n := range names {
		w.Broker(n)
	}
	w.Run(4 * time.Second)
}

// seen is a job as a broker tells it, which must know it.
func seen(w *sim.World, broker string, id job.ID) job.Job {
	GinkgoHelper()
	j, ok := w.Job(broker, id)
	Expect(ok).To(BeTrue(), "%s does not know job %s", broker, id)
	return j
}

// told is all that a broker tells of a job.
func told(w *sim.World, broker string, id job.ID) *messages.JobChanged {
	GinkgoHelper()
	m, ok := w.Look(broker, &messages.JobRequest{Job: string(id)}).(*messages.JobChanged)
	Expect(ok).To(BeTrue(), "%s does not know job %s", broker, id)
	return m
}

// runs counts the programs that executors started.
func runs(w *sim.World, executors ...string) int {
	n := 0
	for _, e := range executors {
		n += w.Runs(e)
	}
	return n
}

// same expects that brokers tell a job byte for byte alike.
func same(w *sim.World, id job.ID, brokers ...string) {
	GinkgoHelper()
	for _, b := range brokers[1:] {
		Expect(seen(w, b, id).Append(nil)).To(Equal(seen(w, brokers[0], id).Append(nil)), "%s and %s differ", brokers[0], b)
	}
}
