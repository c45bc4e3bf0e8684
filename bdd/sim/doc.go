// Package sim is a deterministic simulator of whole networks: the real actors of brokers, executors and gateways, on one thread, in
// virtual time, over simulated links and disks, with everything that goes wrong drawn from a seed. The same seed gives the same run, to
// the nanosecond and to the byte, so a failure that one seed in 20,000 shows can be looked at as often as needed.
//
//	World           virtual time, an agenda of events, a seeded choice among the actors that have something to do
//	├── Node        a machine: its identity, disk, clock and links outlive the process that runs on it
//	│   └── life    one process: an actor system that a crash abandons without a word
//	├── network     a link per pair of nodes: delay, loss, duplication, reordering, cuts, and who notices when
//	├── Disk        a broker's journal: what was not fsynced is gone after a crash
//	├── Client      submits, watches, retries, moves to other brokers, and remembers every answer
//	└── Chronicle   what was seen, and the invariants that it must satisfy: S1 to S11, L1 to L4
//
// A world is told what happens in one of two ways. A spec tells it line by line:
//
//	w := sim.New(1, sim.Quiet())
//	w.Broker("b1")
//	w.Executor("e1", "b1")
//	c := w.Client("c1")
//	id := c.Submit("b1", sim.Program("10s"))
//	w.Run(time.Second)
//	w.Kill("e1")
//
// A campaign draws it from a seed ([Run], [Campaign]): a safety phase, in which programs run and things fail, and a liveness phase, in
// which everything heals and the network must come to rest with every promise kept.
//
// Nothing is global and a world has no goroutine of its own: it runs on the caller's, and several run side by side.
package sim
