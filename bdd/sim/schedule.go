package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/urbancompute/ucp/messages"
)

// schedule is what goes wrong in one run. Every seed draws which kinds of fault it has at all: a run in which a few things happen often finds
// more than one in which everything happens sometimes.
type schedule struct {
	w     *World
	rng   *rand.Rand
	until time.Duration
	kinds []fault
	mends []func() // undo what is still broken
	op    *operator
}

// fault is a kind of thing that goes wrong.
type fault struct {
	name string
	odds float64 // of being among the kinds of a seed
	able bool    // the actors are made for it
	do   func(*schedule)
}

func faultKinds() []fault {
	return []fault{
		{"executor killed", 0.6, true, (*schedule).killExecutor},
		{"executor loses power", 0.4, true, (*schedule).powerOffExecutor},
		{"executor paused", 0.5, true, (*schedule).pauseExecutor},
		{"executor cut off", 0.5, true, (*schedule).cutOffExecutor},
		{"broker paused", 0.3, true, (*schedule).pauseBroker},
		{"broker killed", 0.5, able.Journal, (*schedule).killBroker},
		{"broker loses power", 0.4, able.Journal, (*schedule).powerOffBroker},
		{"disk lost", 0.15, able.Journal, (*schedule).loseDisk},
		{"disk rolled back", 0.15, able.Journal, (*schedule).rollBackDisk},
		{"disk slow", 0.3, able.Journal, (*schedule).slowDisk},
		{"disk full", 0.15, able.Journal, (*schedule).fullDisk},
		{"network in halves", 0.5, true, (*schedule).halves},
		{"network in a ring", 0.2, true, (*schedule).ring},
		{"network over a bridge", 0.2, true, (*schedule).bridge},
		{"node isolated", 0.4, true, (*schedule).isolate},
		{"one-way cut", 0.3, true, (*schedule).oneWay},
		{"link flapping", 0.3, true, (*schedule).flap},
		{"clock jumps", 0.3, true, (*schedule).jump},
		{"client moves away", 0.2, true, (*schedule).cutOffClient},
	}
}

// misfortune plans the faults of a run.
func (w *World) misfortune(until time.Duration) *schedule {
	s := &schedule{w: w, rng: w.stream("faults"), until: until, op: &operator{w: w, c: w.clients[0], rng: w.stream("operator")}}
	for _, k := range faultKinds() {
		if s.rng.Float64() < k.odds && k.able {
			s.kinds = append(s.kinds, k)
		}
	}
	for _, n := range w.where(func(n *Node) bool { return n.Disk != nil }) {
		for at := 2 * time.Second; at < until; at += 3*time.Second + s.upTo(6*time.Second) {
			w.plan(nil, at, n.Disk.Remember)
		}
	}
	w.plan(nil, time.Second+s.upTo(2*time.Second), s.next)
	s.plot()
	return s
}

// next does one thing and plans the next.
func (s *schedule) next() {
	if s.w.now >= s.until || len(s.kinds) == 0 {
		return
	}
	k := s.kinds[s.rng.IntN(len(s.kinds))]
	s.w.Faults.add(k.name)
	k.do(s)
	s.w.plan(nil, 200*time.Millisecond+time.Duration(s.rng.ExpFloat64()*float64(2500*time.Millisecond)), s.next)
}

func (s *schedule) upTo(d time.Duration) time.Duration { return time.Duration(s.rng.Int64N(int64(d))) }

// some draws a duration: mostly short, sometimes longer than leases and timeouts.
func (s *schedule) some() time.Duration {
	if s.rng.Float64() < 0.5 {
		return 50*time.Millisecond + s.upTo(2*time.Second)
	}
	return 2*time.Second + s.upTo(15*time.Second)
}

// undoAfter undoes something after a while, or at the end of all faults.
func (s *schedule) undoAfter(d time.Duration, undo func()) {
	s.mends = append(s.mends, undo)
	if s.w.now+d < s.until {
		s.w.plan(nil, d, undo)
	}
}

// mend makes everything whole: faults are over.
func (s *schedule) mend() {
	for _, undo := range s.mends {
		undo()
	}
	for _, n := range s.w.nodes {
		n.slowDisks(1)
		n.fillDisks(false)
		n.resume()
		n.start()
	}
	s.w.net.repair()
}

// one draws a node that is up and has a role, nil if there is none.
func (s *schedule) one(role string) *Node {
	nodes := s.w.where(func(n *Node) bool { return n.Is(role) && n.responds() })
	if len(nodes) == 0 {
		return nil
	}
	return nodes[s.rng.IntN(len(nodes))]
}

// strike ends a node in some way and lets it come back later.
func (s *schedule) strike(role string, end func(*Node)) *Node {
	n := s.one(role)
	if n == nil {
		return nil
	}
	end(n)
	s.undoAfter(s.some(), n.start)
	return n
}

func (s *schedule) killExecutor()     { s.strike(messages.Executor, (*Node).kill) }
func (s *schedule) powerOffExecutor() { s.strike(messages.Executor, (*Node).powerOff) }
func (s *schedule) killBroker()       { s.strikeAtWork((*Node).kill) }
func (s *schedule) powerOffBroker()   { s.strikeAtWork((*Node).powerOff) }
func (s *schedule) pauseExecutor()    { s.pause(messages.Executor) }
func (s *schedule) pauseBroker()      { s.pause(messages.Broker) }

