package job

import (
	"fmt"
	"slices"

	"github.com/urbancompute/ucp/internal/vclock"
)

// finished returns the event that brought the candidate.
func (c Candidate) finished() Finished {
	return Finished{Attempt: c.Attempt, Executor: c.Executor, Party: c.Party, Result: c.Result, At: c.At}
}

// holds says whether the attempt's result is among the candidates. The first one of an attempt counts.
func (t *turn) holds(ev Finished) bool {
	return slices.ContainsFunc(t.Candidates, func(c Candidate) bool { return c.Attempt == ev.Attempt && c.Executor == ev.Executor })
}

func (t *turn) answerHeld(ev Finished) {
	t.do(Answer{Attempt: ev.Attempt, Executor: ev.Executor, Held: true})
}

// hold keeps a result that decides nothing yet. Its executor is told so, and keeps it until it is told the verdict (JOB-12).
func (t *turn) hold(i int, ev Finished) {
	if !t.Attempts[i].State.Live() {
		t.move(i, Delivered, ev.Result.describe(), ev.At)
	}
	t.keep(Candidate{Attempt: ev.Attempt, Executor: ev.Executor, Party: ev.Party, Result: ev.Result, At: ev.At})
	t.answerHeld(ev)
	t.conclude(ev.At)
	if t.Verdict == nil {
		t.goOn(ev.At, t.progress())
	}
}

// keep lists a candidate once. Its attempt is then over, also if this owner took it over as one that runs.
func (t *turn) keep(c Candidate) {
	if !t.holds(c.finished()) {
		t.touch()
		t.Candidates = append(slices.Clone(t.Candidates), c)
	}
	if i := t.attempt(c.Attempt); i >= 0 && t.Attempts[i].State.Live() {
		t.move(i, Delivered, c.Result.describe(), c.At)
	}
}

func (t *turn) progress() string {
	return fmt.Sprintf("%d of %d executors of different parties agree", t.agreed(), t.job.Spec.quorum())
}

// agreed counts the parties behind the result that most of them agree on.
func (t *Tenure) agreed() int {
	_, n := t.best()
	return n
}

// best returns the first candidate with the result that most parties agree on; of two such results a success, else the one that came first.
func (t *Tenure) best() (best *Candidate, parties int) {
	for i := range t.Candidates {
		c := &t.Candidates[i]
		n := t.parties(c.Result.Digest)
		if best == nil || n > parties || (n == parties && c.Result.Success() && !best.Result.Success()) {
			best, parties = c, n
		}
	}
	return best, parties
}

// parties counts those who brought a result with that digest: the same party twice counts once.
func (t *Tenure) parties(digest [32]byte) int {
	var parties []string
	for i := range t.Candidates {
		if c := &t.Candidates[i]; c.Result.Digest == digest {
			parties = with(parties, c.Party)
		}
	}
	return len(parties)
}

// conclude makes the verdict that the candidates allow.
func (t *turn) conclude(at vclock.Hybrid) {
	c, n := t.best()
	if c == nil || n < t.job.Spec.quorum() || !t.confident(t.inputsOf(c.Attempt)) {
		return
	}
	v := Verdict{Kind: Accepted, Attempt: c.Attempt, Executor: c.Executor, Result: c.Result, Inputs: t.inputsOf(c.Attempt), At: at}
	if !c.Result.Success() {
		v.Kind, v.Reason = FailedVerdict, c.Result.describe()
	}
	if i := t.attempt(c.Attempt); i >= 0 && v.Kind == Accepted {
		t.move(i, Won, "", at)
	}
	t.decide(v)
}
