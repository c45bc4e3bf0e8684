package placement

import (
	"container/heap"
	"time"
)

// band is the jobs of one priority.
type band struct {
	emergency bool
	priority  uint8
	since     uint64 // how many jobs had started when one of it started last, or it began to wait
	racks     race[*rack]
	aside     []*rack // refused in this round of Take
	byClass   map[*class]*rack
	lines     int
	shares    map[string]*share
	virtual   uint64 // virtual time: where whoever comes in begins
	mean      time.Duration
	swept     int // shares that were left after the last sweep
}

// share is a submitter's account in a band.
type share struct {
	virtual uint64        // ns of service received, by weight
	credit  time.Duration // charged and not received
	mean    time.Duration // of what it ran
	lines   int           // that it waits in
}

// enter returns a submitter's share. One that comes in after a while begins where the others are.
func (b *band) enter(submitter string) *share {
	s, ok := b.shares[submitter]
	if !ok {
		b.sweep()
		s = &share{}
		b.shares[submitter] = s
	}
	if s.lines == 0 {
		s.virtual = max(s.virtual, b.virtual)
	}
	s.lines++
	return s
}

// sweep forgets shares that would begin anew anyway, when their number has doubled.
func (b *band) sweep() {
	if len(b.shares) < 2*b.swept+64 {
		return
	}
	for who, s := range b.shares {
		if s.lines == 0 && s.virtual <= b.virtual {
			delete(b.shares, who)
		}
	}
	b.swept = len(b.shares)
}

// charge moves a share's virtual time on. It never goes back: what was charged too much is set off against what comes.
func (s *share) charge(d time.Duration, weight uint64) {
	if d < 0 {
		s.credit -= d
		return
	}
	used := min(d, s.credit)
	s.credit -= used
	s.virtual += uint64(d-used) / weight
}

// guess is what a start counts as until it is known better.
func (b *band) guess(s *share) time.Duration {
	switch {
	case s.mean > 0:
		return s.mean
	case b.mean > 0:
		return b.mean
	}
	return firstGuess
}

func (b *band) rackFor(c *class) *rack {
	r, ok := b.byClass[c]
	if !ok {
		r = &rack{class: c, band: b, bySubmitter: map[string]*line{}}
		b.byClass[c] = r
		c.racks++
	}
	return r
}

// first returns the line whose turn it is among those that were not refused, nil if there is none left. What it finds empty it drops.
func (b *band) first(q *Queue) *line {
	for {
		r := b.racks.first()
		if r == nil {
			return nil
		}
		l := r.lines.first()
		switch {
		case r.class.refused == q.round:
			b.racks.remove(r)
			r.out = true
			b.aside = append(b.aside, r)
		case l.trim(q.where):
			return l
		default:
			b.drop(q, r, l)
		}
	}
}

// drop forgets an empty line, and a rack without lines.
func (b *band) drop(q *Queue, r *rack, l *line) {
	r.lines.remove(l)
	delete(r.bySubmitter, l.submitter)
	l.share.lines--
	b.lines--
	if len(r.lines.at) > 0 {
		b.racks.moved(r)
		return
	}
	b.racks.remove(r)
	delete(b.byClass, r.class)
	if r.class.racks--; r.class.racks == 0 {
		delete(q.classes, r.class.signature)
	}
}

// reopen takes back what was set aside.
func (b *band) reopen() {
	for i, r := range b.aside {
		r.out, b.aside[i] = false, nil
		b.racks.add(r)
	}
	b.aside = b.aside[:0]
}

// rack is the jobs of a band with equal constraints.
type rack struct {
	class       *class
	band        *band
	lines       race[*line]
	bySubmitter map[string]*line
	out         bool // set aside
	index       int
}

func (r *rack) key() key {
	if l := r.lines.first(); l != nil {
		return l.key()
	}
	return key{}
}

func (r *rack) position() *int { return &r.index }

// line is the jobs of one submitter in a rack.
type line struct {
	rack      *rack
	share     *share
	submitter string
	seq       uint64  // when the first of those that were not started came, or the last that was there
	ways      [2]fifo // those that were started before, and the others
	live      int     // places that are somebody's
	index     int
}

func (l *line) key() key { return key{l.share.virtual, l.seq} }

func (l *line) position() *int { return &l.index }

func (l *line) push(e entry, again bool) {
	l.live++
	if again {
		l.ways[0].push(e)
	} else {
		l.ways[1].push(e)
	}
}

// left notes that a place is nobody's any more. When most are, they are thrown out.
func (l *line) left(where map[string]place) {
	l.live--
	if dead := l.ways[0].len() + l.ways[1].len() - l.live; dead > 64 && dead > l.live {
		l.ways[0].compact(l, where)
		l.ways[1].compact(l, where)
	}
}

