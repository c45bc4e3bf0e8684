package job

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/urbancompute/ucp/internal/mutant"
)

// finished decides on a result: first come, first served (JOB-3).
func (t *turn) finished(ev Finished) {
	winner, _ := t.job.Winner()
	if t.Verdict != nil {
		winner = t.Verdict // what an owner answered once, it answers always
	}
	if mutant.On(mutant.VerdictOverwritten) && t.Verdict != nil && t.Verdict.Kind == Accepted && ev.Result.Success() {
		t.decide(Verdict{Kind: Accepted, Attempt: ev.Attempt, Executor: ev.Executor, Result: ev.Result, At: ev.At})
	}
	if winner != nil || t.job.Cancel != nil || t.Spec != t.job.sum() {
		t.tooLate(ev, winner)
		return
	}
	i := t.attempt(ev.Attempt)
	if i < 0 {
		i = t.takeBack(ev.Attempt, ev.Signed, ev.Executor, 0, ev.At)
	}
	switch {
	case i < 0 || (t.Attempts[i].Executor != ev.Executor && !ev.Signed):
		t.reject(ev, UnknownAttempt, Name{})
	case t.holds(ev) && !t.Attempts[i].State.Live():
		t.answerHeld(ev)
	default:
		t.inTime(i, ev)
	}
}

// inTime is for results that come before any verdict.
func (t *turn) inTime(i int, ev Finished) {
	switch r := ev.Result; {
	case t.refutes(t.Attempts[i].Inputs):
		t.outdated(i, ev)
	case r.blameless():
		t.blameless(i, ev)
	case t.job.Spec.quorum() > 1 || (r.Success() && !t.confident(t.Attempts[i].Inputs)):
		t.hold(i, ev)
	case r.Success():
		t.accept(i, ev)
	default:
		t.failed(i, ev)
	}
}

// tooLate answers results that come after a verdict, or a wish to cancel, which will be one.
func (t *turn) tooLate(ev Finished, winner *Verdict) {
	_, known := t.job.lookup(ev.Attempt)
	switch {
	case !known && !ev.Signed:
		t.reject(ev, UnknownAttempt, winner.winner())
	case winner == nil:
		t.reject(ev, AfterVerdict, Name{})
	case t.Verdict == nil && !t.decided() && winner.won(ev):
		t.answerHeld(ev) // another owner's, provisionally: this one may yet accept another
	default:
		t.late(ev, winner)
	}
}

// late answers a result that comes after the verdict v. Re-sending the winner, or a failure that was counted, is answered as before.
func (t *turn) late(ev Finished, v *Verdict) {
	switch {
	case v.won(ev):
		t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Accepted: true, Winner: v.Attempt})
	case v.Kind != Accepted:
		t.reject(ev, AfterVerdict, Name{})
	case v.Result.Digest == ev.Result.Digest:
		t.reject(ev, EqualDigest, v.Attempt)
	default:
		t.reject(ev, DifferentDigest, v.Attempt)
	}
}

// won says that it is this result that the verdict is about.
func (v *Verdict) won(ev Finished) bool {
	return v.Attempt == ev.Attempt && v.Executor == ev.Executor && v.Result != nil && v.Result.Digest == ev.Result.Digest
}

func (t *turn) decided() bool {
	v, _ := t.job.Decided()
	return v != nil
}

// winner returns the name of the attempt whose result a verdict accepted, if it did.
func (v *Verdict) winner() Name {
	if v == nil || v.Kind != Accepted {
		return Name{}
	}
	return v.Attempt
}

func (t *turn) reject(ev Finished, why Lateness, winner Name) {
	t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Why: why, Winner: winner})
	same := func(r Rejection) bool { return r.Attempt == ev.Attempt && r.Executor == ev.Executor }
	if slices.ContainsFunc(t.Rejected, same) {
		return // a rejection is told again but noted once
	}
	t.touch()
	t.Rejected = append(slices.Clone(t.Rejected), Rejection{Attempt: ev.Attempt, Executor: ev.Executor, Why: why, At: ev.At})
	t.Rejected = t.Rejected[max(0, len(t.Rejected)-MaxRejections):]
}

