package job

import (
	"cmp"
	"slices"

	"github.com/urbancompute/ucp/internal/vclock"
)

// ID names a job: a ULID made by the client, a dash, and the node id of the broker first asked. A further dash and a journal id follow if
// that broker was not in its first journal any more.
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
	Created vclock.Hybrid  // when it was first submitted anywhere
	First   Ownership      // where the chain of authority begins: {0, 0, J}; it may have no tenure yet
	Cancel  *CancelRequest // nil until someone asked
	Ended   bool           // its retention is over: nothing will be written to it any more
	Tenures []Tenure       // sorted by Owner, at least one
}

// CancelRequest says who asked first for the job to be cancelled. It is a wish; only a verdict cancels.
type CancelRequest struct {
	By string
	At vclock.Hybrid
}

// Tenure is what one owner did with a job. Only that owner writes it, so of two versions the one with the greater Rev is newer.
type Tenure struct {
	Owner       Ownership
	Node        string // node id of the owner
	Rev         uint64
	Inherited   string // the forgotten journal whose authority this is, "" if it came some other way
	Spec        uint64 // the owner's spec, by Sum: only that of the authority counts
	Acked       bool   // a client was told that its job is taken
	Single      bool   // and that it is on one disk only; else FINAL takes two
	Doubtful    bool   // the job may have had an end before, and have been forgotten: no end of it is FINAL any more
	Waiting     string // why no attempt runs, for people; empty when one does
	Attempts    []Attempt
	Failures    uint32 // program failures so far: they use up Spec.Retries
	Backoff     bool   // RetryDue is awaited
	Inputs      []Input
	Candidates  []Candidate
	Quarantined bool          // Reprieved is awaited
	Reprieved   vclock.Hybrid // the last time; executors that went down before no longer count
	Superseded  bool          // the decision is not what this owner's client was told
	Verdict     *Verdict
	Rejected    []Rejection
}

// Attempt is one deployment of a job on an executor. An owner also lists those that it adopted from others: Name.Owner tells whose they were.
type Attempt struct {
	Name      Name
	Executor  string // node id
	Lease     uint64 // the executor's lease under which it was placed
	State     AttemptState
	Note      string     // why it ended, for people
	Inputs    [][32]byte // digests of the predecessors' results it was deployed with, in the order of Spec.After
	Straggles bool       // slower than its like: it gets a backup (JOB-11)
	Down      bool       // its executor went down while it ran (JOB-5)
	Trap      string     // how it trapped, shortened
	Placed    vclock.Hybrid
	Ended     vclock.Hybrid
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
	Delivered // its result is held as a candidate
	SetAside  // preempted
)

// Live says whether the attempt counts as under way.
func (s AttemptState) Live() bool { return s == Placed || s == Running }

// delivered says that the attempt's result came: it will never run again.
func (s AttemptState) delivered() bool { return s == Won || s == Failed || s == Delivered }

// Candidate is a result that decides nothing yet: others must agree with it (JOB-12), or its inputs are not final (JOB-10).
type Candidate struct {
	Attempt  Name
	Executor string
	Party    string // whose executor that is, by its certificate
	Result   *Result
	At       vclock.Hybrid
}

// Input is what an owner knows of a predecessor, or of named data.
type Input struct {
	Job    ID // for named data: the job that makes it, or made it; "" if it was put
	State  State
	Digest [32]byte // of its result, or of what Files says; zero if there is none
	Final  bool
	Known  bool        // its record is here
	Name   string      // of named data, as the spec has it
	Files  []NamedFile // what the name stands for, or all that its prefix does, by name
}

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
	Outdated     // an input that the attempt used was superseded
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
	Skipped
)

// Verdict is an owner's one decision on a job. It never changes.
type Verdict struct {
	Kind     VerdictKind
	Attempt  Name   // the winner's, if Kind is Accepted, or the last one's
	Executor string // node id of the winner
	Result   *Result
	Reason   string     // for people
	Inputs   [][32]byte // digests of the predecessors' results it rests on, in the order of Spec.After
	Adopted  Ownership  // whose provisional verdict this was; zero: the owner's own decision
	Heir     Ownership  // the next owner, if Kind is Released
	HeirNode string
	At       vclock.Hybrid
	Life     uint64 // the incarnation of the owner's node that decided; 0: not said, see [Job.DecidedIn]
}

// digest returns that of the verdict's result, zero if it has none.
func (v *Verdict) digest() (d [32]byte) {
	if v.Result != nil {
		d = v.Result.Digest
	}
	return d
}

// Same says that two verdicts are no conflict: they tell a client the same.
func (v *Verdict) Same(w *Verdict) bool { return v.Kind == w.Kind && v.digest() == w.digest() }

// New returns a job just submitted to owner, who runs on node. At the broker that the job's id names, owner is first; any other takes the
// job as a takeover, with T=1.
func New(id ID, spec *Spec, owner, first Ownership, node string, at vclock.Hybrid) Job {
	t := Tenure{Owner: owner, Node: node, Rev: 1, Spec: spec.Sum(), Waiting: notPlaced}
	if spec.awaits() > 0 {
		t.Waiting = notAsked
	}
	return Job{ID: id, Spec: spec, Created: at, First: first, Tenures: []Tenure{t}}
}

// What people read before the first event.
const (
	notPlaced = "not placed yet"
	notAsked  = "waits to hear of its inputs"
)

// End returns j with its retention over.
func (j Job) End() Job {
	j.Ended = true
	return j
}

// AskCancel returns j with the wish to cancel it, and whether that is new. Any broker may write it; only owners make it a verdict.
func (j Job) AskCancel(by string, at vclock.Hybrid) (Job, bool) {
	if j.Cancel != nil || j.State().Terminal() {
		return j, false
	}
	j.Cancel = &CancelRequest{By: by, At: at}
	return j, true
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

// live counts the attempts under way.
func (t *Tenure) live() int {
	n := 0
	for i := range t.Attempts {
		if t.Attempts[i].State.Live() {
			n++
		}
	}
	return n
}

// Lists says whether the tenure has an attempt of that name, in whatever state.
func (t Tenure) Lists(n Name) bool { return t.attempt(n) >= 0 }

// attempt returns the index of the attempt of that name, -1 if it is not listed.
func (t *Tenure) attempt(n Name) int {
	return slices.IndexFunc(t.Attempts, func(a Attempt) bool { return a.Name == n })
}

// index returns where the tenure of o is, -1 if it has not begun.
func (j Job) index(o Ownership) int {
	i, ok := slices.BinarySearchFunc(j.Tenures, o, func(t Tenure, o Ownership) int { return t.Owner.Compare(o) })
	if !ok {
		return -1
	}
	return i
}

// tenure returns that of o, nil if it has not begun.
func (j Job) tenure(o Ownership) *Tenure {
	if i := j.index(o); i >= 0 {
		return &j.Tenures[i]
	}
	return nil
}

// lookup returns the attempt of that name as any of the tenures lists it.
func (j Job) lookup(n Name) (Attempt, bool) {
	for i := range j.Tenures {
		if k := j.Tenures[i].attempt(n); k >= 0 {
			return j.Tenures[i].Attempts[k], true
		}
	}
	return Attempt{}, false
}

// Knows says whether the record lists an attempt of that name.
func (j Job) Knows(n Name) bool {
	_, ok := j.lookup(n)
	return ok
}
