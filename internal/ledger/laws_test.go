package ledger

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// write is what a world remembers of a Put.
type write struct {
	dot Dot
	key Key
	id  uint64
}

// world is a few replicas to which anything may happen that happens to brokers, and a memory of every write ever made.
type world struct {
	*rapid.T
	replicas  []*Replica
	clocks    []int
	pushed    []Vector
	named     []int // journals each place has had
	backups   []*Replica
	writes    []write
	forgotten map[Key]Vector // by which horizon
	created   map[Key]bool
	horizons  bool
}

const places = 4

func newWorld(t *rapid.T, horizons bool) *world {
	w := &world{T: t, forgotten: map[Key]Vector{}, created: map[Key]bool{}, horizons: horizons, clocks: make([]int, places), pushed: make([]Vector, places), named: make([]int, places)}
	for i := range places {
		w.replicas = append(w.replicas, replica(journalName(i, 0)))
	}
	return w
}

func journalName(place, n int) string { return fmt.Sprint(string(rune('a'+place)), n) }

func (w *world) draw(from, to int, label string) int {
	return rapid.IntRange(from, to).Draw(w.T, label)
}

// run lets things happen, and after each checks that every vector is true.
func (w *world) run() {
	for range w.draw(1, 80, "steps") {
		w.step(w.draw(0, places-1, "place"))
		w.checkVectors()
	}
}

func (w *world) step(i int) {
	r := w.replicas[i]
	switch w.draw(0, 10, "do") {
	case 0, 1, 2:
		w.put(i)
	case 3, 4:
		w.pull(w.draw(0, places-1, "from"), i)
	case 5:
		w.push(i)
	case 6:
		w.relay(i)
	case 7:
		w.restart(i)
	case 8:
		w.moveHorizon(i)
	case 9:
		w.forget(r)
	case 10:
		w.rollBack(i)
	}
}

func (w *world) put(i int) {
	r := w.replicas[i]
	k := key(w.draw(0, 7, "key"))
	old, held := r.Get(k)
	if !held && w.horizons && w.created[k] || held && hasEnded(old.State) {
		return // keys are not used again, and what has ended is not written to by who knows that
	}
	w.created[k] = true
	w.clocks[i] += w.draw(1, 3, "ticks")
	h := wrote(uint64(len(w.writes) + 1))
	h.ended = w.horizons && w.draw(0, 3, "ends") == 0
	if !held && w.draw(0, 1, "names") == 1 {
		h.names = w.someHeld(r)
	}
	lane := rapid.SampledFrom([]Lane{Urgent, Normal}).Draw(w.T, "lane")
	rec := r.Put(lane, k, h, at(w.clocks[i]))
	own := r.self
	own.Lane = lane
	d := Dot{own, rec.Writes.Seq(own)}
	if old.Writes.Covers(d) {
		w.Fatalf("dot %v used twice", d)
	}
	w.writes = append(w.writes, write{d, k, h.writes[0]})
}

func (w *world) someHeld(r *Replica) []Key {
	for rec := range r.All(Job) {
		return []Key{rec.Key}
	}
	return nil
}

func (w *world) hear(from, to int) { w.clocks[to] = max(w.clocks[from], w.clocks[to]) }

// pull is a round of sync that may be cut anywhere: between parts, or within one.
func (w *world) pull(from, to int) {
	w.hear(from, to)
	r := w.replicas[to]
	d := w.replicas[from].Missing(r.Seen())
	take(r, d, w.draw(1, 200, "bytes"), w.draw(0, 6, "parts"))
	if w.draw(0, 1, "torn") == 1 {
		p, _ := d.Next(1000)
		takeRecords(r, rapid.Permutation(p.Records).Draw(w.T, "order")[:len(p.Records)/2])
	}
}

// push sends the latest own writes to some, and nobody asks who got them.
func (w *world) push(i int) {
	r := w.replicas[i]
	from := w.pushed[i]
	w.pushed[i] = r.Own()
	for to := range places {
		if w.draw(0, 2, "gets it") > 0 {
			w.hear(i, to)
			take(w.replicas[to], r.Push(from), w.draw(1, 500, "bytes"), w.draw(0, 9, "parts"))
		}
	}
}

