// Package actors holds the actors of a node: thin shells over the pure core. Each turns a message into an event, asks package job,
// placement or ledger what follows, and does it.
//
//	broker          owns the ledger replica, the queue and the executors it is home to
//	├── sync        exchanges ledger state with peer brokers, on a period and on change
//	└── supervisor… one per active job, and used again: names and deploys attempts, takes results, drops duplicates
//	executor        holds a lease at its home broker, queues attempts
//	└── runner…     two per slot: one's program runs while the other's is made ready
//	gateway         speaks for clients
//
// A job has one writer at a time: its supervisor while it is active, else the broker. Both change it by job.Apply, and the broker writes
// every new version into the ledger before its effects are done; [Broker.commit] is that one place, where a journal's fsync belongs.
//
// Delivery: messages between actors arrive at most once and in order per pair; what must arrive is sent again until answered (results, by
// the executor). In a crash of a broker this version loses what only that broker held: acknowledgements say on how many disks a job is.
package actors
