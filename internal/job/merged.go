package job

import (
	"slices"

	"github.com/urbancompute/ucp/internal/mutant"
)

// merged takes a look at the record after others' writes came in, or after others became reachable or no longer are.
func (t *turn) merged(ev Merged) {
	decided, _ := t.job.Decided()
	winner, _ := t.job.Winner()
	switch {
	case t.Spec != t.job.sum():
		t.overruled(ev)
	case t.Verdict != nil:
		if decided != nil && !decided.Same(t.Verdict) {
			t.supersede()
		}
	case t.isAuthority() && winner != nil:
		t.stopAll("another owner's result came first", ev.At)
		t.wait(heldForInputs) // else it had been adopted
	case winner != nil:
		t.stopAll("another owner's result came first", ev.At)
		t.wait("")
	case t.job.Cancel != nil:
		t.cancel(ev.Acting)
	case ev.Acting:
		t.act(ev)
	case t.live() == 0:
		t.wait(standsBy)
	}
}

// overruled is for an owner whose client sent another job under the same id than the one that counts.
func (t *turn) overruled(ev Merged) {
	t.stopAll("another job has this id", ev.At)
	if t.Verdict == nil {
		t.wait("another job has this id, and was there first")
	}
	t.supersede()
}

const standsBy = "stands by: another owner acts"

// supersede has the client told, once, that what it was told does not hold.
func (t *turn) supersede() {
	if (!t.Superseded || mutant.On(mutant.SupersededTwice)) && !mutant.On(mutant.SupersededUntold) {
		t.touch()
		t.Superseded = true
		t.do(Supersede{})
	}
}

// act takes over what other owners have under way, and goes on with what nobody has.
func (t *turn) act(ev Merged) {
	idle := t.live() == 0 && (t.Waiting == standsBy || t.Waiting == "")
	t.adoptWork()
	ended := t.followOthers()
	t.weighDowns()
	t.dropOutdated(ev.At)
	t.conclude(ev.At)
	switch {
	case t.Verdict != nil:
	case t.live() > 0:
		t.wait("")
		if t.wanted() > 0 {
			t.do(Requeue{})
		}
	case idle || ended != "" || t.inherited:
		t.goOn(ev.At, firstNonEmpty(ended, "this owner acts again"))
	case t.wanted() == 0 && !t.Backoff:
		t.rest(ev.At, firstNonEmpty(t.Waiting, "nothing is left to try"))
	}
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// adoptWork copies the live attempts and the held results of other tenures: the name of an attempt goes on telling whose it was.
func (t *turn) adoptWork() {
	for i := range t.job.Tenures {
		o := &t.job.Tenures[i]
		if o.Owner == t.Owner || o.Spec != t.Spec {
			continue
		}
		for _, a := range o.Attempts {
			if a.State.Live() && t.attempt(a.Name) < 0 && !t.job.overtaken(&a) {
				t.touch()
				t.Attempts = append(slices.Clone(t.Attempts), a)
			}
		}
		for _, c := range o.Candidates {
			if !t.refutes(t.inputsOf(c.Attempt)) {
				t.keep(c)
			}
		}
	}
}

// followOthers ends attempts that have ended for another owner, who knows better, and says why.
func (t *turn) followOthers() (ended string) {
	for i := range t.job.Tenures {
		o := &t.job.Tenures[i]
		if o.Owner == t.Owner {
			continue
		}
		for _, b := range o.Attempts {
			k := t.attempt(b.Name)
			if k < 0 || b.State.Live() || !t.Attempts[k].State.Live() || !knowsBetter(o.Owner, b, t.Attempts[k]) {
				continue
			}
			t.move(k, b.State, b.Note, b.Ended)
			t.Attempts[k].Trap, t.Attempts[k].Down = b.Trap, b.Down
			t.Failures = max(t.Failures, o.Failures)
			ended = firstNonEmpty(b.Note, b.State.String())
		}
	}
	return ended
}

// knowsBetter says that owner's version b of an attempt is newer than a: the executor was last its broker's to watch. The broker that named the
// attempt is believed under the same lease, whatever it owns the job as by now; what others, who adopted it, say under that is a guess, unless
// they have its result.
func knowsBetter(owner Ownership, b, a Attempt) bool {
	return b.State.delivered() || b.Lease > a.Lease || (b.Lease == a.Lease && b.Name.Owner.Journal == owner.Journal)
}

// weighDowns counts anew which executors went down under the job, now that other owners' reports and reprieves came in.
func (t *turn) weighDowns() {
	if q := len(t.job.downs()) >= MaxDowns; q != t.Quarantined {
		t.touch()
		t.Quarantined = q
	}
}
