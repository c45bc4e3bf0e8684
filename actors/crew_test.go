package actors

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

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

	It("is what was deployed under a lease, although the executor comes again under it and does not say so", func() {
		c.account(none, runs, life)
		e = c.join(placement.Executor{ID: "e"}, nil, 1, 1, time.Now())
		Expect(e.has(name, time.Now())).To(BeTrue())
		e = c.join(placement.Executor{ID: "e"}, nil, 2, 1, time.Now())
		Expect(e.has(name, time.Now())).To(BeFalse())
		Expect(e.jobs()).To(ConsistOf(job.ID("j")), "until it has said what it runs")
	})

	It("concerns also the job whose result it has sent, until it has said what it still has", func() {
		c.account(none, runs, life)
		e.sent(name, time.Now())
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
			c.hear("e", now)
		}
		Expect(c.silent(now.Add(2*time.Second), 0, s)).To(BeEmpty())
		Expect(c.silent(now.Add(2500*time.Millisecond), 0, s)).To(ConsistOf(e))
	})

	It("does not depend on how much it sends: only its heartbeats tell how regularly it is heard", func() {
		now := start
		for range 1000 { // a burst of results
			now = now.Add(time.Millisecond)
			c.hear("e", now)
		}
		Expect(c.silent(now.Add(2300*time.Millisecond), 0, s)).To(BeEmpty())
	})

	It("ends doubts about it when it is heard again", func() {
		e.doubt = &doubt{patience: time.NewTimer(time.Hour)}
		c.hear("e", start.Add(time.Second))
		Expect(e.doubt).To(BeNil())
	})
})
