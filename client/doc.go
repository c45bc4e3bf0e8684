// Package client lets a program give jobs to a network and get results back. It is a remote actor that only dials out: nothing has to
// reach it, and it runs nothing for others.
//
//	c, err := client.Dial(ctx, client.Options{Addresses: []string{"10.0.0.5:7420"}, Identity: id, Log: log})
//	…
//	module, err := c.PutFile(ctx, "wordcount.wasm")
//	s, err := c.Submit(ctx, &client.Spec{Module: module, Args: []string{"wordcount", "book.txt"}})
//	j, err := s.Wait(ctx)
//
// # Model
//
// A [Client] is one actor, "client", that speaks to the actor "gateway" of one broker at a time. A [Submission] is a job that this client
// submitted and follows. The client names its jobs itself, so a job may be submitted again without becoming two: when a link is lost the
// client connects to the same broker or to another of its addresses, submits again what was not acknowledged and asks again for what was.
// Other questions ([Client.Job], [Client.Nodes], …) are asked again likewise, until their context ends.
//
// Bytes go by hash, beside the messages ([Client.Put], [Client.Get]); up to 16 KiB travel inside the job. [Client.PutData] gives them a name that every
// client of the network can read them by.
//
// # Sessions
//
// A client remembers what it was told, as a vector of ledger writes, and says so with each question. A broker that has not heard of all of
// it yet answers with an error that is [ErrStale], so that nobody who moves between brokers misses a job that he was told about (CLK-5).
// [Client.Session] returns it sealed by a broker, for another process to go on with.
//
// # Guarantees
//
// [Client.Submit] returns nil only when the job is acknowledged; an acknowledged job is kept by the network, also when this client dies.
// Changes arrive in order and may be left out, but never the last one. Live output is best effort, while the job runs; the result brings
// the whole of it. A client that crashes loses nothing but its live output and what it had not yet submitted.
//
// Everything waiting is bounded: jobs under way by [Options].Window, live output and input per job, questions by their contexts.
package client
