package real_test

import (
	"context"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

// peered waits until a node has met another.
func (n *node) peered(ctx context.Context, other string) {
	GinkgoHelper()
	Eventually(ctx, n.Log).Should(MatchRegexp(`"msg":"peer connected".*"peer":"` + other + `"`))
}

var _ = Describe("An executor's lease", Label("LOSS-1", "real"), func() {
	It("outlasts a silence that is shorter, and is the same afterwards", func(ctx SpecContext) {
		l := newLab()
		b := l.broker("b1").start(ctx)
		e := l.executor("e1", b).start(ctx)
		c := l.client(ctx, b)
		s := submit(ctx, c, l.sleeps(4*time.Second))
		l.runner(ctx, c, s.ID())
		e.signal(syscall.SIGSTOP)
		time.Sleep(1500 * time.Millisecond) // how long it is silent
		e.signal(syscall.SIGCONT)
		Expect(accepted(ctx, s).Current().Attempts).To(HaveLen(1))
		Expect(strings.Count(b.Log(), `"msg":"executor joined"`)).To(Equal(1))
	}, SpecTimeout(2*soon))
})

var _ = Describe("An executor that is cut off from its home broker alone", Label("LOSS-3", "DISC-3", "real"), func() {
	It("keeps its job, for another broker hears it: it moves there, and its result counts", func(ctx SpecContext) {
		l := newLab()
		b1 := l.hidden("b1").start(ctx)
		way := l.relay(b1)
		b2 := l.broker("b2", b1)
		e1 := l.executorAt("e1", "here", way.Address(), b2.Address()).start(ctx)
		e1.peered(ctx, "b1") // which is its home: there is no other broker yet
		b2.start(ctx)
		b2.peered(ctx, "e1")
		c := l.client(ctx, b1)
		s := submit(ctx, c, l.sleeps(8*time.Second))
		Expect(l.runner(ctx, c, s.ID())).To(BeIdenticalTo(e1))
		l.executorAt("e2", "here", b1.Address()).start(ctx)
		Eventually(ctx, b1.Log).Should(ContainSubstring(`"msg":"executor joined","node":"b1","actor":"broker","executor":"e2"`))

		Expect(way.Cut()).To(Succeed())
		Expect(accepted(ctx, s).Current().Attempts).To(HaveLen(1))
		Expect(b1.Log()).To(ContainSubstring("out of reach of its broker, though others hear it"))
	}, SpecTimeout(2*soon))
})

var _ = Describe("Executors of which most fall silent at once", Label("LOSS-4", "real"), func() {
	It("are waited for by a job that ran for long, which says so, and it is not run again", func(ctx SpecContext) {
		l := newLab()
		b := l.broker("b1")
		b.Flags = []string{"--lease-long", "1s", "--lease-grace", "20s"}
		b.start(ctx)
		var all []*node
		for _, name := range []string{"e1", "e2", "e3", "e4"} {
			all = append(all, l.executorAt(name, "here", b.Address()).start(ctx))
			Eventually(ctx, b.Log).Should(ContainSubstring(`"executor":"` + name + `"`))
		}
		c := l.client(ctx, b)
		s := submit(ctx, c, l.sleeps(9*time.Second))
		runs := l.runner(ctx, c, s.ID())
		time.Sleep(1500 * time.Millisecond) // how long it runs before
		cut := []*node{runs}
		for _, e := range all {
			if e != runs && len(cut) < 3 {
				cut = append(cut, e)
			}
		}
		for _, e := range cut {
			e.signal(syscall.SIGSTOP)
		}
		Eventually(ctx, func(g Gomega) {
			change, err := c.Job(ctx, s.ID())
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(change.Waiting).To(MatchRegexp(`^executor ` + runs.Name + ` fell silent together with most others, as in a partition: it has \d+s to come back$`))
		}).Should(Succeed())
		for _, e := range cut {
			e.signal(syscall.SIGCONT)
		}
		Expect(accepted(ctx, s).Current().Attempts).To(HaveLen(1))
	}, SpecTimeout(2*soon))
})

var _ = Describe("Jobs that need more than one run, or another job's", Label("real"), func() {
	var (
		l      *lab
		b1, b2 *node
		c      *client.Client
	)
	BeforeEach(func(ctx SpecContext) {
		l = newLab()
		b1 = l.broker("b1").start(ctx)
		b2 = l.broker("b2", b1).start(ctx)
		c = l.client(ctx, b1)
	}, NodeTimeout(soon))

	It("begin when the job that they follow has ended", Label("JOB-10"), func(ctx SpecContext) {
		l.executor("e1", b1).start(ctx)
		first := submit(ctx, c, l.sleeps(time.Second))
		spec := l.nothing()
		spec.After = []job.Dependency{{Job: job.ID(first.ID())}}
		second := accepted(ctx, submit(ctx, c, spec))
		ended := accepted(ctx, first).Current().Attempts[0].Ended
		Expect(second.Current().Attempts[0].Placed.Compare(ended)).To(BeNumerically(">", 0))
	}, SpecTimeout(soon))

	It("get a backup on another executor when they are slower than their like", Label("JOB-11"), func(ctx SpecContext) {
		for _, e := range []string{"e1", "e2"} {
			n := l.executor(e, b1)
			n.Slots = 6
			n.start(ctx)
			Eventually(ctx, b1.Log).Should(ContainSubstring(`"executor":"` + e + `"`))
		}
		like := func(d time.Duration) *client.Spec {
			s := l.sleeps(d)
			s.Array, s.Speculate = "likes", true
			return s
		}
		var quick []*client.Submission
		for range 9 {
			quick = append(quick, submit(ctx, c, like(200*time.Millisecond)))
		}
		slow := submit(ctx, c, like(8*time.Second))
		for _, s := range quick {
			accepted(ctx, s)
		}
		attempts := accepted(ctx, slow).Current().Attempts
		Expect(attempts).To(HaveLen(2))
		Expect(attempts[0].Executor).NotTo(Equal(attempts[1].Executor))
	}, SpecTimeout(2*soon))

	It("end when executors of as many parties as they ask for agree", Label("JOB-12"), func(ctx SpecContext) {
		for _, e := range []string{"e1", "e2"} {
			n := l.executor(e, b1)
			n.Flags = []string{"--labels", "party=" + e}
			n.start(ctx)
			Eventually(ctx, b1.Log).Should(ContainSubstring(`"executor":"` + e + `"`))
		}
		spec := l.nothing()
		spec.Quorum = 2
		parties := map[string]bool{}
		for _, a := range accepted(ctx, submit(ctx, c, spec)).Current().Attempts {
			parties[a.Executor] = true
		}
		Expect(parties).To(HaveLen(2))
	}, SpecTimeout(soon))

	It("are handed over to a broker that has an executor for them", Label("JOB-13"), func(ctx SpecContext) {
		l.executorAt("e2", "there", b2.Address()).start(ctx)
		Eventually(ctx, b2.Log).Should(ContainSubstring(`"msg":"executor joined"`))
		spec := l.nothing()
		spec.Needs.Labels = map[string]string{"place": "there"}
		j := accepted(ctx, submit(ctx, c, spec))
		Expect(j.Tenures).To(HaveLen(2))
		Expect(l.nodes[final(ctx, c, string(j.ID)).Name(j.Current().Node)]).To(BeIdenticalTo(b2))
	}, SpecTimeout(soon))
})
