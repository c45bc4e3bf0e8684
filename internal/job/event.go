package job

import (
	"time"

	"github.com/urbancompute/ucp/internal/vclock"
)

// Event is a fact about a job, told to its owner.
//
//sumtype:decl
type Event interface{ event() }

// Deployable says that placement reserved a slot for the job: a new attempt is named and deployed. Refused when the job cannot have one.
type Deployable struct {
	Executor    string
	Lease       uint64
	Incarnation uint64 // of the owner's node
	At          vclock.Hybrid
}

// Unplaceable says that no executor can take the job just now and why. It is ignored while an attempt is under way.
type Unplaceable struct{ Reason string }

// Started says that an attempt's program began. Doubled: ignored.
type Started struct{ Attempt Name }

// Declined says that an executor cannot take an attempt after all, through no fault of the program. It costs no retry.
type Declined struct {
	Attempt Name
	Reason  string
	At      vclock.Hybrid
}

// Finished brings a result. First come, first served; doubled or late ones are answered and change nothing but the list of rejections.
type Finished struct {
	Attempt  Name
	Executor string
	Party    string // whose executor that is, by its certificate
	Signed   bool   // the attempt carries the owner's MAC: it is ours also if the record does not know it
	Result   *Result
	At       vclock.Hybrid
}

// ExecutorLost says that the executor's lease ended. Attempts under a later lease are untouched.
type ExecutorLost struct {
	Executor string
	Lease    uint64
	Reason   string
	Down     bool // it went down, as far as can be told: it did not merely fall silent
	At       vclock.Hybrid
}

// Reported lists what an executor says it still runs, under a new lease. An attempt of ours that was lost goes on (JOB-4), as does one that the
// record forgot, and one of another owner that the record knows.
type Reported struct {
	Executor string
	Lease    uint64
	Running  []Held
	At       vclock.Hybrid
}

// Held is an attempt that an executor has in hand.
type Held struct {
	Name   Name
	Signed bool // it carries the MAC of the owner that is told
}

// Straggling says that an attempt is slower than its like: it gets a backup, once (JOB-11). Ignored if the spec wants none.
type Straggling struct {
	Attempt Name
	At      vclock.Hybrid
}

// Preempted says that an attempt must make room for an emergency. It is stopped and the job queued again, at no cost.
type Preempted struct {
	Attempt Name
	Reason  string
	At      vclock.Hybrid
}

// HandedOver says that another broker holds a slot for a job that finds none here: the owner releases it (JOB-13). Refused while an attempt is
// under way, and after MaxHandOvers. Results of earlier attempts are passed on.
type HandedOver struct {
	Heir Ownership
	Node string // of the heir
	At   vclock.Hybrid
}

// CancelAsked says that someone wants the job cancelled. Doubled: the first one counts. The authority makes it its verdict, a taker only if it
// acts, provisionally; in any case what runs here ends.
type CancelAsked struct {
	By     string
	Acting bool // the least of the owners that this broker reaches; an authority need not say so
	At     vclock.Hybrid
}

// RetryDue says that the backoff after a failure is over. Ignored when nothing waits for it.
type RetryDue struct{ At vclock.Hybrid }

// Overdue says that the queue timeout or the deadline passed. Ignored when the job is over, or, for the queue, when it runs.
type Overdue struct {
	Timer Timer
	At    vclock.Hybrid
}

// Reprieved says that an operator thinks the job innocent of the executors that went down under it: its quarantine ends (JOB-5).
type Reprieved struct {
	By string
	At vclock.Hybrid
}

// InputsKnown tells how the job's predecessors and its named data stand: at the start and whenever that changes (JOB-10). Those that are left out are not known.
// Ignored when it says nothing new, or the job is over.
type InputsKnown struct {
	Inputs []Input
	At     vclock.Hybrid
}

// Acknowledged says that a client was told that its job is taken, on how many disks. The greatest number ever told counts.
type Acknowledged struct{ Disks int }

// Merged says that others' writes came into the record, that the tenure has just begun, or that who is reachable changed. An authority adopts a
// provisional verdict; a wish to cancel becomes a verdict; an owner whose verdict was overruled has its client told; the owner that acts takes
// over what others have under way, the others stand by.
type Merged struct {
	Acting bool // self is the least of the owners that its broker reaches
	At     vclock.Hybrid
}

func (Deployable) event()   {}
func (Unplaceable) event()  {}
func (Started) event()      {}
func (Declined) event()     {}
func (Finished) event()     {}
func (ExecutorLost) event() {}
func (Reported) event()     {}
func (HandedOver) event()   {}
func (CancelAsked) event()  {}
func (RetryDue) event()     {}
func (Overdue) event()      {}
func (Straggling) event()   {}
func (Preempted) event()    {}
func (Reprieved) event()    {}
func (InputsKnown) event()  {}
func (Acknowledged) event() {}
func (Merged) event()       {}

// Effect is something that the owner must now do. Effects of one Apply are done in order, after the job they came with is durable.
//
//sumtype:decl
type Effect interface{ effect() }

// Deploy sends the attempt to its executor.
type Deploy struct{ Attempt Attempt }

// Stop tells an executor to end an attempt.
type Stop struct {
	Attempt Attempt
	Reason  string
}

// Answer tells an executor what became of its result.
type Answer struct {
	Attempt  Name
	Executor string
	Accepted bool
	Held     bool     // neither accepted nor rejected: keep it until the verdict is told
	Why      Lateness // when neither
	Winner   Name     // when there is one
}

// Forward sends a result to the owner that the job was released to.
type Forward struct {
	Heir   Ownership
	Node   string // of the heir
	Result Finished
}

// Requeue puts the job back into the queue.
type Requeue struct{}

// Arm starts a timer; an earlier one of the same kind is replaced.
type Arm struct {
	Timer Timer
	After time.Duration
}

// Finish says that the owner has made its verdict: timers end, clients are told.
type Finish struct{}

// Supersede says that the job's decision is not the provisional verdict that this owner's client was told: it is told so, once.
type Supersede struct{}

func (Deploy) effect()    {}
func (Stop) effect()      {}
func (Answer) effect()    {}
func (Forward) effect()   {}
func (Requeue) effect()   {}
func (Arm) effect()       {}
func (Finish) effect()    {}
func (Supersede) effect() {}

// Timer names the timers of a job.
type Timer uint8

// The timers.
const (
	QueueTimer Timer = iota + 1
	DeadlineTimer
	RetryTimer
)
