package actors

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/detect"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
)

var _ = Describe("What a broker's executors have in hand", Label("JOB-2"), func() {
	const life = 7
	owner := job.Ownership{T: 1, Journal: "b"}
	name := job.Name{Job: "j", Owner: owner, Incarnation: life, N: 1}
	var (
		c    *crew
		e    *member
		none = job.Tenure{Owner: owner}
		runs = job.Tenure{Owner: owner, Attempts: []job.Attempt{{Name: name, Executor: "e", State: job.Running}}}
	)
	BeforeEach(func() {
		c = newCrew()
		e = c.join(placement.Executor{ID: "e"}, nil, 1, 1, time.Now())
	})

	It("is what was just deployed", func() {
		c.account(none, runs, life)
		Expect(e.has(name, time.Now())).To(BeTrue())
		Expect(e.used()).To(Equal(1))
	})

	It("is not what was answered, although a record that nobody tends any more says that it runs", func() {
		c.account(none, runs, life)
		e.done(name)
		c.account(runs, runs, life)
		Expect(e.has(name, time.Now())).To(BeFalse())
		Expect(e.used()).To(BeZero())
	})

	It("is counted on as long as the executor is heard, but not in another life", func() {
		c = newCrew()
		begun := time.Now()
		e = c.join(placement.Executor{ID: "e"}, nil, 7<<24+1, 7<<24, begun)
		c.hear("e", 0, begun.Add(time.Second))
		c.hear("e", 7<<24, begun.Add(2*time.Second))
		Expect(e.heard).To(Equal(begun.Add(2 * time.Second)))
		Expect(c.hear("e", 8<<24, begun.Add(3*time.Second))).To(Equal(e), "it is an executor of this broker yet")
		Expect(e.heard).To(Equal(begun.Add(2 * time.Second)))
	})

	It("is what was deployed under a lease, although the executor comes again under it and does not say so", func() {
		c.account(none, runs, life)
		e = c.join(placement.Executor{ID: "e"}, nil, 1, 1, time.Now())
		Expect(e.has(name, time.Now())).To(BeTrue())
		e = c.join(placement.Executor{ID: "e"}, nil, 2, 1, time.Now())
		Expect(e.has(name, time.Now())).To(BeFalse())
		Expect(e.jobs()).To(ConsistOf(job.ID("j")), "until it has said what it runs")
	})

	It("is not for long what it was told to stop: its result may have been on the way, and is sent again if so", func() {
		now := time.Now()
		c.account(none, runs, life)
		e.over(name, now)
		Expect(e.used()).To(BeZero())
		Expect(e.has(name, now.Add(sentAgain-1))).To(BeTrue())
		Expect(e.has(name, now.Add(sentAgain))).To(BeFalse())
		c.prune(now.Add(sentAgain))
		Expect(e.inHand).To(BeEmpty())
	})

	It("concerns also the job whose result it has sent, until it has said what it still has", func() {
		c.account(none, runs, life)
		e.over(name, time.Now())
		Expect(e.used()).To(BeZero())
		before := c.jobsOf("e")
		e = c.join(placement.Executor{ID: "e"}, nil, 2, 1, time.Now())
		Expect(e.jobs()).To(BeEmpty(), "under a new lease it has what it says")
		Expect(before).To(ConsistOf(job.ID("j")), "else an owner that only passed the result on would count on it for ever")
	})

	It("is not what a life of the broker before this one deployed, unless the executor says so", func() {
		c.account(none, runs, life+1)
		Expect(e.has(name, time.Now())).To(BeFalse())
	})
})

