package real_test

import (
	"context"
	"os"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/history"
	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

var _ = Describe("What a lost broker owned", Label("JOB-1", "JOB-6", "DISC-3", "SYNC-5", "real"), func() {
	var (
		l                        *lab
		b1, b2                   *node
		c                        *client.Client // speaks to b1 while there is one
		over, runs, waits, fresh *client.Submission
		others                   *client.Client // speaks to b2
	)
	// network has b1 own four jobs: one that is over, one that runs, one that nobody can run yet, and one that was just taken.
	network := func(ctx context.Context, timeout string, more ...string) {
		l = newLab()
		b1 = l.broker("b1")
		b2 = l.broker("b2", b1)
		members := []*node{b1, b2}
		for _, name := range more {
			members = append(members, l.broker(name, b1))
		}
		e1 := l.executorAt("e1", "north", addresses(members)...)
		for i, b := range members {
			b.Flags = []string{"--broker-timeout", timeout}
			b.start(ctx)
			if i == 0 { // it is home to the executor, which finds nobody else
				e1.start(ctx)
				Eventually(ctx, b.Log).Should(ContainSubstring(`"msg":"executor joined"`))
			}
		}
		c, others = l.client(ctx, b1, b2), l.client(ctx, b2)
		over = submit(ctx, c, at("north", l.draws(0)))
		accepted(ctx, over)
		Eventually(ctx, func() string { return b2.blob(l.dice) }).Should(BeAnExistingFile(), "what the jobs run is at both brokers")
		runs = submit(ctx, c, at("north", l.draws(5*time.Second)))
		Expect(runs.Durability()).To(Equal(2))
		l.runner(ctx, c, runs.ID())
		waits = submit(ctx, c, at("south", l.draws(0)))
		fresh = submit(ctx, c, at("south", l.draws(0)))
	}
	all := func() []*client.Submission { return []*client.Submission{over, runs, waits, fresh} }
	// seen is a poll for how b2 knows a job.
	seen := func(ctx context.Context, s *client.Submission) client.Change {
		GinkgoHelper()
		change, err := others.Job(ctx, s.ID())
		Expect(err).NotTo(HaveOccurred())
		return change
	}
	takenOver := func(ctx context.Context, all ...*client.Submission) {
		GinkgoHelper()
		for _, s := range all {
			Eventually(ctx, func() []job.Tenure { return seen(ctx, s).Job.Tenures }).Should(HaveLen(2))
		}
	}
	// end waits until all of it is over, whoever decides, and final for both brokers, which agree.
	end := func(ctx context.Context) {
		GinkgoHelper()
		asks := []*client.Client{others, l.client(ctx, b1)}
		for _, s := range all() {
			accepted(ctx, s)
			one, two := final(ctx, asks[0], s.ID()), final(ctx, asks[1], s.ID())
			Expect(history.EndOf(one)).To(Equal(history.EndOf(two)))
		}
	}
	attempts := func(j client.Job) map[job.Name]bool {
		names := map[job.Name]bool{}
		for _, t := range j.Tenures {
			for _, a := range t.Attempts {
				names[a.Name] = true
			}
		}
		return names
	}

	It("is still its own when it is back in time: nothing has changed", func(ctx SpecContext) {
		network(ctx, "10s")
		b1.Kill()
		b1.start(ctx)
		l.executorAt("e2", "south", b1.Address()).start(ctx)
		end(ctx)
		for _, s := range all() {
			j := seen(ctx, s).Job
			Expect(j.Tenures).To(HaveLen(1))
			Expect(attempts(j)).To(HaveLen(1))
		}
	}, SpecTimeout(3*soon))

	It("is taken over by another, and is final when it is back: it has the last word", Label("JOB-7"), func(ctx SpecContext) {
		network(ctx, "3s")
		b1.Kill()
		takenOver(ctx, runs, waits, fresh)
		l.executorAt("e2", "south", b2.Address()).start(ctx)
		for _, s := range all() {
			accepted(ctx, s)
		}
		for _, s := range []*client.Submission{runs, waits, fresh} {
			Expect(seen(ctx, s).Provisional()).To(HavePrefix("a broker that took the job over decided so"))
		}
		b1.start(ctx)
		end(ctx)
		for _, s := range all() {
			j := seen(ctx, s).Job
			_, by := j.Decided()
			Expect(by).To(Equal(j.First), "its owner made it final")
			Expect(attempts(j)).To(HaveLen(1))
		}
	}, SpecTimeout(3*soon))

	It("is not lost with its disk: it comes back as a new broker, and an operator who says so makes the ends final", Label("JOB-14"), func(ctx SpecContext) {
		network(ctx, "3s")
		first := seen(ctx, waits).Job.First.Journal
		b1.Kill()
		Expect(os.RemoveAll(b1.File("data"))).To(Succeed())
		b1.start(ctx)
		fresh := l.client(ctx, b1)
		for _, s := range all() {
			Eventually(ctx, func() error { _, err := fresh.Job(ctx, s.ID()); return err }).Should(Succeed(), "the new one knows it")
		}
		takenOver(ctx, waits)
		l.executorAt("e2", "south", b1.Address(), b2.Address()).start(ctx)
		for _, s := range all() {
			accepted(ctx, s)
		}
		_, err := others.ForgetBroker(ctx, first, "its disk is gone")
		Expect(err).NotTo(HaveOccurred())
		end(ctx)
	}, SpecTimeout(3*soon))

	It("is inherited when it is given up for good: the heir makes the ends final", Label("JOB-14"), func(ctx SpecContext) {
		network(ctx, "3s", "b3")
		first := seen(ctx, waits).Job.First.Journal
		b1.Kill()
		Expect(l.ucp(ctx, []*node{b2}, "broker", "forget", "b1", "--reason", "it burnt")).To(HavePrefix("Broker b1 is given up; its jobs have heirs"))
		l.executorAt("e2", "south", b2.Address()).start(ctx)
		b1 = l.nodes["b3"]
		end(ctx)
		Expect(attempts(seen(ctx, runs).Job)).To(HaveLen(1))
		for _, s := range []*client.Submission{runs, waits, fresh} {
			_, by := seen(ctx, s).Job.Decided()
			Expect(by.T).To(BeZero(), "it has authority")
			Expect(by.Journal).NotTo(Equal(first))
		}
	}, SpecTimeout(3*soon))
})
