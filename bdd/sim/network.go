package sim

import (
	"errors"
	"time"

	"github.com/urbancompute/ucp/messages"
)

// network is the links between nodes. It keeps the promises of package link: messages of one direction arrive in order and at most once, a
// sender is told of what did not arrive, Watch is answered, PeerUp comes before the first message of a connection and PeerDown after the
// last. Lossy directions break the first promise on purpose: a lost message is noticed later, and ends the connection.
type network struct {
	w        *World
	links    []*link // in the order of their making
	byPair   map[[2]int]*link
	blocked  [][]int // from, to: cuts that lie on the way
	sessions uint64
}

// link is the way between two nodes, with a connection on it or not.
type link struct {
	net     *network
	ends    [2]*end
	dialing bool
	tries   int
}

// end is what one of the two nodes knows of the connection. The two may differ for a while.
type end struct {
	link    *link
	node    *Node
	life    *life // that opened it
	session uint64
	out     *way
	silent  bool   // it does not hear the other one
	alarm   uint64 // counts silences
	watches watches
}

func newNetwork(w *World) *network { return &network{w: w, byPair: map[[2]int]*link{}} }

// join makes room for a node.
func (n *network) join(node *Node) {
	for i := range n.blocked {
		n.blocked[i] = append(n.blocked[i], 0)
	}
	n.blocked = append(n.blocked, make([]int, node.index+1))
}

// connect lays a link between two nodes, once.
func (n *network) connect(a, b *Node) {
	if a.index > b.index {
		a, b = b, a
	}
	pair := [2]int{a.index, b.index}
	if n.byPair[pair] != nil {
		return
	}
	l := &link{net: n}
	l.ends[0] = &end{link: l, node: a, out: newWay(n.w, a, b)}
	l.ends[1] = &end{link: l, node: b, out: newWay(n.w, b, a)}
	n.byPair[pair] = l
	n.links = append(n.links, l)
	l.dial()
}

// end returns a's end of the link to b, nil if there is none.
func (n *network) end(a, b *Node) *end {
	l, ok := n.byPair[[2]int{min(a.index, b.index), max(a.index, b.index)}]
	if !ok {
		return nil
	}
	if l.ends[0].node == a {
		return l.ends[0]
	}
	return l.ends[1]
}

func (e *end) other() *end {
	if e.link.ends[0] == e {
		return e.link.ends[1]
	}
	return e.link.ends[0]
}

// open says whether messages get from one node to the other just now.
func (n *network) open(from, to *Node) bool { return n.blocked[from.index][to.index] == 0 }

// bothWays says whether the two could talk.
func (l *link) bothWays() bool {
	a, b := l.ends[0].node, l.ends[1].node
	return l.net.open(a, b) && l.net.open(b, a)
}

// responds says whether a process is there that can answer.
func (n *Node) responds() bool { return n.life != nil && !n.life.paused }

// dial tries to connect, again and again until there is a connection.
func (l *link) dial() {
	if l.dialing {
		return
	}
	l.dialing = true
	wait := min(100*time.Millisecond<<min(l.tries, 8), l.net.w.settings.Links.Redial)
	if l.tries == 0 {
		wait = 10 * time.Millisecond
	}
	l.tries++
	wait = wait/2 + time.Duration(l.ends[0].out.rng.Int64N(int64(wait)))/2
	l.net.w.plan(nil, wait, l.attempt)
}

func (l *link) attempt() {
	l.dialing = false
	a, b := l.ends[0], l.ends[1]
	switch {
	case a.session != 0 && a.session == b.session:
	case !a.node.Up() || !b.node.Up(): // whoever starts it dials again
	case !a.node.responds() || !b.node.responds() || !l.bothWays():
		l.dial()
	default:
		l.establish()
	}
}

var errReplaced = errors.New("replaced by a new connection")

func (l *link) establish() {
	l.tries = 0
	for _, e := range l.ends {
		e.close(errReplaced)
	}
	l.net.sessions++
	for _, e := range l.ends {
		e.session, e.life, e.silent = l.net.sessions, e.node.life, false
		e.alarm++
		e.out.reset()
		e.watches = watches{}
	}
	l.net.w.tell(l.ends[0].node.Name, "is connected to %s", l.ends[1].node.Name)
	for _, e := range l.ends {
		e.announce(&messages.PeerUp{
			Node: e.other().node.ID, Name: e.other().node.Name, Roles: e.other().node.Roles, Incarnation: e.other().node.incarnation,
		})
	}
}