// accept makes the first successful result the job's result.
func (t *turn) accept(i int, ev Finished) {
	t.move(i, Won, "", ev.At)
	t.decide(Verdict{Kind: Accepted, Attempt: ev.Attempt, Executor: ev.Executor, Result: ev.Result, Inputs: t.Attempts[i].Inputs, At: ev.At})
	t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Accepted: true, Winner: ev.Attempt})
}

// outdated is for results that rest on an input which was superseded: the job runs again.
func (t *turn) outdated(i int, ev Finished) {
	t.reject(ev, Outdated, Name{})
	if t.Attempts[i].State.Live() {
		t.move(i, Stopped, "an input was superseded", ev.At)
		t.goOn(ev.At, "an input was superseded")
	}
}

// ended says that nothing more is counted of an attempt: its failure came before, or it was told to stop. That one was lost or refused was a guess
// where its result comes after all; if it stayed a guess, an executor that reports while its answer is on the way would have the attempt go on.
func (s AttemptState) ended() bool {
	return s == Failed || s == Stopped || s == SetAside || s == Delivered
}

// blameless is for failures that the program had no part in. They cost no retry.
func (t *turn) blameless(i int, ev Finished) {
	t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Accepted: true})
	if !t.Attempts[i].State.ended() {
		t.move(i, Failed, ev.Result.describe(), ev.At)
		t.goOnLater(ev.At, ev.Result.describe())
	}
}

// failed counts a program's failure and decides whether to try again. A failure that was counted before is answered and no more.
func (t *turn) failed(i int, ev Finished) {
	if t.Attempts[i].State.ended() {
		t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Accepted: true})
		return
	}
	again := t.trappedAlike(ev)
	t.move(i, Failed, ev.Result.describe(), ev.At)
	t.Attempts[i].Trap = shortened(ev.Result.Trap)
	t.Failures++
	switch {
	case t.live() > 0 && !again: // a replacement is under way: let it
	case again || t.Failures > t.job.Spec.Retries || ev.Result.Kind == RefusedModule || ev.Result.Kind == Unfit || t.job.room(t.Tenure) == 0:
		t.giveUp(i, ev)
		return
	default:
		t.retry(ev)
	}
	t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Accepted: true})
}

// giveUp lets a failure be the job's end, once its inputs are final.
func (t *turn) giveUp(i int, ev Finished) {
	if !t.confident(t.Attempts[i].Inputs) {
		t.hold(i, ev)
		return
	}
	t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Accepted: true})
	t.decide(Verdict{Kind: FailedVerdict, Attempt: ev.Attempt, Executor: ev.Executor, Result: ev.Result, Reason: ev.Result.describe(), At: ev.At})
}

func (t *turn) retry(ev Finished) {
	after := backoff(t.job.ID, int(t.Failures))
	t.pause(after, fmt.Sprintf("%s; retry %d of %d in %s", ev.Result.describe(), t.Failures, t.job.Spec.Retries, after.Round(time.Millisecond)))
}

// trappedAlike says that the module trapped the same way on another executor: it would on any (JOB-5).
func (t *turn) trappedAlike(ev Finished) bool {
	trap := shortened(ev.Result.Trap)
	if ev.Result.Kind != Trapped || trap == "" {
		return false
	}
	for i := range t.job.Tenures {
		alike := func(a Attempt) bool { return a.State == Failed && a.Trap == trap && a.Executor != ev.Executor }
		if o := &t.job.Tenures[i]; o.Spec == t.Spec && slices.ContainsFunc(o.Attempts, alike) {
			return true
		}
	}
	return false
}

// maxTrap bounds what a record keeps of a wasm stack, in bytes.
const maxTrap = 512

func shortened(trap string) string { return trap[:min(len(trap), maxTrap)] }

// blameless says that the program had no part in the failure, so that it costs no retry.
func (r *Result) blameless() bool { return r.Kind == Crashed || r.Kind == Unfetched }

func (r *Result) describe() string {
	if r.Kind == Exited {
		return fmt.Sprintf("the program exited with %d", r.ExitCode)
	}
	return r.Message
}

const (
	firstBackoff = 200 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

// backoff doubles with each failure, up to maxBackoff, less up to a half of jitter that is a function of the job's id.
func backoff(id ID, failures int) time.Duration {
	d := min(firstBackoff<<max(0, min(failures-1, 10)), maxBackoff)
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", id, failures) // a hash never fails
	return d - time.Duration(h.Sum64()%uint64(d/2))
}
