package job

import (
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/urbancompute/ucp/internal/vclock"
)

// finished decides on a result: first come, first served (JOB-3).
func (t *turn) finished(ev Finished) {
	i := t.attempt(ev.Attempt)
	switch {
	case i < 0 && !ev.Signed:
		t.reject(ev, UnknownAttempt)
	case t.Verdict != nil:
		t.late(ev)
	case ev.Result.Success():
		t.accept(i, ev)
	default:
		t.failed(i, ev)
	}
}

// late answers a result that comes after the verdict. Re-sending the winner, or a failure that was counted, is answered as before.
func (t *turn) late(ev Finished) {
	v := t.Verdict
	switch {
	case v.Attempt == ev.Attempt && v.Result != nil && v.Result.Digest == ev.Result.Digest && (v.Kind != Accepted || v.Executor == ev.Executor):
		t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Accepted: true, Winner: v.Attempt})
	case v.Kind != Accepted:
		t.reject(ev, AfterVerdict)
	case v.Result.Digest == ev.Result.Digest:
		t.reject(ev, EqualDigest)
	default:
		t.reject(ev, DifferentDigest)
	}
}

func (t *turn) reject(ev Finished, why Lateness) {
	a := Answer{Attempt: ev.Attempt, Executor: ev.Executor, Why: why}
	if t.Verdict != nil && t.Verdict.Kind == Accepted {
		a.Winner = t.Verdict.Attempt
	}
	t.do(a)
	same := func(r Rejection) bool { return r.Attempt == ev.Attempt && r.Executor == ev.Executor }
	if slices.ContainsFunc(t.Rejected, same) {
		return // a rejection is told again but noted once
	}
	t.Rejected = append(slices.Clone(t.Rejected), Rejection{Attempt: ev.Attempt, Executor: ev.Executor, Why: why, At: ev.At})
	t.Rejected = t.Rejected[max(0, len(t.Rejected)-MaxRejections):]
	t.changed = true
}

// accept makes the first successful result the job's result. i is -1 for an attempt that the owner signed and forgot.
func (t *turn) accept(i int, ev Finished) {
	if i >= 0 {
		t.move(i, Won, "", ev.At)
	}
	t.decide(Verdict{Kind: Accepted, Attempt: ev.Attempt, Executor: ev.Executor, Result: ev.Result, At: ev.At})
	t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Accepted: true, Winner: ev.Attempt})
}

// failed counts a program's failure and decides whether to try again. A failure that was counted before is answered and no more.
func (t *turn) failed(i int, ev Finished) {
	t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Accepted: true})
	if i >= 0 {
		if s := t.Attempts[i].State; s == Failed || s == Refused {
			return
		}
		t.move(i, Failed, ev.Result.describe(), ev.At)
	}
	if ev.Result.blameless() {
		t.goOnLater(ev.At, ev.Result.describe())
		return
	}
	t.Failures++
	switch {
	case len(t.Live()) > 0: // a replacement is under way: let it
	case t.Failures > t.job.Spec.Retries || ev.Result.Kind == RefusedModule || len(t.Attempts) >= MaxAttempts:
		t.decide(Verdict{Kind: FailedVerdict, Attempt: ev.Attempt, Executor: ev.Executor, Result: ev.Result, Reason: ev.Result.describe(), At: ev.At})
	default:
		after := backoff(t.job.ID, int(t.Failures))
		t.wait(fmt.Sprintf("%s; retry %d of %d in %s", ev.Result.describe(), t.Failures, t.job.Spec.Retries, after.Round(time.Millisecond)))
		t.do(Arm{RetryTimer, after})
	}
}

// goOnLater has a job deployed again after a pause: what went wrong at the executor may still be wrong there.
func (t *turn) goOnLater(at vclock.Hybrid, why string) {
	if t.Verdict != nil || len(t.Live()) > 0 || len(t.Attempts) >= MaxAttempts {
		t.goOn(at, why)
		return
	}
	after := backoff(t.job.ID, max(1, len(t.Attempts)))
	t.wait(fmt.Sprintf("%s; deployed again in %s", why, after.Round(time.Millisecond)))
	t.do(Arm{RetryTimer, after})
}

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
	d := min(firstBackoff<<min(failures-1, 10), maxBackoff)
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", id, failures) // a hash never fails
	return d - time.Duration(h.Sum64()%uint64(d/2))
}
