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
// A [Backend] is a Store or a [Bucket] of an object store; [Open] chooses by URL. A Store with [Options].Evict is a cache:
// what was not used for longest goes when there is no room, but never what is being read or was handed out by
// [Store.Path] and not released.
//
// A blob of more than 4 MiB travels in pieces of 1 MiB, at most 4 MiB of it under way: from several nodes to one
// ([Client.Get]), or in parts to a node ([Client.Put]). Pieces stay on disk when a transfer is cut, also when the process
// ends, so that at most those 4 MiB are sent twice. [Relay] passes requests on to nodes that the client cannot reach;
// [ServeBack] and [Transport.Use] reach a node that only dials out.
//
// # Guarantees
//
//   - Verified on write: bytes that do not hash to their name leave nothing behind.
//   - Verified on read: no [Reader] and no GET hands out the whole of a damaged blob; a damaged file is removed, so
//     that it can be fetched again from a peer.
//   - Durable: when a put returns, the file and its directory entry are fsynced. What a crash interrupts is swept when
//     the Store is opened again, but for pieces that a transfer can go on with: at most 256 blobs, a day old at most,
//     which count as room in use and give way once they have rested for a minute.
//   - Bounded: a store refuses with [ErrFull] or [ErrTooLarge] before it exceeds its limits, and a stalled peer holds
//     at most one window of memory.
//
// A directory belongs to one Store of one process at a time; the lock on a node's data directory sees to that.
package blob
