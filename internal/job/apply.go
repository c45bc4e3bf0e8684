package job

import (
	"errors"
	"fmt"
	"slices"

	"github.com/urbancompute/ucp/internal/vclock"
)

// Errors of Apply. The job is unchanged when one is returned.
var (
	ErrOver     = errors.New("the job is over")
	ErrBusy     = errors.New("an attempt is already under way")
	ErrNotOwner = errors.New("not an owner of the job")
)

// Apply returns j after ev as seen by its owner self, and what self must now do, in order.
func (j Job) Apply(self Ownership, ev Event) (Job, []Effect, error) {
	i := j.index(self)
	if i < 0 {
		return j, nil, fmt.Errorf("job %s: %T at %v: %w", j.ID, ev, self, ErrNotOwner)
	}
	t := turn{job: j, Tenure: j.Tenures[i]}
	if err := t.apply(ev); err != nil {
		return j, nil, fmt.Errorf("job %s: %T while %s: %w", j.ID, ev, t.state(), err)
	}
	return t.result(i), t.effects, nil
}

// turn is one Apply under way: the tenure being changed, copied before its first change, and the effects so far.
type turn struct {
	Tenure
	job     Job
	changed bool
	effects []Effect
}

func (t *turn) apply(ev Event) error {
	switch ev := ev.(type) {
	case Deployable:
		return t.deployable(ev)
	case Unplaceable:
		t.unplaceable(ev)
	case Started:
		t.started(ev)
	case Declined:
		t.declined(ev)
	case Finished:
		t.finished(ev)
	case ExecutorLost:
		t.executorLost(ev)
	case Reported:
		t.reported(ev)
	case HandedOver:
		return t.handedOver(ev)
	case CancelAsked:
		t.cancelAsked(ev)
	case RetryDue:
		t.retryDue()
	case Overdue:
		t.overdue(ev)
	}
	return nil
}

// result puts the changed tenure back. Invariant: Rev grows with every change of a tenure.
func (t *turn) result(i int) Job {
	if !t.changed {
		return t.job
	}
	t.Rev++
	t.job.Tenures = slices.Clone(t.job.Tenures)
	t.job.Tenures[i] = t.Tenure
	return t.job
}

func (t *turn) do(e ...Effect) { t.effects = append(t.effects, e...) }

func (t *turn) deployable(ev Deployable) error {
	switch {
	case t.Verdict != nil:
		return ErrOver
	case len(t.Live()) > 0:
		return ErrBusy
	}
	n := uint32(len(t.Attempts)) + 1 //nolint:gosec // at most MaxAttempts
	a := Attempt{
		Name:     Name{Job: t.job.ID, Owner: t.Owner, Incarnation: ev.Incarnation, N: n},
		Executor: ev.Executor, Lease: ev.Lease, State: Placed, Placed: ev.At,
	}
	t.Attempts = append(slices.Clone(t.Attempts), a)
	t.wait("")
	t.changed = true
	t.do(Deploy{a})
	return nil
}

func (t *turn) unplaceable(ev Unplaceable) {
	if t.Verdict == nil && len(t.Live()) == 0 {
		t.wait(ev.Reason)
	}
}

func (t *turn) wait(reason string) {
	t.changed = t.changed || t.Waiting != reason
	t.Waiting = reason
}

func (t *turn) started(ev Started) {
	if i := t.attempt(ev.Attempt); i >= 0 && t.Attempts[i].State == Placed {
		t.move(i, Running, "", vclock.Hybrid{})
	}
}

func (t *turn) declined(ev Declined) {
	if i := t.attempt(ev.Attempt); i >= 0 && t.Attempts[i].State.Live() {
		t.move(i, Refused, ev.Reason, ev.At)
		t.goOnLater(ev.At, ev.Reason)
	}
}

func (t *turn) executorLost(ev ExecutorLost) {
	lost := false
	for i, a := range t.Attempts {
		if a.Executor == ev.Executor && a.Lease <= ev.Lease && a.State.Live() {
			t.move(i, Lost, ev.Reason, ev.At)
			lost = true
		}
	}
	if lost {
		t.goOn(ev.At, "executor lost: "+ev.Reason)
	}
}

