package job

import (
	"errors"
	"fmt"
	"slices"

	"github.com/urbancompute/ucp/internal/mutant"
)

// ErrTaken refuses a takeover by a broker that owns the job, or took it over before.
var ErrTaken = errors.New("the broker has the job, or had it by a takeover before")

// Wills is what the ledger says of brokers that were forgotten (JOB-14).
type Wills interface {
	// Closed says that a journal was forgotten, and that this broker knows all fences and all that they cover.
	Closed(journal string) bool
	// Heirs returns the brokers that fenced a journal, the first one first, without those that are forgotten and closed themselves.
	Heirs(journal string, id ID) []Heir
	// MayHaveEnded says that jobs made when this one was, or later, have been forgotten: if it comes only now, it may be one of them, taken a second
	// time by a broker that did not know yet.
	MayHaveEnded(id ID) bool
}

// Heir is a broker that can inherit from a forgotten one.
type Heir struct{ Journal, Node string }

// SortHeirs puts heirs of a job into their order.
func SortHeirs(id ID, heirs []Heir) {
	slices.SortFunc(heirs, func(a, b Heir) int { return compareHeirs(id, a.Journal, b.Journal) })
}

// Begin returns j with a tenure that the broker with that journal must begin, whose it is, and whether there is one: a release named it, the
// job's id named it and it had no part in the job so far, or it is the heir of the forgotten broker that has the authority. The record makes
// the owner, not a message. Merged is then due, for what others have done meanwhile. There may be a second tenure to begin.
func (j Job) Begin(journal, node string, w Wills) (Job, Ownership, bool) {
	end, t := j.Authority()
	doubtful := end == j.First && t == nil && w.MayHaveEnded(j.ID)
	for _, o := range j.Owners() {
		if o.Journal == journal && j.tenure(o) == nil {
			return j.with(Tenure{Owner: o, Node: node, Doubtful: doubtful && o == end}), o, true
		}
	}
	if (t != nil && t.Verdict != nil) || end.Journal == journal || !w.Closed(end.Journal) {
		return j, Ownership{}, false
	}
	if heirs := w.Heirs(end.Journal, j.ID); len(heirs) == 0 || heirs[0].Journal != journal {
		return j, Ownership{}, false
	}
	o := Ownership{T: end.T, H: end.H + 1, Journal: journal}
	if j.tenure(o) != nil {
		return j, Ownership{}, false // it had its turn in this place of the chain
	}
	return j.with(Tenure{Owner: o, Node: node, Inherited: end.Journal, Doubtful: doubtful}), o, true
}

// TakeOver returns j taken over by the broker with that journal, which cannot reach any owner (JOB-6). Nothing is restarted: what runs is adopted.
// Refused for a job that is over, also provisionally, and a second time.
func (j Job) TakeOver(journal, node string) (Job, Ownership, error) {
	if v, _ := j.Winner(); v != nil {
		return j, Ownership{}, fmt.Errorf("job %s: takeover by %s: %w", j.ID, node, ErrOver)
	}
	if j.has(journal) {
		return j, Ownership{}, fmt.Errorf("job %s: takeover by %s: %w", j.ID, node, ErrTaken)
	}
	o := Ownership{T: j.greatestT() + 1, Journal: journal}
	inherited := ""
	if mutant.On(mutant.TakeoverTakesAuthority) {
		end, _ := j.Authority()
		o, inherited = Ownership{T: end.T, H: end.H + 1, Journal: journal}, end.Journal
	}
	j = j.with(Tenure{Owner: o, Node: node, Inherited: inherited})
	t := j.turn(o)
	t.touch()
	t.adoptWork()
	if t.live() > 0 {
		t.wait("")
	}
	return t.job, o, nil
}

// has says whether a broker may act for the job already, or did so by a takeover.
func (j Job) has(journal string) bool {
	return slices.ContainsFunc(j.Owners(), func(o Ownership) bool { return o.Journal == journal }) ||
		slices.ContainsFunc(j.Tenures, func(t Tenure) bool { return t.Owner.Journal == journal && t.Owner.T > 0 && t.Owner.H == 0 })
}

func (j Job) greatestT() uint32 {
	return j.Tenures[len(j.Tenures)-1].Owner.T // sorted by T first; a named heir has the T of who named it
}

// with returns j with a tenure that begins: it carries on what others have used up.
func (j Job) with(t Tenure) Job {
	t.Rev, t.Spec, t.Waiting = 1, j.sum(), notPlaced
	if j.Spec.awaits() > 0 {
		t.Waiting, t.Inputs = notAsked, j.inherited()
	}
	t = j.carriedOn(t)
	if t.Quarantined {
		t.Waiting = quarantined(j.downs())
	}
	i, _ := slices.BinarySearchFunc(j.Tenures, t.Owner, func(t Tenure, o Ownership) int { return t.Owner.Compare(o) })
	j.Tenures = slices.Insert(slices.Clone(j.Tenures), i, t)
	return j
}
