package soak_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/soak"
	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

var _ = Describe("What brokers say at the end", Label("JOB-1", "JOB-7"), func() {
	owner, taker := job.Ownership{Journal: "J"}, job.Ownership{T: 1, Journal: "K"}
	attempt := func(n uint32, s job.AttemptState) job.Attempt {
		return job.Attempt{Name: job.Name{Job: "a", Owner: owner, N: n}, Executor: "e1", State: s}
	}
	// done is a job that has ended finally, after what else is given.
	done := func(id job.ID, change ...func(*client.Change)) client.Change {
		c := client.Change{Final: true, Job: job.Job{ID: id, Spec: &job.Spec{Name: "c0-" + string(id)}, First: owner, Tenures: []job.Tenure{{
			Owner: owner, Node: "b1", Attempts: []job.Attempt{attempt(1, job.Won)}, Verdict: &job.Verdict{Kind: job.Accepted, Result: &job.Result{}},
		}}}}
		for _, f := range change {
			f(&c)
		}
		return c
	}
	open := func(c *client.Change) { c.Final, c.Job.Tenures[0].Verdict = false, nil }
	named := map[string]bool{"c0-a": true, "c0-b": true}

	It("is at rest when all of them know all, finally and in the same words", func() {
		said := []soak.Saying{soak.Says("b1", 9, done("a"), done("b")), soak.Says("b2", 9, done("a"), done("b"))}
		Expect(soak.Unsettled(said, []string{"a", "b"})).To(BeEmpty())
		Expect(soak.Unlawful(said, named)).To(BeEmpty())
		Expect(soak.Lost(said, []string{"a", "b"})).To(BeZero())
	})

	DescribeTable("is not at rest", func(b1, b2 soak.Saying, wrong string) {
		Expect(soak.Unsettled([]soak.Saying{b1, b2}, []string{"a"})).To(ContainElement(HavePrefix(wrong)))
	},
		Entry("when one does not know an acknowledged job", soak.Says("b1", 9, done("a")), soak.Says("b2", 9), "a was acknowledged and is not known at b2 (S1)"),
		Entry("when nobody does", soak.Says("b1", 9), soak.Says("b2", 9), "a was acknowledged and is not known at b1 (S1)"),
		Entry("when one does not call its end final", soak.Says("b1", 9, done("a")), soak.Says("b2", 9, done("a", func(c *client.Change) { c.Final = false })),
			"a is accepted and not final at b2 (L1, L2)"),
		Entry("when it has not ended", soak.Says("b1", 9, done("a", open)), soak.Says("b2", 9, done("a", open)), "a is queued and not final at b1 (L1, L2)"),
		Entry("when their records differ", soak.Says("b1", 9, done("a")), soak.Says("b2", 9, done("a", func(c *client.Change) { c.Job.Tenures[0].Rev++ })),
			"a has another record at b1 than at b2 (S5, S6)"),
		Entry("when one knows a job that the other does not, acknowledged or not", soak.Says("b1", 9, done("a"), done("b")), soak.Says("b2", 9, done("a")),
			"b is known at one of b1 and b2, and not at the other (S6)"),
		Entry("when one holds more records", soak.Says("b1", 9, done("a")), soak.Says("b2", 10, done("a")), "b2 holds 10 records, and b1 9 (S6)"),
	)

	DescribeTable("is unlawful", func(c client.Change, wrong ...string) {
		Expect(soak.Unlawful([]soak.Saying{soak.Says("b1", 9, c)}, named)).To(HaveExactElements(wrong))
	},
		Entry("when two attempts won for one owner", done("a", func(c *client.Change) {
			c.Job.Tenures[0].Attempts = append(c.Job.Tenures[0].Attempts, attempt(2, job.Won))
		}), "a has 2 attempts that won for 0.0@J at b1 (S4)"),
		Entry("not when one won for each", done("a", func(c *client.Change) {
			c.Job.Tenures = append(c.Job.Tenures, job.Tenure{Owner: taker, Attempts: []job.Attempt{attempt(1, job.Won)}})
		})),
		Entry("when a job had 16 attempts", done("a", func(c *client.Change) {
			for n := range uint32(15) {
				c.Job.Tenures[0].Attempts = append(c.Job.Tenures[0].Attempts, attempt(2+n, job.Lost))
			}
		}), "a has 16 attempts at b1 (S8)"),
		Entry("not when several owners tell of 15", done("a", func(c *client.Change) {
			for n := range uint32(14) {
				c.Job.Tenures[0].Attempts = append(c.Job.Tenures[0].Attempts, attempt(2+n, job.Lost))
			}
			c.Job.Tenures = append(c.Job.Tenures, job.Tenure{Owner: taker, Attempts: c.Job.Tenures[0].Attempts})
		})),
		Entry("when nobody asked for it", done("z"), "z is at b1, and nobody submitted it (S2)"),
	)

	DescribeTable("tells of jobs that need not have ended so", func(kind job.VerdictKind, args []string, asked bool, wrong ...string) {
		c := done("a", func(c *client.Change) {
			c.Job.Spec.Args = args
			c.Job.Tenures[0].Verdict = &job.Verdict{Kind: kind, Reason: "so be it"}
		})
		Expect(soak.Unmerited(map[string]client.Change{"a": c}, map[string]bool{"a": asked})).To(HaveExactElements(wrong))
	},
		Entry("not when one succeeded", job.Accepted, nil, false),
		Entry("when one failed", job.FailedVerdict, nil, true, "1 jobs ended otherwise than they had to, failed: so be it (L2): a"),
		Entry("not when it had to", job.FailedVerdict, []string{"sleep", soak.NoTime}, false),
		Entry("when one was cancelled", job.Cancelled, nil, false, "1 jobs ended otherwise than they had to, cancelled: so be it (L2): a"),
		Entry("not when somebody asked for that", job.Cancelled, nil, true),
		Entry("when one expired", job.Expired, nil, true, "1 jobs ended otherwise than they had to, expired: so be it (L2): a"),
	)

	It("counts what became of jobs", func() {
		jobs := soak.Says("b1", 9, done("a"), done("b", func(c *client.Change) {
			c.Job.Tenures[0].Verdict = &job.Verdict{Kind: job.FailedVerdict, Reason: "so be it"}
			c.Job.Tenures[0].Rejected = make([]job.Rejection, 2)
			c.Job.Tenures = append(c.Job.Tenures, job.Tenure{Owner: taker, Superseded: true})
		})).Jobs()
		Expect(fmt.Sprintf("%+v", soak.EndsOf(jobs))).To(Equal(
			"{jobs:2 accepted:1 cancelled:0 doomed:0 others:map[failed: so be it:1] rejected:2 takeovers:1 handedOver:0 superseded:1}"))
	})

	It("names the jobs that wait for an operator once, and not those that are over", func() {
		held := func(c *client.Change) { c.Job.Tenures[0].Quarantined = true }
		said := []soak.Saying{soak.Says("b1", 9, done("a", open, held), done("b", held)), soak.Says("b2", 9, done("a", open, held))}
		Expect(soak.Quarantined(said)).To(Equal([]string{"a"}))
	})
})
