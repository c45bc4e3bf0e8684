package job

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urbancompute/ucp/internal/vclock"
)

func (t *turn) isAuthority() bool {
	end, _ := t.job.Authority()
	return end == t.Owner
}

// settle is what an authority without a verdict does before anything else: it adopts the provisional winner it sees, which alone makes that
// final, or grants a wish to cancel.
func (t *turn) settle() {
	if t.Verdict != nil || !t.isAuthority() {
		return
	}
	t.inherit()
	v, by := t.job.provisional()
	switch {
	case v != nil && t.confident(v.Inputs):
		w := *v
		w.Adopted = by
		t.end(w)
	case t.job.Cancel != nil:
		t.end(cancelled(t.job.Cancel))
	}
}

// decide makes the owner's one verdict.
func (t *turn) decide(v Verdict) {
	if v.Kind == FailedVerdict && len(v.Inputs) == 0 {
		v.Inputs = t.inputsOf(v.Attempt)
	}
	t.end(v)
}

// end writes the verdict down, ends what still runs and tells those whose results were held what became of them.
func (t *turn) end(v Verdict) {
	v.Life = 0 // of an adopted one it is another's
	t.touch()
	t.stopAll(firstNonEmpty(v.Reason, "another result came first"), v.At)
	t.wait("")
	t.Verdict, t.Backoff, t.Quarantined = &v, false, false
	t.do(Finish{})
	if v.Kind == Released {
		return // the heir has the candidates and answers them
	}
	held := t.Candidates
	t.Candidates = nil
	for _, c := range held {
		t.late(c.finished(), &v)
	}
}

func (t *turn) stopAll(why string, at vclock.Hybrid) {
	for i, a := range t.Attempts {
		if a.State.Live() {
			t.stop(i, why, at)
		}
	}
}

func (t *turn) stop(i int, why string, at vclock.Hybrid) {
	a := t.Attempts[i]
	t.move(i, Stopped, why, at)
	t.do(Stop{a, why})
}

// move changes the state of attempt i on a copy.
func (t *turn) move(i int, to AttemptState, note string, at vclock.Hybrid) {
	t.touch()
	t.Attempts = slices.Clone(t.Attempts)
	a := &t.Attempts[i]
	a.State, a.Note, a.Ended, a.Down = to, note, at, false
}

// goOn has the job deployed again where that is wanted, and says why it waits where nothing runs.
func (t *turn) goOn(at vclock.Hybrid, why string) {
	if !t.job.open(t.Tenure) {
		return
	}
	if t.wanted() > 0 {
		if t.live() == 0 {
			t.wait("queued again: " + why)
		}
		t.do(Requeue{})
		return
	}
	if t.live() == 0 {
		t.rest(at, why)
	}
}

// rest says what a job waits for of which nothing runs and nothing shall, or gives it up.
func (t *turn) rest(at vclock.Hybrid, why string) {
	blocked := t.job.blocked(t.Tenure)
	switch {
	case t.Quarantined:
		t.wait(quarantined(t.job.downs()))
	case blocked != "":
		t.wait(blocked)
	case t.Backoff:
		t.wait(why + "; waits for its retry")
	case t.job.needed(t.Tenure) == 0:
		t.wait(heldForInputs)
	case t.isAuthority():
		t.decide(Verdict{Kind: FailedVerdict, Reason: fmt.Sprintf("all %d attempts ended without a result, the last: %s", t.job.Attempted(), why), At: at})
	default:
		end, _ := t.job.Authority()
		t.wait(fmt.Sprintf("had the attempts that a takeover may make; waits for its owner %s", t.job.NodeOf(end)))
	}
}

const heldForInputs = "has a result and waits for its inputs to be final"

func quarantined(executors []string) string {
	return "quarantined: it took down " + strings.Join(executors, ", ")
}

// goOnLater has a job deployed again after a pause: what went wrong at the executor may still be wrong there.
func (t *turn) goOnLater(at vclock.Hybrid, why string) {
	if t.wanted() == 0 {
		t.goOn(at, why)
		return
	}
	after := min(backoff(t.job.ID, max(1, len(t.Attempts))), maxInnocentPause)
	t.pause(after, fmt.Sprintf("%s; deployed again in %s", why, after.Round(time.Millisecond)))
}

// maxInnocentPause bounds the pause of a job that did nothing wrong.
const maxInnocentPause = 2 * time.Second

func (t *turn) pause(after time.Duration, why string) {
	t.touch()
	t.Backoff = true
	if t.live() == 0 {
		t.wait(why)
	}
	t.do(Arm{RetryTimer, after})
}
