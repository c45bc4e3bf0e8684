package ledger

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"github.com/urbancompute/ucp/internal/vclock"
)

// Replica is one broker's copy of the ledger. It is a plain value with methods; its owner keeps it to one goroutine.
type Replica struct {
	self    Origin // the lane is set per write
	records map[Key]Record
	vector  Vector
	logs    map[Origin]*log
}

// New returns an empty replica that writes as the given journal and incarnation.
func New(journal string, incarnation uint64) *Replica {
	return &Replica{
		self:    Origin{Journal: journal, Incarnation: incarnation},
		records: map[Key]Record{},
		logs:    map[Origin]*log{},
	}
}

// Put writes state into the record of key, merging it with what is there, and returns the record. Now is the hybrid time of the write.
func (r *Replica) Put(lane Lane, key Key, state State, now vclock.Hybrid) Record {
	origin := r.self
	origin.Lane = lane
	d := Dot{origin, r.vector.Seq(origin) + 1}
	rec := Record{Key: key, Created: d, CreatedAt: now, Writes: Vector{[]Dot{d}}, State: state}
	if old, ok := r.records[key]; ok {
		rec = old.Merge(rec)
	}
	r.store(rec, []Dot{d})
	r.vector = r.vector.With(d)
	return rec
}

// Merge takes in a record from elsewhere and says whether it taught this replica anything. The vector is untouched: see Adopt.
func (r *Replica) Merge(rec Record) (Record, bool) {
	old, ok := r.records[rec.Key]
	switch {
	case ok && old.Writes.CoversAll(rec.Writes):
		return old, false
	case !ok && r.vector.CoversAll(rec.Writes):
		return rec, false // forgotten here: every write in it was known once
	case ok:
		rec = old.Merge(rec)
	}
	r.store(rec, rec.Writes.dots)
	return rec, true
}

// store replaces the record by a newer version of it and notes the writes that came with it.
func (r *Replica) store(rec Record, writes []Dot) {
	old := r.records[rec.Key]
	r.records[rec.Key] = rec
	for _, d := range writes {
		l := r.log(d.Origin)
		l.add(d.Seq, rec.Key)
		if was := old.Writes.Seq(d.Origin); was != 0 && was != d.Seq {
			l.stale++
			r.compact(d.Origin)
		}
	}
}

// Adopt takes over v as known. The caller must have merged every record that v covers and this replica lacked.
func (r *Replica) Adopt(v Vector) { r.vector = r.vector.Merge(v) }

// Vector says what this replica knows.
func (r *Replica) Vector() Vector { return r.vector }

// Get returns the record of key.
func (r *Replica) Get(key Key) (Record, bool) {
	rec, ok := r.records[key]
	return rec, ok
}

// Len returns the number of records.
func (r *Replica) Len() int { return len(r.records) }

// All yields every record of a kind, in no order.
func (r *Replica) All(kind Kind) iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for k, rec := range r.records {
			if k.Kind == kind && !yield(rec) {
				return
			}
		}
	}
}

// Forget drops the record of key. Its dots stay known, so it does not come back.
func (r *Replica) Forget(key Key) {
	rec, ok := r.records[key]
	if !ok {
		return
	}
	delete(r.records, key)
	for _, d := range rec.Writes.dots {
		r.log(d.Origin).stale++
		r.compact(d.Origin)
	}
}

// Delta returns the records with writes that since does not cover, each in its newest state, in the order of their creation.
func (r *Replica) Delta(since Vector) []Record {
	missing := map[Key]Record{}
	for o, l := range r.logs {
		for _, e := range l.after(since.Seq(o)) {
			if rec, ok := r.records[e.key]; ok && rec.Writes.Seq(o) >= e.seq {
				missing[e.key] = rec
			}
		}
	}
	recs := slices.Collect(maps.Values(missing))
	sortByCreation(recs)
	return recs
}

func (r *Replica) log(o Origin) *log {
	l, ok := r.logs[o]
	if !ok {
		l = &log{}
		r.logs[o] = l
	}
	return l
}

// compact drops the entries of a log that name writes overwritten or forgotten, once they are the larger part of it.
func (r *Replica) compact(o Origin) {
	l := r.logs[o]
	if l.stale < minCompact || 2*l.stale < len(l.entries) {
		return
	}
	l.stale = 0
	l.entries = slices.DeleteFunc(l.entries, func(e entry) bool {
		rec, ok := r.records[e.key]
		return !ok || rec.Writes.Seq(o) != e.seq
	})
}

// minCompact keeps small logs from being compacted again and again.
const minCompact = 256

// log lists the writes of one origin by seq, so that a delta costs what is missing and not what is there.
type log struct {
	entries []entry // sorted by seq
	stale   int     // entries whose record was overwritten or forgotten since the last compaction, or more
}

type entry struct {
	seq uint64
	key Key
}

func (l *log) add(seq uint64, key Key) {
	i := len(l.entries)
	if i > 0 && l.entries[i-1].seq >= seq {
		var found bool
		if i, found = l.find(seq); found {
			return
		}
	}
	l.entries = slices.Insert(l.entries, i, entry{seq, key})
}

func (l *log) after(seq uint64) []entry {
	i, found := l.find(seq)
	if found {
		i++
	}
	return l.entries[i:]
}

func (l *log) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(l.entries, seq, func(e entry, seq uint64) int { return cmp.Compare(e.seq, seq) })
}
