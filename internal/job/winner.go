package job

import (
	"bytes"
	"cmp"
)

// Decided returns the authority's verdict, which never changes, and whose it is; nil if there is none yet.
func (j Job) Decided() (*Verdict, Ownership) {
	end, t := j.Authority()
	if t == nil || t.Verdict == nil || t.Verdict.Kind == Released {
		return nil, Ownership{}
	}
	return t.Verdict, end
}

// Winner returns the verdict that counts, and whose it is: the authority's, else the provisional winner, else nil. It is a function of the
// record alone, so brokers that hold the same record tell the same.
func (j Job) Winner() (*Verdict, Ownership) {
	if v, o := j.Decided(); v != nil {
		return v, o
	}
	return j.provisional()
}

// provisional returns the least of the verdicts of those who are not the authority. A forgotten owner's counts among them.
func (j Job) provisional() (best *Verdict, by Ownership) {
	end, auth := j.Authority()
	sum := j.sum()
	for i := range j.Tenures {
		t := &j.Tenures[i]
		if t.Verdict == nil || t.Verdict.Kind == Released || t.Owner == end || t.Spec != sum || auth.refutes(t.Verdict.Inputs) {
			continue
		}
		if best == nil || compareVerdicts(t.Verdict, t.Owner, best, by) < 0 {
			best, by = t.Verdict, t.Owner
		}
	}
	return best, by
}

// compareVerdicts orders provisional verdicts, the winner first: cancelled before accepted before the rest, then by the one who made it, the
// attempt's number, the digest and the attempt's name (JOB-7).
func compareVerdicts(v *Verdict, vo Ownership, w *Verdict, wo Ownership) int {
	vd, wd := v.digest(), w.digest()
	return cmp.Or(
		cmp.Compare(v.Kind.precedence(), w.Kind.precedence()),
		vo.Compare(wo),
		cmp.Compare(v.Attempt.N, w.Attempt.N),
		bytes.Compare(vd[:], wd[:]),
		bytes.Compare(v.Attempt.Append(nil), w.Attempt.Append(nil)),
	)
}

func (k VerdictKind) precedence() int {
	switch k {
	case Cancelled:
		return 0
	case Accepted:
		return 1
	case FailedVerdict, Expired, Released, Skipped:
	}
	return 2
}

// sum names the spec that counts: that of the last owner of the chain of authority who began, else of the least taker.
//
// Invariant: sum is that of j.Spec. A spec that no longer counts never counts again, because chains only grow and what comes before a taker
// stays there; so its text can go.
func (j Job) sum() uint64 {
	if len(j.Tenures) == 0 {
		return 0
	}
	sum := j.Tenures[0].Spec
	if len(j.Tenures) == 1 {
		return sum
	}
	for o, ok := j.First, true; ok; o, ok = j.successor(o) {
		if t := j.tenure(o); t != nil {
			sum = t.Spec
		}
	}
	return sum
}

// State is where a job stands, derived from its tenures.
type State string

// The states of a job.
const (
	StateQueued    State = "queued"
	StateRunning   State = "running"
	StateAccepted  State = "accepted"
	StateFailed    State = "failed"
	StateCancelled State = "cancelled"
	StateExpired   State = "expired"
	StateSkipped   State = "skipped"
)

// Terminal says whether a job in this state is over.
func (s State) Terminal() bool { return s != StateQueued && s != StateRunning && s != "" }

// State tells where the job stands. Whether an end is final, Decided says.
func (j Job) State() State {
	if v, _ := j.Winner(); v != nil {
		return v.Kind.state()
	}
	for i := range j.Tenures {
		for k := range j.Tenures[i].Attempts {
			if a := &j.Tenures[i].Attempts[k]; a.State.Live() && !j.overtaken(a) {
				return StateRunning
			}
		}
	}
	return StateQueued
}

// overtaken says that another owner knows that a live attempt has ended: it has its result, or heard of it under the same lease or a later one.
func (j Job) overtaken(a *Attempt) bool {
	for i := range j.Tenures {
		if k := j.Tenures[i].attempt(a.Name); k >= 0 {
			if b := &j.Tenures[i].Attempts[k]; b.State.delivered() || !b.State.Live() && b.Lease >= a.Lease {
				return true
			}
		}
	}
	return false
}

func (k VerdictKind) state() State {
	switch k {
	case Accepted:
		return StateAccepted
	case FailedVerdict:
		return StateFailed
	case Cancelled:
		return StateCancelled
	case Expired:
		return StateExpired
	case Skipped:
		return StateSkipped
	case Released:
	}
	return StateQueued
}
