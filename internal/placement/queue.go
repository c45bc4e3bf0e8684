package placement

import (
	"cmp"
	"slices"
	"time"
)

// Queue is the order in which jobs wait (PLACE-2).
//
//	band    the jobs of one priority, those that belong to an emergency and the others apart: greater priorities go first
//	 rack   those of them with equal constraints: a job that nobody can take holds up only its like
//	  line  those of them of one submitter: whoever received the least service goes next
//
// Within a line it is first come, first served, but that jobs which were started before, and lost their executor, go before those that were not. Of the
// lines of one submitter whoever's first job came first goes first, so that what only few executors can take does not wait for all that any can.
//
// A band of which nothing starts while others do ages: it counts as of one priority more for each AgingStarts starts, and again as what it is
// when one of it starts. So of two bands d apart the lesser one has at least one of d×AgingStarts+1 starts, and no job waits for ever. Ageing counts
// starts and not time: where slots are free once an hour an hour is no reason to turn the order round.
//
// Within a band submitters share fairly by start-time fair queueing: each has a virtual time, which the service it received moves on, and a submitter
// that had nothing to do for a while comes in at the virtual time of now, and not with what it did not use.
//
// Add, Remove and the choice of the next job cost O(log n) in the number of submitters, O(1) in the length of a line, and a call of Take O(log m) for
// each of the m different constraints. The zero value is not ready: see NewQueue.
type Queue struct {
	where   map[string]place
	classes map[string]*class
	bands   [2][maxPriority + 1]*band
	open    []*band // those with jobs, or with places that jobs have left
	level   uint8
	weights map[string]uint64
	seq     uint64
	starts  uint64
	round   uint64 // of Take
}

// The levels of an emergency.
const (
	NoEmergency uint8 = iota
	Low               // emergency jobs count as of HeadStart priorities more, and go before equals
	Medium            // emergency jobs go before all others
	High              // only emergency jobs start
	Critical          // as high; what runs of the others makes room
)

const (
	maxPriority = 100
	// HeadStart is what an emergency of a low level adds to the priority of its jobs.
	HeadStart = 10
	// AgingStarts is how many others start before a band that waits counts as of one priority more.
	AgingStarts = 4
	// HeldBack is why other jobs wait in an emergency of a high level.
	HeldBack = "only emergency jobs start"
	// firstGuess is what a start counts as until it is known how long programs of its like take.
	firstGuess = time.Second
)

// Waiting is a job in the queue.
type Waiting struct {
	ID        string
	Priority  uint8
	Submitter string // on whose account it runs
	Emergency bool   // it belongs to an emergency
	Again     bool   // it was started before
	// Demand is what it asks for. Of a job that is offered it is the constraints only: what merely ranks executors is not kept.
	Demand Demand
	Charge time.Duration // of a job that is offered: what its start counts as, until it is corrected
}

// Account names whose share of what a job's service counts against.
func (w *Waiting) Account() Account { return Account{w.Submitter, w.Priority, w.Emergency} }

// Account is a submitter's share of a band.
type Account struct {
	Submitter string
	Priority  uint8
	Emergency bool
}

// NewQueue returns an empty queue.
func NewQueue() *Queue {
	return &Queue{where: map[string]place{}, classes: map[string]*class{}, weights: map[string]uint64{}}
}

// place is where a job waits. A place in a line that is not the job's any more is passed over.
type place struct {
	line *line
	seq  uint64
}

// class is what jobs with equal constraints have in common.
type class struct {
	signature string
	demand    Demand
	racks     int
	refused   uint64 // the round of Take in which one of it found no place
}

// Has says whether a job waits.
func (q *Queue) Has(id string) bool {
	_, ok := q.where[id]
	return ok
}

// Len returns the number of jobs that wait.
func (q *Queue) Len() int { return len(q.where) }

// SetLevel says how grave the gravest emergency in force is.
func (q *Queue) SetLevel(level uint8) { q.level = level }

// Level returns how grave the gravest emergency in force is.
func (q *Queue) Level() uint8 { return q.level }

// Held says whether a job waits for the end of an emergency, with the reason HeldBack.
func (q *Queue) Held(w Waiting) bool { return q.level >= High && !w.Emergency }

// SetWeight says how many parts a submitter gets where others get one. It counts from the submitter's next start on.
func (q *Queue) SetWeight(submitter string, weight uint32) {
	q.weights[submitter] = max(1, uint64(weight))
}

// Add puts a job at the end of its line. A job that already waits keeps its place.
func (q *Queue) Add(w Waiting) {
	if _, ok := q.where[w.ID]; ok {
		return
	}
	l := q.lineFor(&w)
	q.seq++
	q.where[w.ID] = place{l, q.seq}
	l.push(entry{w.ID, q.seq}, w.Again)
}

func (q *Queue) lineFor(w *Waiting) *line {
	b := q.band(w.Emergency, w.Priority)
	r := b.rackFor(q.class(w.Demand))
	if l, ok := r.bySubmitter[w.Submitter]; ok {
		return l
	}
	if b.lines == 0 { // it begins to wait now
		b.since = q.starts
		if !slices.Contains(q.open, b) {
			q.open = append(q.open, b)
		}
	}
	b.lines++
	q.seq++
	l := &line{rack: r, share: b.enter(w.Submitter), submitter: w.Submitter, seq: q.seq}
	r.bySubmitter[w.Submitter] = l
	r.lines.add(l)
	if !r.out {
		b.racks.moved(r)
	}
	return l
}