var _ = Describe("An executor's lease at its home broker", Label("LOSS-1", "LOSS-2"), func() {
	s := detect.Settings{Interval: 500 * time.Millisecond, Timeout: 3 * time.Second}
	start := time.Unix(0, 0)
	var (
		c *crew
		e *member
	)
	BeforeEach(func() {
		c = newCrew()
		e = c.join(placement.Executor{ID: "e"}, nil, 1, 1, start)
	})

	It("is renewed by anything that it sends", func() {
		now := start
		for range 20 {
			now = now.Add(2 * time.Second)
			c.hear("e", 0, now)
		}
		Expect(c.silent(now.Add(2*time.Second), 0, s)).To(BeEmpty())
		Expect(c.silent(now.Add(2500*time.Millisecond), 0, s)).To(ConsistOf(e))
	})

	It("does not depend on how much it sends: only its heartbeats tell how regularly it is heard", func() {
		now := start
		for range 1000 { // a burst of results
			now = now.Add(time.Millisecond)
			c.hear("e", 0, now)
		}
		Expect(c.silent(now.Add(2300*time.Millisecond), 0, s)).To(BeEmpty())
	})

	It("ends doubts about it when it is heard again", func() {
		e.doubt = &doubt{patience: time.NewTimer(time.Hour)}
		c.hear("e", 0, start.Add(time.Second))
		Expect(e.doubt).To(BeNil())
	})
})

// Whatever becomes of attempts and executors, an executor's slots and memory are taken by what it has and is promised, nothing is ever given back twice,
// and when everything is over nothing is taken.
func TestEveryHoldIsGivenBackOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, ended := newCrew(), map[*hold]bool{}
		c.ended = func(h *hold, _ bool) {
			if ended[h] {
				t.Fatalf("a hold is given back twice")
			}
			ended[h] = true
		}
		owner, now := job.Ownership{T: 1, Journal: "b"}, time.Unix(0, 0)
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			e := fmt.Sprint("e", rapid.IntRange(0, 2).Draw(t, "executor"))
			id := job.ID(fmt.Sprint("j", rapid.IntRange(0, 3).Draw(t, "job")))
			n := job.Name{Job: id, Owner: owner, Incarnation: 1, N: uint32(rapid.IntRange(1, 2).Draw(t, "attempt"))}
			m := c.members[e]
			step := rapid.IntRange(0, 9).Draw(t, "step")
			if m == nil || step == 0 {
				lease := uint64(rapid.IntRange(1, 3).Draw(t, "lease"))
				c.join(placement.Executor{ID: e, Slots: 2, Window: 4, Memory: 9, Capacity: placement.Capacity{Cores: 1, Memory: 100}}, nil, lease, 1, now)
				continue
			}
			tenure := func(s job.AttemptState) job.Tenure {
				return job.Tenure{Owner: owner, Attempts: []job.Attempt{{Name: n, Executor: e, State: s}}}
			}
			switch step {
			case 1, 2:
				if d := (placement.Demand{Memory: uint64(rapid.IntRange(1, 9).Draw(t, "memory"))}); m.Used < m.Window {
					m.reserve(id, &d, hold{})
				}
			case 3, 4:
				c.account(job.Tenure{Owner: owner}, tenure(job.Placed), 1)
			case 5:
				c.account(tenure(job.Running), tenure(job.Lost), 1)
			case 6:
				m.over(n, now)
			case 7:
				m.done(n)
			case 8:
				c.unreserve(id)
			case 9:
				held := slices.Collect(m.holds())
				c.leave(m)
				for _, h := range held {
					if !ended[h] {
						t.Fatalf("%s is gone, and what it had is still on somebody's account", e)
					}
				}
			}
			for _, m := range c.members {
				if m.used() != len(m.live)+len(m.reserved) {
					t.Fatalf("%s has %d and %d, and %d are counted", m.ID, len(m.live), len(m.reserved), m.used())
				}
			}
		}
		c.clear()
		for _, m := range c.members {
			d := placement.Demand{Memory: 9, Free: 100}
			if m.used() != 0 || c.pool.Choose(&d) == nil {
				t.Fatalf("%s: nothing is under way, and %d slots are taken", m.ID, m.used())
			}
		}
	})
}
