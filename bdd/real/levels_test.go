package real_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/history"
	"github.com/urbancompute/ucp/client"
	clusterlab "github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/job"
)

// declare declares a fire.
func declare(ctx context.Context, c *client.Client, level client.Level) client.Emergency {
	GinkgoHelper()
	e, err := c.Declare(ctx, client.Declaration{Type: "fire", Level: level, Reason: "it burns"})
	Expect(err).NotTo(HaveOccurred())
	return e
}

// clearAt ends an emergency at the broker of c.
func clearAt(ctx context.Context, c *client.Client, e client.Emergency) {
	GinkgoHelper()
	over, err := c.ClearEmergency(ctx, e.ID, "it is out")
	Expect(err).NotTo(HaveOccurred())
	Expect(over.Over).To(BeTrue())
}

// heldTo waits until the brokers of all clients hold their jobs to a level.
func heldTo(ctx context.Context, level client.Level, all ...*client.Client) {
	GinkgoHelper()
	for _, c := range all {
		Eventually(ctx, func(g Gomega) {
			_, at, err := c.Emergencies(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(at).To(Equal(level))
		}).WithPolling(10 * time.Millisecond).Should(Succeed())
	}
}

// ofFire has a job belong to a fire.
func ofFire(s *client.Spec) *client.Spec {
	s.Emergency = "fire"
	return s
}

// endedOnce expects that a job ended well, and with one result that all brokers tell, and returns it.
func endedOnce(ctx context.Context, id string, all ...*client.Client) client.Job {
	GinkgoHelper()
	last := final(ctx, all[0], id)
	for _, c := range all[1:] {
		Expect(history.EndOf(final(ctx, c, id))).To(Equal(history.EndOf(last)))
	}
	Expect(last.Job.State()).To(Equal(job.StateAccepted))
	won := 0
	for _, a := range attemptsOf(last.Job) {
		if a.State == job.Won {
			won++
		}
	}
	Expect(won).To(Equal(1), "results of job %s", id)
	return last.Job
}

// attemptsOf are the attempts of all owners.
func attemptsOf(j client.Job) (all []client.Attempt) {
	for _, t := range j.Tenures {
		all = append(all, t.Attempts...)
	}
	return all
}

var _ = Describe("A network that is full of jobs", Label("real"), func() {
	const (
		size  = 3 // brokers, and executors
		slots = 2
	)
	var (
		l         *lab
		at        []*client.Client // one of each broker
		executors []*node
	)
	BeforeEach(func(ctx SpecContext) {
		l, at, executors = newLab(), nil, nil
		var brokers []*node
		for i := range size {
			brokers = append(brokers, l.broker(fmt.Sprintf("b%d", i+1), brokers...).start(ctx))
		}
		for i := range size { // whose home is each broker, in turn
			e := l.executor(fmt.Sprintf("e%d", i+1), brokers[i])
			e.Slots = slots
			executors = append(executors, e.start(ctx))
		}
		for _, b := range brokers {
			at = append(at, l.client(ctx, b))
		}
	}, NodeTimeout(2*soon))

	// fills submits so many jobs to each broker that take a while, and waits until every slot has one.
	fills := func(ctx context.Context, each int, takes time.Duration) (all []*client.Submission) {
		GinkgoHelper()
		for range each {
			for _, c := range at {
				all = append(all, submit(ctx, c, l.draws(takes)))
			}
		}
		for _, e := range executors {
			Eventually(ctx, e.idle).Should(BeFalse())
		}
		for _, c := range at {
			Eventually(ctx, func(g Gomega) {
				s, err := c.Status(ctx)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(s.Used).To(BeNumerically(">=", slots))
			}).Should(Succeed())
		}
		return all
	}
	// still says whether no program of a job that has a directory runs anywhere: those of the emergency here have none.
	still := func() bool {
		for _, e := range executors {
			if !e.idle() {
				return false
			}
		}
		return true
	}

	It("starts none at any broker while an emergency is high, runs those of the emergency, and finishes all when it is over, each with exactly one result",
		Label("EMG-1", "EMG-2"), func(ctx SpecContext) {
			normal := fills(ctx, 8, time.Second)
			e := declare(ctx, at[1], client.High)
			heldTo(ctx, client.High, at...)
			since := time.Now()
			for _, c := range at {
				normal = append(normal, submit(ctx, c, l.draws(0)))
			}
			Eventually(ctx, still).Should(BeTrue(), "what runs comes to its end")
			for _, c := range at {
				s, err := c.Status(ctx)
				Expect(err).NotTo(HaveOccurred())
				Expect(s.Queued).To(BeNumerically(">", 1), "others wait")
			}

			var urgent []*client.Submission
			for _, c := range at {
				urgent = append(urgent, submit(ctx, c, ofFire(l.sleeps(time.Second))))
			}
			Consistently(ctx, still).WithTimeout(2*time.Second).Should(BeTrue(), "nobody starts anything else")
			for _, s := range urgent {
				accepted(ctx, s)
			}
			for _, c := range at {
				last, err := c.Job(ctx, normal[len(normal)-1].ID())
				Expect(err).NotTo(HaveOccurred())
				Expect(last.Waiting).To(Equal("only emergency jobs start: emergency fire (high)"))
			}
			Expect(still()).To(BeTrue())
			until := time.Now()
			clearAt(ctx, at[2], e)

			for _, s := range normal {
				for _, a := range attemptsOf(endedOnce(ctx, s.ID(), at...)) {
					Expect(a.Placed.Wall <= since.UnixMilli() || a.Placed.Wall >= until.UnixMilli()).To(BeTrue(), "job %s was placed while others were held back", s.ID())
				}
			}
			for _, s := range urgent {
				endedOnce(ctx, s.ID(), at...)
			}
		}, SpecTimeout(4*soon))

	It("makes room at once when an emergency is critical: what ran loses no retry, goes on when that is over, and ends once", Label("EMG-2"), func(ctx SpecContext) {
		running := fills(ctx, slots, 3*time.Second)
		for _, s := range running {
			l.runner(ctx, at[0], s.ID())
		}
		e := declare(ctx, at[0], client.Critical)
		var urgent []*client.Submission
		for range slots {
			for _, c := range at {
				urgent = append(urgent, submit(ctx, c, ofFire(l.sleeps(2*time.Second))))
			}
		}
		for _, s := range urgent {
			l.runner(ctx, at[0], s.ID())
		}
		Expect(still()).To(BeTrue(), "nothing else runs")
		for _, s := range urgent {
			accepted(ctx, s)
		}
		clearAt(ctx, at[1], e)
		for _, s := range running {
			j := endedOnce(ctx, s.ID(), at...)
			Expect(j.Preempted()).To(Equal(1))
			Expect(j.Attempted()).To(Equal(2))
			Expect(j.Spec.Retries).To(BeZero(), "it could not have paid with one")
			for _, t := range j.Tenures {
				Expect(t.Failures).To(BeZero())
			}
			Expect(attemptsOf(j)).To(ContainElement(And(HaveField("State", job.SetAside), HaveField("Note", "emergency fire (critical)"))))
		}
	}, SpecTimeout(4*soon))
})

var _ = Describe("Emergencies on both sides of a partition", Label("EMG-1", "EMG-2", "SYNC-6", "real"), func() {
	It("are both known everywhere after the heal, the highest counts, and to clear it leaves the other", func(ctx SpecContext) {
		l := newLab()
		b1 := l.hidden("b1").start(ctx)
		ways := []*clusterlab.Relay{l.relay(b1), l.relay(b1)}
		b2 := l.hidden("b2", ways[0].Address()).start(ctx)
		b3 := l.hidden("b3", ways[1].Address(), b2.Address()).start(ctx)
		l.executorAt("e1", "any", b1.Address()).start(ctx)
		one, two, three := l.client(ctx, b1), l.client(ctx, b2), l.client(ctx, b3)
		all := []*client.Client{one, two, three}
		accepted(ctx, submit(ctx, one, l.draws(0)))
		runs := submit(ctx, one, l.draws(8*time.Second))
		l.runner(ctx, one, runs.ID())

		for _, way := range ways {
			Expect(way.Cut()).To(Succeed())
		}
		lesser, greater := declare(ctx, one, client.Medium), declare(ctx, two, client.Critical)
		heldTo(ctx, client.Critical, two, three)
		heldTo(ctx, client.Medium, one)
		for _, way := range ways {
			Expect(way.Heal(ctx)).To(Succeed())
		}
		for _, c := range all {
			Eventually(ctx, func(g Gomega) {
				list, _, err := c.Emergencies(ctx)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(list).To(ConsistOf(
					And(HaveField("ID", lesser.ID), HaveField("BrokerName", "b1"), HaveField("Over", false)),
					And(HaveField("ID", greater.ID), HaveField("BrokerName", "b2"), HaveField("ByName", "client"), HaveField("Over", false))))
			}).Should(Succeed())
		}
		heldTo(ctx, client.Critical, all...)

		clearAt(ctx, one, greater)
		heldTo(ctx, client.Medium, all...)
		clearAt(ctx, three, lesser)
		heldTo(ctx, client.NoEmergency, all...)
		Expect(endedOnce(ctx, runs.ID(), all...).Preempted()).To(Equal(1), "the broker that knew of the lesser one only set it aside when it heard")
	}, SpecTimeout(4*soon))
})
