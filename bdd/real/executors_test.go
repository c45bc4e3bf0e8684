package real_test

import (
	"context"
	"fmt"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	clusterlab "github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/job"
)

// fault is what happens to an executor, and how it comes back from it, if it does.
type fault struct {
	name         string
	strike, back func(ctx context.Context, e *node, way *clusterlab.Relay)
}

var faults = []fault{
	{
		"was killed",
		func(_ context.Context, e *node, _ *clusterlab.Relay) { e.Kill() },
		func(ctx context.Context, e *node, _ *clusterlab.Relay) { e.start(ctx) },
	}, {
		"was killed and starts again at once",
		func(ctx context.Context, e *node, _ *clusterlab.Relay) { e.Kill(); e.start(ctx) },
		func(context.Context, *node, *clusterlab.Relay) {},
	}, {
		"was frozen",
		func(_ context.Context, e *node, _ *clusterlab.Relay) { e.signal(syscall.SIGSTOP) },
		func(_ context.Context, e *node, _ *clusterlab.Relay) { e.signal(syscall.SIGCONT) },
	}, {
		"was cut off",
		func(_ context.Context, _ *node, way *clusterlab.Relay) { Expect(way.Cut()).To(Succeed()) },
		func(ctx context.Context, _ *node, way *clusterlab.Relay) { Expect(way.Heal(ctx)).To(Succeed()) },
	}, {
		"is gone for good, without a word",
		func(_ context.Context, e *node, way *clusterlab.Relay) { Expect(way.Cut()).To(Succeed()); e.Kill() },
		nil,
	},
}

var _ = Describe("A job of an executor", Label("JOB-2", "JOB-3", "JOB-4", "LOSS-2", "LOSS-5", "real"), func() {
	var (
		l     *lab
		b, e1 *node
		way   *clusterlab.Relay
		c     *client.Client
	)
	BeforeEach(func(ctx SpecContext) {
		l = newLab()
		b = l.hidden("b1").start(ctx)
		way = l.relay(b)
		e1 = l.executorAt("e1", "north", way.Address()).start(ctx)
		c = l.client(ctx, b)
	}, NodeTimeout(2*soon))

	// The moments at which a fault strikes: each returns a job that it has reached.
	moments := []struct {
		name  string
		reach func(ctx context.Context) *client.Submission
	}{
		{"waited in its queue", func(ctx context.Context) *client.Submission {
			for range 20 { // an executor whose jobs are short takes some in advance
				accepted(ctx, submit(ctx, c, l.nothing()))
			}
			before := submit(ctx, c, l.draws(3*time.Second))
			l.runner(ctx, c, before.ID())
			s := submit(ctx, c, l.draws(10*time.Millisecond))
			Eventually(ctx, func(g Gomega) {
				change, err := c.Job(ctx, s.ID())
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(change.Job.Current().Attempts).To(ConsistOf(HaveField("State", job.Placed)))
			}).Should(Succeed())
			return s
		}},
		{"ran", func(ctx context.Context) *client.Submission {
			s := submit(ctx, c, l.draws(time.Second))
			l.runner(ctx, c, s.ID())
			return s
		}},
		{"had ended and nobody knew yet", func(ctx context.Context) *client.Submission {
			s := submit(ctx, c, l.draws(300*time.Millisecond))
			l.runner(ctx, c, s.ID())
			b.signal(syscall.SIGSTOP)
			Eventually(ctx, e1.idle).Should(BeTrue())
			return s
		}},
	}

	var entries []any
	for _, f := range faults {
		for _, m := range moments {
			entries = append(entries, Entry(fmt.Sprintf("that %s while it %s", f.name, m.name), SpecTimeout(3*soon), f, m.reach))
		}
	}
	DescribeTable("ends once, for good", append([]any{func(ctx SpecContext, f fault, reach func(context.Context) *client.Submission) {
		s := reach(ctx)
		f.strike(ctx, e1, way)
		b.signal(syscall.SIGCONT)
		l.executorAt("e2", "south", b.Address()).start(ctx)
		j := accepted(ctx, s)
		Expect(len(j.Current().Attempts)).To(BeNumerically("<=", 2))
		won := j.Current().Verdict
		if f.back != nil {
			f.back(ctx, e1, way)
			accepted(ctx, submit(ctx, c, at("north", l.draws(0)))) // it works again
		}
		Eventually(ctx, func(g Gomega) {
			last, err := c.Job(ctx, s.ID())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(last.Final).To(BeTrue())
			g.Expect(last.Job.Current().Live()).To(BeEmpty())
			g.Expect(last.Job.Current().Verdict).To(Equal(won))
			g.Expect(len(last.Job.Current().Attempts)).To(BeNumerically("<=", 2))
		}).Should(Succeed())
	}}, entries...)...)

	DescribeTable("that was cut off while it ran, and that nobody else can run, has its result as soon as its executor is back",
		func(ctx SpecContext, length time.Duration) {
			l.executorAt("e2", "south", b.Address()).start(ctx)
			s := submit(ctx, c, at("north", l.draws(2*time.Second)))
			l.runner(ctx, c, s.ID())
			Expect(way.Cut()).To(Succeed())
			Consistently(ctx, func() job.State {
				change, err := c.Job(ctx, s.ID())
				Expect(err).NotTo(HaveOccurred())
				return change.Job.State()
			}, length, time.Second).ShouldNot(Equal(job.StateAccepted))
			Expect(e1.idle()).To(BeTrue(), "it has ended meanwhile")
			Expect(way.Heal(ctx)).To(Succeed())
			healed := time.Now()
			j := accepted(ctx, s)
			Expect(time.Since(healed)).To(BeNumerically("<", 3*time.Second))
			Expect(j.Current().Attempts).To(HaveLen(1))
			Expect(b.Log()).To(ContainSubstring(`"msg":"executor lost"`))
		},
		Entry("after 10 s", SpecTimeout(2*soon), 10*time.Second),
		Entry("after 141 s", Label("long"), SpecTimeout(141*time.Second+2*soon), 141*time.Second),
	)
})

