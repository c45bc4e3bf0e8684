package messages

import (
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
)

// OwnershipToWire returns the wire form of o.
func OwnershipToWire(o job.Ownership) *Ownership {
	return &Ownership{T: o.T, H: o.H, Journal: o.Journal}
}

// OwnershipFromWire returns the ownership; a missing one is the zero ownership.
func OwnershipFromWire(o *Ownership) job.Ownership {
	return job.Ownership{T: o.GetT(), H: o.GetH(), Journal: o.GetJournal()}
}

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

// SumsToWire returns the wire form of the sums of a range.
func SumsToWire(index int, sums []ledger.KeySum) *SyncSums {
	m := &SyncSums{Range: uint32(index)} //nolint:gosec // there are few ranges
	for _, s := range sums {
		m.Kinds, m.Ids, m.Sums = append(m.Kinds, uint32(s.Key.Kind)), append(m.Ids, s.Key.ID), append(m.Sums, s.Sum)
	}
	return m
}

// SumsFromWire returns a range and the sums of its records; what is incomplete is left out.
func SumsFromWire(m *SyncSums) (index int, sums []ledger.KeySum) {
	for i, k := range keysFromWire(m.GetKinds(), m.GetIds()) {
		if i < len(m.GetSums()) {
			sums = append(sums, ledger.KeySum{Key: k, Sum: m.GetSums()[i]})
		}
	}
	return int(m.GetRange()), sums
}

// WantToWire returns the wire form of a wish for records.
func WantToWire(keys []ledger.Key) *SyncWant {
	m := &SyncWant{}
	for _, k := range keys {
		m.Kinds, m.Ids = append(m.Kinds, uint32(k.Kind)), append(m.Ids, k.ID)
	}
	return m
}

// WantFromWire returns the records wished for.
func WantFromWire(m *SyncWant) []ledger.Key { return keysFromWire(m.GetKinds(), m.GetIds()) }

func keysFromWire(kinds []uint32, ids []string) []ledger.Key {
	var keys []ledger.Key
	for i := range min(len(kinds), len(ids)) {
		keys = append(keys, ledger.Key{Kind: ledger.Kind(kinds[i]), ID: ids[i]}) //nolint:gosec // an unknown kind names no record
	}
	return keys
}
