package sim

import (
	"slices"

	"github.com/urbancompute/ucp/internal/job"
)

// marvel counts the rare states that the record of a job shows, each once a job. What the actors note themselves is counted without it.
func (c *Chronicle) marvel(at *Node, j job.Job) {
	s := c.story(j.ID)
	for _, r := range rareStates {
		if !s.rare[r.name] && r.shows(at, j) {
			s.rare[r.name] = true
			c.w.Rare.add(r.name)
		}
	}
}

// rareStates are what a record can show, and how.
var rareStates = []struct {
	name  string
	shows func(at *Node, j job.Job) bool
}{
	{"a provisional verdict was adopted", func(_ *Node, j job.Job) bool {
		return anyTenure(j, func(t job.Tenure) bool { return t.Verdict != nil && t.Verdict.Adopted != (job.Ownership{}) })
	}},
	{"two brokers took the same job over", func(_ *Node, j job.Job) bool {
		return countTenures(j, func(t job.Tenure) bool { return t.Owner.T > 0 && t.Owner.H == 0 }) > 1
	}},
	{"an owner met a takeover of its job", func(at *Node, j job.Job) bool {
		return j.Tenures[len(j.Tenures)-1].Owner.T > 0 && anyTenure(j, func(t job.Tenure) bool { return t.Owner.T == 0 && t.Node == at.ID })
	}},
	{"verdicts of several owners differ", func(_ *Node, j job.Job) bool {
		ends := map[string]bool{}
		for _, t := range j.Tenures {
			if t.Verdict != nil && t.Verdict.Kind != job.Released {
				ends[outcomeOf(t.Verdict)] = true
			}
		}
		return len(ends) > 1
	}},
	{"a job was handed over", func(_ *Node, j job.Job) bool { return anyVerdict(j, job.Released) }},
	{"a job was handed over three times", func(_ *Node, j job.Job) bool {
		return countTenures(j, func(t job.Tenure) bool { return t.Verdict != nil && t.Verdict.Kind == job.Released }) > 2
	}},
	{"a job was cancelled", func(_ *Node, j job.Job) bool { return anyVerdict(j, job.Cancelled) }},
	{"a job expired", func(_ *Node, j job.Job) bool { return anyVerdict(j, job.Expired) }},
	{"a job was skipped", func(_ *Node, j job.Job) bool { return anyVerdict(j, job.Skipped) }},
	{"a job was quarantined", func(_ *Node, j job.Job) bool { return anyTenure(j, func(t job.Tenure) bool { return t.Quarantined }) }},
	{"a job had a backup attempt", func(_ *Node, j job.Job) bool {
		return j.Spec.Speculate && anyTenure(j, func(t job.Tenure) bool { return len(t.Live()) > 1 })
	}},
	{"an acknowledgement stood on one disk", func(_ *Node, j job.Job) bool { return anyTenure(j, func(t job.Tenure) bool { return t.Single }) }},
}

func anyTenure(j job.Job, is func(job.Tenure) bool) bool { return slices.ContainsFunc(j.Tenures, is) }

func anyVerdict(j job.Job, kind job.VerdictKind) bool {
	return anyTenure(j, func(t job.Tenure) bool { return t.Verdict != nil && t.Verdict.Kind == kind })
}

func countTenures(j job.Job, is func(job.Tenure) bool) int {
	n := 0
	for _, t := range j.Tenures {
		if is(t) {
			n++
		}
	}
	return n
}
