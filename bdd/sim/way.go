package sim

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// way is one direction of a link, with its character and what is on it.
type way struct {
	w        *World
	from, to *Node
	rng      *rand.Rand
	base     time.Duration
	jitter   time.Duration
	loss     float64
	double   float64
	reorder  float64
	last     time.Duration // when what was sent last arrives
	flight   []*parcel     // sent and not confirmed
	stalled  []*parcel     // behind a cut, in order
}

// parcel is one message on its way.
type parcel struct {
	session       uint64
	kind          kind
	target        string
	targetRequest uint32
	sender        string // empty: nobody
	senderRequest uint32
	message       any // for a user's message: as it was sent, stamped or not
	why           actor.TerminatedReason
	confirmed     time.Duration // when the sender knows that it arrived; 0: it did not
	sum           uint64        // of the message, if receivers are not trusted
}

type kind uint8

const (
	userKind kind = iota + 1
	watchKind
	unwatchKind
	terminatedKind
	deadLetterKind
)

func newWay(w *World, from, to *Node) *way {
	s := w.settings.Links
	y := &way{w: w, from: from, to: to, rng: w.stream("way " + from.Name + " " + to.Name), base: s.Delay, jitter: s.Jitter}
	if y.rng.Float64() < s.SlowShare {
		y.base *= time.Duration(10 + y.rng.IntN(90))
		y.jitter *= time.Duration(10 + y.rng.IntN(90))
	}
	if y.rng.Float64() < s.LossyShare {
		y.loss, y.double, y.reorder = y.rng.Float64()*s.Loss, y.rng.Float64()*s.Double, y.rng.Float64()*s.Reorder
	}
	return y
}

// delay draws how long a message takes. No two are alike, so that arrivals of one instant are rare.
func (y *way) delay() time.Duration {
	return y.base + time.Duration(min(y.rng.ExpFloat64(), 8)*float64(y.jitter)) + time.Duration(y.rng.IntN(1000))
}

func (y *way) lossy() bool { return y.loss > 0 || y.double > 0 || y.reorder > 0 }

// cure makes the way whole.
func (y *way) cure() {
	s := y.w.settings.Links
	y.loss, y.double, y.reorder, y.base, y.jitter = 0, 0, 0, s.Delay, s.Jitter
}

func (y *way) reset() { y.flight, y.stalled = nil, nil }

// maxQueue bounds what waits behind a cut. One message more is returned.
const maxQueue = 20_000

var (
	errGap  = errors.New("a message was lost")
	errBusy = errors.New("too much waits for the peer")
)

// send puts a message on its way.
func (e *end) send(p *parcel) error {
	y := e.out
	if len(y.stalled) >= maxQueue {
		return errBusy
	}
	p.session = e.session
	y.confirm()
	y.flight = append(y.flight, p)
	if !e.link.net.open(y.from, y.to) {
		y.stalled = append(y.stalled, p)
		return nil
	}
	e.depart(p)
	return nil
}

// confirm forgets what is known to have arrived.
func (y *way) confirm() {
	n := 0
	for n < len(y.flight) && y.flight[n].confirmed != 0 && y.flight[n].confirmed <= y.w.now {
		y.flight[n] = nil
		n++
	}
	if y.flight = y.flight[n:]; len(y.flight) == 0 {
		y.flight = nil
	}
}

// depart plans when a message arrives, if it does.
func (e *end) depart(p *parcel) {
	y := e.out
	if y.loss > 0 && y.rng.Float64() < y.loss {
		e.lose(p)
		return
	}
	at := y.w.now + y.delay()
	if y.reorder > 0 && y.rng.Float64() < y.reorder {
		at += time.Duration(y.rng.ExpFloat64() * float64(20*time.Millisecond))
		y.w.Faults.add("message overtaken")
	} else {
		at = max(at, y.last+1)
		y.last = at
	}
	e.arriveAt(at, p)
	if p.kind == userKind && y.double > 0 && y.rng.Float64() < y.double {
		y.w.Faults.add("message doubled")
		e.arriveAt(at+time.Duration(y.rng.ExpFloat64()*float64(50*time.Millisecond)), p)
	}
}

// lose drops a message. The gap is noticed after a while, and ends the connection.
func (e *end) lose(p *parcel) {
	w, session := e.out.w, e.session
	w.Faults.add("message lost")
	w.tell(e.node.Name, "%s to %s is lost", describe(p), e.out.to.Name)
	w.plan(nil, 100*time.Millisecond+time.Duration(e.out.rng.ExpFloat64()*float64(500*time.Millisecond)), func() {
		for _, end := range e.link.ends {
			if end.session == session && (end.life == nil || !end.life.dead) {
				end.close(errGap)
			}
		}
	})
}

// arriveAt plans the arrival of a message at the other end.
func (e *end) arriveAt(at time.Duration, p *parcel) {
	to := e.other()
	e.out.w.plan(to.life, at-e.out.w.now, func() { e.arrive(p) })
}

// arrive delivers a message, unless a cut came in between, or the connection it belongs to is over.
func (e *end) arrive(p *parcel) {
	y, to := e.out, e.other()
	switch {
	case to.session != p.session:
	case !e.link.net.open(y.from, y.to):
		y.stalled = append(y.stalled, p)
	default:
		p.confirmed = y.w.now + max(y.base, 1)
		to.deliver(p)
	}
}

// flow lets what waited behind a cut go on.
func (e *end) flow() {
	waiting := e.out.stalled
	e.out.stalled = nil
	for _, p := range waiting {
		if p.session == e.session {
			e.depart(p)
		}
	}
}

// returnAll gives what is not known to have arrived back to its senders.
func (e *end) returnAll(reason error) {
	e.out.confirm()
	for _, p := range e.out.flight {
		if p.kind == userKind {
			e.giveBack(p, reason, true)
		}
	}
	e.out.reset()
}
