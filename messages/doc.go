// Package messages is the vocabulary of the network: what actors say to each other, and the stamps that every message
// carries. It knows no actor.
//
// # Stamps
//
// A node has one NodeClock. Each message it sends takes a Stamp from it with Tick: the count of that message and all
// that the node knew of others when it sent it. The receiving node merges the stamp before it handles the message, so
// whatever it sends from then on is stamped later. One message may have caused another only if its stamp is before
// the other's; stamps that are concurrent had no part in each other.
//
//	node A   Tick ──▶ {a:7 b:3}            ┌─▶ Merge {a:9 b:12} ── Tick ──▶ {a:10 b:12}
//	                     │ link: 2 bytes   │
//	node B               └─▶ Merge ── Tick ──▶ {a:7 b:12}
//
// In a mailbox a message lies in a Stamped; on a link a StampEncoder writes only what changed since the last frame
// to that peer. Clients count nothing: their messages carry no stamp, which is the zero Stamp.
//
// # Guarantees
//
// The stamps of one node are ordered totally, by their own count and by their hybrid time alike, and no stamp knows
// less than an earlier one. A clock never goes back, not even if the wall clock does. Stamps do not survive a crash:
// a node starts again under a new incarnation, which counts from 1.
package messages
