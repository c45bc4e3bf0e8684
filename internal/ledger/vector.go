package ledger

import (
	"slices"

	"github.com/urbancompute/ucp/internal/canon"
)

// Vector says, per origin, up to which seq no write is missing. The zero value knows nothing. Treat it as immutable.
type Vector struct{ dots []Dot } // sorted by origin, one an origin, no seq is 0

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
	case d.Seq == 0 || (ok && v.dots[i].Seq >= d.Seq):
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
	if v.CoversAll(w) {
		return v
	}
	dots := make([]Dot, 0, len(v.dots)+len(w.dots))
	for a, b := v.dots, w.dots; len(a) > 0 || len(b) > 0; {
		order := compareHeads(a, b)
		switch {
		case order < 0:
			dots, a = append(dots, a[0]), a[1:]
		case order > 0:
			dots, b = append(dots, b[0]), b[1:]
		default:
			dots = append(dots, Dot{a[0].Origin, max(a[0].Seq, b[0].Seq)})
			a, b = a[1:], b[1:]
		}
	}
	return Vector{dots}
}

// compareHeads says of which of two lists, not both empty, the first dot comes first.
func compareHeads(a, b []Dot) int {
	switch {
	case len(b) == 0:
		return -1
	case len(a) == 0:
		return 1
	}
	return a[0].Origin.Compare(b[0].Origin)
}

// Meet returns what both v and w cover.
func (v Vector) Meet(w Vector) Vector {
	var dots []Dot
	for _, d := range v.dots {
		if d.Seq = min(d.Seq, w.Seq(d.Origin)); d.Seq > 0 {
			dots = append(dots, d)
		}
	}
	return Vector{dots}
}

// Of returns what v says of the writes of one journal.
func (v Vector) Of(journal string) Vector {
	var dots []Dot
	for _, d := range v.dots {
		if d.Journal == journal {
			dots = append(dots, d)
		}
	}
	return Vector{dots}
}

// Dots returns the last covered dot of each origin, sorted. Do not change it.
func (v Vector) Dots() []Dot { return v.dots }

func (v Vector) find(o Origin) (int, bool) {
	return slices.BinarySearchFunc(v.dots, o, func(d Dot, o Origin) int { return d.Origin.Compare(o) })
}

// Append appends the canonical encoding of v to b.
func (v Vector) Append(b []byte) []byte { return canon.AppendList(b, v.dots, appendDot) }

// Hash returns a 64-bit digest: equal vectors have equal ones.
func (v Vector) Hash() uint64 { return sum64(0, v.Append(nil)) }

// DecodeVector returns the vector whose canonical encoding is b.
func DecodeVector(b []byte) (Vector, error) {
	r := canon.NewReader(b)
	v := Vector{canon.List(r, readDot)}
	if err := r.Err(); err != nil {
		return Vector{}, err
	}
	if !v.wellFormed() {
		return Vector{}, canon.ErrMalformed
	}
	return v, nil
}

// wellFormed says whether v is sorted, names every origin once and covers something of each.
func (v Vector) wellFormed() bool {
	for i, d := range v.dots {
		if d.Seq == 0 || (i > 0 && v.dots[i-1].Origin.Compare(d.Origin) >= 0) {
			return false
		}
	}
	return true
}
