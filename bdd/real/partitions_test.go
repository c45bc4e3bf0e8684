package real_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/history"
	"github.com/urbancompute/ucp/client"
	clusterlab "github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/job"
)

var _ = Describe("A network that falls apart", Label("JOB-7", "SYNC-6", "real"), func() {
	var (
		l        *lab
		b1, b2   *node
		b3       *node // on b2's side
		ways     []*clusterlab.Relay
		one, two *client.Client
		shared   *client.Submission // a job of b1's that was running when it fell apart
	)
	BeforeEach(func(ctx SpecContext) {
		l = newLab()
		b1 = l.hidden("b1")
		b1.Flags = []string{"--broker-timeout", "3s"}
		b1.start(ctx)
		ways = []*clusterlab.Relay{l.relay(b1), l.relay(b1)}
		b2, b3 = l.broker("b2", b1), l.broker("b3", b1)
		b2.Seeds, b3.Seeds = []string{ways[0].Address()}, []string{ways[1].Address(), b2.Address()}
		for _, b := range []*node{b2, b3} {
			b.Private, b.Flags = true, b1.Flags
			b.start(ctx)
		}
		l.executorAt("e1", "any", b1.Address()).start(ctx)
		one, two = l.client(ctx, b1), l.client(ctx, b2)
		accepted(ctx, submit(ctx, one, l.draws(0)))
		Eventually(ctx, func() string { return b2.blob(l.dice) }).Should(BeAnExistingFile())
		shared = submit(ctx, one, l.draws(6*time.Second))
		Expect(shared.Durability()).To(Equal(2))
		l.runner(ctx, one, shared.ID())
		l.executorAt("e2", "any", b2.Address()).start(ctx)
	}, NodeTimeout(2*soon))

	heal := func(ctx context.Context) {
		GinkgoHelper()
		for _, way := range ways {
			Expect(way.Heal(ctx)).To(Succeed())
		}
	}
	// agrees waits until all brokers tell the same final end of a job.
	agrees := func(ctx context.Context, id string) (last client.Change) {
		GinkgoHelper()
		last = final(ctx, one, id)
		for _, b := range []*node{b2, b3} {
			Expect(history.EndOf(final(ctx, l.client(ctx, b), id))).To(Equal(history.EndOf(last)))
		}
		return last
	}
	// told waits until a client reads that a job is accepted.
	told := func(ctx context.Context, c *client.Client, id string) (last client.Change) {
		GinkgoHelper()
		Eventually(ctx, func(g Gomega) {
			var err error
			last, err = c.Job(ctx, id)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(last.Job.State()).To(Equal(job.StateAccepted), last.Waiting)
		}).Should(Succeed())
		return last
	}

	It("works on in every part, provisionally where it must, and says one end of every job when it is whole again", Label("L4"), func(ctx SpecContext) {
		for _, way := range ways {
			Expect(way.Cut()).To(Succeed())
		}
		there := told(ctx, two, shared.ID())
		Expect(there.Final).To(BeFalse())
		Expect(there.Provisional()).To(HavePrefix("a broker that took the job over decided so"))
		here := told(ctx, one, shared.ID())
		Expect(here.Final).To(BeFalse())
		Expect(here.Waiting).To(Equal("its end is not on a second disk yet"))
		Expect(l.ucp(ctx, []*node{b1}, "job", "show", shared.ID())).To(MatchRegexp(
			`(?m)^state +accepted, provisional: the broker asked does not know yet that it is on as many disks as promised`))
		Expect(l.ucp(ctx, []*node{b2}, "job", "show", shared.ID())).To(MatchRegexp(
			`(?m)^state +accepted, provisional: a broker that took the job over decided so; its owner, or whoever inherits from it, has the last word$`))

		alone, both := submit(ctx, one, l.draws(0)), submit(ctx, two, l.draws(0))
		accepted(ctx, alone)
		accepted(ctx, both)
		final(ctx, one, alone.ID())
		final(ctx, two, both.ID())
		Expect(alone.Durability()).To(Equal(1), "one broker")
		Expect(both.Durability()).To(Equal(2), "two")

		heal(ctx)
		healed := time.Now()
		for _, id := range []string{alone.ID(), both.ID(), shared.ID()} {
			agrees(ctx, id)
		}
		Expect(time.Since(healed)).To(BeNumerically("<", 10*time.Second))
		last := agrees(ctx, shared.ID())
		settled, err := shared.Final(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(settled.Superseded).To(BeFalse(), "its client was at the owner, whose word stands")
		v, by := last.Job.Decided()
		Expect(by).To(Equal(last.Job.First))
		Expect(v.Result.Digest).To(Equal(here.Job.Current().Verdict.Result.Digest))
		superseded := last.Job.Tenures[len(last.Job.Tenures)-1]
		Expect(superseded.Superseded).To(BeTrue(), "whose end did not become final knows it")
		Expect(superseded.Verdict.Result.Digest).NotTo(Equal(v.Result.Digest))
		Expect(l.ucp(ctx, []*node{b2}, "job", "show", shared.ID())).To(MatchRegexp(`(?m)^state +accepted, final$`))
	}, SpecTimeout(3*soon))

	DescribeTable("in one direction only works on as well, and says one end of every job afterwards", func(ctx SpecContext, d clusterlab.Direction) {
		for _, way := range ways {
			Expect(way.CutOneWay(d)).To(Succeed())
		}
		alone, both := submit(ctx, one, l.draws(0)), submit(ctx, two, l.draws(0))
		for _, s := range []*client.Submission{alone, both, shared} {
			accepted(ctx, s)
		}
		heal(ctx)
		for _, s := range []*client.Submission{alone, both, shared} {
			agrees(ctx, s.ID())
		}
	},
		Entry("when b1 is not heard", SpecTimeout(3*soon), clusterlab.FromBroker),
		Entry("when b1 does not hear", SpecTimeout(3*soon), clusterlab.ToBroker),
	)
})