func (q *Queue) class(d Demand) *class {
	s := d.signature()
	c, ok := q.classes[s]
	if !ok {
		c = &class{signature: s, demand: d.constraints()}
		q.classes[s] = c
	}
	return c
}

func (q *Queue) band(emergency bool, priority uint8) *band {
	at := &q.bands[0]
	if emergency {
		at = &q.bands[1]
	}
	p := min(priority, maxPriority)
	if at[p] == nil {
		at[p] = &band{emergency: emergency, priority: p, byClass: map[*class]*rack{}, shares: map[string]*share{}}
	}
	return at[p]
}

// Remove takes a job out, wherever it stands. It costs O(1), now and then a pass over its line.
func (q *Queue) Remove(id string) {
	if p, ok := q.where[id]; ok {
		delete(q.where, id)
		p.line.left(q.where)
	}
}

// Take offers jobs in their order to place until place has refused one of every kind of constraints. A job for which place returns true leaves the
// queue, and its start is charged to its submitter. Place may Add jobs, and must not Take.
func (q *Queue) Take(place func(Waiting) bool) {
	q.round++
	for b := q.next(); b != nil; b = q.next() {
		l := b.first(q)
		if l == nil {
			continue // nothing of it is left to offer
		}
		e := l.peek()
		w := Waiting{
			ID: e.id, Priority: b.priority, Submitter: l.submitter, Emergency: b.emergency, Again: l.again(), Demand: l.rack.class.demand, Charge: b.guess(l.share),
		}
		if !place(w) {
			l.rack.class.refused = q.round
			continue
		}
		if p, ok := q.where[e.id]; ok && p.line == l && p.seq == e.seq {
			delete(q.where, e.id)
			l.left(q.where)
		}
		q.started(b, l, w.Charge)
	}
	for _, b := range q.open {
		b.reopen()
	}
	q.tidy()
}

// Ahead calls visit for about the next n jobs, without taking any.
func (q *Queue) Ahead(n int, visit func(id string)) {
	bands := slices.DeleteFunc(slices.Clone(q.open), func(b *band) bool { return q.level >= High && !b.emergency })
	slices.SortFunc(bands, func(a, b *band) int { return compareBool(q.before(b, a), q.before(a, b)) })
	for _, b := range bands {
		for _, r := range b.racks.at {
			for _, l := range r.runner.lines.at {
				n = l.runner.ahead(n, q.where, visit)
			}
		}
	}
}

// started keeps the books of a start.
func (q *Queue) started(b *band, l *line, charge time.Duration) {
	q.starts++
	b.since = q.starts
	b.virtual = max(b.virtual, l.share.virtual)
	l.share.charge(charge, q.weight(l.submitter))
	l.seq = max(l.seq, l.came(q.where))
}

// next returns the band whose turn it is.
func (q *Queue) next() *band {
	var best *band
	for _, b := range q.open {
		if b.lines > 0 && len(b.racks.at) > 0 && (q.level < High || b.emergency) && (best == nil || q.before(b, best)) {
			best = b
		}
	}
	return best
}

// before says whether the jobs of a go before those of b: in an emergency its own, then by priority and age, and at last what waited longer.
func (q *Queue) before(a, b *band) bool {
	if q.level >= Medium && a.emergency != b.emergency {
		return a.emergency
	}
	return cmp.Or(
		cmp.Compare(q.rank(a), q.rank(b)),
		compareBool(q.level == Low && a.emergency, q.level == Low && b.emergency),
		cmp.Compare(b.since, a.since),
		compareBool(a.emergency, b.emergency),
	) > 0
}

// rank is what a band counts as.
func (q *Queue) rank(b *band) uint64 {
	r := uint64(b.priority) + (q.starts-b.since)/AgingStarts
	if q.level == Low && b.emergency {
		r += HeadStart
	}
	return r
}

// Charge adds to the service that an account received, or takes back what was charged too much.
func (q *Queue) Charge(a Account, d time.Duration) {
	if s := q.share(a); s != nil {
		s.charge(d, q.weight(a.Submitter))
	}
}

// Took says how long a program of an account held its slot, so that the next start is charged about that.
func (q *Queue) Took(a Account, d time.Duration) {
	if s := q.share(a); s != nil {
		b := q.band(a.Emergency, a.Priority)
		s.mean, b.mean = average(s.mean, d), average(b.mean, d)
	}
}

func (q *Queue) share(a Account) *share { return q.band(a.Emergency, a.Priority).shares[a.Submitter] }

func (q *Queue) weight(submitter string) uint64 { return max(1, q.weights[submitter]) }

// tidy forgets what no job waits for any more.
func (q *Queue) tidy() {
	q.open = slices.DeleteFunc(q.open, func(b *band) bool { return b.lines == 0 })
}

func average(mean, d time.Duration) time.Duration {
	if mean == 0 {
		return max(d, 1)
	}
	return max(1, mean+(d-mean)/8)
}
