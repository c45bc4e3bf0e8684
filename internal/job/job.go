package job

import (
	"cmp"
	"slices"

	"github.com/urbancompute/ucp/internal/vclock"
)

// MaxAttempts is the greatest number of attempts one owner makes at a job (JOB-5).
const MaxAttempts = 5

// MaxHandOvers is the greatest number of times a job is handed from broker to broker (JOB-13).
const MaxHandOvers = 8

// MaxRejections bounds the rejected results that a record keeps; older ones are dropped first.
const MaxRejections = 16

// ID names a job: a ULID made by the client, a dash, and the node id of the broker first asked.
type ID string

// Ownership names a responsibility for a job. A takeover makes T+1, a hand-over H+1; Journal is the random name that the owner's
// journal was born with.
type Ownership struct {
	T, H    uint32
	Journal string
}

// Compare orders ownerships by T, then H, then journal.
func (o Ownership) Compare(p Ownership) int {
	switch {
	case o.T != p.T:
		return cmp.Compare(o.T, p.T)
	case o.H != p.H:
		return cmp.Compare(o.H, p.H)
	}
	return cmp.Compare(o.Journal, p.Journal)
}

// Name is the full name of an attempt. Two attempts never share one, also across restarts of the owner.
type Name struct {
	Job         ID
	Owner       Ownership
	Incarnation uint64 // of the owner's node
	N           uint32 // counts from 1 within an ownership and incarnation
}

// Job is the replicated record of one job. Treat it as immutable: Apply and Merge return new values and share what did not change.
type Job struct {
	ID      ID
	Spec    *Spec
	Created vclock.Hybrid
	Cancel  *CancelRequest // nil until someone asked
	Tenures []Tenure       // sorted by Owner, at least one
}

// CancelRequest says who asked first for the job to be cancelled. It is a wish; only a verdict cancels.
type CancelRequest struct {
	By string
	At vclock.Hybrid
}

// Tenure is what one owner did with a job. Only that owner writes it, so of two versions the one with the greater Rev is newer.
type Tenure struct {
	Owner    Ownership
	Node     string // node id of the owner
	Rev      uint64
	Waiting  string // why no attempt runs, for people; empty when one does
	Attempts []Attempt
	Failures uint32 // program failures so far: they use up Spec.Retries
	Verdict  *Verdict
	Rejected []Rejection
}

// Attempt is one deployment of a job on an executor.
type Attempt struct {
	Name     Name
	Executor string // node id
	Lease    uint64 // the executor's lease under which it was placed
	State    AttemptState
	Note     string // why it ended, for people
	Placed   vclock.Hybrid
	Ended    vclock.Hybrid
}

// AttemptState says how far an attempt got, as its owner knows it.
type AttemptState uint8

// The states of an attempt. An attempt that is Lost may still run and come back (JOB-4).
const (
	Placed AttemptState = iota + 1
	Running
	Won
	Failed
	Lost
	Refused
	Stopped
)

// Live says whether the attempt counts as under way.
func (s AttemptState) Live() bool { return s == Placed || s == Running }

// Rejection is a result that came too late.
type Rejection struct {
	Attempt  Name
	Executor string
	Why      Lateness
	At       vclock.Hybrid
}

// Lateness tells late results apart (JOB-3).
type Lateness uint8

// The kinds of late results.
const (
	EqualDigest Lateness = iota + 1
	DifferentDigest
	UnknownAttempt
	AfterVerdict // the job was cancelled, failed or expired: there is no winner to compare with
)

// VerdictKind is how a job ended for one owner.
type VerdictKind uint8

// The verdicts an owner can make.
const (
	Accepted VerdictKind = iota + 1
	FailedVerdict
	Cancelled
	Expired
	Released
)

// Verdict is an owner's one decision on a job. It never changes.
type Verdict struct {
	Kind     VerdictKind
	Attempt  Name   // the winner's, if Kind is Accepted, or the last one's
	Executor string // node id of the winner
	Result   *Result
	Reason   string    // for people
	Heir     Ownership // the next owner, if Kind is Released
	HeirNode string
	At       vclock.Hybrid
}

// State is where a job stands, derived from its tenures.
type State string

// The states of section 8 of the design that this package can reach.
const (
	StateQueued    State = "queued"
	StateRunning   State = "running"
	StateAccepted  State = "accepted"
	StateFailed    State = "failed"
	StateCancelled State = "cancelled"
	StateExpired   State = "expired"
)

// Terminal says whether a job in this state is over.
func (s State) Terminal() bool { return s != StateQueued && s != StateRunning }

// New returns a job just submitted to owner, who runs on node.
func New(id ID, spec *Spec, owner Ownership, node string, at vclock.Hybrid) Job {
	return Job{ID: id, Spec: spec, Created: at, Tenures: []Tenure{{Owner: owner, Node: node, Rev: 1, Waiting: "not placed yet"}}}
}

// Current returns the tenure at the end of the chain of releases: the one whose verdict counts. Takeovers are not part of that chain.
func (j Job) Current() Tenure {
	t := j.Tenures[0]
	for t.Verdict != nil && t.Verdict.Kind == Released {
		i := j.index(t.Verdict.Heir)
		if i < 0 {
			return Tenure{Owner: t.Verdict.Heir, Node: t.Verdict.HeirNode, Waiting: "handed over, the new owner has not begun"}
		}
		t = j.Tenures[i]
	}
	return t
}

// Succeed returns j with the tenure of the broker that the last release names, and whether that is heir and had not begun yet. The record
// makes the owner, not a message.
func (j Job) Succeed(journal, node string) (Job, bool) {
	t := j.Current()
	if t.Rev != 0 || t.Owner.Journal != journal || t.Node != node {
		return j, false
	}
	t.Rev, t.Waiting = 1, "not placed yet"
	i, _ := slices.BinarySearchFunc(j.Tenures, t.Owner, func(t Tenure, o Ownership) int { return t.Owner.Compare(o) })
	j.Tenures = slices.Insert(slices.Clone(j.Tenures), i, t)
	return j, true
}

// State tells where the job stands.
func (j Job) State() State { return j.Current().state() }

func (t Tenure) state() State {
	if t.Verdict == nil {
		if slices.ContainsFunc(t.Attempts, func(a Attempt) bool { return a.State.Live() }) {
			return StateRunning
		}
		return StateQueued
	}
	switch t.Verdict.Kind {
	case Accepted:
		return StateAccepted
	case FailedVerdict:
		return StateFailed
	case Cancelled:
		return StateCancelled
	case Expired:
		return StateExpired
	case Released:
	}
	return StateQueued
}

// Live returns the attempts under way.
func (t Tenure) Live() []Attempt {
	var live []Attempt
	for _, a := range t.Attempts {
		if a.State.Live() {
			live = append(live, a)
		}
	}
	return live
}

func (j Job) index(o Ownership) int {
	i, ok := slices.BinarySearchFunc(j.Tenures, o, func(t Tenure, o Ownership) int { return t.Owner.Compare(o) })
	if !ok {
		return -1
	}
	return i
}

// Knows says whether the record lists an attempt of that name.
func (j Job) Knows(n Name) bool {
	i := j.index(n.Owner)
	return i >= 0 && slices.ContainsFunc(j.Tenures[i].Attempts, func(a Attempt) bool { return a.Name == n })
}
