package ledger

import (
	"iter"

	"github.com/urbancompute/ucp/internal/mutant"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Replica is one broker's copy of the ledger. It is a plain value with methods; its owner keeps it to one goroutine.
type Replica struct {
	self   Origin // the lane is set per write
	table  table
	lines  []line // by number of the origin
	vector Vector // nil dots: to be built anew from lines

	shelves map[Kind]*shelf
	count   int
	sums    [Ranges]uint64
	root    uint64
	scratch []byte
	plans   uint64 // deltas planned so far

	applied  Vector // the horizon up to which records were let go
	behind   bool
	ended    []*cell      // records that may be let go once the horizon is past them
	passed   int          // so many of them the applied horizon is not past
	awaited  map[Key]bool // lost records that peers are to bring again
	outdated bool         // vector is to be built anew
}

// New returns an empty replica that writes as the given journal and incarnation.
func New(journal string, incarnation uint64) *Replica {
	return &Replica{
		self:    Origin{Journal: journal, Incarnation: incarnation},
		table:   table{ids: map[Origin]uint32{}},
		shelves: map[Kind]*shelf{},
		awaited: map[Key]bool{},
	}
}

// Rename makes the replica write as another journal or incarnation from now on. All it knows stays.
func (r *Replica) Rename(journal string, incarnation uint64) {
	r.self = Origin{Journal: journal, Incarnation: incarnation}
}

// Put writes state into the record of key, merging it with what is there, and returns the record. Now is the hybrid time of the write.
func (r *Replica) Put(lane Lane, key Key, state State, now vclock.Hybrid) Record {
	origin := r.self
	origin.Lane = lane
	id := r.origin(origin)
	seq := r.lines[id].next()
	r.outdated = true
	v := &version{
		id: key.ID, kind: key.Kind, state: state,
		at: now.Pack(), creator: id, created: seq, writes: []mark{{seq, id}},
	}
	return r.store(v).record(r.table.names)
}

// Outcome says what became of a record that came from elsewhere.
type Outcome uint8

// The outcomes.
const (
	Known   Outcome = iota // nothing in it was new
	Taken                  // it taught this replica something
	Refused                // it was forgotten here: its sender is to be told, see Forgotten
)

// Merge takes in a record from elsewhere, and returns what is here now. The vector is untouched: see TakeMarks.
//
// A record that is absent here although the applied horizon covers its creation was forgotten and is refused. With repair, for records that
// the audit found lacking or different, it is taken unless it has ended, and states are merged whatever the writes say. What one that is
// behind holds is no repair for one that is not.
func (r *Replica) Merge(rec Record, repair bool) (Record, Outcome) {
	c := r.cell(rec.Key)
	switch {
	case c == nil && r.forgot(rec, repair || r.awaited[rec.Key]):
		r.hearOwn(Vector{}.With(rec.Created).Merge(rec.Writes))
		return rec, Refused
	case c == nil:
		delete(r.awaited, rec.Key)
		r.store(r.version(rec))
	default:
		v := r.version(rec)
		if !repair && covers(c.version, v.writes) {
			return c.version.record(r.table.names), Known
		}
		was := c.version.sum
		v = r.store(v)
		rec = v.record(r.table.names)
		if v.sum == was {
			return rec, Known
		}
	}
	r.noticeHorizon(rec)
	return rec, Taken
}

// forgot says whether a record that is not here was forgotten. By its writes it could as well have been lost; but what has ended nobody needs.
func (r *Replica) forgot(rec Record, lost bool) bool {
	return !mutant.On(mutant.ForgottenComesBack) && r.applied.Covers(rec.Created) && (!lost || hasEnded(rec.State))
}

func hasEnded(s State) bool {
	e, ok := s.(ender)
	return ok && e.Ended()
}

// Restore takes in a record from this broker's own disk.
func (r *Replica) Restore(rec Record) { r.store(r.version(rec)) }

// version returns a record from elsewhere as it is kept here.
func (r *Replica) version(rec Record) *version {
	v := &version{id: rec.Key.ID, kind: rec.Key.Kind, state: rec.State, at: rec.CreatedAt.Pack(), created: rec.Created.Seq}
	v.creator = r.origin(rec.Created.Origin)
	v.writes = make([]mark, len(rec.Writes.dots))
	for i, d := range rec.Writes.dots {
		id := r.origin(d.Origin)
		r.lines[id].hear(d.Seq)
		v.writes[i] = mark{d.Seq, id}
	}
	return v
}

// origin returns the number of an origin.
func (r *Replica) origin(o Origin) uint32 {
	id, ok := r.table.lookup(o)
	if !ok {
		id = r.table.add(o)
		r.lines = append(r.lines, line{})
	}
	return id
}

// store makes v, which nobody has seen yet, the join with what is there of its record, notes the writes that are new and returns it.
func (r *Replica) store(v *version) *version {
	c := r.cell(v.key())
	if c == nil {
		c = r.shelve(v)
	}
	old := c.version
	if old != nil {
		r.join(old, v)
		r.discount(old)
	}
	r.seal(v)
	c.version = v
	r.sum(v)
	if v.ended && (old == nil || !old.ended) {
		r.ended = append(r.ended, c)
	}
	for _, m := range v.writes {
		r.noteWrite(c, old, m)
	}
	return v
}

// noteWrite lists a write of the record in c, unless it was listed for the old version.
func (r *Replica) noteWrite(c *cell, old *version, m mark) {
	was := uint64(0)
	if old != nil {
		was = old.seq(m.origin)
	}
	if was == m.seq {
		return
	}
	l := &r.lines[m.origin].log
	l.add(m.seq, c)
	if was != 0 {
		l.died(m.origin)
	}
}

// join makes v, which nobody has seen yet, the join of itself and an older version of its record.
func (r *Replica) join(old, v *version) {
	names := r.table.names
	if old.at < v.at || (old.at == v.at && Dot{names[old.creator], old.created}.compare(Dot{names[v.creator], v.created}) < 0) {
		v.at, v.creator, v.created = old.at, old.creator, old.created
	}
	v.id = old.id // one string a record is enough
	v.writes = r.table.join(old.writes, v.writes)
	v.state = old.state.Merge(v.state)
}

// seal computes what is kept beside a version to spare computing it again.
func (r *Replica) seal(v *version) {
	b, state := v.encode(r.scratch[:0], r.table.names)
	r.scratch = b
	v.sum = sum64(0, b)
	v.size = uint32(min(len(v.id)+state+perRecord+perWrite*len(v.writes), 1<<31)) //nolint:gosec // it is bounded
	v.ended = hasEnded(v.state)
}

// What the metadata of a record and of one of its writes take in a batch at most, nearly always.
const (
	perRecord = 16
	perWrite  = 8
)

// Get returns the record of key.
func (r *Replica) Get(key Key) (Record, bool) {
	c := r.cell(key)
	if c == nil {
		return Record{}, false
	}
	return c.version.record(r.table.names), true
}

// Len returns the number of records.
func (r *Replica) Len() int { return r.count }

// All yields every record of a kind, in no order. The replica must not change meanwhile.
func (r *Replica) All(kind Kind) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		s := r.shelves[kind]
		if s == nil {
			return
		}
		for _, cells := range s {
			for _, c := range cells {
				if !yield(c.version.record(r.table.names)) {
					return
				}
			}
		}
	}
}

// Drop lets go of the record of key, which a peer that is not behind has forgotten. Its dots stay known.
func (r *Replica) Drop(key Key) {
	delete(r.awaited, key)
	c := r.cell(key)
	if c == nil {
		return
	}
	v := c.version
	r.unshelve(v)
	c.version = nil
	for _, m := range v.writes {
		r.lines[m.origin].log.died(m.origin)
	}
}
