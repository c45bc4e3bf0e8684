package real_test

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/job"
)

var _ = Describe("A result that no broker has answered for", Label("JOB-2", "JOB-3", "LOSS-5", "real"), func() {
	// keeps says whether an executor's disk has a result of a job. The storage writes keys as they are.
	keeps := func(e *node, id string) bool {
		files, err := filepath.Glob(e.File("data", "results", "*.log"))
		Expect(err).NotTo(HaveOccurred())
		for _, f := range files {
			if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte(id)) {
				return true
			}
		}
		return false
	}

	DescribeTable("outlives its executor's process: the job ends with exactly one attempt", func(ctx SpecContext, recovers func(SpecContext, *node)) {
		l := newLab()
		b := l.broker("b1").start(ctx)
		e := l.executor("e1", b).start(ctx)
		c := l.client(ctx, b)
		warm, err := c.Submit(ctx, l.sleeps(1)) // and has the executor fetch and compile the program, which it could not do without a broker
		Expect(err).NotTo(HaveOccurred())
		_, err = warm.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		s, err := c.Submit(ctx, l.sleeps(3*time.Second))
		Expect(err).NotTo(HaveOccurred())
		l.runner(ctx, c, s.ID())
		Expect(keeps(e, s.ID())).To(BeFalse(), "it still runs")
		b.signal(syscall.SIGSTOP)
		Eventually(ctx, keeps).WithArguments(e, s.ID()).Should(BeTrue())
		e.Kill()
		e.start(ctx)
		Eventually(ctx, e.Log).Should(ContainSubstring("results of an earlier life found"))
		recovers(ctx, b)
		Eventually(ctx, func(g Gomega) {
			change, err := c.Job(ctx, s.ID())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(change.Job.State()).To(Equal(job.StateAccepted))
			g.Expect(change.Final).To(BeTrue(), change.Provisional())
			g.Expect(change.Job.Current().Attempts).To(HaveLen(1))
		}).Should(Succeed())
	},
		Entry("when its owner was frozen", SpecTimeout(2*soon), func(_ SpecContext, b *node) { b.signal(syscall.SIGCONT) }),
		Entry("when its owner was killed, and with it all that was on the way there", SpecTimeout(2*soon), func(ctx SpecContext, b *node) {
			b.Kill()
			b.start(ctx)
		}),
	)
})
