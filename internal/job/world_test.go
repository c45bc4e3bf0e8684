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

func spec(conflict bool) *Spec {
	s := &Spec{Name: "count", Module: Blob{Digest: [32]byte{1}, Size: 9}, Retries: 1}
	if conflict {
		s.Name = "other"
	}
	return s
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
	j := New("01HX-b1", spec(conflict), owner, first, b.node, at(w.now()))
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
		if len(w.deployed) > MaxJobAttempts {
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
	w.told = v
}

// attempts draws an attempt that anybody knows of, with its executor.
func (w *world) attempt() Attempt {
	var all []Attempt
	for _, b := range w.brokers {
		if b.job != nil {
			for _, t := range b.job.Tenures {
				all = append(all, t.Attempts...)
			}
		}
	}
	if len(all) == 0 {
		w.Skip("no attempt yet")
	}
	return rapid.SampledFrom(all).Draw(w.T, "attempt")
}

func (w *world) result() *Result {
	r := &Result{Kind: rapid.SampledFrom([]ResultKind{Exited, Exited, Trapped, Crashed}).Draw(w.T, "kind"), ExitCode: uint32(rapid.IntRange(0, 1).Draw(w.T, "code"))}
	r.Stdout = Blob{Digest: [32]byte{byte(rapid.IntRange(0, 2).Draw(w.T, "out"))}}
	r.Seal()
	return r
}

func (w *world) event() Event {
	e := fmt.Sprint("e", rapid.IntRange(1, 3).Draw(w.T, "executor"))
	switch rapid.IntRange(0, 9).Draw(w.T, "event") {
	case 0:
		return CancelAsked{By: "c", Acting: rapid.Bool().Draw(w.T, "acting"), At: at(w.now())}
	case 1:
		return Overdue{Timer: DeadlineTimer, At: at(w.now())}
	case 2:
		return ExecutorLost{Executor: e, Lease: uint64(rapid.IntRange(1, 3).Draw(w.T, "lease")), Down: rapid.Bool().Draw(w.T, "down"), At: at(w.now())}
	case 3, 4, 5:
		a := w.attempt()
		return Finished{Attempt: a.Name, Executor: a.Executor, Result: w.result(), At: at(w.now())}
	case 6:
		a := w.attempt()
		return Reported{Executor: a.Executor, Lease: 2, Running: []Held{{Name: a.Name}}, At: at(w.now())}
	case 7:
		return Started{w.attempt().Name}
	case 8:
		return RetryDue{}
	}
	return Reprieved{By: "op", At: at(w.now())}
}

func (w *world) steps() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"": w.check,
		"submit": func(t *rapid.T) {
			w.submit(w.any("broker"), rapid.IntRange(0, 5).Draw(t, "conflict") == 0)
		},
		"sync": func(t *rapid.T) {
			b := w.any("to")
			w.sync(w.any("from"), b)
			if b.job != nil {
				w.apply(b, Merged{Acting: rapid.Bool().Draw(t, "acting"), At: at(w.now())})
			}
		},
		"sync, not acted on yet": func(*rapid.T) { w.sync(w.any("from"), w.any("to")) },
		"deploy": func(t *rapid.T) {
			e := fmt.Sprint("e", rapid.IntRange(1, 3).Draw(t, "executor"))
			w.apply(w.holder(), Deployable{Executor: e, Lease: 1, Incarnation: 7, At: at(w.now())})
		},
		"event":       func(*rapid.T) { w.apply(w.holder(), w.event()) },
		"other event": func(*rapid.T) { w.apply(w.holder(), w.event()) },
		"late event": func(t *rapid.T) { // for any tenure of that broker, also one that it released
			b := w.holder()
			o := rapid.SampledFrom(b.job.Tenures).Draw(t, "tenure").Owner
			if o.Journal == b.journal {
				w.applyAt(b, o, w.event())
			}
		},
		"takeover": func(*rapid.T) {
			b := w.holder()
			if j, _, err := b.job.TakeOver(b.journal, b.node, at(w.now())); err == nil {
				b.job = &j
			}
		},
		"begin": func(*rapid.T) { w.begin(w.holder()) },
		"hand over": func(*rapid.T) {
			b, c := w.holder(), w.any("heir")
			if self, ok := b.job.Mine(b.journal); ok {
				heir := Ownership{T: self.T, H: self.H + 1, Journal: c.journal}
				w.apply(b, HandedOver{Heir: heir, Node: c.node, At: at(w.now())})
			}
		},
		"forget": func(*rapid.T) {
			x, b := rapid.SampledFrom(w.brokers).Draw(w.T, "forgotten"), w.any("broker")
			if w.forgot != nil || x == b {
				w.Skip("once is enough")
			}
			w.forgot, b.forgotten = x, x.journal
			b.fence()
		},
		"lose": func(*rapid.T) {
			if w.lost != nil {
				w.Skip("once is enough")
			}
			w.lost = w.any("lost")
		},
	}
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
			for w.begin(b) {
			}
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
