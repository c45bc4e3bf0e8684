package ledger

import (
	"cmp"
	"fmt"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Kind is what a record is about.
type Kind uint8

// The kinds of records. New ones are added at the end.
const (
	Job Kind = iota + 1
	Node
	Broker
	Forget
	Horizon
	Data      // named data
	Store     // a datastore
	Emergency // an emergency that was declared
)

// Key names a record. A key that was forgotten is never written again.
type Key struct {
	Kind Kind
	ID   string
}

func (k Key) compare(l Key) int { return cmp.Or(cmp.Compare(k.Kind, l.Kind), cmp.Compare(k.ID, l.ID)) }

// State is what a record says. Merge is commutative, associative and idempotent; equal states have equal encodings. Treat it as immutable.
//
// A state may have a method Ended() bool that says whether nothing will be written to the record any more, so that it may be forgotten
// once everybody knows; and a method Names() []Key that gives the records which its creation named: they travel before it, and enter the
// urgent lane with it.
type State interface {
	Merge(State) State
	Append([]byte) []byte
}

type ender interface{ Ended() bool }

type namer interface{ Names() []Key }

// Decoder turns the canonical encoding of a state of some kind back into the state.
type Decoder func(Kind, []byte) (State, error)

// Record is one replicated record. Treat it as immutable.
type Record struct {
	Key       Key
	Created   Dot           // the write that made it; of several the one with the least time, then dot
	CreatedAt vclock.Hybrid // the hybrid time of that write
	Writes    Vector        // the newest write of each origin that is in State
	State     State
}

// Merge returns the join of two versions of one record.
func (r Record) Merge(o Record) Record {
	m := r
	if c := o.CreatedAt.Compare(r.CreatedAt); c < 0 || (c == 0 && o.Created.compare(r.Created) < 0) {
		m.Created, m.CreatedAt = o.Created, o.CreatedAt
	}
	m.Writes = r.Writes.Merge(o.Writes)
	m.State = r.State.Merge(o.State)
	return m
}

// Append appends the canonical encoding of r to b.
func (r Record) Append(b []byte) []byte {
	b = canon.AppendString(canon.AppendUint(b, r.Key.Kind), r.Key.ID)
	b = appendDot(b, r.Created)
	b = canon.AppendUint(canon.AppendUint(b, uint64(r.CreatedAt.Wall)), r.CreatedAt.Logical)
	b = r.Writes.Append(b)
	return canon.AppendString(b, r.State.Append(nil))
}

// DecodeRecord returns the record whose canonical encoding is b.
func DecodeRecord(b []byte, decode Decoder) (Record, error) {
	r := canon.NewReader(b)
	rec := Record{Key: Key{Kind(r.Byte()), r.String()}, Created: readDot(r)}
	rec.CreatedAt = vclock.Hybrid{Wall: int64(r.Uint(63)), Logical: r.Uint32()}
	rec.Writes = Vector{canon.List(r, readDot)}
	state := r.Bytes()
	if err := r.Err(); err != nil {
		return Record{}, fmt.Errorf("ledger record: %w", err)
	}
	if err := rec.check(); err != nil {
		return Record{}, err
	}
	var err error
	if rec.State, err = decode(rec.Key.Kind, state); err != nil {
		return Record{}, fmt.Errorf("ledger record %s: %w", rec.Key.ID, err)
	}
	return rec, nil
}

// check refuses what no replica writes, and what marks could not be computed from.
func (r Record) check() error {
	switch {
	case vclock.Unpack(r.CreatedAt.Pack()) != r.CreatedAt:
		return fmt.Errorf("ledger record %s: time of creation: %w", r.Key.ID, canon.ErrMalformed)
	case r.Created.Seq == 0 || !r.Writes.wellFormed() || !r.Writes.Covers(r.Created):
		return fmt.Errorf("ledger record %s: writes: %w", r.Key.ID, canon.ErrMalformed)
	}
	return nil
}
