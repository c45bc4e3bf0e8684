package main

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
)

// told is a story in which e1 was killed and e2 frozen, and rows as they have to be then.
func told() (story, []row) {
	s := story{
		jobs:   []submitted{{"words", "1"}, {"killed job", "2"}, {"frozen job", "3"}},
		killed: loss{"e1", time.Second},
		frozen: loss{"e2", 4 * time.Second},
	}
	return s, []row{
		{name: "words", executors: []string{"e3"}, accepted: []string{"e3"}, took: 40 * time.Millisecond},
		{name: "killed job", executors: []string{"e1", "e3"}, accepted: []string{"e3"}, took: 7 * time.Second},
		{name: "frozen job", executors: []string{"e2", "e1"}, accepted: []string{"e1"}, rejected: []string{"e2"}, took: 12 * time.Second},
	}
}

var _ = Describe("The story", func() {
	It("is as promised when each job has one accepted result, both lost jobs went on and one late result was rejected", func() {
		s, rows := told()
		Expect(s.broken(rows)).To(BeEmpty())
	})

	DescribeTable("says that a promise is broken when", func(spoil func(*story, []row) []row, sentences ...string) {
		s, rows := told()
		rows = spoil(&s, rows)
		Expect(s.broken(rows)).To(Equal(sentences))
	},
		Entry("a job is missing", func(_ *story, rows []row) []row { return rows[1:] },
			"3 jobs were submitted and 2 are on record"),
		Entry("a job has no result", func(_ *story, rows []row) []row { rows[0].accepted = nil; return rows },
			`job "words" has 0 accepted results, not one`),
		Entry("a job has two results", func(_ *story, rows []row) []row { rows[0].accepted = []string{"e1", "e3"}; return rows },
			`job "words" has 2 accepted results, not one`),
		Entry("nothing was rejected", func(_ *story, rows []row) []row { rows[2].rejected = nil; return rows },
			"the rejected results are 0, not 1 of e2"),
		Entry("more was rejected than the one", func(_ *story, rows []row) []row { rows[0].rejected = []string{"e1"}; return rows },
			"the rejected results are 2 of e1, e2, not 1 of e2"),
		Entry("somebody else's result was rejected", func(_ *story, rows []row) []row { rows[2].rejected = []string{"e3"}; return rows },
			"the rejected results are 1 of e3, not 1 of e2"),
		Entry("the killed executor's job was not deployed again", func(_ *story, rows []row) []row { rows[1].executors = []string{"e1"}; return rows },
			"no job of e1 was accepted from another executor after e1 was lost"),
		Entry("the killed executor's job went on where it was", func(_ *story, rows []row) []row {
			rows[1].executors, rows[1].accepted = []string{"e1", "e1"}, []string{"e1"}
			return rows
		}, "no job of e1 was accepted from another executor after e1 was lost"),
		Entry("the frozen executor's job took long to run elsewhere", func(s *story, rows []row) []row { s.frozen.moved = 11 * time.Second; return rows },
			"it took 11.0 s until the job of e2 ran elsewhere, more than 10.0 s"),
	)
})

var _ = Describe("The table", func() {
	It("tells each job's attempts, executors, accepted and rejected results and time", func() {
		_, rows := told()
		Expect("\n" + table(rows)).To(Equal(`
JOB         ATTEMPTS  EXECUTORS  ACCEPTED  REJECTED  TIME
words       1         e3         1 of e3   0         40 ms
killed job  2         e1 → e3    1 of e3   0         7.00 s
frozen job  2         e2 → e1    1 of e1   1 of e2   12.0 s
`))
	})

	It("is made of what is on record", func() {
		first := job.Attempt{Executor: "id-2"}
		second := job.Attempt{Executor: "id-1"}
		j := client.Job{Created: vclock.Hybrid{Wall: 1000}, Tenures: []job.Tenure{{
			Attempts: []job.Attempt{first, second},
			Rejected: []job.Rejection{{Executor: "id-2"}},
			Verdict:  &job.Verdict{Kind: job.Accepted, Executor: "id-1", At: vclock.Hybrid{Wall: 4500}},
		}}}
		name := func(id string) string { return "e" + id[3:] }
		Expect(rowOf("frozen job", j, name)).To(Equal(row{
			name: "frozen job", executors: []string{"e2", "e1"}, accepted: []string{"e1"}, rejected: []string{"e2"}, took: 3500 * time.Millisecond,
		}))
	})

	It("counts what every owner of a job accepted", func() {
		accepted := &job.Verdict{Kind: job.Accepted, Executor: "e1"}
		j := client.Job{Tenures: []job.Tenure{{Verdict: &job.Verdict{Kind: job.Released}}, {Verdict: accepted}, {Verdict: accepted}}}
		Expect(rowOf("words", j, func(id string) string { return id }).accepted).To(HaveLen(2))
	})
})
