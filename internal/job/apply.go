package job

import (
	"errors"
	"fmt"
	"slices"
)

// Errors of Apply. The job is unchanged when one is returned.
var (
	ErrOver     = errors.New("the job is over")
	ErrBusy     = errors.New("an attempt is already under way")
	ErrWaiting  = errors.New("the job waits for something else than an executor")
	ErrNotOwner = errors.New("not an owner of the job")
)

// Apply returns j after ev as seen by its owner self, and what self must now do, in order.
func (j Job) Apply(self Ownership, ev Event) (Job, []Effect, error) {
	t := j.turn(self)
	if t == nil {
		return j, nil, fmt.Errorf("job %s: %T at %v: %w", j.ID, ev, self, ErrNotOwner)
	}
	if err := t.apply(ev); err != nil {
		return j, nil, fmt.Errorf("job %s: %T while %s: %w", j.ID, ev, j.State(), err)
	}
	if t.changed {
		t.Rev++ // Invariant: Rev grows with every change of a tenure.
	}
	return t.job, t.effects, nil
}

// DecidedIn notes in which life of its node self made a verdict that does not say so yet.
func (j Job) DecidedIn(self Ownership, life uint64) Job {
	t := j.tenure(self)
	if t == nil || t.Verdict == nil || t.Verdict.Life != 0 {
		return j
	}
	v := *t.Verdict
	v.Life = life
	j.Tenures = slices.Clone(j.Tenures)
	j.tenure(self).Verdict = &v
	return j
}

// turn is one Apply under way: the tenure being changed, on a copy made before its first change, and the effects so far.
type turn struct {
	*Tenure   // within job
	job       Job
	changed   bool
	inherited bool // an input was taken over from another owner
	effects   []Effect
}

func (j Job) turn(self Ownership) *turn {
	t := j.tenure(self)
	if t == nil {
		return nil
	}
	return &turn{Tenure: t, job: j}
}

// touch makes the copy. Whoever changes the tenure calls it first.
func (t *turn) touch() {
	if !t.changed {
		i := t.job.index(t.Owner)
		t.job.Tenures = slices.Clone(t.job.Tenures)
		t.Tenure = &t.job.Tenures[i]
		t.changed = true
	}
}

func (t *turn) do(e ...Effect) { t.effects = append(t.effects, e...) }

// apply brings the event to a tenure that may still act. An owner that released the job is but an address: it passes on what comes.
func (t *turn) apply(ev Event) error {
	if t.released() {
		return t.passOn(ev)
	}
	t.settle()
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
	case Straggling:
		t.straggling(ev)
	case Preempted:
		t.preempted(ev)
	case HandedOver:
		return t.handedOver(ev)
	case CancelAsked:
		t.cancelAsked(ev)
	case RetryDue:
		t.retryDue(ev)
	case Reprieved:
		t.reprieved(ev)
	case Overdue:
		t.overdue(ev)
	case InputsKnown:
		t.inputsKnown(ev)
	case Acknowledged:
		t.acknowledged(ev)
	case Merged:
		t.merged(ev)
	}
	return nil
}

// passOn is what an owner that released the job does: results go to where the chain leads now, whatever was decided (JOB-3).
func (t *turn) passOn(ev Event) error {
	switch ev := ev.(type) {
	case Finished:
		heir := t.job.end(t.Owner)
		t.do(Forward{Heir: heir, Node: t.job.NodeOf(heir), Result: ev})
	case CancelAsked:
		t.askCancel(ev)
	case Deployable, HandedOver:
		return ErrOver
	case Unplaceable, Started, Declined, ExecutorLost, Reported, Straggling, Preempted, RetryDue, Reprieved, Overdue, InputsKnown, Acknowledged, Merged:
	}
	return nil
}

func (t *turn) wanted() int { return t.job.Wanted(t.Owner) }

