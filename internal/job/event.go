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
	Signed   bool // the attempt carries the owner's MAC: it is ours also if the record does not know it
	Result   *Result
	At       vclock.Hybrid
}

// ExecutorLost says that the executor's lease ended. Attempts under a later lease are untouched.
type ExecutorLost struct {
	Executor string
	Lease    uint64
	Reason   string
	At       vclock.Hybrid
}

// Reported lists what an executor says it still runs, under a new lease. An attempt of ours that was lost goes on (JOB-4).
type Reported struct {
	Executor string
	Lease    uint64
	Running  []Name
	At       vclock.Hybrid
}

// HandedOver says that another broker holds a slot for a job that finds none here: the owner releases it (JOB-13). Refused for a job that
// had an attempt, whose result would then have two addresses, and after MaxHandOvers.
type HandedOver struct {
	Heir Ownership
	Node string // of the heir
	At   vclock.Hybrid
}

// CancelAsked says that someone wants the job cancelled. Doubled: the first one counts.
type CancelAsked struct {
	By string
	At vclock.Hybrid
}

// RetryDue says that the backoff after a failure is over. Ignored when nothing waits for it.
type RetryDue struct{}

// Overdue says that the queue timeout or the deadline passed. Ignored when the job is over, or, for the queue, when it runs.
type Overdue struct {
	Timer Timer
	At    vclock.Hybrid
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
	Why      Lateness // when not accepted
	Winner   Name     // when there is one
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

func (Deploy) effect()  {}
func (Stop) effect()    {}
func (Answer) effect()  {}
func (Requeue) effect() {}
func (Arm) effect()     {}
func (Finish) effect()  {}

// Timer names the timers of a job.
type Timer uint8

// The timers.
const (
	QueueTimer Timer = iota + 1
	DeadlineTimer
	RetryTimer
)
