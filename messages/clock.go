package messages

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urbancompute/ucp/internal/vclock"
)

const (
	// freshness is how long a reading of the wall clock is good for. It is no round number, so that in virtual time
	// no event of a program falls on the very instant at which a reading turns stale.
	freshness = 997*time.Microsecond + 13*time.Nanosecond
	// closed marks the counter of a period that is over. Counts stay far below it.
	closed = 1 << 63
	// latestHybrid is what a clock takes over at most from a stamp (the year 4199), so that a peer whose clock is
	// mad or hostile cannot push this node's own stamps out of what links accept.
	latestHybrid = 1 << 62
)

// NodeClock is the clock of one node: it stamps what the node sends and learns from what it receives. All methods may
// be called from any goroutine.
//
// Tick costs one atomic addition. Between two changes of what the node knows, or two milliseconds, all stamps share
// one immutable epoch and differ by their count only; the hybrid time is the count plus the epoch's offset. The wall
// clock is read at most once in 997 µs: the first tick after that reads it and opens a new epoch. A timer tells when,
// and it runs only while the node sends.
type NodeClock struct {
	self vclock.Key
	wall func() time.Time

	current atomic.Pointer[period]
	// stale is set when the last reading of the wall clock has grown old.
	stale atomic.Bool
	// eager reads the wall clock at every tick instead of by a timer.
	eager bool

	opening sync.Mutex // held to replace current, and to read or change retired
	retired retired
	refused atomic.Uint64
	// foreign agrees to entries of other nodes that are not retired: nobody knows better than this clock what this node has counted.
	foreign func(vclock.Key) bool
}

// period is an epoch in which a NodeClock is counting.
type period struct {
	epoch
	_ [64]byte // readers of the epoch do not share a cache line with the counter
	// issued is the count of the last stamp. With the bit closed set the period is over, and the lower bits mean
	// nothing.
	issued atomic.Uint64
}

// NewNodeClock returns a clock that counts under self, which must be valid and never used before, and reads the wall
// clock from wall. It panics if self is not valid.
func NewNodeClock(self vclock.Key, wall func() time.Time) *NodeClock {
	if !self.Valid() {
		panic(fmt.Sprintf("node clock: invalid key %q", self.Node))
	}
	n := &NodeClock{self: self, wall: wall}
	n.foreign = func(k vclock.Key) bool { return k != self && !n.retired.has(k) }
	n.current.Store(&period{epoch: epoch{owner: self, clock: n}})
	n.stale.Store(true)
	return n
}

// Eager has the clock read the wall clock at every tick and run no timer, for a simulator in which reading costs nothing
// and whose time no timer of the runtime knows. Call it before the first tick.
func (n *NodeClock) Eager() *NodeClock {
	n.eager = true
	return n
}

// Self is the key under which the clock counts.
func (n *NodeClock) Self() vclock.Key { return n.self }

// Tick counts one send and returns its stamp. Of two ticks the later has the greater count, the greater hybrid time,
// and knows at least as much of others.
func (n *NodeClock) Tick() Stamp {
	if n.eager || n.stale.Load() {
		n.refresh()
	}
	for {
		p := n.current.Load()
		if count := p.issued.Add(1); count < closed {
			return Stamp{&p.epoch, count}
		}
		n.awaitOpening()
	}
}

// Now returns what the clock knows, without counting anything. It always reads the wall clock.
func (n *NodeClock) Now() Stamp {
	n.Witness(vclock.Hybrid{Wall: n.wall().UnixMilli()})
	for {
		p := n.current.Load()
		if count := p.issued.Load(); count < closed {
			return Stamp{&p.epoch, count}
		}
		n.awaitOpening()
	}
}

