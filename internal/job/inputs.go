package job

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urbancompute/ucp/internal/vclock"
)

// MaxInputBytes bounds what the lists of files in one job's inputs take in its record: with a spec and a result it still travels in one frame.
const MaxInputBytes = 64 << 10

// MaxInputInline bounds the bytes that travel with the names of one job's inputs in its record: what a name stood for may be gone by the time of the next
// attempt, and few bytes are in no store.
const MaxInputInline = 16 << 10

// awaits is how many inputs a job has: its predecessors, then its named data.
func (s *Spec) awaits() int { return len(s.After) + len(s.Data) }

// inputsKnown notes how the job's inputs stand, in the order in which the spec names them, and acts on it (JOB-10).
func (t *turn) inputsKnown(ev InputsKnown) {
	if t.Verdict != nil {
		return
	}
	inputs := t.job.pinned(t.Tenure, t.job.Spec.ordered(ev.Inputs))
	if slices.EqualFunc(inputs, t.Inputs, Input.same) {
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
		t.goOn(ev.At, "its inputs have moved on")
	}
}

// same says that nothing has changed. The digest of named data is over its files.
func (in Input) same(o Input) bool {
	return in.Job == o.Job && in.State == o.State && in.Digest == o.Digest && in.Final == o.Final && in.Known == o.Known && in.Name == o.Name
}

// ordered puts inputs into the spec's order: one for each of After, then one for each of Data.
func (s *Spec) ordered(in []Input) []Input {
	out := s.unknown()
	for i := range out {
		same := func(x Input) bool { return x.Name == out[i].Name && (x.Name != "" || x.Job == out[i].Job) }
		if k := slices.IndexFunc(in, same); k >= 0 {
			out[i] = in[k]
		}
	}
	room, inline := MaxInputBytes, MaxInputInline
	for i := range out {
		out[i], inline = out[i].light(inline)
		if room -= out[i].weight(); room < 0 {
			out[i].State, out[i].Job, out[i].Files = StateFailed, "", nil // no job's failure
		}
	}
	return out
}

// unknown is what is known of a job's inputs before anybody told.
func (s *Spec) unknown() []Input {
	out := make([]Input, 0, s.awaits())
	for _, d := range s.After {
		out = append(out, Input{Job: d.Job})
	}
	for _, d := range s.Data {
		out = append(out, Input{Name: d.Name})
	}
	return out
}

// light returns in with no more bytes of its files than there is room for, only their names, and the room that is left.
func (in Input) light(room int) (Input, int) {
	if !slices.ContainsFunc(in.Files, func(f NamedFile) bool { return len(f.Blob.Inline) > 0 }) {
		return in, room
	}
	in.Files = slices.Clone(in.Files)
	for i := range in.Files {
		if b := &in.Files[i].Blob; len(b.Inline) > room {
			b.Inline = nil
		} else {
			room -= len(b.Inline)
		}
	}
	return in, room
}

// weight is about what an input's files take in a record.
func (in Input) weight() int {
	n := 0
	for _, f := range in.Files {
		n += len(f.Name) + 44
	}
	return n
}

// pinned keeps named data at what it was when it first was final, for this owner or, until then, for another one: whoever puts something under that
// name later changes nothing for a job that saw it.
func (j Job) pinned(t *Tenure, inputs []Input) []Input {
	for i := len(j.Spec.After); i < len(inputs); i++ {
		if in := j.pin(t, i); in != nil {
			inputs[i] = *in
		}
	}
	return inputs
}

// pin returns the i-th input as t has it, or else the least of the others does, nil if it is not final for any. A tenure that is yet to begin is nil.
func (j Job) pin(t *Tenure, i int) *Input {
	final := func(o *Tenure) bool {
		return len(o.Inputs) == j.Spec.awaits() && o.Inputs[i].Final && o.Inputs[i].Name == j.Spec.Data[i-len(j.Spec.After)].Name
	}
	if t != nil && final(t) {
		return &t.Inputs[i]
	}
	for k := range j.Tenures {
		if o := &j.Tenures[k]; o.Spec == j.sum() && final(o) {
			return &o.Inputs[i]
		}
	}
	return nil
}

// inherited is what a tenure that begins knows of its inputs from those before it, nil if that is nothing.
func (j Job) inherited() []Input {
	if len(j.Spec.Data) == 0 {
		return nil
	}
	inputs := j.pinned(nil, j.Spec.unknown())
	if !slices.ContainsFunc(inputs, isFinal) {
		return nil
	}
	return inputs
}

func isFinal(in Input) bool { return in.Final }

// inherit has an authority count on the named data that another owner has used: it may be gone by now.
func (t *turn) inherit() {
	if len(t.job.Spec.Data) == 0 {
		return
	}
	inputs := t.Inputs
	if len(inputs) != t.job.Spec.awaits() {
		inputs = t.job.Spec.unknown()
	}
	if inputs = t.job.pinned(t.Tenure, slices.Clone(inputs)); slices.ContainsFunc(inputs, isFinal) && !slices.EqualFunc(inputs, t.Inputs, Input.same) {
		t.touch()
		t.Inputs, t.inherited = inputs, true
	}
}

// blocked says which input keeps the job from being deployed, "" if none does.
func (j Job) blocked(t *Tenure) string {
	n := j.Spec.awaits()
	if n > 0 && len(t.Inputs) != n {
		return notAsked
	}
	for i, in := range t.Inputs[:n] {
		name, rule := j.Spec.input(i)
		switch {
		case !in.Known && in.Name != "":
			return fmt.Sprintf("needs %s, which nobody has put and no job here will make", name)
		case !in.Known:
			return name + " is not here yet"
		case !in.State.Terminal():
			return "waits for " + strings.TrimSuffix(in.maker(name), ",")
		case in.State != StateAccepted && rule != RunAnyway:
			return fmt.Sprintf("waits for %s to be final: it is %s", in.maker(name), in.State)
		}
	}
	return ""
}

// input returns what people call the i-th input, and what becomes of the job without it.
func (s *Spec) input(i int) (name string, rule OnFailure) {
	if i < len(s.After) {
		return string(s.After[i].Job), s.After[i].OnFailure
	}
	d := s.Data[i-len(s.After)]
	return "data " + d.Name, d.OnFailure
}

// maker names the job that an input comes from.
func (in Input) maker(name string) string {
	if in.Name == "" || in.Job == "" {
		return name
	}
	return fmt.Sprintf("%s, which makes %s,", in.Job, name)
}

// Named data that no job makes fails only by having too many files.
const tooManyFiles = "it stands for more files than a job can be given: put them into a directory, which is one"

// follow ends a job one of whose inputs will not come, as its spec says. An authority waits until that is final.
func (t *turn) follow(at vclock.Hybrid) {
	for i, in := range t.Inputs {
		name, rule := t.job.Spec.input(i)
		if !in.Known || !in.State.Terminal() || in.State == StateAccepted || rule == RunAnyway || (!in.Final && t.isAuthority()) {
			continue
		}
		v := Verdict{Kind: FailedVerdict, Inputs: digests(t.Inputs), At: at}
		switch {
		case in.Name == "":
			v.Reason = fmt.Sprintf("its predecessor %s is %s", name, in.State)
		case in.Job == "":
			v.Reason = fmt.Sprintf("its %s cannot be given to it: %s", name, tooManyFiles)
		default:
			v.Reason = fmt.Sprintf("its %s will not come: %s, which makes it, is %s", name, in.Job, in.State)
		}
		if rule == SkipJob {
			v.Kind = Skipped
		}
		t.decide(v)
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
