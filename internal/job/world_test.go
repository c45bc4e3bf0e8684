package job

import (
	"fmt"
	"maps"

	"pgregory.net/rapid"
)

// world is a small network: brokers with a copy each of one job, links of which any may work at any moment, one broker that may be forgotten,
// also while it lives, and one disk that may be lost.
type world struct {
	*rapid.T
	brokers  []*broker
	clock    int64
	lost     *broker
	forgot   *broker
	told     *Verdict             // the one FINAL that anybody was told
	verdicts map[Ownership]string // every verdict ever made
	pins     map[Ownership]string // the named data that each owner saw when it was final
	accepted map[Ownership]string // what each owner answered with ACCEPTED
	overrule map[Ownership]int    // SUPERSEDED events
	deployed map[Name]bool
	spec     Spec // what the client wants
}

type broker struct {
	journal, node string
	job           *Job
	forgotten     string                          // the journal that it knows to be forgotten
	fences        map[string]map[Ownership]uint64 // what each broker's fence covers, as far as known here
	all           []*broker
}

func newWorld(t *rapid.T, n int) *world {
	w := &world{T: t, clock: 1, verdicts: map[Ownership]string{}, pins: map[Ownership]string{}, accepted: map[Ownership]string{}, overrule: map[Ownership]int{}, deployed: map[Name]bool{}}
	for i := range n {
		w.brokers = append(w.brokers, &broker{journal: fmt.Sprint("j", i+1), node: fmt.Sprint("b", i+1), fences: map[string]map[Ownership]uint64{}})
	}
	for _, b := range w.brokers {
		b.all = w.brokers
	}
	return w
}

func (w *world) now() int64 { w.clock++; return w.clock }

func (w *world) any(what string) *broker {
	b := rapid.SampledFrom(w.brokers).Draw(w.T, what)
	if b == w.lost {
		w.Skip("lost")
	}
	return b
}

// holder draws a broker that holds the job.
func (w *world) holder() *broker {
	b := w.any("broker")
	if b.job == nil {
		w.Skip("no job there")
	}
	return b
}

// MayHaveEnded implements Wills: nothing is forgotten here.
func (*broker) MayHaveEnded(ID) bool { return false }

// Closed implements Wills: all others have fenced the forgotten one, and what they had of it is here.
func (b *broker) Closed(journal string) bool {
	if journal != b.forgotten {
		return false
	}
	for _, o := range b.all {
		cover, fenced := b.fences[o.journal]
		if o.journal != journal && !fenced {
			return false
		}
		for owner, rev := range cover {
			if t := b.job.tenure(owner); t == nil || t.Rev < rev {
				return false
			}
		}
	}
	return true
}

// Heirs implements Wills.
func (b *broker) Heirs(journal string, id ID) []Heir {
	var heirs []Heir
	for _, o := range b.all {
		if o.journal != journal {
			heirs = append(heirs, Heir{o.journal, o.node})
		}
	}
	SortHeirs(id, heirs)
	return heirs
}

// fence makes b take nothing more from the forgotten one.
func (b *broker) fence() {
	if b.forgotten == "" || b.forgotten == b.journal || b.fences[b.journal] != nil {
		return
	}
	cover := map[Ownership]uint64{}
	if b.job != nil {
		for _, t := range b.job.Tenures {
			if t.Owner.Journal == b.forgotten {
				cover[t.Owner] = t.Rev
			}
		}
	}
	b.fences[b.journal] = cover
}

func (b *broker) fenced(o *broker) bool {
	return b.fences[b.journal] != nil && o.journal == b.forgotten
}

const (
	predecessor = ID("01HW-b1")
	dataName    = "maps/town"
)

func (w *world) wants(t *rapid.T) {
	w.spec = Spec{Name: "count", Module: Blob{Digest: [32]byte{1}, Size: 9}, Retries: 1}
	switch rapid.IntRange(0, 8).Draw(t, "spec") {
	case 0:
		w.spec.Quorum = 2
	case 1:
		w.spec.Quorum, w.spec.Speculate = 3, true
	case 2:
		w.spec.After = []Dependency{{predecessor, RunAnyway}}
	case 3:
		w.spec.After = []Dependency{{predecessor, OnFailure(rapid.IntRange(0, 1).Draw(t, "on failure"))}}
	case 4, 5:
		w.spec.Data = []DataInput{{Name: dataName, Path: "in", OnFailure: OnFailure(rapid.IntRange(0, 2).Draw(t, "on failure"))}}
	}
}