// strikeAtWork ends a broker, mostly while it has written what is not on its disk yet: that is when a crash takes back what others may know.
func (s *schedule) strikeAtWork(end func(*Node)) {
	n := s.one(messages.Broker)
	if n == nil {
		return
	}
	back := s.some()
	until := s.w.now + 2*time.Second
	if s.rng.IntN(4) == 0 {
		until = s.w.now
	}
	n.Disk.slow = max(n.Disk.slow, 10)
	s.struckAtWork(n, until, func() {
		n.Disk.slow = 1
		end(n)
		s.undoAfter(back, n.start)
	})
}

// struckAtWork waits for a moment at which a write is under way. When faults are over it spares the broker, which nobody would start again.
func (s *schedule) struckAtWork(n *Node, until time.Duration, strike func()) {
	switch {
	case s.w.now >= s.until:
		return
	case len(n.Disk.pending) > 0 || s.w.now >= until:
		strike()
		return
	}
	s.w.plan(nil, time.Millisecond, func() { s.struckAtWork(n, until, strike) })
}

func (s *schedule) pause(role string) {
	if n := s.one(role); n != nil {
		n.pause()
		s.undoAfter(s.some(), n.resume)
	}
}

func (s *schedule) loseDisk() {
	if n := s.strike(messages.Broker, (*Node).kill); n != nil {
		n.loseDisk()
		if able.Forget {
			s.w.plan(nil, s.upTo(5*time.Second), func() { s.op.forget(n, n.ID) })
		}
	}
}

func (s *schedule) rollBackDisk() {
	if n := s.strike(messages.Broker, (*Node).powerOff); n != nil && !n.rollBack(s.w.now-s.upTo(10*time.Second)) {
		s.w.Faults.add("disk rolled back to the same")
	}
}

func (s *schedule) slowDisk() {
	if n := s.one(messages.Broker); n != nil {
		n.Disk.slow = 10 + s.rng.IntN(500)
		s.undoAfter(s.some(), func() { n.Disk.slow = 1 })
	}
}

func (s *schedule) fullDisk() {
	if n := s.one(messages.Broker); n != nil {
		n.Disk.full = true
		s.undoAfter(s.some(), func() { n.Disk.full = false })
	}
}

func (s *schedule) jump() {
	n := s.w.nodes[s.rng.IntN(len(s.w.nodes))]
	n.skew += time.Duration((s.rng.Float64() - 0.5) * float64(time.Minute))
}

func (s *schedule) cut(ways [][2]*Node) { s.undoAfter(s.some(), s.w.net.cut(ways)) }

func (s *schedule) cutOffExecutor() { s.cutOff(s.one(messages.Executor)) }
func (s *schedule) cutOffClient()   { s.cutOff(s.one(messages.Client)) }
func (s *schedule) isolate()        { s.cutOff(s.w.nodes[s.rng.IntN(len(s.w.nodes))]) }

func (s *schedule) cutOff(n *Node) {
	if n != nil {
		s.cut(between([]*Node{n}, s.w.others([]*Node{n})))
	}
}

// halves parts the network in two, and looks later whether both sides worked on.
func (s *schedule) halves() {
	one := s.w.where(func(*Node) bool { return s.rng.IntN(2) == 0 })
	two := s.w.others(one)
	heal, since := s.w.net.cut(between(one, two)), s.w.now
	sound := [2]bool{apart(one), apart(two)}
	over := false
	s.undoAfter(s.some()+s.upTo(10*time.Second), func() {
		if over {
			return
		}
		over = true
		for i, nodes := range [][]*Node{one, two} {
			if sound[i] {
				s.w.chronicle.sided(nodes, since)
			}
		}
		heal()
	})
}

// apart says whether nothing but the one cut lies on the ways of these nodes.
func apart(nodes []*Node) bool {
	return !slices.ContainsFunc(nodes, func(n *Node) bool { return n.cuts > 1 })
}

func (s *schedule) ring() {
	brokers := s.w.where(func(n *Node) bool { return n.Is(messages.Broker) })
	s.rng.Shuffle(len(brokers), func(i, j int) { brokers[i], brokers[j] = brokers[j], brokers[i] })
	s.cut(ring(brokers))
}

// bridge parts the brokers in two sides that only one of them hears.
func (s *schedule) bridge() {
	brokers := s.w.where(func(n *Node) bool { return n.Is(messages.Broker) })
	s.rng.Shuffle(len(brokers), func(i, j int) { brokers[i], brokers[j] = brokers[j], brokers[i] })
	half := 1 + (len(brokers)-1)/2
	if half < len(brokers) {
		s.cut(between(brokers[1:half], brokers[half:]))
	}
}

func (s *schedule) oneWay() {
	l := s.w.net.links[s.rng.IntN(len(s.w.net.links))]
	from := s.rng.IntN(2)
	s.cut([][2]*Node{{l.ends[from].node, l.ends[1-from].node}})
}

// flap cuts a link and heals it again, several times.
func (s *schedule) flap() {
	l := s.w.net.links[s.rng.IntN(len(s.w.net.links))]
	pair := between([]*Node{l.ends[0].node}, []*Node{l.ends[1].node})
	at := time.Duration(0)
	for range 3 + s.rng.IntN(6) {
		down := 50*time.Millisecond + s.upTo(time.Second)
		s.w.plan(nil, at, func() {
			if s.w.now < s.until {
				heal := s.w.net.cut(pair)
				s.undoAfter(down, heal)
			}
		})
		at += down + 50*time.Millisecond + s.upTo(time.Second)
	}
}
