package messages

import (
	"fmt"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
)

// AttemptToWire returns the wire form of n.
func AttemptToWire(n job.Name) *AttemptName {
	return &AttemptName{Job: string(n.Job), T: n.Owner.T, H: n.Owner.H, Journal: n.Owner.Journal, Incarnation: n.Incarnation, N: n.N}
}

// AttemptFromWire returns the attempt's name; a missing one is the zero name.
func AttemptFromWire(a *AttemptName) job.Name {
	return job.Name{
		Job:         job.ID(a.GetJob()),
		Owner:       job.Ownership{T: a.GetT(), H: a.GetH(), Journal: a.GetJournal()},
		Incarnation: a.GetIncarnation(),
		N:           a.GetN(),
	}
}

// AttemptsToWire returns the wire form of names.
func AttemptsToWire(names []job.Name) []*AttemptName {
	out := make([]*AttemptName, len(names))
	for i, n := range names {
		out[i] = AttemptToWire(n)
	}
	return out
}

// AttemptsFromWire returns the names of attempts.
func AttemptsFromWire(as []*AttemptName) []job.Name {
	out := make([]job.Name, len(as))
	for i, a := range as {
		out[i] = AttemptFromWire(a)
	}
	return out
}

// RecordsFromWire decodes records, whose states decode understands.
func RecordsFromWire(bs [][]byte, decode ledger.Decoder) ([]ledger.Record, error) {
	out := make([]ledger.Record, 0, len(bs))
	for i, b := range bs {
		r, err := ledger.DecodeRecord(b, decode)
		if err != nil {
			return nil, fmt.Errorf("record %d of %d: %w", i+1, len(bs), err)
		}
		out = append(out, r)
	}
	return out, nil
}
