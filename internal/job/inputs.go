package job

import (
	"fmt"
	"slices"

	"github.com/urbancompute/ucp/internal/vclock"
)

// inputsKnown notes how the job's predecessors stand, in the order in which the spec names them, and acts on it (JOB-10).
func (t *turn) inputsKnown(ev InputsKnown) {
	inputs := t.job.Spec.ordered(ev.Inputs)
	if t.Verdict != nil || slices.EqualFunc(inputs, t.Inputs, Input.same) {
		return
	}
	t.touch()
	t.Inputs = inputs
	if t.settle(); t.Verdict != nil || t.job.Cancel != nil {
		return
	}
	if v, _ := t.job.Winner(); v != nil && !t.isAuthority() {
		return
	}
	t.dropOutdated(ev.At)
	t.conclude(ev.At)
	if t.Verdict == nil {
		t.follow(ev.At)
	}
	if t.Verdict == nil {
		t.goOn(ev.At, "its predecessors have moved on")
	}
}

// same says that nothing has changed.
func (in Input) same(o Input) bool {
	return in.Job == o.Job && in.State == o.State && in.Digest == o.Digest && in.Final == o.Final && in.Known == o.Known && in.Name == o.Name
}

// ordered puts inputs into the order of After.
func (s *Spec) ordered(in []Input) []Input {
	out := make([]Input, len(s.After))
	for i, d := range s.After {
		out[i] = Input{Job: d.Job}
		if k := slices.IndexFunc(in, func(x Input) bool { return x.Job == d.Job }); k >= 0 {
			out[i] = in[k]
		}
	}
	return out
}

// blocked says which predecessor keeps the job from being deployed, "" if none does.
func (j Job) blocked(t *Tenure) string {
	if len(j.Spec.After) > 0 && len(t.Inputs) != len(j.Spec.After) {
		return notAsked
	}
	for i, d := range j.Spec.After {
		switch in := t.Inputs[i]; {
		case !in.Known:
			return fmt.Sprintf("%s is not here yet", d.Job)
		case !in.State.Terminal():
			return fmt.Sprintf("waits for %s", d.Job)
		case in.State != StateAccepted && d.OnFailure != RunAnyway:
			return fmt.Sprintf("waits for %s to be final: it is %s", d.Job, in.State)
		}
	}
	return ""
}

// follow ends a job whose predecessor did not succeed, as its spec says. An authority waits until that is final.
func (t *turn) follow(at vclock.Hybrid) {
	for i, d := range t.job.Spec.After {
		in := t.Inputs[i]
		if !in.Known || !in.State.Terminal() || in.State == StateAccepted || d.OnFailure == RunAnyway || (!in.Final && t.isAuthority()) {
			continue
		}
		kind := FailedVerdict
		if d.OnFailure == SkipJob {
			kind = Skipped
		}
		t.decide(Verdict{Kind: kind, Reason: fmt.Sprintf("its predecessor %s is %s", d.Job, in.State), Inputs: digests(t.Inputs), At: at})
		return
	}
}

func digests(inputs []Input) [][32]byte {
	var d [][32]byte
	for _, in := range inputs {
		d = append(d, in.Digest)
	}
	return d
}

// inputsOf returns what an attempt was deployed with, as anybody's tenure tells.
func (t *turn) inputsOf(n Name) [][32]byte {
	a, _ := t.job.lookup(n)
	return a.Inputs
}

// confident says that t's owner may rest a verdict on inputs with these digests: an authority only when they are final.
func (t *turn) confident(used [][32]byte) bool {
	if len(used) == 0 {
		return true
	}
	if !t.isAuthority() {
		return !t.refutes(used)
	}
	return t.final(used)
}

func (t *Tenure) final(used [][32]byte) bool {
	if len(used) != len(t.Inputs) {
		return false
	}
	for i, in := range t.Inputs {
		if !in.Final || in.Digest != used[i] {
			return false
		}
	}
	return true
}

// refutes says that one of the digests is not that of the final input. A nil tenure knows nothing.
func (t *Tenure) refutes(used [][32]byte) bool {
	if t == nil || len(used) != len(t.Inputs) {
		return false
	}
	for i, in := range t.Inputs {
		if in.Final && in.Digest != used[i] {
			return true
		}
	}
	return false
}

// dropOutdated ends attempts and drops results that used an input which was superseded: the job runs again.
func (t *turn) dropOutdated(at vclock.Hybrid) {
	for i, a := range t.Attempts {
		if a.State.Live() && t.refutes(a.Inputs) {
			t.stop(i, "an input was superseded", at)
		}
	}
	refuted := func(c Candidate) bool { return t.refutes(t.inputsOf(c.Attempt)) }
	if !slices.ContainsFunc(t.Candidates, refuted) {
		return
	}
	t.touch()
	held := t.Candidates
	t.Candidates = nil
	for _, c := range held {
		if refuted(c) {
			t.drop(c)
		} else {
			t.Candidates = append(t.Candidates, c)
		}
	}
}

// drop tells an executor that its result is not wanted after all. A failure on such inputs is none.
func (t *turn) drop(c Candidate) {
	t.reject(c.finished(), Outdated, Name{})
	if !c.Result.Success() {
		t.Failures = 0
	}
}
