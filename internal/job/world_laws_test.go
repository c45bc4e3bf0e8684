package job

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

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
	w.checkPins(t)
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

// checkPins holds that named data stays for an owner what it was when it saw it final, and that the authority decides on that.
func (w *world) checkPins(t *Tenure) {
	if len(w.spec.Data) == 0 || len(t.Inputs) == 0 || !t.Inputs[0].Final {
		return
	}
	d := string(t.Inputs[0].Digest[:])
	if old, ok := w.pins[t.Owner]; ok && old != d {
		w.Fatalf("the data of %v changed when it was final", t.Owner)
	}
	w.pins[t.Owner] = d
	if v := t.Verdict; v != nil && v.Kind == Accepted && (len(v.Inputs) != 1 || string(v.Inputs[0][:]) != d) {
		w.Fatalf("%v accepted a result on other data than it saw: %+v", t.Owner, v)
	}
}

func (w *world) final(v *Verdict) {
	if w.told != nil && !w.told.Same(v) {
		w.Fatalf("two final verdicts: %+v and %+v", w.told, v)
	}
	if len(w.spec.After) > 0 && v.Kind == Accepted && (len(v.Inputs) != 1 || v.Inputs[0] != [32]byte{1}) {
		w.Fatalf("final, and its input is not: %+v", v)
	}
	w.told = v
}

func (w *world) begin(b *broker) bool {
	j, o, ok := b.job.Begin(b.journal, b.node, b)
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
