package ledger

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// heal lets everybody hear everybody out.
func (w *world) heal() {
	for range 3 {
		for _, from := range w.replicas {
			for _, to := range w.replicas {
				w.exchange(from, to)
			}
		}
	}
}

// exchange is a whole round, with what brokers tell each other of forgotten records.
func (w *world) exchange(from, to *Replica) {
	d := from.Missing(to.Seen())
	for more := true; more; {
		var p Part
		p, more = d.Next(100)
		for _, rec := range p.Records {
			w.give(from, to, rec, false)
		}
		to.TakeMarks(p.From, p.Marks)
	}
	w.forget(to)
}

// give brings a record from one to another, who says so if it forgot it.
func (w *world) give(from, to *Replica, rec Record, repair bool) {
	if _, outcome := to.Merge(rec, repair); outcome == Refused && !to.Behind() {
		from.Forgotten(rec.Key)
	}
}

// audit compares two that know the same and gives each what it lacks.
func (w *world) audit(a, b *Replica) {
	for i := range Ranges {
		if a.Range(i) == b.Range(i) {
			continue
		}
		differ, lacking, extra := Compare(a.Sums(i), b.Sums(i))
		w.repair(a, b, slices.Concat(differ, extra))
		w.repair(b, a, slices.Concat(differ, lacking))
	}
	switch {
	case !a.Behind():
		b.SetBehind(false)
	case !b.Behind():
		a.SetBehind(false)
	}
}

func (w *world) repair(from, to *Replica, keys []Key) {
	for _, k := range keys {
		if rec, ok := from.Get(k); ok {
			w.give(from, to, rec, !from.Behind() || to.Behind())
		}
	}
}

func (w *world) checkEqual() {
	for i, r := range w.replicas[1:] {
		if dump(r) != dump(w.replicas[0]) || r.Hash() != w.replicas[0].Hash() {
			w.Fatalf("replica %d differs: %v\n%v", i+1, listing(r), listing(w.replicas[0]))
		}
		if k := r.Seen(); len(w.replicas[0].Missing(k).items) > 0 {
			w.Fatalf("replica %d still lacks something", i+1)
		}
	}
}

func listing(r *Replica) string {
	s := fmt.Sprint(r.Vector(), " applied ", r.Horizon(), " behind ", r.Behind(), "\n")
	for rec := range r.All(Job) {
		s += fmt.Sprintln("  ", rec)
	}
	return s
}

// Whatever happened, no vector covers what is missing (SYNC-3, SYNC-9), and replicas that hear each other out hold the same (SYNC-4).
func TestNothingIsLostWhateverIsCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, false)
		w.run()
		union := map[Key]State{}
		for _, r := range w.replicas {
			for rec := range r.All(Job) {
				if s, ok := union[rec.Key]; ok {
					rec.State = rec.State.Merge(s)
				}
				union[rec.Key] = rec.State
			}
		}
		w.heal()
		w.checkVectors()
		w.checkEqual()
		for k, s := range union {
			if rec, ok := w.replicas[0].Get(k); !ok || string(rec.State.Append(nil)) != string(s.Append(nil)) {
				t.Fatalf("record %v: %v, want %v", k, rec.State, s)
			}
		}
	})
}

// However often a stream is cut, and whoever goes on with it, no record comes twice (SYNC-3).
func TestResumingCostsNothingTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, false)
		w.run()
		w.heal()
		r, came := replica("r"), map[Key]bool{}
		for len(came) < w.replicas[0].Len() {
			from := w.replicas[w.draw(0, places-1, "from")]
			for _, k := range take(r, from.Missing(r.Seen()), w.draw(1, 200, "bytes"), w.draw(1, 3, "parts")) {
				if came[k] {
					t.Fatalf("%v came twice", k)
				}
				came[k] = true
			}
		}
	})
}

// Records are forgotten while others are away, come back behind, or start blank; in the end all hold the same again (SYNC-8), and what nobody
// ended was not forgotten.
func TestForgettingEndsInAgreement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, true)
		w.run()
		w.heal()
		w.checkVectors()
		w.letGoOfLostWrites()
		allBehind := !slices.ContainsFunc(w.replicas, func(r *Replica) bool { return !r.Behind() })
		for range 2 {
			for i, a := range w.replicas {
				for _, b := range w.replicas[:i] {
					w.audit(a, b)
				}
			}
			w.heal()
		}
		w.checkEqual()
		if !allBehind {
			w.checkForgotten()
		}
	})
}

// letGoOfLostWrites is for worlds where every disk was lost that knew all that the horizon covers.
func (w *world) letGoOfLostWrites() {
	for _, r := range w.replicas {
		if h, ok := r.horizon(); ok {
			r.Adopt(h)
			w.forget(r)
		}
	}
}

// checkForgotten checks that what a horizon let go that is still known did not come back to life. It may be there once more, ended, with a
// write that the horizon did not know, until the next.
func (w *world) checkForgotten() {
	for i, r := range w.replicas {
		for k, horizon := range w.forgotten {
			rec, ok := r.Get(k)
			if ok && !hasEnded(rec.State) && r.Horizon().CoversAll(horizon) && horizon.Covers(rec.Created) {
				w.Fatalf("replica %d: %v came back\n%v", i, k, listing(r))
			}
		}
	}
}
