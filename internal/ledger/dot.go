package ledger

import (
	"cmp"

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

func (d Dot) compare(e Dot) int {
	return cmp.Or(d.Origin.Compare(e.Origin), cmp.Compare(d.Seq, e.Seq))
}

func appendOrigin(b []byte, o Origin) []byte {
	return canon.AppendUint(canon.AppendUint(canon.AppendString(b, o.Journal), o.Incarnation), o.Lane)
}

func readOrigin(r *canon.Reader) Origin { return Origin{r.String(), r.Uint64(), Lane(r.Byte())} }

func appendDot(b []byte, d Dot) []byte { return canon.AppendUint(appendOrigin(b, d.Origin), d.Seq) }

func readDot(r *canon.Reader) Dot { return Dot{readOrigin(r), r.Uint64()} }