var _ = Describe("A job that takes executors down", Label("JOB-5", "real"), func() {
	var (
		l *lab
		c *client.Client
		s *client.Submission
	)
	BeforeEach(func(ctx SpecContext) {
		l = newLab()
		b := l.broker("b1").start(ctx)
		for i := range 3 {
			l.executor(fmt.Sprint("e", i+1), b).start(ctx)
		}
		c = l.client(ctx, b)
		s = submit(ctx, c, l.draws(2*time.Second))
		for range 3 {
			l.runner(ctx, c, s.ID()).Kill()
		}
		Eventually(ctx, func(g Gomega) {
			change, err := c.Job(ctx, s.ID())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(change.Waiting).To(HavePrefix("quarantined: it took down "))
		}).Should(Succeed())
		l.executor("e4", b).start(ctx)
	}, NodeTimeout(2*soon))

	It("is kept from the others, until somebody lets it out", func(ctx SpecContext) {
		accepted(ctx, submit(ctx, c, l.nothing()))
		change, err := c.Job(ctx, s.ID())
		Expect(err).NotTo(HaveOccurred())
		Expect(change.Job.Current().Attempts).To(HaveLen(3))
		_, err = c.Reprieve(ctx, s.ID())
		Expect(err).NotTo(HaveOccurred())
		Expect(accepted(ctx, s).Current().Attempts).To(HaveLen(4))
	}, SpecTimeout(soon))

	It("can be cancelled", func(ctx SpecContext) {
		_, err := c.Cancel(ctx, s.ID())
		Expect(err).NotTo(HaveOccurred())
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(j.State()).To(Equal(job.StateCancelled))
		Expect(j.Current().Attempts).To(HaveLen(3))
	}, SpecTimeout(soon))
})