// relay carries what one asked for to everybody, on a stick.
func (w *world) relay(i int) {
	asker := w.draw(0, places-1, "asker")
	k := Knowledge{Vector: w.replicas[asker].Vector()}
	bytes, parts := w.draw(1, 300, "bytes"), w.draw(0, 9, "parts")
	for to := range places {
		w.hear(i, to)
		take(w.replicas[to], w.replicas[i].Missing(k), bytes, parts)
	}
}

// restart gives a broker another incarnation, with its disk, with that of a while ago, or with a blank one.
func (w *world) restart(i int) {
	old := w.replicas[i]
	journal, incarnation := old.self.Journal, old.self.Incarnation+1
	blank := w.draw(0, 4, "blank") == 0
	if blank {
		w.named[i]++
		journal = journalName(i, w.named[i])
	}
	if !blank && w.draw(0, 1, "live") == 1 {
		old.Rename(journal, incarnation)
		return
	}
	r := New(journal, incarnation)
	if !blank {
		w.reopen(old, r)
	}
	w.replicas[i], w.pushed[i] = r, Vector{}
}

// rollBack gives a broker the disk that another, or itself, had earlier. It goes on as a journal of its own.
func (w *world) rollBack(i int) {
	if len(w.backups) == 0 || w.draw(0, 1, "backup") == 1 {
		r := New("backup", 1)
		w.reopen(w.replicas[i], r)
		w.backups = append(w.backups, r)
		return
	}
	w.named[i]++
	r := New(journalName(i, w.named[i]), 1)
	w.reopen(w.backups[w.draw(0, len(w.backups)-1, "which")], r)
	w.replicas[i], w.pushed[i] = r, Vector{}
}

func (w *world) reopen(disk, r *Replica) {
	for _, kind := range []Kind{Job, Horizon} {
		for rec := range disk.All(kind) {
			r.Restore(rec)
		}
	}
	r.Adopt(disk.Vector())
	r.SetBehind(disk.Behind())
	w.forget(r)
}

func (w *world) moveHorizon(i int) {
	if !w.horizons {
		return
	}
	v := w.replicas[0].Vector()
	for _, r := range w.replicas[:len(w.replicas)-w.draw(0, 1, "unheard")] {
		v = v.Meet(r.Vector())
	}
	r := w.replicas[i]
	if !r.Vector().CoversAll(v) {
		return // not heard for long itself
	}
	w.clocks[i]++
	r.SetHorizon(HorizonState{v, at(w.clocks[i])}, at(w.clocks[i]))
}

// forget applies the horizon at a replica.
func (w *world) forget(r *Replica) {
	for _, k := range r.ApplyHorizon() {
		w.forgotten[k] = r.Horizon()
	}
}

func (w *world) isForgotten(k Key) bool {
	_, ok := w.forgotten[k]
	return ok
}

// checkVectors checks what everything stands on: a write that a replica says it knows is in its record, or the record was forgotten.
func (w *world) checkVectors() {
	for i, r := range w.replicas {
		k := r.Seen()
		for _, wr := range w.writes {
			if !k.has(wr.dot) || w.isForgotten(wr.key) {
				continue
			}
			rec, ok := r.Get(wr.key)
			if !ok || !rec.State.(history).has(wr.id) {
				w.Fatalf("replica %d: says it knows %v, but its record lacks it", i, wr)
			}
		}
	}
}

func (k Knowledge) has(d Dot) bool {
	return k.Vector.Covers(d) || slices.ContainsFunc(k.Extra, func(s Span) bool {
		return s.Origin == d.Origin && s.First <= d.Seq && d.Seq <= s.Last
	})
}

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

// Records are forgotten while others are away, come back behind, or start blank; in the end all hold the same again (SYNC-8), and what nobody
// ended was not forgotten.
func TestForgettingEndsInAgreement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, true)
		w.run()
		w.heal()
		allBehind := !slices.ContainsFunc(w.replicas, func(r *Replica) bool { return !r.Behind() })
		for range 2 {
			for i, a := range w.replicas {
				for _, b := range w.replicas[:i] {
					w.audit(a, b)
				}
			}
			w.heal()
		}
		w.checkVectors()
		w.checkEqual()
		if !allBehind {
			w.checkForgotten()
		}
	})
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