// trim drops what has left from the head of the line and says whether anybody is there.
func (l *line) trim(where map[string]place) bool {
	return l.ways[0].trim(l, where) || l.ways[1].trim(l, where)
}

// again says whether the head of the line was started before.
func (l *line) again() bool { return l.ways[0].len() > 0 }

func (l *line) peek() entry {
	if l.again() {
		return l.ways[0].at[l.ways[0].head]
	}
	return l.ways[1].at[l.ways[1].head]
}

// came returns when the first of those came that were not started yet, 0 if there is none.
func (l *line) came(where map[string]place) uint64 {
	if f := &l.ways[1]; f.trim(l, where) {
		return f.at[f.head].seq
	}
	return 0
}

// ahead visits up to n jobs of the line, and returns how many of n are left.
func (l *line) ahead(n int, where map[string]place, visit func(id string)) int {
	for _, f := range l.ways {
		for i := f.head; i < len(f.at) && n > 0; i++ {
			if l.has(f.at[i], where) {
				visit(f.at[i].id)
				n--
			}
		}
	}
	return n
}

func (l *line) has(e entry, where map[string]place) bool {
	p, ok := where[e.id]
	return ok && p.line == l && p.seq == e.seq
}

// entry is a place in a line.
type entry struct {
	id  string
	seq uint64
}

// fifo is a line of people.
type fifo struct {
	at   []entry
	head int
}

func (f *fifo) len() int { return len(f.at) - f.head }

func (f *fifo) push(e entry) { f.at = append(f.at, e) }

func (f *fifo) trim(l *line, where map[string]place) bool {
	for ; f.head < len(f.at); f.head++ {
		if l.has(f.at[f.head], where) {
			f.shrink()
			return true
		}
		f.at[f.head] = entry{}
	}
	f.at, f.head = nil, 0
	return false
}

// shrink gives back the room of those who were served, when it is the greater part.
func (f *fifo) shrink() {
	if f.head > 64 && f.head > len(f.at)/2 {
		f.at, f.head = append([]entry(nil), f.at[f.head:]...), 0
	}
}

func (f *fifo) compact(l *line, where map[string]place) {
	kept := make([]entry, 0, l.live)
	for _, e := range f.at[f.head:] {
		if l.has(e, where) {
			kept = append(kept, e)
		}
	}
	f.at, f.head = kept, 0
}

// key is by what a race is decided: the least is first.
type key struct{ virtual, seq uint64 }

func (k key) less(o key) bool {
	return k.virtual < o.virtual || (k.virtual == o.virtual && k.seq < o.seq)
}

// runner takes part in a race. Its key grows by itself; when it may have become less the race must be told.
type runner interface {
	key() key
	position() *int
}

// race is a heap of runners whose keys grow behind its back: it keeps the keys it knows, and looks again when one comes first.
type race[R runner] struct{ at []entrant[R] }

type entrant[R runner] struct {
	runner R
	known  key
}

// first returns the runner with the least key, the zero value if there is none.
func (r *race[R]) first() (none R) {
	for len(r.at) > 0 {
		top := &r.at[0]
		now := top.runner.key()
		if now == top.known {
			return top.runner
		}
		top.known = now
		heap.Fix(r, 0)
	}
	return none
}

func (r *race[R]) add(x R) { heap.Push(r, entrant[R]{x, x.key()}) }

// moved notes a runner's key, which may be less than it was, or adds the runner.
func (r *race[R]) moved(x R) {
	i := *x.position()
	if i >= len(r.at) || any(r.at[i].runner) != any(x) {
		r.add(x)
		return
	}
	r.at[i].known = x.key()
	heap.Fix(r, i)
}

func (r *race[R]) remove(x R) { heap.Remove(r, *x.position()) }

// The heap.Interface of a race.
func (r *race[R]) Len() int           { return len(r.at) }
func (r *race[R]) Less(i, j int) bool { return r.at[i].known.less(r.at[j].known) }

// Swap keeps the positions that runners know.
func (r *race[R]) Swap(i, j int) {
	r.at[i], r.at[j] = r.at[j], r.at[i]
	*r.at[i].runner.position(), *r.at[j].runner.position() = i, j
}

// Push appends x.
func (r *race[R]) Push(x any) {
	e := x.(entrant[R])
	*e.runner.position() = len(r.at)
	r.at = append(r.at, e)
}

// Pop removes the last runner.
func (r *race[R]) Pop() any {
	last := len(r.at) - 1
	e := r.at[last]
	r.at[last] = entrant[R]{}
	r.at = r.at[:last]
	return e
}
