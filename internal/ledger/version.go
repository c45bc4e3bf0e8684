package ledger

import (
	"slices"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

// cell is the place of a record in a replica. Logs point to it.
type cell struct {
	version *version // nil: the record is gone
	plan    uint64   // the delta being planned that is still to list it
}

// version is a record as a replica keeps it: 96 bytes, and 16 a write. It never changes: a write makes another.
type version struct {
	id      string
	state   State
	at      uint64 // packed hybrid time of the creation
	sum     uint64 // of the canonical encoding
	created uint64 // seq of the creation
	writes  []mark // sorted as in a Vector
	creator uint32 // origin of the creation
	size    uint32 // about what it takes in a batch
	kind    Kind
	ended   bool
}

// mark is a dot whose origin is an index into the table of the replica.
type mark struct {
	seq    uint64
	origin uint32
}

func (v *version) key() Key { return Key{v.kind, v.id} }

// seq returns the newest write of an origin to the record, 0 for none.
func (v *version) seq(origin uint32) uint64 {
	for _, m := range v.writes {
		if m.origin == origin {
			return m.seq
		}
	}
	return 0
}

// record returns v as others see it.
func (v *version) record(names []Origin) Record {
	dots := make([]Dot, len(v.writes))
	for i, m := range v.writes {
		dots[i] = Dot{names[m.origin], m.seq}
	}
	return Record{
		Key:       v.key(),
		Created:   Dot{names[v.creator], v.created},
		CreatedAt: vclock.Unpack(v.at),
		Writes:    Vector{dots},
		State:     v.state,
	}
}

// encode appends what Record.Append of v's record appends, and returns the length of the state in it.
func (v *version) encode(b []byte, names []Origin) ([]byte, int) {
	at := vclock.Unpack(v.at)
	b = canon.AppendString(canon.AppendUint(b, v.kind), v.id)
	b = appendDot(b, Dot{names[v.creator], v.created})
	b = canon.AppendUint(canon.AppendUint(b, uint64(at.Wall)), at.Logical)
	b = canon.AppendUint(b, uint64(len(v.writes)))
	for _, m := range v.writes {
		b = appendDot(b, Dot{names[m.origin], m.seq})
	}
	start := len(b)
	b = v.state.Append(b)
	state := len(b) - start
	// The length goes before the state: it is appended behind, and the two change places.
	b = canon.AppendUint(b, uint64(state))
	return rotate(b, start, start+state), state
}

// rotate moves the few bytes from mid on to before start.
func rotate(b []byte, start, mid int) []byte {
	var few [10]byte
	n := copy(few[:], b[mid:])
	copy(b[start+n:], b[start:mid])
	copy(b[start:], few[:n])
	return b
}

// table gives origins numbers, so that a record names them in four bytes. It only grows.
type table struct {
	names []Origin
	ids   map[Origin]uint32
	order []uint32 // all, sorted by name
	last  uint32   // the one asked for last: the next is mostly the same
}

// lookup returns the number of an origin, if it has one.
func (t *table) lookup(o Origin) (uint32, bool) {
	if int(t.last) < len(t.names) && t.names[t.last] == o {
		return t.last, true
	}
	id, ok := t.ids[o]
	if ok {
		t.last = id
	}
	return id, ok
}

func (t *table) add(o Origin) uint32 {
	id := uint32(len(t.names)) //nolint:gosec // there are far fewer journals
	t.names = append(t.names, o)
	t.ids[o] = id
	i, _ := slices.BinarySearchFunc(t.order, o, func(id uint32, o Origin) int { return t.names[id].Compare(o) })
	t.order = slices.Insert(t.order, i, id)
	return id
}

// covers says whether a has all of b.
func covers(a *version, b []mark) bool {
	return !slices.ContainsFunc(b, func(m mark) bool { return a.seq(m.origin) < m.seq })
}

// join returns the newest of each origin's writes in a and b. It may change b.
func (t *table) join(a, b []mark) []mark {
	if len(a) == 1 && len(b) == 1 && a[0].origin == b[0].origin {
		b[0].seq = max(a[0].seq, b[0].seq)
		return b
	}
	out := make([]mark, 0, max(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		switch x, y := a[0], b[0]; {
		case x.origin == y.origin:
			out = append(out, mark{max(x.seq, y.seq), x.origin})
			a, b = a[1:], b[1:]
		case t.names[x.origin].Compare(t.names[y.origin]) < 0:
			out, a = append(out, x), a[1:]
		default:
			out, b = append(out, y), b[1:]
		}
	}
	return append(append(out, a...), b...)
}
