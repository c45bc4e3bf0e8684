package job

import (
	"github.com/urbancompute/ucp/internal/vclock"

	"github.com/urbancompute/ucp/internal/mutant"
)

// The bounds on attempts (JOB-5). With a quorum each holds for every needed result.
const (
	// MaxAttempts is the greatest number of attempts one owner makes.
	MaxAttempts = 5
	// MaxChainAttempts bounds those of all owners of one chain of authority together: of the first owner, those it released the job to, and heirs.
	MaxChainAttempts = 7
	// MaxTakerAttempts bounds those of one takeover and whoever it was handed on to. Takers that cannot see each other add theirs up: with
	// those of the authority it is MaxJobAttempts among five brokers.
	MaxTakerAttempts = 2
	// MaxJobAttempts bounds the attempts of all owners that an owner knows of.
	MaxJobAttempts = 15
)

// MaxHandOvers is the greatest number of times a job is handed from broker to broker (JOB-13).
const MaxHandOvers = 8

// MaxRejections bounds the rejected results that a record keeps; older ones are dropped first.
const MaxRejections = 16

// MaxDowns is the number of executors that may go down under a job before it is quarantined (JOB-5).
const MaxDowns = 3

// quorum returns how many executors must agree.
func (s *Spec) quorum() int { return max(1, int(s.Quorum)) }

// Attempted counts the attempts made by all owners together.
func (j Job) Attempted() int {
	n := 0
	for i := range j.Tenures {
		for k := range j.Tenures[i].Attempts {
			if name := j.Tenures[i].Attempts[k].Name; !j.listedBefore(i, name) {
				n++
			}
		}
	}
	return n
}

// Preempted counts the attempts of all owners that made room for an emergency. They cost the job nothing.
func (j Job) Preempted() int {
	n := 0
	for i := range j.Tenures {
		for _, a := range j.Tenures[i].Attempts {
			if a.State == SetAside && !j.listedBefore(i, a.Name) {
				n++
			}
		}
	}
	return n
}

// listedBefore says whether a tenure before the i-th lists the attempt.
func (j Job) listedBefore(i int, n Name) bool {
	for k := range i {
		if j.Tenures[k].attempt(n) >= 0 {
			return true
		}
	}
	return false
}

// spent counts the attempts that t's owner made itself and that count against its limit: one that was preempted does not.
func (t *Tenure) spent() int {
	n := 0
	for i := range t.Attempts {
		if a := &t.Attempts[i]; a.Name.Owner == t.Owner && a.State != SetAside {
			n++
		}
	}
	return n
}

// made counts the attempts that t's owner named.
func (t *Tenure) made() uint32 {
	n := uint32(0)
	for i := range t.Attempts {
		if t.Attempts[i].Name.Owner == t.Owner {
			n++
		}
	}
	return n
}

// room returns how many further attempts t's owner may make.
func (j Job) room(t *Tenure) int {
	each, chain := MaxAttempts, MaxChainAttempts
	if t.Owner.T > 0 {
		each, chain = MaxTakerAttempts, MaxTakerAttempts
	}
	k := j.Spec.quorum()
	return max(0, min(each*k-t.spent(), chain*k-j.spentByChain(t.Owner), MaxJobAttempts*k-(j.Attempted()-j.Preempted())))
}

// spentByChain counts what the owners of the chain that o is the end of spent.
func (j Job) spentByChain(o Ownership) int {
	n := 0
	for i := range j.Tenures {
		if t := &j.Tenures[i]; t.Owner.T == o.T && j.end(t.Owner) == o {
			n += t.spent()
		}
	}
	return n
}

// Wanted returns how many further attempts self should deploy now: 0 while it waits for anything but an executor. Only the acting owner asks.
func (j Job) Wanted(self Ownership) int {
	t := j.tenure(self)
	if t == nil || !j.open(t) || t.Quarantined || t.Backoff || j.blocked(t) != "" {
		return 0
	}
	return min(j.needed(t), j.room(t))
}

// Releasable says why self cannot hand the job over just now (JOB-13), nil if it can: [ErrOver], [ErrBusy] while it has an attempt under way,
// [ErrInvalid] if the job was handed over too often, or self does not own it.
func (j Job) Releasable(self Ownership) error {
	t := j.tenure(self)
	if t == nil {
		return ErrInvalid
	}
	return j.releasable(t)
}

func (j Job) releasable(t *Tenure) error {
	switch {
	case !j.open(t):
		return ErrOver
	case t.live() > 0:
		return ErrBusy
	case t.Owner.H >= MaxHandOvers:
		return ErrInvalid
	}
	return nil
}

// open says that t's owner still has something to do: no verdict, here or elsewhere, no wish to cancel, and a spec that counts.
func (j Job) open(t *Tenure) bool {
	if t.Verdict != nil || j.Cancel != nil || t.Spec != j.sum() {
		return false
	}
	v, _ := j.Winner()
	return v == nil
}

// needed returns how many results are missing that no attempt under way may bring. A straggler is not counted upon.
func (j Job) needed(t *Tenure) int {
	n := j.Spec.quorum() - t.agreed()
	for i := range t.Attempts {
		if a := &t.Attempts[i]; (a.State.Live() && !a.Straggles) || (mutant.On(mutant.LostJobDropped) && a.State == Lost) ||
			(mutant.On(mutant.PreemptedJobDropped) && a.State == SetAside) {
			n--
		}
	}
	return max(0, n)
}

// downs returns the executors that went down under the job since an operator last said that it is innocent.
func (j Job) downs() []string {
	var reprieved vclock.Hybrid
	for i := range j.Tenures {
		reprieved = latest(reprieved, j.Tenures[i].Reprieved)
	}
	var down []string
	for i := range j.Tenures {
		for _, a := range j.Tenures[i].Attempts {
			if a.Down && a.Ended.Compare(reprieved) > 0 {
				down = with(down, a.Executor)
			}
		}
	}
	return down
}

// carriedOn returns what a new tenure takes over of those before it: failures used up, quarantine, and what clients were told.
func (j Job) carriedOn(t Tenure) Tenure {
	t.Single = true
	for i := range j.Tenures {
		o := &j.Tenures[i]
		t.Failures = max(t.Failures, o.Failures)
		t.Acked = t.Acked || o.Acked
		t.Single = t.Single && (o.Single || !o.Acked)
	}
	t.Single = t.Single && t.Acked
	t.Quarantined = len(j.downs()) >= MaxDowns
	return t
}

func latest(a, b vclock.Hybrid) vclock.Hybrid {
	if b.Compare(a) > 0 {
		return b
	}
	return a
}
