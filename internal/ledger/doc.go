// Package ledger is the replicated state of a network of brokers: every broker holds every record, writes at any time, and agrees with
// the others as soon as they exchange what each lacks.
//
// # The model
//
// A [Record] is a join-semilattice: its [State] merges in any order, any number of times, to the same value. Each write of a record is
// named by a [Dot], the next number of its [Origin]; origins are journals, so a blank or rolled-back disk never reuses a number. A
// [Replica] is one broker's copy. It says what it knows as a [Knowledge]: a [Vector] up to which nothing is missing, and, above it, the
// writes it holds all the same. A peer answers with a [Delta], a plan of parts that say with marks how far their receiver's vector may go.
//
//	asker                                   answerer
//	Seen() ──── Knowledge ────────────────▶ Missing(k)
//	Merge(record), …  ◀── Part 1: records ─ Next(256 KiB)
//	TakeMarks(from, marks)        and marks
//	…                 ◀── Part 2 ────────── Next(256 KiB)
//
// # Guarantees
//
// Two truths carry the package; the first is a promise of those who write, the second is kept in [Replica.TakeMarks] and [Delta.Next]:
//
//   - Newest includes older: a state that includes the write o:n of a record includes every earlier write of o to it. An origin writes on
//     top of all it ever wrote: who lost own writes goes on as another journal or incarnation ([Replica.Rename]).
//   - A vector is sound: if it covers a write, the write is in the record here, or the record was forgotten.
//
// So a stream that is cut, repeated or left for another peer costs bytes and never a write, and what a broker has told any other reaches
// all, whoever is lost. Within a stream no record comes before those that its creation named.
//
// Forgetting follows a record of its own, the horizon ([HorizonState]). What it let go and somebody away too long brings back is refused.
// What is missing otherwise was lost, and the audit ([Replica.Range], [Compare]) finds it, as it finds a flipped bit.
//
// The package is pure: no clock, no I/O. Hybrid times come in as arguments.
package ledger