func (t *turn) deployable(ev Deployable) error {
	if err := t.deployableNow(); err != nil {
		return err
	}
	t.touch()
	a := Attempt{
		Name:     Name{Job: t.job.ID, Owner: t.Owner, Incarnation: ev.Incarnation, N: t.made() + 1},
		Executor: ev.Executor, Lease: ev.Lease, State: Placed, Inputs: digests(t.Inputs), Placed: ev.At,
	}
	t.Attempts = append(slices.Clone(t.Attempts), a)
	t.wait("")
	t.do(Deploy{a})
	if t.wanted() > 0 {
		t.do(Requeue{}) // a quorum wants several at once
	}
	return nil
}

func (t *turn) deployableNow() error {
	switch {
	case t.wanted() > 0:
		return nil
	case !t.job.open(t.Tenure):
		return ErrOver
	case t.live() > 0:
		return ErrBusy
	}
	return ErrWaiting
}

func (t *turn) unplaceable(ev Unplaceable) {
	if t.live() == 0 && t.wanted() > 0 {
		t.wait(ev.Reason)
	}
}

func (t *turn) wait(reason string) {
	if t.Waiting != reason {
		t.touch()
		t.Waiting = reason
	}
}

func (t *turn) handedOver(ev HandedOver) error {
	if err := t.job.releasable(t.Tenure); err != nil {
		return err
	}
	if !ev.Heir.follows(t.Owner) || ev.Heir.Journal == t.Owner.Journal || ev.Heir.Journal == "" {
		return ErrInvalid
	}
	t.end(Verdict{Kind: Released, Heir: ev.Heir, HeirNode: ev.Node, Reason: "handed over", At: ev.At})
	return nil
}

func (t *turn) cancelAsked(ev CancelAsked) {
	t.askCancel(ev)
	t.settle()
	t.cancel(ev.Acting)
}

// askCancel notes the first wish to cancel a job that is not over.
func (t *turn) askCancel(ev CancelAsked) {
	if j, ok := t.job.AskCancel(ev.By, ev.At); ok {
		t.touch()
		t.job.Cancel = j.Cancel
	}
}

// cancel is what a taker does about a wish to cancel: what it runs ends in any case, but only one that acts makes a verdict.
func (t *turn) cancel(acting bool) {
	c := t.job.Cancel
	switch v, _ := t.job.Winner(); {
	case c == nil || t.Verdict != nil || v != nil:
	case acting:
		t.decide(cancelled(c))
	default:
		t.stopAll("cancelling", c.At)
		t.wait("cancelling")
	}
}

func cancelled(c *CancelRequest) Verdict {
	return Verdict{Kind: Cancelled, Reason: "cancelled by " + c.By, At: c.At}
}

func (t *turn) retryDue(ev RetryDue) {
	if t.Backoff {
		t.touch()
		t.Backoff = false
	}
	if t.job.open(t.Tenure) {
		t.goOn(ev.At, "the pause is over")
	}
}

func (t *turn) reprieved(ev Reprieved) {
	if t.Quarantined && t.Verdict == nil {
		t.touch()
		t.Quarantined, t.Reprieved = false, ev.At
		t.goOn(ev.At, "reprieved by "+ev.By)
	}
}

func (t *turn) overdue(ev Overdue) {
	open := t.job.open(t.Tenure)
	switch {
	case t.Verdict != nil:
	case ev.Timer == DeadlineTimer && (open || t.isAuthority()): // also when all that an authority has is a verdict it may not adopt yet
		t.decide(Verdict{Kind: Expired, Reason: fmt.Sprintf("not done within its deadline of %s", t.job.Spec.Deadline), At: ev.At})
	case ev.Timer == QueueTimer && open && t.live() == 0 && len(t.Candidates) == 0:
		t.decide(Verdict{Kind: Expired, Reason: fmt.Sprintf("waited longer than its queue timeout of %s: %s", t.job.Spec.QueueTimeout, t.Waiting), At: ev.At})
	}
}

// acknowledged notes the most that a client was promised: FINAL waits for as many disks.
func (t *turn) acknowledged(ev Acknowledged) {
	single := ev.Disks < 2 && (!t.Acked || t.Single)
	if t.Verdict == nil && (!t.Acked || t.Single != single) {
		t.touch()
		t.Acked, t.Single = true, single
	}
}
