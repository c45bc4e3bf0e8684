package real_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/history"
	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

// runner waits until a job's program runs and returns the node that runs it.
func (l *lab) runner(ctx context.Context, c *client.Client, id string) *node {
	GinkgoHelper()
	var at *node
	Eventually(ctx, func(g Gomega) {
		change, err := c.Job(ctx, id)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(change.Job.State()).To(Equal(job.StateRunning))
		live := change.Job.Current().Live()
		g.Expect(live).To(ContainElement(HaveField("State", job.Running)))
		at = l.nodes[change.Name(live[0].Executor)]
		g.Expect(at).NotTo(BeNil())
		g.Expect(at.Running()).To(BeTrue())
	}).Should(Succeed())
	return at
}

var _ = Describe("A lost executor", Label("JOB-2", "JOB-3", "JOB-4", "LOSS-2", "real"), func() {
	var (
		l *lab
		c *client.Client
	)
	BeforeEach(func(ctx SpecContext) {
		l = newLab()
		b := l.broker("b1").start(ctx)
		l.executor("e1", b).start(ctx)
		l.executor("e2", b).start(ctx)
		c = l.client(ctx, b)
		for _, warm := range []time.Duration{1, 2} { // each of them compiles the program before anything is timed
			s, err := c.Submit(ctx, l.sleeps(warm))
			Expect(err).NotTo(HaveOccurred())
			_, err = s.Wait(ctx)
			Expect(err).NotTo(HaveOccurred())
		}
	}, NodeTimeout(2*soon))

	It("that was killed costs its job another run, which begins at once and counts", func(ctx SpecContext) {
		s, err := c.Submit(ctx, l.sleeps(2*time.Second))
		Expect(err).NotTo(HaveOccurred())
		lost := l.runner(ctx, c, s.ID())
		lost.Kill()
		since := time.Now()
		Eventually(ctx, func() *node { return l.runner(ctx, c, s.ID()) }).ShouldNot(BeIdenticalTo(lost))
		Expect(time.Since(since)).To(BeNumerically("<", 3*time.Second))
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(j.State()).To(Equal(job.StateAccepted))
		Expect(j.Current().Attempts).To(HaveLen(2))
		Expect(j.Current().Attempts[0].State).To(Equal(job.Lost))
	}, SpecTimeout(2*soon))

	It("that was frozen and comes back late has its result rejected, and the job ends once", func(ctx SpecContext) {
		s, err := c.Submit(ctx, l.sleeps(3*time.Second))
		Expect(err).NotTo(HaveOccurred())
		frozen := l.runner(ctx, c, s.ID())
		frozen.signal(syscall.SIGSTOP)
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		won := j.Current().Verdict.Attempt
		frozen.signal(syscall.SIGCONT)
		Eventually(ctx, func(g Gomega) {
			late, err := c.Job(ctx, s.ID())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(late.Job.Current().Rejected).To(HaveLen(1))
			g.Expect(late.Job.Current().Verdict.Attempt).To(Equal(won))
			g.Expect(late.Final).To(BeTrue())
		}).Should(Succeed())
	}, SpecTimeout(2*soon))

	It("that starts again at once under the same name runs nothing twice that it had not lost", func(ctx SpecContext) {
		s, err := c.Submit(ctx, l.sleeps(2*time.Second))
		Expect(err).NotTo(HaveOccurred())
		lost := l.runner(ctx, c, s.ID())
		lost.Kill()
		lost.start(ctx)
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(j.State()).To(Equal(job.StateAccepted))
		Expect(j.Current().Attempts).To(HaveLen(2))
	}, SpecTimeout(2*soon))
})

var _ = Describe("A lost broker", Label("JOB-6", "DISC-3", "real"), func() {
	It("that is gone for good loses no job: its clients move, others take over, nothing that runs is restarted", func(ctx SpecContext) {
		l := newLab()
		b1 := l.broker("b1").start(ctx)
		b2 := l.broker("b2", b1).start(ctx)
		l.executor("e1", b1, b2).start(ctx)
		c := l.client(ctx, b1, b2)
		s, err := c.Submit(ctx, l.sleeps(4*time.Second))
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Durability()).To(Equal(2))
		l.runner(ctx, c, s.ID())
		first, _ := c.Broker()
		owner, other := l.nodes[first], b2
		if owner == b2 {
			other = b1
		}
		Eventually(ctx, func() string { return other.blob(l.sleep) }).Should(BeAnExistingFile(), "what the job runs is at both brokers")
		owner.Kill()
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(j.State()).To(Equal(job.StateAccepted))
		names := map[job.Name]bool{}
		for _, t := range j.Tenures {
			for _, a := range t.Attempts {
				names[a.Name] = true
			}
		}
		Expect(names).To(HaveLen(1), "attempts")
		change, err := l.client(ctx, other).Job(ctx, s.ID())
		Expect(err).NotTo(HaveOccurred())
		Expect(change.Provisional()).NotTo(BeEmpty(), "its owner has the last word")

		owner.start(ctx)
		Eventually(ctx, func(g Gomega) {
			change, err := c.Job(ctx, s.ID())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(change.Final).To(BeTrue(), change.Provisional())
		}).Should(Succeed())
	}, SpecTimeout(3*soon))
})

