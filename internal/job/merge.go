package job

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/urbancompute/ucp/internal/mutant"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Merge returns the join of two versions of one job: every tenure in its newest revision, the spec that counts, and the earliest wish to cancel.
// It is commutative, associative and idempotent.
func (j Job) Merge(o Job) Job {
	m := j
	m.Tenures = mergeTenures(j.Tenures, o.Tenures)
	m.Spec = m.choose(j, o)
	m.Created = earliest(j.Created, o.Created)
	m.Cancel = firstCancel(j.Cancel, o.Cancel)
	m.Ended = j.Ended || o.Ended
	if o.First.Compare(j.First) < 0 {
		m.First = o.First // never happens: both follow from the id
	}
	return m
}

// choose returns the spec that counts for j, which a and b became: only with a client that sent two jobs under one id do theirs differ.
func (j Job) choose(a, b Job) *Spec {
	if a.Spec == b.Spec || a.sum() == j.sum() {
		return a.Spec
	}
	return b.Spec
}

func earliest(a, b vclock.Hybrid) vclock.Hybrid {
	if b.Compare(a) < 0 {
		return b
	}
	return a
}

func firstCancel(a, b *CancelRequest) *CancelRequest {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case b.At.Compare(a.At) < 0 || (b.At == a.At && b.By < a.By):
		return b
	}
	return a
}

func mergeTenures(a, b []Tenure) []Tenure {
	out := make([]Tenure, 0, max(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		switch c := a[0].Owner.Compare(b[0].Owner); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			out = append(out, newer(a[0], b[0]))
			a, b = a[1:], b[1:]
		}
	}
	return slices.Concat(out, a, b)
}

// newer picks between two versions of one tenure. A tenure has one writer and one verdict, so a decided version is newer than one without, and
// equal revisions are equal tenures, unless a disk was rolled back: what its broker decides anew before it notices does not replace what it
// decided in an earlier life, of which others may have been told that it is final. It is the greatest in a total order.
func newer(a, b Tenure) Tenure {
	if mutant.On(mutant.LastArrivalWins) {
		return b
	}
	c := earlierLife(a.Verdict, b.Verdict)
	if c == 0 {
		c = cmp.Compare(a.Rev, b.Rev)
	}
	if c == 0 {
		c = bytes.Compare(appendTenure(nil, a), appendTenure(nil, b))
	}
	if c < 0 {
		return b
	}
	return a
}

// earlierLife puts a verdict of an earlier life after one of a later life, and any after none.
func earlierLife(a, b *Verdict) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Compare(b.Life, a.Life)
}
