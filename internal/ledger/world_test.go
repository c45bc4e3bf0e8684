package ledger

import (
	"fmt"
	"slices"

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

const (
	places   = 4
	keysUsed = 8
)

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
	k := key(w.draw(0, keysUsed-1, "key"))
	old, held := r.Get(k)
	if !held && w.horizons && w.created[k] || held && hasEnded(old.State) {
		return // keys are not used again, and what has ended is not written to by who knows that
	}
	w.created[k] = true
	w.clocks[i] += w.draw(1, 3, "ticks")
	h := wrote(uint64(len(w.writes) + 1))
	h.ended = w.horizons && w.draw(0, 3, "ends") == 0
	if !held && w.draw(0, 1, "names") == 1 {
		h.names = w.someHeld(r, k)
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

// someHeld returns a record that a new one may name. Names make no circles.
func (w *world) someHeld(r *Replica, below Key) []Key {
	for n := range keysUsed {
		if _, ok := r.Get(key(n)); ok && key(n).compare(below) < 0 {
			return []Key{key(n)}
		}
	}
	return nil
}

func (w *world) hear(from, to int) { w.clocks[to] = max(w.clocks[from], w.clocks[to]) }

// pull is a round of sync that may be cut anywhere: between parts, or within one.
func (w *world) pull(from, to int) {
	w.hear(from, to)
	r := w.replicas[to]
	d := w.replicas[from].Missing(r.Seen())
	w.checkNames(w.replicas[from], r, take(r, d, w.draw(1, 200, "bytes"), w.draw(0, 6, "parts")))
	if w.draw(0, 1, "torn") == 1 {
		p, _ := d.Next(1000)
		takeRecords(r, rapid.Permutation(p.Records).Draw(w.T, "order")[:len(p.Records)/2])
	}
}

// checkNames checks that what came did not come before what its creation named.
func (w *world) checkNames(from, to *Replica, came []Key) {
	for _, k := range came {
		rec, ok := from.Get(k)
		if _, here := to.Get(k); !ok || !here || k.Kind == Horizon {
			continue // forgotten, or of no interest
		}
		for _, name := range rec.State.(namer).Names() {
			_, there := from.Get(name)
			if _, here := to.Get(name); there && !here && !w.isForgotten(name) {
				w.Fatalf("%v came before %v, which it names", k, name)
			}
		}
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
			known := w.replicas[to].Vector()
			d := r.Push(from, known)
			w.checkNames(r, w.replicas[to], take(w.replicas[to], d, w.draw(1, 500, "bytes"), w.draw(0, 9, "parts")))
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
	r.Put(Urgent, HorizonKey, HorizonState{Vector: v, At: at(w.clocks[i])}, at(w.clocks[i]))
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
