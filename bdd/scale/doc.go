// Package scale simulates networks that no machine at hand could run: a hundred brokers, ten thousand executors, a million jobs, and a fire in the
// middle. It is a discrete-event simulation in virtual time, on one thread, in which everything is drawn from a seed.
//
// What decides is the code that decides in a broker, package placement and package job: who is next, where it runs, what is reserved, what an event
// does to a record. Only what moves messages is modelled:
//
//	World           virtual time and an agenda of events
//	├── broker      a queue, a pool of executors, the level of emergency that it has heard of: what the actor Broker does, without its replica
//	├── executor    runs what it is given for as long as that takes
//	├── task        a job's one record, and where it is
//	└── gauge       what is measured: slots in use, service received, time to place
//
// Brokers hand jobs to each other as the actors do: a broker without a free executor asks its peers to hold a slot, one that falls idle says so, and
// the record makes the owner. A declared emergency travels from broker to broker in one message each.
//
// Left out is what has nothing to do with scale here, and is proven elsewhere: copies of records, losses, partitions, restarts. A record is seen
// everywhere at once; that it was released to another broker is known there only when the message would have come. Where both can run, this and the
// real actors in virtual time (package sim) agree within 10 %: a spec says so.
package scale
