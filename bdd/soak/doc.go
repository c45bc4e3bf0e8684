// Package soak runs a network of real processes for minutes or hours, under random faults and steady submissions, and then asks whether anything is
// not as it should be: jobs, records, processes, and what the processes use.
//
// # The network
//
// Three brokers and five executors, each a process of the built binary with its own disk. b1, b2, e1 and e2 reach brokers directly; b3, e3, e4 and e5
// reach them over relays, which can be cut. Brokers tell nobody their address, so that nobody finds a way around a cut. Because a broker then cannot
// call back one that has called it, bytes do not follow jobs between all of them; the modules are put at each broker before it begins.
//
// # Faults
//
// [Draw] makes them from the seed: nodes are killed and started again, frozen, and cut off, several at a time; but of brokers only one at a time,
// and they get [Rest] to come together again before the next. One broker and one executor are never killed: what their processes use at the end is
// what a whole soak makes of a process. What happened, when, is in faults.log of the soak's directory. The plan is a function of the seed; what
// becomes of it is not, since the machine decides how long a start takes and where a process is when it is killed.
//
// # What is checked
//
// When the faults have ended and all nodes run, within [Settling]: every acknowledged job is known (S1) and final at every broker (L1, L2), and what
// clients were told of it fits one final end (S3; package bdd/history); all brokers hold the same record of each job (S5, S6), as many records, and in
// each job at most one attempt won for each owner (S4) and at most 15 attempts (S8); no job is there that nobody submitted, none failed whose program does not, or was cancelled unasked; bytes of results
// can be fetched (S11); every client was told an end of each of its jobs; no process ended by itself, and none logged an error, a panic or a race.
//
// # What processes use
//
// Goroutines, descriptors, threads and resident memory of each node are read twice, both times without load and with the same clients: after a
// warm-up that ran each module on every executor, and after the end. The second reading is compared with the first one of the same node, also if
// it was started anew in between: a process that does the same among the same neighbours has no reason to use more, however long it has lived.
// [Limits] says how much more is let pass. The second reading is repeated for a while before it counts against a node.
package soak
