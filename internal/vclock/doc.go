// Package vclock holds the logical clocks of the network: vector clocks, which tell what happened before what, and
// hybrid logical time, which stays close to the wall clock for people and for breaking ties.
//
// # The model
//
// A vector clock counts, for every node, the messages of that node that its holder knows of, directly or by hearsay
// (Fidge 1988, Mattern 1989). Clock a is before clock b when b counts at least as much everywhere and more somewhere;
// when each counts something the other does not, neither could have known of the other and they are concurrent.
//
//	b1  ──1────2──────────┐ {b1:2}
//	b2  ───────────1──────▼──2── {b1:2 b2:2}      {b1:2} is before {b1:2 b2:2}
//	e1  ──1─── {e1:1}                             {e1:1} and {b1:2} are concurrent
//
// Entries are keyed by node and incarnation: a node that starts anew counts under a new key, so that no counter is
// ever used twice, whatever its disk remembers.
//
// # Guarantees
//
// Clocks are immutable values and may be shared between goroutines; the zero Clock is empty and ready to use. Merge is
// commutative, associative and idempotent, and never loses an entry. The binary form is canonical: equal clocks have
// equal bytes, and decoding takes nothing else.
//
// The package is pure: it reads no clock, keeps no state and starts nothing.
package vclock
