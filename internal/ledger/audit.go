package ledger

import (
	"slices"
)

// The audit compares what two replicas hold, whatever their vectors say. Sums of ranges are sums of the digests of their records, so they
// are kept up to date with every write; equal replicas have equal sums, and different ones different ones but for one in 2^64.

// KeySum is the digest of one record.
type KeySum struct {
	Key Key
	Sum uint64
}

// Root returns the sum over all records.
func (r *Replica) Root() uint64 { return r.root }

// Range returns the sum over the records of a range.
func (r *Replica) Range(i int) uint64 { return r.sums[i] }

// Hash returns a digest of the whole ledger: what is known and what is held.
func (r *Replica) Hash() uint64 { return mix(r.Vector().Hash()^mixA, r.root^mixB) }

// Sums returns the digests of the records of a range, sorted by key.
func (r *Replica) Sums(i int) []KeySum {
	var out []KeySum
	for _, s := range r.shelves {
		for _, c := range s[i] {
			out = append(out, KeySum{c.version.key(), c.version.sum})
		}
	}
	slices.SortFunc(out, func(a, b KeySum) int { return a.Key.compare(b.Key) })
	return out
}

// Verify returns the records of a range that no longer are what they were when they were stored: their memory was damaged. The caller lets
// go of them with Lost and has them repaired by a peer.
func (r *Replica) Verify(i int) []Key {
	var out []Key
	for _, s := range r.shelves {
		for _, c := range s[i] {
			r.scratch, _ = c.version.encode(r.scratch[:0], r.table.names)
			if sum64(0, r.scratch) != c.version.sum {
				out = append(out, c.version.key())
			}
		}
	}
	slices.SortFunc(out, Key.compare)
	return out
}

// Compare says of the sums of one range at two replicas, each sorted by key, which records differ, which are lacking here and which are there
// only here.
func Compare(own, theirs []KeySum) (differ, lacking, extra []Key) {
	for len(own) > 0 && len(theirs) > 0 {
		a, b := own[0], theirs[0]
		switch order := a.Key.compare(b.Key); {
		case order < 0:
			extra, own = append(extra, a.Key), own[1:]
			continue
		case order > 0:
			lacking, theirs = append(lacking, b.Key), theirs[1:]
			continue
		case a.Sum != b.Sum:
			differ = append(differ, a.Key)
		}
		own, theirs = own[1:], theirs[1:]
	}
	return differ, append(lacking, keys(theirs)...), append(extra, keys(own)...)
}

func keys(sums []KeySum) []Key {
	var out []Key
	for _, s := range sums {
		out = append(out, s.Key)
	}
	return out
}
