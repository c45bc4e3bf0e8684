package real_test

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/shirou/gopsutil/v4/disk"

	"github.com/urbancompute/ucp/client"
)

// listed waits until a broker lists a node in a state.
func listed(ctx context.Context, c *client.Client, n *node, state string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		all, err := c.Nodes(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(all).To(ContainElement(And(HaveField("ID", n.ID()), HaveField("State", state))))
	}).Should(Succeed())
}

// ran returns the names of the nodes that a job's attempts were deployed at.
func (l *lab) ran(j client.Job) (names []string) {
	for _, a := range attemptsOf(j) {
		for name, n := range l.nodes {
			if n.ID() == a.Executor {
				names = append(names, name)
			}
		}
	}
	return names
}

var _ = Describe("An executor that is drained", Label("PLACE-2", "real"), func() {
	It("ends what it can in time, hands the rest over at no cost, is given nothing new, and is given work again when people say so", func(ctx SpecContext) {
		l := newLab()
		b := l.broker("b1").start(ctx)
		e1 := l.executor("e1", b).start(ctx)
		c := l.client(ctx, b)
		accepted(ctx, submit(ctx, c, l.draws(0))) // it is compiled before anything is timed
		short, long := submit(ctx, c, l.draws(2*time.Second)), submit(ctx, c, l.draws(8*time.Second))
		for _, s := range []*client.Submission{short, long} {
			Expect(l.runner(ctx, c, s.ID())).To(BeIdenticalTo(e1))
		}
		said := l.ucp(ctx, []*node{b}, "node", "drain", "e1", "--patience", "4s")
		Expect(said).To(Equal("Executor e1 is draining; it has 2 attempts in hand.\n"))
		after := submit(ctx, c, l.draws(0))
		Expect(l.ran(accepted(ctx, short))).To(Equal([]string{"e1"}))
		listed(ctx, c, e1, "draining")
		e2 := l.executor("e2", b).start(ctx)
		listed(ctx, c, e1, "drained")
		Eventually(ctx, e1.idle).Should(BeTrue())
		Expect(l.runner(ctx, c, long.ID())).To(BeIdenticalTo(e2))
		Expect(l.ran(accepted(ctx, after))).To(Equal([]string{"e2"}))

		j := endedOnce(ctx, long.ID(), c)
		Expect(l.ran(j)).To(Equal([]string{"e1", "e2"}))
		Expect(j.Spec.Retries).To(BeZero())
		Expect(j.Current().Failures).To(BeZero(), "it costs no retry")
		endedOnce(ctx, short.ID(), c)
		endedOnce(ctx, after.ID(), c)

		l.ucp(ctx, []*node{b}, "node", "uncordon", "e1")
		listed(ctx, c, e1, "up")
		e2.Kill()
		Expect(l.ran(accepted(ctx, submit(ctx, c, l.draws(0))))).To(ContainElement("e1"))
	}, SpecTimeout(4*soon))
})

var _ = Describe("A job that nobody can run", Label("PLACE-1", "JOB-9", "real"), func() {
	It("is told what each executor lacks, and runs when one comes that has it", func(ctx SpecContext) {
		l := newLab()
		b := l.broker("b1").start(ctx)
		b2 := l.broker("b2", b).start(ctx)
		here, away := l.executorAt("here", "north", b.Address()).start(ctx), l.executorAt("there", "west", b2.Address()).start(ctx)
		c := l.client(ctx, b)
		for _, e := range []*node{here, away} {
			listed(ctx, c, e, "up")
		}
		spec := l.nothing()
		spec.Needs.Labels, spec.Needs.Cores = map[string]string{"place": "south"}, 1
		s := submit(ctx, c, spec)
		said := l.ucp(ctx, []*node{b}, "job", "why", s.ID()[:26])
		Expect(said).To(HavePrefix("Job " + s.ID() + " is queued: no executor can take it: lacks label place=south (1 of 1).\n"))
		Expect(said).To(And(
			MatchRegexp(`(?m)^here +b1 +0/1 +lacks label place=south$`),
			MatchRegexp(`(?m)^there +b2 +0/1 +lacks label place=south; at home at b2, which has not held a slot for it$`)))
		impossible := l.nothing()
		impossible.Needs.Cores = 4000
		Expect(l.ucp(ctx, []*node{b}, "job", "why", submit(ctx, c, impossible).ID())).To(MatchRegexp(`(?m)^here +b1 +0/1 +fewer than 4000 CPU cores$`))

		l.executorAt("right", "south", b.Address()).start(ctx)
		Expect(l.ran(accepted(ctx, s))).To(Equal([]string{"right"}))
	}, SpecTimeout(3*soon))
})

