// Package ledger is the replicated state of a network of brokers: every broker holds every record, writes at any time, and agrees with
// the others as soon as they exchange what each lacks.
//
// A [Record] is a join-semilattice: its [State] merges in any order, any number of times, to the same value. Each write of a record is
// named by a [Dot]; a [Vector] says, per [Origin], up to which dot nothing is missing. A [Replica] is one broker's copy. Two replicas
// converge by exchanging vectors and then the records whose newest writes the other's vector does not cover ([Replica.Delta]).
//
// A vector is adopted only after everything it covers was merged, so a delta that is cut short costs time and never a write: merging
// is idempotent, and the next delta brings the rest. Records may be forgotten one by one ([Replica.Forget]); because their dots stay
// below the vector, no peer sends them again.
//
// The package is pure: no clock, no I/O. Hybrid times come in as arguments.
package ledger
