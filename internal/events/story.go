package events

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Chapter is one line of a job's story.
type Chapter struct {
	At         vclock.Hybrid
	Node       string // node id of who tells it; empty for a client
	Owner      job.Ownership
	Text       string
	Concurrent bool // with the line before it
	mark       mark
}

// mark tells chapters that others come after, or that come after others.
type mark uint8

const (
	beginning mark = iota + 1
	verdict
	overruled
)

// Story tells what a job's record says of its life, in causal order: who decided what, what was concurrent, which results were rejected and why
// (CLK-7). What one owner did it did in order; who was named by another, adopts its verdict or is overruled by it knew of that. All else is
// concurrent, and told by hybrid time. Name turns node ids into what people call them.
func Story(j job.Job, name func(node string) string) []Chapter {
	s := &story{job: j, name: name}
	s.tell("", job.Ownership{}, j.Created, "%s submitted it", name(j.Spec.Submitter))
	if c := j.Cancel; c != nil {
		s.link(0, s.tell("", job.Ownership{}, c.At, "%s asked to cancel it", name(c.By)))
	}
	for i := range j.Tenures {
		s.tenure(&j.Tenures[i])
	}
	s.between()
	return s.inOrder()
}

// story is chapters in the making, and what each came after.
type story struct {
	job      job.Job
	name     func(string) string
	chapters []Chapter
	causes   [][]int // by chapter: direct ones
}

func (s *story) tell(node string, o job.Ownership, at vclock.Hybrid, format string, args ...any) int {
	s.chapters = append(s.chapters, Chapter{At: at, Node: node, Owner: o, Text: fmt.Sprintf(format, args...)})
	s.causes = append(s.causes, nil)
	return len(s.chapters) - 1
}

func (s *story) link(cause, effect int) {
	if cause >= 0 && effect >= 0 {
		s.causes[effect] = append(s.causes[effect], cause)
	}
}

// tenure tells what one owner did, one after the other.
func (s *story) tenure(t *job.Tenure) {
	first := len(s.chapters)
	s.beginning(t)
	s.chapters[first].mark = beginning
	for _, a := range t.Attempts {
		s.attempt(t, a)
	}
	s.verdict(t)
	for _, r := range t.Rejected {
		s.tell(t.Node, t.Owner, r.At, "%s rejected the result of %s from %s: %s", s.name(t.Node), attempt(r.Attempt), s.name(r.Executor), r.Why)
	}
	own := s.chapters[first:]
	own[0].At = began(own)
	slices.SortStableFunc(own, func(a, b Chapter) int { return a.At.Compare(b.At) })
	s.link(0, first)
	for i := first + 1; i < len(s.chapters); i++ {
		s.link(i-1, i)
	}
}

// began is when a tenure began at the latest: a record does not say, but when the owner first did something.
func began(own []Chapter) vclock.Hybrid {
	at := own[0].At
	for _, c := range own[1:] {
		if at == (vclock.Hybrid{}) || c.At.Compare(at) < 0 {
			at = c.At
		}
	}
	return at
}

// find returns the chapter of an owner that has a mark, -1 if there is none.
func (s *story) find(o job.Ownership, m mark) int {
	return slices.IndexFunc(s.chapters, func(c Chapter) bool { return c.Owner == o && c.mark == m })
}

func (s *story) beginning(t *job.Tenure) {
	who := s.name(t.Node)
	switch {
	case t.Owner == s.job.First:
		s.tell(t.Node, t.Owner, s.job.Created, "%s took it, as its first owner", who)
	case t.Inherited != "":
		s.tell(t.Node, t.Owner, vclock.Hybrid{}, "%s inherited it from a broker that was given up", who)
	case t.Owner.H > 0:
		s.tell(t.Node, t.Owner, vclock.Hybrid{}, "%s began, to whom it was handed over", who)
	default:
		s.tell(t.Node, t.Owner, vclock.Hybrid{}, "%s took it over", who)
	}
}