// announce tells the actors of the end's node, or its client.
func (e *end) announce(news any) {
	if e.node.mailTo != nil {
		e.node.mailTo("", nil, news)
		return
	}
	e.life.announce(news)
}

// close ends the connection as this end sees it: PeerDown, Terminated for everybody watched, and the return of what may not have arrived. The
// other end hears of it if there is a way.
func (e *end) close(reason error) {
	if e.session == 0 {
		return
	}
	session := e.session
	e.session, e.silent = 0, false
	e.alarm++
	if e.node.life != e.life || e.life == nil {
		return // nobody is left to be told
	}
	e.link.net.w.tell(e.node.Name, "loses its connection to %s: %v", e.other().node.Name, reason)
	e.announce(&messages.PeerDown{Node: e.other().node.ID, Name: e.other().node.Name, Reason: reason})
	e.endWatches()
	e.returnAll(reason)
	e.link.sayBye(e, session, reason)
	e.link.dial()
}

var errBye = errors.New("the other end closed the connection")

// sayBye lets the other end know that the connection is over, unless a cut lies on the way.
func (l *link) sayBye(from *end, session uint64, reason error) {
	to := from.other()
	if to.session != session || !l.net.open(from.node, to.node) || errors.Is(reason, errReplaced) {
		return
	}
	l.net.w.plan(to.life, from.out.delay(), func() {
		if to.session == session {
			to.close(errBye)
		}
	})
}

// started makes a node that has begun a new life known.
func (n *network) started(node *Node) {
	for _, l := range n.links {
		for _, e := range l.ends {
			if e.node == node {
				l.tries = 0
				l.dial()
			}
		}
	}
	n.listen()
}

// died takes a process out of the network. A kernel that is left closes its connections; one that is not leaves the peers in silence.
func (n *network) died(node *Node, kernelLeft bool) {
	for _, l := range n.links {
		for _, e := range l.ends {
			if e.node != node || e.session == 0 {
				continue
			}
			session := e.session
			e.session = 0
			if kernelLeft {
				l.sayBye(e, session, errBye)
			}
		}
	}
	n.listen()
}

// listen looks at every end again: does it hear the other one? An end that does not gives up after a while.
func (n *network) listen() {
	for _, l := range n.links {
		deaf := !l.bothWays()
		for _, e := range l.ends {
			e.hear(!deaf && e.other().node.responds())
		}
	}
}

var errSilence = errors.New("silence")

func (e *end) hear(heard bool) {
	if e.session == 0 || e.silent == !heard {
		return
	}
	e.silent = !heard
	e.alarm++
	if heard {
		return
	}
	alarm, mean := e.alarm, float64(e.link.net.w.settings.Links.Silence)
	patience := time.Duration(mean/2 + e.out.rng.ExpFloat64()*mean/2)
	e.link.net.w.plan(e.life, patience, func() {
		if e.alarm == alarm && e.silent {
			e.close(errSilence)
		}
	})
}

// cut blocks directions until heal is called.
func (n *network) cut(ways [][2]*Node) (heal func()) {
	concerned := map[*Node]bool{}
	for _, x := range ways {
		n.blocked[x[0].index][x[1].index]++
		concerned[x[0]], concerned[x[1]] = true, true
	}
	for node := range concerned {
		node.cuts++
		node.cutAt = n.w.now
	}
	n.listen()
	healed := false
	return func() {
		if healed {
			return
		}
		healed = true
		for _, x := range ways {
			n.blocked[x[0].index][x[1].index]--
		}
		for node := range concerned {
			node.cuts--
		}
		n.listen()
		for _, x := range ways {
			if e := n.end(x[0], x[1]); e != nil && n.open(x[0], x[1]) {
				e.flow()
			}
		}
	}
}

// repair makes every direction whole, and every connection new that may have lost something.
func (n *network) repair() {
	for _, l := range n.links {
		lossy := false
		for _, e := range l.ends {
			lossy = lossy || e.out.lossy()
			e.out.cure()
		}
		if lossy {
			for _, e := range l.ends {
				e.close(errGap)
			}
		}
	}
}
