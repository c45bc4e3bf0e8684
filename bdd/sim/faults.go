package sim

import (
	"slices"
	"time"

	"github.com/urbancompute/ucp/messages"
)

// What can be done to nodes. A world's methods take names and are for specs; a node's are what they do.

// Start brings up a node that is down.
func (w *World) Start(name string) { w.Node(name).start() }

// Kill ends the process of a node as SIGKILL does: its kernel closes its connections, its actors say nothing.
func (w *World) Kill(name string) { w.Node(name).kill() }

// PowerOff ends a node without a sign: its peers hear nothing any more.
func (w *World) PowerOff(name string) { w.Node(name).powerOff() }

// Restart ends the process of a node, if one runs, and begins another one.
func (w *World) Restart(name string) {
	n := w.Node(name)
	n.kill()
	n.start()
}

// LoseDisk replaces the disk of a broker, which must be down, by a blank one.
func (w *World) LoseDisk(name string) { w.Node(name).loseDisk() }

// RollBack puts an older state back onto the disk of a broker, which must be down, if there is one of that time.
func (w *World) RollBack(name string, to time.Duration) bool { return w.Node(name).rollBack(to) }

// Pause freezes the process of a node as SIGSTOP does.
func (w *World) Pause(name string) { w.Node(name).pause() }

// Resume lets it go on.
func (w *World) Resume(name string) { w.Node(name).resume() }

// SlowDisk makes every fsync of a node take so many times as long; 1 is as usual.
func (w *World) SlowDisk(name string, times int) { w.Node(name).slowDisks(max(times, 1)) }

// FullDisk lets the disk of a node run full, or have space again.
func (w *World) FullDisk(name string, full bool) { w.Node(name).fillDisks(full) }

// JumpClock moves the wall clock of a node.
func (w *World) JumpClock(name string, by time.Duration) { w.Node(name).skew += by }

// disks are what the node keeps anything on.
func (n *Node) disks() []*Disk {
	return slices.DeleteFunc([]*Disk{n.Disk, n.Shelf}, func(d *Disk) bool { return d == nil })
}

func (n *Node) slowDisks(times int) {
	for _, d := range n.disks() {
		d.slow = times
	}
}

func (n *Node) fillDisks(full bool) {
	for _, d := range n.disks() {
		d.full = full
	}
}

func (n *Node) kill() { n.stop(true, "is killed") }

func (n *Node) powerOff() { n.stop(false, "loses power") }

func (n *Node) stop(kernelLeft bool, what string) {
	if n.life == nil {
		return
	}
	n.w.tell(n.Name, "%s", what)
	n.disturbed = n.w.now
	n.w.chronicle.ended(n)
	n.life.end()
	for _, d := range n.disks() {
		d.crash()
	}
	n.w.net.died(n, kernelLeft)
}

func (n *Node) pause() {
	if n.life != nil && !n.life.paused {
		n.w.tell(n.Name, "is paused")
		n.life.paused, n.disturbed = true, n.w.now
		n.w.net.listen()
	}
}

// resume hands the process all that it missed, in order.
func (n *Node) resume() {
	l := n.life
	if l == nil || !l.paused {
		return
	}
	n.w.tell(n.Name, "goes on")
	l.paused, n.disturbed = false, n.w.now
	for _, e := range l.backlog {
		if e.do != nil {
			e.at = n.w.now
			n.w.agenda.add(e)
		}
	}
	l.backlog = nil
	n.w.net.listen()
}

func (n *Node) loseDisk() {
	if n.life != nil {
		panic("sim: a disk is lost only while its node is down")
	}
	n.w.tell(n.Name, "has a blank disk")
	n.Disk.lose()
	n.w.chronicle.harmed(n)
}

func (n *Node) rollBack(to time.Duration) bool {
	if n.life != nil {
		panic("sim: a disk is rolled back only while its node is down")
	}
	if !n.Disk.rollBack(to) {
		return false
	}
	n.w.tell(n.Name, "has the disk of an earlier time")
	n.w.chronicle.harmed(n)
	return true
}

// Broker adds and starts a broker, with links to every broker there is.
func (w *World) Broker(name string) *Node {
	n := w.addNode(name, messages.Broker)
	n.Disk = newDisk(n)
	n.start()
	for _, other := range w.nodes {
		if other != n && other.Is(messages.Broker) {
			w.net.connect(n, other)
		}
	}
	return n
}

// Executor adds and starts an executor of two slots, with links to these brokers.
func (w *World) Executor(name string, brokers ...string) *Node {
	n := w.addNode(name, messages.Executor)
	n.bench, n.Shelf = newBench(n, 2), newShelf(n)
	n.start()
	for _, b := range brokers {
		w.net.connect(n, w.Node(b))
	}
	return n
}

// Runs is how many programs an executor has started, and Stops how many it ended before their time.
func (w *World) Runs(executor string) int { return w.Node(executor).bench.runs }

// Fetched is how many bytes of modules and inputs an executor had to bring in that its cache did not have.
func (w *World) Fetched(executor string) uint64 { return w.Node(executor).bench.fetched }

// Stops is how many programs an executor ended before their time.
func (w *World) Stops(executor string) int { return w.Node(executor).bench.stops }