var _ = Describe("Executors to which 100 jobs come at once", Label("PLACE-1", "real"), func() {
	// atOnce is how many of some programs ran at a time, at most, as they themselves tell.
	atOnce := func(spans [][2]int64) (most int) {
		for _, s := range spans {
			now := 0
			for _, o := range spans {
				if o[0] <= s[0] && s[0] < o[1] {
					now++
				}
			}
			most = max(most, now)
		}
		return most
	}

	It("never run more than they have slots, or disk, for, and decline nothing", func(ctx SpecContext) {
		l := newLab()
		b := l.broker("b1").start(ctx)
		for _, e := range []*node{l.executor("e1", b), l.executor("e2", b)} {
			e.Slots = 4
			e.start(ctx)
		}
		c := l.client(ctx, b)
		program, err := c.PutFile(ctx, built.span)
		Expect(err).NotTo(HaveOccurred())
		room, err := disk.Usage(filepath.Dir(l.nodes["e1"].File("data")))
		Expect(err).NotTo(HaveOccurred())
		spans := func(needs uint64) *client.Spec {
			s := &client.Spec{Module: program, Args: []string{"span", "60ms"}, Retention: time.Hour}
			s.Needs.Disk = needs
			return s
		}
		for _, run := range []struct {
			needs uint64 // of disk
			most  int
		}{{0, 4}, {room.Free * 2 / 5, 2}} {
			var taken []*client.Submission
			for range 100 {
				taken = append(taken, submit(ctx, c, spans(run.needs)))
			}
			byExecutor := map[string][][2]int64{}
			for _, s := range taken {
				j := accepted(ctx, s)
				Expect(j.Attempted()).To(Equal(1), "nothing was declined")
				v, _ := j.Winner()
				ran := l.ran(j)[0]
				byExecutor[ran] = append(byExecutor[ran], spanOf(string(v.Result.Stdout.Inline)))
			}
			Expect(byExecutor).To(HaveLen(2))
			for name, all := range byExecutor {
				Expect(atOnce(all)).To(BeNumerically("<=", run.most), name)
			}
		}
	}, SpecTimeout(4*soon))
})

// spanOf reads from when to when a program says that it ran.
func spanOf(said string) (span [2]int64) {
	GinkgoHelper()
	words := strings.Fields(said)
	Expect(words).To(HaveLen(len(span)))
	for i := range span {
		var err error
		span[i], err = strconv.ParseInt(words[i], 10, 64)
		Expect(err).NotTo(HaveOccurred())
	}
	return span
}

var _ = Describe("Executors that suit an emergency", Label("EMG-3", "real"), func() {
	It("get its jobs while it is in force", func(ctx SpecContext) {
		l := newLab()
		b := l.broker("b1").start(ctx)
		var executors []*node
		for name, labels := range map[string]string{"plain": "location=south", "nurse": "medical=yes", "north": "location=north"} {
			e := l.executor(name, b)
			e.Flags = []string{"--labels", labels}
			executors = append(executors, e.start(ctx))
		}
		c := l.client(ctx, b)
		for _, e := range executors {
			listed(ctx, c, e, "up")
		}
		at := func(area string) []string {
			e, err := c.Declare(ctx, client.Declaration{Type: "medical", Level: client.Low, Area: area})
			Expect(err).NotTo(HaveOccurred())
			spec := l.nothing()
			spec.Emergency = "medical"
			names := l.ran(accepted(ctx, submit(ctx, c, spec)))
			clearAt(ctx, c, e)
			return names
		}
		for range 3 {
			Expect(at("")).To(Equal([]string{"nurse"}))
		}
		l.nodes["nurse"].Kill()
		listed(ctx, c, l.nodes["nurse"], "lost")
		for range 3 {
			Expect(at("north")).To(Equal([]string{"north"}))
		}
	}, SpecTimeout(3*soon))
})
