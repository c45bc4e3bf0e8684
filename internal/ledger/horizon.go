package ledger

import (
	"slices"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

// HorizonKey names the record that says how far the network has forgotten.
var HorizonKey = Key{Horizon, "horizon"}

// HorizonState is the state of that record. Whoever knows Vector knows every write that anybody who counts may still lack; records that
// ended below it are let go. A horizon never goes back.
type HorizonState struct {
	Vector Vector        // the Meet of what every broker that counts knows durably
	At     vclock.Hybrid // the latest time that a job which it forgot was said to be made
	Data   vclock.Hybrid // the same of named data
}

// Merge implements State.
func (h HorizonState) Merge(o State) State {
	p := o.(HorizonState)
	h.Vector = h.Vector.Merge(p.Vector)
	if p.At.Compare(h.At) > 0 {
		h.At = p.At
	}
	if p.Data.Compare(h.Data) > 0 {
		h.Data = p.Data
	}
	return h
}

// Append implements State.
func (h HorizonState) Append(b []byte) []byte {
	return canon.AppendUint(h.Vector.Append(canon.AppendUint(b, h.At.Pack())), h.Data.Pack())
}

// DecodeHorizon returns the state whose canonical encoding is b.
func DecodeHorizon(b []byte) (HorizonState, error) {
	r := canon.NewReader(b)
	h := HorizonState{At: vclock.Unpack(r.Uint64()), Vector: Vector{canon.List(r, readDot)}}
	if r.More() { // else it was written before there was named data
		h.Data = vclock.Unpack(r.Uint64())
	}
	if err := r.Err(); err != nil {
		return HorizonState{}, err
	}
	if !h.Vector.wellFormed() {
		return HorizonState{}, canon.ErrMalformed
	}
	return h, nil
}

// Horizon returns the horizon that was applied here.
func (r *Replica) Horizon() Vector { return r.applied }

// RestoreHorizon restores what Horizon says after a start: what was let go stays refused, whatever the record says by now.
func (r *Replica) RestoreHorizon(applied Vector) { r.applied, r.passed = r.applied.Merge(applied), 0 }

// ApplyHorizon lets go of every record that has ended and whose writes the horizon covers, and returns their keys. It does nothing before
// this replica knows all that the horizon covers: only then is a record with writes below it complete here. Call it when the vector or
// the horizon moved.
func (r *Replica) ApplyHorizon() []Key {
	h, ok := r.horizon()
	if !ok || !r.Vector().CoversAll(h) {
		return nil
	}
	if !r.applied.CoversAll(h) {
		r.applied, r.passed = r.applied.Merge(h), 0
	}
	gone := r.passHorizon()
	for _, k := range gone {
		r.Drop(k)
	}
	return gone
}

// passHorizon takes the records that the applied horizon is past off the list of those that ended, and returns their keys. Records that
// the same horizon was not past before are not looked at again.
func (r *Replica) passHorizon() []Key {
	bounds := r.bounds(r.applied)
	var gone []Key
	left := slices.DeleteFunc(r.ended[r.passed:], func(c *cell) bool {
		v := c.version
		switch {
		case v == nil || !v.ended:
			return true
		case slices.ContainsFunc(v.writes, func(m mark) bool { return m.seq > bounds[m.origin] }):
			return false
		}
		gone = append(gone, v.key())
		return true
	})
	r.ended = r.ended[:r.passed+len(left)]
	r.passed = len(r.ended)
	return gone
}

// horizon returns the horizon that the record says.
func (r *Replica) horizon() (Vector, bool) {
	c := r.cell(HorizonKey)
	if c == nil {
		return Vector{}, false
	}
	h, ok := c.version.state.(HorizonState)
	return h.Vector, ok
}

// bounds returns the entries of v by number of the origin.
func (r *Replica) bounds(v Vector) []uint64 {
	out := make([]uint64, len(r.lines))
	for _, d := range v.dots {
		if id, ok := r.table.lookup(d.Origin); ok {
			out[id] = d.Seq
		}
	}
	return out
}

// Behind says whether a horizon came from elsewhere that this replica did not know all of: it was away too long, or is blank. What it holds may
// have been forgotten, and may lack the writes with which it ended; peers that are not behind tell it what to drop.
// If all are behind and have heard each other out, what the horizon covers beyond them is lost for ever: then they Adopt its vector, or nothing
// would be forgotten any more.
func (r *Replica) Behind() bool { return r.behind }

// SetBehind restores what Behind says after a start, and ends it once the replica was compared with one that is not behind, or with all.
func (r *Replica) SetBehind(behind bool) { r.behind = behind }

// noticeHorizon says of a record that came from elsewhere what it means for Behind. A delta has the horizon first, so this is decided before
// marks can hide what is missing.
func (r *Replica) noticeHorizon(rec Record) {
	if h, ok := rec.State.(HorizonState); ok && rec.Key == HorizonKey && !r.Vector().CoversAll(h.Vector) {
		r.behind = true
	}
}

// Forgotten hears that a peer that is not behind refused the record of key. If this replica is behind, or the record has ended, it is let go
// here too, and Forgotten says so. Otherwise this replica may have been away without knowing it yet, or the peer lost the record: the horizon
// or the audit will tell, and until then it stays.
func (r *Replica) Forgotten(key Key) bool {
	c := r.cell(key)
	if c == nil || (!r.behind && !c.version.ended) {
		return false
	}
	r.Drop(key)
	return true
}

// Lost lets go of the record of key, or notes that it is not here, because its bytes are damaged. A peer's delta may bring it again even
// if the horizon covers it. Nothing should be written to it before that.
func (r *Replica) Lost(key Key) {
	r.Drop(key)
	r.awaited[key] = true
}