// Merge learns what the sender of s knew. A stamp of this clock, or one at or below what was merged of its epoch, costs
// no lock and no allocation; one that brings something new costs a copy of the entries, so merge a batch by its
// greatest stamp. An entry for this node is ignored. Entries for which a clock of vclock.MaxEntries has no room are
// left out and counted, see Refused.
func (n *NodeClock) Merge(s Stamp) {
	if s.IsZero() || s.epoch.clock == n || s.epoch.covered.Load().by(n, s.count) {
		return
	}
	n.opening.Lock()
	defer n.opening.Unlock()
	p := n.current.Load()
	others, changed, complete := n.learn(p.others, s)
	if changed || !p.reached(s.hybrid()) {
		p = n.open(others, s.hybrid())
	}
	if complete {
		s.epoch.covered.Store(&coverage{n, p.coverage(s)})
	}
}

// Witness makes the hybrid time of all further stamps later than h: after a start, the greatest of the journal; the
// time of a client's session.
func (n *NodeClock) Witness(h vclock.Hybrid) {
	if p := n.current.Load(); p.reached(h.Pack()) {
		return
	}
	n.opening.Lock()
	defer n.opening.Unlock()
	n.open(n.current.Load().others, h.Pack())
}

// Refused is how many stamps named nodes for which there was no room.
func (n *NodeClock) Refused() uint64 { return n.refused.Load() }

// coverage says that a NodeClock knows all that the stamps of an epoch say, up to the one with that count.
type coverage struct {
	clock *NodeClock
	count uint64
}

func (c *coverage) by(n *NodeClock, count uint64) bool {
	return c != nil && c.clock == n && count <= c.count
}

// coverage is up to which count p knows the epoch of s: s itself was merged, and others may be known from elsewhere.
func (p *period) coverage(s Stamp) uint64 {
	byTime := p.offset + p.issued.Load() - s.epoch.offset
	return max(s.count, min(p.others.Get(s.epoch.owner), byTime))
}

// reached reports whether the hybrid time has come to h; it may miss that in a period that is over.
func (p *period) reached(h uint64) bool {
	issued := p.issued.Load()
	return issued < closed && p.offset+issued >= min(h, latestHybrid)
}

// learn adds to others what s says of them. It reports whether that was news, and whether there was room for all.
func (n *NodeClock) learn(others vclock.Clock, s Stamp) (learned vclock.Clock, changed, complete bool) {
	learned, changed = n.add(others, s, n.foreign)
	if learned.Len() < vclock.MaxEntries { // one is left for this node
		return learned, changed, true
	}
	n.refused.Add(1)
	learned, changed = n.add(others, s, func(k vclock.Key) bool { return others.Get(k) > 0 })
	return learned, changed, false
}

func (n *NodeClock) add(others vclock.Clock, s Stamp, accept func(vclock.Key) bool) (vclock.Clock, bool) {
	learned, changed := others.MergeIf(s.epoch.others, accept)
	owner := s.epoch.owner
	if learned.Get(owner) >= s.count || !accept(owner) {
		return learned, changed
	}
	return learned.With(owner, s.count), true
}

// open ends the current period and begins one that knows others and whose hybrid time is at least hybrid. The caller
// holds opening.
func (n *NodeClock) open(others vclock.Clock, hybrid uint64) *period {
	p := n.current.Load()
	issued := p.issued.Or(closed) // from here on ticks wait for the new period
	next := &period{epoch: epoch{
		owner:  n.self,
		others: others,
		offset: max(p.offset+issued, min(hybrid, latestHybrid)) - issued,
		clock:  n,
	}}
	next.issued.Store(issued)
	n.current.Store(next)
	return next
}

// awaitOpening returns when no period is being opened.
func (n *NodeClock) awaitOpening() {
	n.opening.Lock()
	defer n.opening.Unlock()
}

// refresh reads the wall clock, once for all who find it stale.
func (n *NodeClock) refresh() {
	n.opening.Lock()
	defer n.opening.Unlock()
	if !n.eager {
		if !n.stale.CompareAndSwap(true, false) {
			return
		}
		time.AfterFunc(freshness, func() { n.stale.Store(true) })
	}
	now := vclock.Hybrid{Wall: n.wall().UnixMilli()}.Pack()
	if p := n.current.Load(); !p.reached(now) {
		n.open(p.others, now)
	}
}
