// Package blob keeps and moves bytes that are named by their SHA-256.
//
// Modules, inputs and results never ride on actor messages: a message carries a [Digest], and whoever needs the bytes
// fetches them over HTTP/2 from a node that has them.
//
// # Model
//
// A [Store] is a directory of immutable files, each under the name of its hash. Bytes are streamed to a temporary
// file, hashed on the way, fsynced and renamed, so a blob is either whole and right or not there at all. [Handler]
// serves a Store, [Client] talks to a Handler; neither knows about dialling or TLS. [ServeConn] and [NewTransport] put
// them on connections that somebody else has already secured.
//
// # Guarantees
//
//   - Verified on write: bytes that do not hash to their name leave nothing behind.
//   - Verified on read: no [Reader] and no GET hands out the whole of a damaged blob; a damaged file is removed, so
//     that it can be fetched again from a peer.
//   - Durable: when a put returns, the file and its directory entry are fsynced. What a crash interrupts is swept when
//     the Store is opened again.
//   - Bounded: a store refuses with [ErrFull] or [ErrTooLarge] before it exceeds its limits, and a stalled peer holds
//     at most one window of memory.
//
// A directory belongs to one Store of one process at a time; the lock on a node's data directory sees to that.
package blob
