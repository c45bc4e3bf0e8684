package job

import (
	"fmt"
	"slices"
	"testing"

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
	w := &world{T: t, clock: 1, verdicts: map[Ownership]string{}, accepted: map[Ownership]string{}, overrule: map[Ownership]int{}, deployed: map[Name]bool{}}
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

const predecessor = ID("01HW-b1")

func (w *world) wants(t *rapid.T) {
	w.spec = Spec{Name: "count", Module: Blob{Digest: [32]byte{1}, Size: 9}, Retries: 1}
	switch rapid.IntRange(0, 5).Draw(t, "spec") {
	case 0:
		w.spec.Quorum = 2
	case 1:
		w.spec.Quorum, w.spec.Speculate = 3, true
	case 2:
		w.spec.After = []Dependency{{predecessor, RunAnyway}}
	case 3:
		w.spec.After = []Dependency{{predecessor, OnFailure(rapid.IntRange(0, 1).Draw(t, "on failure"))}}
	}
}

// input is what a broker may know of the predecessor: anything, until its final result, which has the digest 1.
func (w *world) input(final bool) InputsKnown {
	in := Input{Job: predecessor, Known: true, Final: final, State: StateAccepted, Digest: [32]byte{1}}
	if !final {
		in.State = rapid.SampledFrom([]State{StateAccepted, StateAccepted, StateRunning, StateFailed}).Draw(w.T, "input")
		in.Digest[0] = byte(rapid.IntRange(1, 2).Draw(w.T, "input digest"))
	}
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
	for j, cover := range c.fences {
		b.fences[j] = cover
	}
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

// check holds the invariants of section 15 over all copies.
func (w *world) check(_ *rapid.T) {
	for _, b := range w.brokers {
		if b.job == nil {
			continue
		}
		for i := range b.job.Tenures {
			w.checkTenure(&b.job.Tenures[i])
		}
		if v, o := b.job.Decided(); v != nil && o.Journal != b.journal && b != w.lost {
			w.final(v) // a second disk has it: it may be told
		}
		if b.job.Spec.Sum() != b.job.sum() {
			w.Fatalf("the spec is not the one that counts")
		}
	}
}

func (w *world) checkTenure(t *Tenure) {
	if t.Verdict == nil {
		return
	}
	v := string(appendVerdict(nil, *t.Verdict))
	if old, ok := w.verdicts[t.Owner]; ok && old != v {
		w.Fatalf("%v made two verdicts", t.Owner)
	}
	w.verdicts[t.Owner] = v
	if t.live() > 0 || len(t.Candidates) > 0 && t.Verdict.Kind != Released {
		w.Fatalf("%v has a verdict and goes on", t.Owner)
	}
}

func (w *world) final(v *Verdict) {
	if w.told != nil && !w.told.same(v) {
		w.Fatalf("two final verdicts: %+v and %+v", w.told, v)
	}
	if len(w.spec.After) > 0 && v.Kind == Accepted && (len(v.Inputs) != 1 || v.Inputs[0] != [32]byte{1}) {
		w.Fatalf("final, and its input is not: %+v", v)
	}
	w.told = v
}

func (w *world) begin(b *broker) bool {
	j, o, ok := b.job.Begin(b.journal, b.node, at(w.now()), b)
	if ok {
		if o.Journal != b.journal || j.tenure(o) == nil {
			w.Fatalf("%v begins at %s", o, b.journal)
		}
		b.job = &j
	}
	return ok
}

// heal lets faults stop: everybody hears of everything and acts on it, until nothing changes.
func (w *world) heal() {
	for range 5 {
		for _, b := range w.brokers {
			for _, c := range w.brokers {
				w.sync(c, b)
			}
			if b.job == nil || b == w.lost {
				continue
			}
			for i := 0; w.begin(b); i++ {
				if i > len(w.brokers) {
					w.Fatalf("%s begins for ever", b.node)
				}
			}
			w.apply(b, w.input(true))
			w.apply(b, Merged{Acting: w.acts(b), At: at(w.now())})
			w.check(w.T)
		}
	}
}

// acts says whether b is the least of the owners that live.
func (w *world) acts(b *broker) bool {
	for _, o := range b.job.Owners() {
		i := slices.IndexFunc(w.brokers, func(c *broker) bool { return c.journal == o.Journal })
		if c := w.brokers[i]; c != w.lost && !b.fenced(c) && !c.fenced(b) {
			return c == b
		}
	}
	return false
}

// quiet holds what must hold once faults have stopped.
func (w *world) quiet() {
	var all []*broker
	for _, b := range w.brokers {
		if b.job != nil && b != w.lost && b != w.forgot {
			all = append(all, b)
		}
	}
	for _, b := range all {
		if string(b.job.Append(nil)) != string(all[0].job.Append(nil)) {
			w.Fatalf("%s and %s hold different jobs", b.node, all[0].node)
		}
		w.alive(b)
	}
}

// alive says that the job can move at whoever acts for it, or says why not; and that an authority that lives has adopted what it saw.
func (w *world) alive(b *broker) {
	v, _ := b.job.Winner()
	end, auth := b.job.Authority()
	if final, _ := b.job.Decided(); end.Journal == b.journal && auth != nil && v != nil && final == nil {
		w.Fatalf("the authority leaves %+v provisional", v)
	}
	self, ok := b.job.Mine(b.journal)
	if !ok || v != nil || !w.acts(b) {
		return
	}
	t := b.job.tenure(self)
	if t.live() == 0 && t.Waiting == "" {
		w.Fatalf("nothing runs and nobody says why: %+v", t)
	}
	if t.live() == 0 && b.job.Wanted(self) == 0 && !t.Backoff && !t.Quarantined && self.T == 0 {
		w.Fatalf("stuck: %+v", t)
	}
}

// S3, S4, S5, S8 and S9 in every small network, whatever happens in whatever order; and no job is stuck once faults stop.
func TestOwnersKeepTheirPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, rapid.IntRange(2, 4).Draw(t, "brokers"))
		w.wants(t)
		w.submit(w.brokers[rapid.IntRange(0, 1).Draw(t, "first asked")], false)
		t.Repeat(w.steps())
		w.joins()
		w.heal()
		w.quiet()
	})
}

// joins holds the laws of Merge over the copies that the brokers ended up with.
func (w *world) joins() {
	var copies []Job
	for _, b := range w.brokers {
		if b.job != nil {
			copies = append(copies, *b.job)
		}
	}
	draw := func() Job { return rapid.SampledFrom(copies).Draw(w.T, "copy") }
	a, b, c := draw(), draw(), draw()
	same := func(law string, x, y Job) {
		if string(x.Append(nil)) != string(y.Append(nil)) {
			w.Fatalf("not %s:\n%+v\n%+v", law, x, y)
		}
	}
	same("idempotent", a.Merge(a), a)
	same("commutative", a.Merge(b), b.Merge(a))
	same("associative", a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
	back, err := Decode(a.Merge(b).Append(nil))
	if err != nil {
		w.Fatalf("%v", err)
	}
	same("faithful", back, a.Merge(b))
}
