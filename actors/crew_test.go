package actors

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

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

	It("is not what a life of the broker before this one deployed, unless the executor says so", func() {
		c.account(none, runs, life+1)
		Expect(e.has(name, time.Now())).To(BeFalse())
	})
})