// reported takes back attempts that were lost and gives up those the executor no longer knows.
func (t *turn) reported(ev Reported) {
	gone := false
	for i, a := range t.Attempts {
		if a.Executor != ev.Executor || a.Lease > ev.Lease {
			continue
		}
		switch runs := slices.Contains(ev.Running, a.Name); {
		case runs && t.Verdict != nil:
			t.do(Stop{a, "the job is " + string(t.state())})
		case runs && (a.State == Lost || a.State.Live()):
			t.resume(i, ev.Lease)
		case !runs && a.State.Live() && a.Lease < ev.Lease:
			t.move(i, Lost, "the executor restarted", ev.At)
			gone = true
		}
	}
	if gone {
		t.goOn(ev.At, "the executor restarted")
	}
}

func (t *turn) resume(i int, lease uint64) {
	t.move(i, Running, "", vclock.Hybrid{})
	t.Attempts[i].Lease = lease
	t.wait("")
}

func (t *turn) handedOver(ev HandedOver) error {
	switch {
	case t.Verdict != nil:
		return ErrOver
	case len(t.Attempts) > 0:
		return ErrBusy
	case t.Owner.H >= MaxHandOvers || ev.Heir.T != t.Owner.T || ev.Heir.H != t.Owner.H+1:
		return ErrInvalid
	}
	t.decide(Verdict{Kind: Released, Heir: ev.Heir, HeirNode: ev.Node, Reason: "handed over", At: ev.At})
	return nil
}

func (t *turn) cancelAsked(ev CancelAsked) {
	if t.job.Cancel == nil && t.Verdict == nil {
		t.job.Cancel = &CancelRequest{By: ev.By, At: ev.At}
		t.decide(Verdict{Kind: Cancelled, Reason: "cancelled by " + ev.By, At: ev.At})
	}
}

func (t *turn) retryDue() {
	if t.Verdict == nil && len(t.Live()) == 0 {
		t.wait("queued for another attempt")
		t.do(Requeue{})
	}
}

func (t *turn) overdue(ev Overdue) {
	switch {
	case t.Verdict != nil:
	case ev.Timer == DeadlineTimer:
		t.decide(Verdict{Kind: Expired, Reason: fmt.Sprintf("not done within its deadline of %s", t.job.Spec.Deadline), At: ev.At})
	case ev.Timer == QueueTimer && len(t.Live()) == 0:
		t.decide(Verdict{Kind: Expired, Reason: fmt.Sprintf("waited longer than its queue timeout of %s: %s", t.job.Spec.QueueTimeout, t.Waiting), At: ev.At})
	}
}

// goOn puts a job without a live attempt back into the queue, unless it has had all the attempts it may have.
func (t *turn) goOn(at vclock.Hybrid, why string) {
	switch {
	case t.Verdict != nil || len(t.Live()) > 0:
	case len(t.Attempts) >= MaxAttempts:
		t.decide(Verdict{Kind: FailedVerdict, Reason: fmt.Sprintf("all %d attempts ended without a result, the last: %s", MaxAttempts, why), At: at})
	default:
		t.wait("queued again: " + why)
		t.do(Requeue{})
	}
}

// decide makes the owner's one verdict and ends what still runs.
func (t *turn) decide(v Verdict) {
	for i, a := range t.Attempts {
		if a.State.Live() {
			t.move(i, Stopped, v.Reason, v.At)
			t.do(Stop{a, v.Reason})
		}
	}
	t.wait("")
	t.Verdict = &v
	t.changed = true
	t.do(Finish{})
}

// move changes the state of attempt i on a copy.
func (t *turn) move(i int, to AttemptState, note string, at vclock.Hybrid) {
	t.Attempts = slices.Clone(t.Attempts)
	a := &t.Attempts[i]
	a.State, a.Note, a.Ended = to, note, at
	t.changed = true
}

func (t *turn) attempt(n Name) int {
	return slices.IndexFunc(t.Attempts, func(a Attempt) bool { return a.Name == n })
}