// input is what a broker may know of the predecessor: anything, until its final result, which has the digest 1.
func (w *world) input(final bool) InputsKnown {
	if len(w.spec.Data) > 0 {
		return w.data(final)
	}
	in := Input{Job: predecessor, Known: true, Final: final, State: StateAccepted, Digest: [32]byte{1}}
	if !final {
		in.State = rapid.SampledFrom([]State{StateAccepted, StateAccepted, StateRunning, StateFailed}).Draw(w.T, "input")
		in.Digest[0] = byte(rapid.IntRange(1, 2).Draw(w.T, "input digest"))
	}
	return InputsKnown{Inputs: []Input{in}, At: at(w.now())}
}

// data is what a broker may know of the named data: what somebody put, which is final and another thing at another time and broker, or what a job has
// not made yet.
func (w *world) data(final bool) InputsKnown {
	in := Input{Name: dataName, Known: true, Final: true, State: StateAccepted}
	if !final && rapid.Bool().Draw(w.T, "made by a job") {
		in.Job, in.Final = predecessor, false
		in.State = rapid.SampledFrom([]State{StateAccepted, StateRunning, StateFailed}).Draw(w.T, "input")
	}
	if in.State == StateAccepted {
		in.Files = []NamedFile{{Name: dataName, Blob: Blob{Digest: [32]byte{byte(rapid.IntRange(1, 3).Draw(w.T, "input digest"))}, Size: 1}}}
	}
	in.Digest = digestOf(in.Files)
	return InputsKnown{Inputs: []Input{in}, At: at(w.now())}
}

func (w *world) submit(b *broker, conflict bool) {
	if b.job != nil {
		w.Skip("known there")
	}
	first := Ownership{Journal: "j1"}
	owner := Ownership{T: 1, Journal: b.journal}
	if b.journal == first.Journal {
		owner = first
	}
	s := w.spec
	if conflict {
		s.Name = "other"
	}
	j := New("01HX-b1", &s, owner, first, b.node, at(w.now()))
	b.job = &j
}

// sync brings b what c has, and b acts on it.
func (w *world) sync(c, b *broker) {
	if b == c || b == w.lost || c == w.lost || b.fenced(c) || c.fenced(b) {
		return
	}
	if b.forgotten == "" {
		b.forgotten = c.forgotten
	}
	maps.Copy(b.fences, c.fences)
	if c.job != nil {
		j := *c.job
		if b.job != nil {
			j = b.job.Merge(j)
		}
		b.job = &j
	}
	b.fence()
}

// apply tries an event at a broker's own tenure and holds what must hold after each step.
func (w *world) apply(b *broker, ev Event) {
	self, ok := b.job.Mine(b.journal)
	if !ok {
		return
	}
	w.applyAt(b, self, ev)
}

func (w *world) applyAt(b *broker, self Ownership, ev Event) {
	before := string(b.job.Append(nil))
	next, effects, err := b.job.Apply(self, ev)
	if string(b.job.Append(nil)) != before {
		w.Fatalf("%T changed the job it was given", ev)
	}
	if err != nil {
		return
	}
	if changed := string(next.Append(nil)) != before; changed != (next.tenure(self).Rev > b.job.tenure(self).Rev) {
		w.Fatalf("%#v changed the job: %v, and the revision says otherwise", ev, changed)
	}
	b.job = &next
	for _, e := range effects {
		w.effect(self, next, e)
	}
}

func (w *world) effect(self Ownership, j Job, e Effect) {
	switch e := e.(type) {
	case Deploy:
		if w.deployed[e.Attempt.Name] {
			w.Fatalf("two attempts are named %v", e.Attempt.Name)
		}
		w.deployed[e.Attempt.Name] = true
		if len(w.deployed) > MaxJobAttempts*w.spec.quorum() {
			w.Fatalf("%d attempts", len(w.deployed))
		}
	case Answer:
		v := j.tenure(self).Verdict
		if a := fmt.Sprint(e.Attempt, e.Executor); e.Accepted && v.winner() != (Name{}) {
			if old, ok := w.accepted[self]; ok && old != a {
				w.Fatalf("%v accepted %s and %s", self, old, a)
			}
			w.accepted[self] = a
		}
	case Supersede:
		if w.overrule[self]++; w.overrule[self] > 1 {
			w.Fatalf("the client of %v is told twice", self)
		}
	}
}
