package job

import "slices"

// merged takes a look at the record after others' writes came in, or after others became reachable or no longer are.
func (t *turn) merged(ev Merged) {
	decided, _ := t.job.Decided()
	winner, _ := t.job.Winner()
	switch {
	case t.Spec != t.job.sum():
		t.stopAll("another job has this id", ev.At)
		t.wait("another job has this id, and was there first")
		t.supersede()
	case t.Verdict != nil:
		if decided != nil && !decided.same(t.Verdict) {
			t.supersede()
		}
	case t.isAuthority() && winner != nil:
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

const standsBy = "stands by: another owner acts"

// supersede has the client told, once, that what it was told does not hold.
func (t *turn) supersede() {
	if !t.Superseded {
		t.touch()
		t.Superseded = true
		t.do(Supersede{})
	}
}

// act takes over what other owners have under way, and goes on with what nobody has.
func (t *turn) act(ev Merged) {
	stood := t.Waiting == standsBy
	t.adoptWork()
	ended := t.followOthers()
	t.conclude(ev.At)
	switch {
	case t.Verdict != nil:
	case t.live() > 0:
		t.wait("")
		if t.wanted() > 0 {
			t.do(Requeue{})
		}
	case stood || ended != "":
		t.goOn(ev.At, firstNonEmpty(ended, "this owner acts again"))
	case t.wanted() == 0:
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
			t.keep(c)
		}
	}
}

// followOthers ends adopted attempts that have ended for another owner who has them under the same lease or a later one, and says why.
func (t *turn) followOthers() (ended string) {
	for i := range t.job.Tenures {
		o := &t.job.Tenures[i]
		if o.Owner == t.Owner {
			continue
		}
		for _, b := range o.Attempts {
			k := t.attempt(b.Name)
			if k < 0 || b.State.Live() || !t.Attempts[k].State.Live() || b.Lease < t.Attempts[k].Lease {
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
