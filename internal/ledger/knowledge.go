package ledger

import (
	"slices"

	"github.com/urbancompute/ucp/internal/canon"
)

// Knowledge is what a replica says of itself to be told what it lacks.
type Knowledge struct {
	Vector Vector
	Extra  []Span // writes above Vector that it holds, sorted
}

// Span is a run of writes of one origin, both ends included.
type Span struct {
	Origin
	First, Last uint64
}

// maxSpans bounds the exceptions in a Knowledge. What finds no room comes twice, which costs bytes and nothing else.
const maxSpans = 1 << 14

// Seen says what this replica knows: its vector, and the dots of the records it holds above it.
func (r *Replica) Seen() Knowledge {
	k := Knowledge{Vector: r.Vector()}
	for _, id := range r.table.order {
		k.Extra = r.appendSpans(k.Extra, id)
	}
	if len(k.Extra) > maxSpans {
		k.Extra = longest(k.Extra)
	}
	return k
}

func (r *Replica) appendSpans(spans []Span, id uint32) []Span {
	l := &r.lines[id]
	begun := false
	for _, e := range l.log.after(l.known) {
		switch last := len(spans) - 1; {
		case !e.live(id):
		case begun && spans[last].Last+1 >= e.seq:
			spans[last].Last = e.seq
		default:
			spans, begun = append(spans, Span{r.table.names[id], e.seq, e.seq}), true
		}
	}
	return spans
}

// longest keeps the spans that spare the most.
func longest(spans []Span) []Span {
	slices.SortStableFunc(spans, func(a, b Span) int { return int(min(b.Last-b.First, 1<<30)) - int(min(a.Last-a.First, 1<<30)) })
	spans = slices.Clone(spans[:maxSpans])
	slices.SortFunc(spans, func(a, b Span) int { return Dot{a.Origin, a.First}.compare(Dot{b.Origin, b.First}) })
	return spans
}

// Append appends the canonical encoding of k to b: the vector, and the spans of each origin as distances.
func (k Knowledge) Append(b []byte) []byte {
	b = k.Vector.Append(b)
	for spans := k.Extra; len(spans) > 0; {
		n := 1
		for n < len(spans) && spans[n].Origin == spans[0].Origin {
			n++
		}
		b = canon.AppendUint(appendOrigin(b, spans[0].Origin), uint64(n))
		b = appendDistances(b, spans[:n])
		spans = spans[n:]
	}
	return b
}

// appendDistances appends spans that neither touch nor overlap.
func appendDistances(b []byte, spans []Span) []byte {
	next := uint64(0)
	for _, s := range spans {
		b = canon.AppendUint(canon.AppendUint(b, s.First-next), s.Last-s.First)
		next = s.Last + 1
	}
	return b
}

// DecodeKnowledge returns the knowledge whose encoding is b.
func DecodeKnowledge(b []byte) (Knowledge, error) {
	r := canon.NewReader(b)
	k := Knowledge{Vector: Vector{canon.List(r, readDot)}}
	for r.More() {
		o, n := readOrigin(r), r.Uint64()
		if n == 0 || n > maxSpans || len(k.Extra) > maxSpans {
			return Knowledge{}, canon.ErrMalformed
		}
		if last := len(k.Extra) - 1; last >= 0 && k.Extra[last].Origin.Compare(o) >= 0 {
			return Knowledge{}, canon.ErrMalformed
		}
		k.Extra = readDistances(r, k.Extra, o, n)
	}
	if err := r.Err(); err != nil {
		return Knowledge{}, err
	}
	if !k.wellFormed() {
		return Knowledge{}, canon.ErrMalformed
	}
	return k, nil
}

func readDistances(r *canon.Reader, spans []Span, o Origin, n uint64) []Span {
	next := uint64(0)
	for range n {
		first := next + r.Uint64()
		last := first + r.Uint64()
		spans = append(spans, Span{o, first, last})
		next = last + 1
	}
	return spans
}

// wellFormed says whether the spans are in order, and numbers did not run over.
func (k Knowledge) wellFormed() bool {
	for i, s := range k.Extra {
		if s.First == 0 || s.Last < s.First {
			return false
		}
		if i > 0 && k.Extra[i-1].Origin == s.Origin && (s.First < 2 || k.Extra[i-1].Last >= s.First-1) {
			return false
		}
	}
	return k.Vector.wellFormed()
}
