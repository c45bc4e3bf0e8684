package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/urbancompute/ucp/messages"
)

// alarms lets clients declare emergencies and clear some of them, in a part of all networks. In such a network some jobs belong to one.
func (w *World) alarms(until time.Duration) {
	rng := w.stream("emergencies")
	if rng.IntN(3) != 0 {
		return
	}
	w.alarmed = true
	for i := range 1 + rng.IntN(3) {
		a := &alarm{c: w.clients[rng.IntN(len(w.clients))], rng: w.stream(fmt.Sprintf("emergency %d", i))}
		w.plan(nil, time.Second+time.Duration(rng.Int64N(int64(until))), a.raise)
	}
}

// alarm is one emergency: a client declares it until somebody has heard, here and there under the same id.
type alarm struct {
	c    *Client
	rng  *rand.Rand
	m    *messages.DeclareEmergency
	told bool
}

func (a *alarm) raise() {
	at := a.anyBroker()
	a.m = &messages.DeclareEmergency{
		Id: string(a.c.NewID(at.Name)), Type: []string{"fire", "flood"}[a.rng.IntN(2)], Level: uint32(1 + a.rng.IntN(4)), //nolint:gosec // at most 4
		Area: "north", Reason: "it burns", TtlMs: uint64(2000 + a.rng.IntN(8000)),
	}
	a.declare(at)
	if a.rng.IntN(2) == 0 {
		a.later(time.Second+time.Duration(a.rng.Int64N(int64(6*time.Second))), func() { a.clear(a.anyBroker()) })
	}
}

func (a *alarm) declare(at *Node) {
	a.c.ask(at, a.m, func(answer any) {
		if _, ok := answer.(*messages.EmergencyDeclared); ok && !a.told {
			a.told = true
			a.c.w.Rare.add("an emergency was declared")
		}
	})
	a.later(2*time.Second, func() {
		if !a.told {
			a.declare(a.anyBroker())
		}
	})
}

func (a *alarm) clear(at *Node) {
	done := false
	a.c.ask(at, &messages.ClearEmergency{Id: a.m.GetId(), Reason: "it is out"}, func(answer any) {
		if _, ok := answer.(*messages.EmergencyDeclared); ok && !done {
			done = true
			a.c.w.Rare.add("an emergency was cleared")
		}
	})
}

func (a *alarm) anyBroker() *Node {
	brokers := a.c.w.where(func(n *Node) bool { return n.Is(messages.Broker) })
	return brokers[a.rng.IntN(len(brokers))]
}

func (a *alarm) later(d time.Duration, do func()) { a.c.w.plan(a.c.node.life, d, do) }
