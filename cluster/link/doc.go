// Package link connects the actor systems of nodes.
//
// # Model
//
// Between two nodes there is at most one link: one mutually authenticated
// connection that carries frames both ways. It is plugged into protoactor where
// PIDs of foreign addresses are resolved, so that Send, Request, futures, Watch
// and Terminated work across nodes as they do within one. The address of an
// actor is its node's id, the hash of the node's key, which the peer's
// certificate proves; frames carry the names of actors only, never of nodes.
//
//	actor ─ PID ─ router ─ outbox ─ writer ─▶ carrier ─▶ reader ─ actor
//	                       two lanes          gRPC stream over TLS 1.3,
//	                       bounded, credit    or memory
//
// A session is the protocol over one carrier and knows nothing of sockets. The
// two carriers, a gRPC stream and a network in memory ([Memory]), run the same
// sessions and the same specs. One TCP port serves links and, told apart by
// ALPN, other protocols ([Links.Handle], [Links.DialALPN]).
//
// Either side may dial (LINK-1). [Links.Dial] keeps dialling an address for ever
// with jittered pauses; when two connections meet, the node with the lower id
// decides which one stays.
//
// # Frames
//
//	frame   = lane record… [acks]              lane: 1 normal, 2 urgent; 0 control
//	piece   = lane+16 some of a frame's bytes  more follow, and at last the rest as a frame
//	          lane+32                          its confirmation is awaited
//	record  = head [payload] target [sender] [requests] [stamp]
//	payload = type len protobuf                a message
//	        | reason                           Terminated
//	        | code len text                    the peer refused a message
//	target, sender = a place in the ring of the last 126 names, or a literal
//	stamp   = what changed since the last record of the lane
//	acks    = frames handled, for each lane
//
// A frame holds whatever the queue held when it left, up to 64 KiB, or one
// larger message. Each lane is in order, with its own names and stamps. What is
// under way in a lane is bounded by what the link is measured to carry in 100 ms
// and a round trip, and frames longer than half of that go in pieces, between which
// the other lane's go: what is urgent waits for no more than that (EMG-4).
//
// # Guarantees
//
// Messages of one lane from one node to another arrive in the order sent, at
// most once. A sender never waits. A message that cannot be delivered is not
// dropped silently: its sender gets [Undelivered] (an actor), a
// *messages.Refused (a future, at once), or it becomes a dead letter if it has no
// sender. That is so when there is no link, when the queue is full, when the
// peer refuses, and when a link ends before the peer has confirmed it; in the
// last case it may have arrived, and Uncertain says so. A message to an actor
// that is not there comes back as *actor.DeadLetterResponse.
//
// A watch that crosses a link ends exactly once: when the actor stops, at once
// with NotFound if there is none, and with AddressTerminated when the link ends
// or if there is none. It says that the link is gone, not that the node is: who
// is lost is decided by leases above.
//
// PeerUp comes before the first message of a peer and PeerDown after the last.
// It names the roles that the peer says it plays, of those that its certificate
// carries; a peer whose part changes ([Links.Play]) comes back under another.
// All stamps of a frame are merged into the node's clock before the first of its
// messages is delivered (CLK-1).
//
// # Bounds
//
// A peer that does not read costs at most [Limits].Queue and UrgentQueue, what
// gRPC holds of two windows of credit, and the kernel's buffers; it does not
// slow down anybody else. It is not dropped for being slow: only a connection
// that the kernel gives up, as Linux does when the other kernel confirms nothing
// for 10 s, or on which HTTP/2 pings go unanswered for three minutes, ends by itself ([Links.Disconnect] ends it sooner). Two things of a
// peer are refused by ending its link, with the reason in the log: a frame that no
// honest node sends, and reading so slowly that not even Terminated fits.
//
// What a peer may send to whom is [Config].Allow. Actors of another node can be
// neither stopped nor spawned: only Watch, Unwatch and Terminated of the actor
// system's own messages cross.
//
// A receiving actor with a mailbox that blocks when it is full stalls the whole
// link. Use mailboxes that refuse.
package link
