package real_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/job"
)

var _ = Describe("A node that was told of one broker", Label("DISC-1", "DISC-3", "real"), func() {
	var l *lab
	BeforeEach(func() { l = newLab() })

	// heard returns a poll for the brokers that a node has written down.
	heard := func(n *node) func() []string {
		return func() []string { return strings.Fields(n.reads("data", "brokers")) }
	}

	runsAt := func(ctx context.Context, broker *node) {
		GinkgoHelper()
		s, err := l.client(ctx, broker).Submit(ctx, l.nothing())
		Expect(err).NotTo(HaveOccurred())
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(j.State()).To(Equal(job.StateAccepted))
	}

	It("finds the others by it, when it is gone and after a restart too", func(ctx SpecContext) {
		b1 := l.broker("b1").start(ctx)
		b2 := l.broker("b2", b1).start(ctx)
		e1 := l.executor("e1", b1).start(ctx)
		Eventually(ctx, heard(e1)).Should(ContainElement(b2.Address()))
		b1.Kill()
		runsAt(ctx, b2)
		e1.Kill()
		e1.start(ctx)
		runsAt(ctx, b2)
	}, SpecTimeout(2*soon))

	It("makes brokers that only one other knew of find each other", func(ctx SpecContext) {
		b1 := l.broker("b1").start(ctx)
		b2 := l.broker("b2", b1).start(ctx)
		b3 := l.broker("b3", b1).start(ctx)
		Eventually(ctx, heard(b2)).Should(ContainElement(b3.Address()))
		Eventually(ctx, heard(b3)).Should(ContainElement(b2.Address()))
		b1.Kill()
		l.executor("e1", b2).start(ctx)
		runsAt(ctx, b3)
	}, SpecTimeout(2*soon))
})