var _ = Describe("A network under random faults", Label("JOB-1", "JOB-7", "real"), func() {
	It("gives every acknowledged job exactly one final end, which all clients agree on", func(ctx SpecContext) {
		const faults = 25 * time.Second
		seed := uint64(GinkgoRandomSeed())
		By(fmt.Sprintf("drawing faults from %d", seed))
		rng := rand.New(rand.NewPCG(seed, 1))
		l := newLab()
		brokers := []*node{l.broker("b1")}
		brokers = append(brokers, l.broker("b2", brokers[0]), l.broker("b3", brokers[0]))
		var executors []*node
		for i := range 3 {
			executors = append(executors, l.executor(fmt.Sprintf("e%d", i+1), brokers...))
		}
		for _, n := range append(brokers, executors...) {
			n.start(ctx)
		}
		l.client(ctx, brokers...)

		var told history.Recorder
		acting, enough := context.WithTimeout(ctx, faults)
		defer enough()
		var people sync.WaitGroup
		ids := make([][]string, 4)
		for i := range ids {
			people.Go(func() { ids[i] = l.acts(acting, i, brokers, &told, rand.New(rand.NewPCG(seed, uint64(i+2)))) })
		}
		l.harms(acting, brokers, executors, rng)
		people.Wait()

		for i, b := range brokers {
			c := l.client(ctx, b)
			for _, all := range ids {
				for _, id := range all {
					l.readsFinal(ctx, c, i, id, &told)
				}
			}
		}
		ops := told.Ops()
		By(fmt.Sprintf("checking %d operations", len(ops)))
		Expect(history.Check(ops)).To(Succeed())
	}, SpecTimeout(6*soon))
})

// acts submits jobs and asks how they are doing, at one broker and another, until ctx ends; it returns the jobs that were acknowledged.
func (l *lab) acts(ctx context.Context, who int, brokers []*node, told *history.Recorder, rng *rand.Rand) (acknowledged []string) {
	defer GinkgoRecover()
	c, err := l.dial(ctx, brokers[who%len(brokers)], brokers[(who+1)%len(brokers)], brokers[(who+2)%len(brokers)])
	if err != nil {
		return nil
	}
	defer c.Close()
	for ctx.Err() == nil {
		submitted := told.Begin(who, history.Submit)
		s, err := c.Submit(ctx, l.sleeps(time.Duration(rng.IntN(400))*time.Millisecond))
		if err != nil {
			continue
		}
		submitted(s.ID(), true, "")
		acknowledged = append(acknowledged, s.ID())
		read := told.Begin(who, history.Read)
		if change, err := c.Job(ctx, acknowledged[rng.IntN(len(acknowledged))]); err == nil {
			read(string(change.Job.ID), true, history.EndOf(change))
		}
		select {
		case <-time.After(time.Duration(100+rng.IntN(300)) * time.Millisecond): // what six slots can take
		case <-ctx.Done():
		}
	}
	return acknowledged
}

// harms kills and freezes nodes until ctx ends, and then has all of them up.
func (l *lab) harms(ctx context.Context, brokers, executors []*node, rng *rand.Rand) {
	GinkgoHelper()
	for ctx.Err() == nil {
		n := executors[rng.IntN(len(executors))]
		if rng.IntN(3) == 0 {
			n = brokers[rng.IntN(len(brokers))]
		}
		pause := time.Duration(200+rng.IntN(4500)) * time.Millisecond
		if rng.IntN(2) == 0 {
			n.Kill()
			time.Sleep(pause / 3) // how long it is gone
			n.start(context.WithoutCancel(ctx))
		} else {
			n.signal(syscall.SIGSTOP)
			time.Sleep(pause) // how long it is frozen
			n.signal(syscall.SIGCONT)
		}
		time.Sleep(300 * time.Millisecond) // faults overlap in what they cause, not in time
	}
}

// readsFinal asks for a job until its end is final.
func (l *lab) readsFinal(ctx context.Context, c *client.Client, who int, id string, told *history.Recorder) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		read := told.Begin(who, history.Read)
		change, err := c.Job(ctx, id)
		g.Expect(err).NotTo(HaveOccurred())
		read(id, true, history.EndOf(change))
		g.Expect(change.Final).To(BeTrue(), "%s is %s: %s %s", id, change.Job.State(), change.Waiting, change.Provisional())
	}).Should(Succeed())
}
