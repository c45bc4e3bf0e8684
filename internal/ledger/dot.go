package ledger

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/urbancompute/ucp/internal/canon"
)

// Lane is one of the two independent sequences of an origin's writes; urgent ones go first everywhere.
type Lane uint8

// The lanes.
const (
	Urgent Lane = iota + 1
	Normal
)

// Origin names a sequence of writes: a journal in one incarnation of its node, and a lane.
type Origin struct {
	Journal     string
	Incarnation uint64
	Lane        Lane
}

// Compare orders origins by journal, incarnation and lane.
func (o Origin) Compare(p Origin) int {
	return cmp.Or(cmp.Compare(o.Journal, p.Journal), cmp.Compare(o.Incarnation, p.Incarnation), cmp.Compare(o.Lane, p.Lane))
}

// Dot names one write: the Seq-th of its origin, counting from 1.
type Dot struct {
	Origin
	Seq uint64
}

// Vector says, per origin, up to which seq no write is missing. The zero value knows nothing. Treat it as immutable.
type Vector struct{ dots []Dot } // sorted by origin, one an origin

// Seq returns the greatest seq of o that v covers, 0 for none.
func (v Vector) Seq(o Origin) uint64 {
	if i, ok := v.find(o); ok {
		return v.dots[i].Seq
	}
	return 0
}

// Covers says whether v includes d.
func (v Vector) Covers(d Dot) bool { return d.Seq <= v.Seq(d.Origin) }

// CoversAll says whether v includes all of w.
func (v Vector) CoversAll(w Vector) bool {
	return !slices.ContainsFunc(w.dots, func(d Dot) bool { return !v.Covers(d) })
}

// With returns v with everything of d's origin up to d.
func (v Vector) With(d Dot) Vector {
	i, ok := v.find(d.Origin)
	switch {
	case ok && v.dots[i].Seq >= d.Seq:
		return v
	case ok:
		dots := slices.Clone(v.dots)
		dots[i].Seq = d.Seq
		return Vector{dots}
	}
	return Vector{slices.Insert(slices.Clone(v.dots), i, d)}
}

// Merge returns what v or w covers.
func (v Vector) Merge(w Vector) Vector {
	for _, d := range w.dots {
		v = v.With(d)
	}
	return v
}

// Dots returns the last covered dot of each origin, sorted. Do not change it.
func (v Vector) Dots() []Dot { return v.dots }

func (v Vector) find(o Origin) (int, bool) {
	return slices.BinarySearchFunc(v.dots, o, func(d Dot, o Origin) int { return d.Origin.Compare(o) })
}

// Append appends the canonical encoding of v to b.
func (v Vector) Append(b []byte) []byte { return canon.AppendList(b, v.dots, appendDot) }

// Hash returns a 64-bit digest: equal vectors have equal ones.
func (v Vector) Hash() uint64 {
	h := fnv.New64a()
	_, _ = h.Write(v.Append(nil)) // a hash never fails
	return h.Sum64()
}

// DecodeVector returns the vector whose canonical encoding is b.
func DecodeVector(b []byte) (Vector, error) {
	r := canon.NewReader(b)
	v := Vector{canon.List(r, readDot)}
	if err := r.Err(); err != nil {
		return Vector{}, err
	}
	if !slices.IsSortedFunc(v.dots, func(a, b Dot) int { return max(a.Origin.Compare(b.Origin), -1) }) {
		return Vector{}, canon.ErrMalformed
	}
	return v, nil
}

func appendDot(b []byte, d Dot) []byte {
	b = canon.AppendUint(canon.AppendString(b, d.Journal), d.Incarnation)
	return canon.AppendUint(canon.AppendUint(b, d.Lane), d.Seq)
}

func readDot(r *canon.Reader) Dot {
	return Dot{Origin{r.String(), r.Uint64(), Lane(r.Byte())}, r.Uint64()}
}
