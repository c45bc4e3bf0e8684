package job

import (
	"slices"

	"github.com/urbancompute/ucp/internal/vclock"
)

// Merge returns the join of two versions of one job: every tenure in its newest revision and the earliest wish to cancel.
// It is commutative, associative and idempotent.
func (j Job) Merge(o Job) Job {
	m := j
	m.Spec, m.Created = firstSpec(j, o)
	m.Cancel = firstCancel(j.Cancel, o.Cancel)
	m.Tenures = mergeTenures(j.Tenures, o.Tenures)
	return m
}

// firstSpec keeps the spec of the first owner: only with a client that sends two jobs under one id do they differ.
func firstSpec(a, b Job) (*Spec, vclock.Hybrid) {
	if a.Spec == nil || (b.Spec != nil && b.Tenures[0].Owner.Compare(a.Tenures[0].Owner) < 0) {
		return b.Spec, b.Created
	}
	return a.Spec, a.Created
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

// newer picks between two versions of one tenure. A tenure has one writer, so equal revisions are equal tenures.
func newer(a, b Tenure) Tenure {
	if b.Rev > a.Rev {
		return b
	}
	return a
}