// attempt tells of an attempt by the owner that made it; of those that it adopted an owner tells nothing that the other did not.
func (s *story) attempt(t *job.Tenure, a job.Attempt) {
	if maker, ok := s.job.Tenure(a.Name.Owner); ok && a.Name.Owner != t.Owner {
		if lists(maker, a.Name) {
			return
		}
	}
	s.tell(t.Node, t.Owner, a.Placed, "%s deployed %s on %s", s.name(t.Node), attempt(a.Name), s.name(a.Executor))
	if !a.State.Live() && a.State != job.Won && a.Ended != (vclock.Hybrid{}) {
		s.tell(t.Node, t.Owner, a.Ended, "%s counts %s as %s: %s", s.name(t.Node), attempt(a.Name), a.State, a.Note)
	}
}

func lists(t job.Tenure, n job.Name) bool {
	return slices.ContainsFunc(t.Attempts, func(a job.Attempt) bool { return a.Name == n })
}

func (s *story) verdict(t *job.Tenure) {
	decided, _ := s.job.Decided()
	if t.Verdict != nil {
		s.chapters[s.tell(t.Node, t.Owner, t.Verdict.At, "%s", s.verdictText(t))].mark = verdict
	}
	if t.Superseded && decided != nil {
		at := decided.At
		if t.Verdict != nil && t.Verdict.At.Compare(at) > 0 {
			at = t.Verdict.At
		}
		s.chapters[s.tell(t.Node, t.Owner, at, "%s told its client that this did not stand", s.name(t.Node))].mark = overruled
	}
}

func (s *story) verdictText(t *job.Tenure) string {
	v, who := t.Verdict, s.name(t.Node)
	how := "provisionally"
	if end, _ := s.job.Authority(); end == t.Owner {
		how = "for good"
	}
	switch {
	case v.Kind == job.Released:
		return fmt.Sprintf("%s handed it over to %s", who, s.name(v.HeirNode))
	case v.Adopted != (job.Ownership{}):
		return fmt.Sprintf("%s adopted %s, which %s had decided", who, v.Kind, s.name(s.job.NodeOf(v.Adopted)))
	case v.Kind == job.Accepted:
		return fmt.Sprintf("%s decided %s: accepted, with the result of %s from %s", who, how, attempt(v.Attempt), s.name(v.Executor))
	}
	return fmt.Sprintf("%s decided %s: %s, %s", who, how, v.Kind, v.Reason)
}

// between notes what owners knew of each other, and of the wish to cancel.
func (s *story) between() {
	_, authority := s.job.Decided()
	for _, t := range s.job.Tenures {
		s.link(s.find(authority, verdict), s.find(t.Owner, overruled))
		v := t.Verdict
		if v == nil {
			continue
		}
		here := s.find(t.Owner, verdict)
		switch {
		case v.Kind == job.Released:
			s.link(here, s.find(v.Heir, beginning))
		case v.Adopted != (job.Ownership{}):
			s.link(s.find(v.Adopted, verdict), here)
		case v.Kind == job.Cancelled && s.job.Cancel != nil:
			s.link(1, here)
		}
	}
}

// inOrder returns the chapters so that none comes before one of its causes, earlier ones first, and marks what is concurrent.
func (s *story) inOrder() []Chapter {
	var out []Chapter
	order := make([]int, 0, len(s.chapters))
	for len(order) < len(s.chapters) {
		i := s.next(order)
		c := s.chapters[i]
		if len(order) > 0 {
			c.Concurrent = !s.reaches(order[len(order)-1], i)
		}
		order, out = append(order, i), append(out, c)
	}
	return out
}

// next returns the earliest of the chapters that are not told yet and whose causes are.
func (s *story) next(told []int) int {
	best := -1
	for i, c := range s.chapters {
		untold := func(k int) bool { return !slices.Contains(told, k) }
		if !untold(i) || slices.ContainsFunc(s.causes[i], untold) {
			continue
		}
		if best < 0 || cmp.Or(c.At.Compare(s.chapters[best].At), c.Owner.Compare(s.chapters[best].Owner)) < 0 {
			best = i
		}
	}
	return best
}

// reaches says whether one chapter came before another.
func (s *story) reaches(from, to int) bool {
	return from == to || slices.ContainsFunc(s.causes[to], func(c int) bool { return s.reaches(from, c) })
}

func attempt(n job.Name) string { return fmt.Sprintf("attempt %d of %d.%d", n.N, n.Owner.T, n.Owner.H) }
