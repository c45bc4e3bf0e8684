package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// dataSeeds is of how many seeds one has named data beside its jobs: the others stay what they were.
const dataSeeds = 3

// loadData lets clients put, remove and list named data for so long, in some seeds. Few names are enough to meet.
func (w *World) loadData(deeds int, until time.Duration) {
	if w.Seed%dataSeeds != 0 {
		return
	}
	rng := w.stream("data")
	for range deeds {
		d := &deed{c: w.clients[rng.IntN(len(w.clients))], rng: rng, name: fmt.Sprintf("d/%d", rng.IntN(6)), kind: rng.Float64()}
		w.plan(nil, time.Duration(rng.Int64N(int64(until))), d.begin)
	}
}

// deed is one thing that a client does with named data, again and again until a broker has answered.
type deed struct {
	c    *Client
	rng  *rand.Rand
	name string
	kind float64
	id   job.ID
	over bool
}

func (d *deed) begin() {
	d.id = d.c.NewID(d.anyBroker().Name)
	d.ask()
}

func (d *deed) anyBroker() *Node {
	brokers := d.c.w.where(func(n *Node) bool { return n.Is(messages.Broker) })
	return brokers[d.rng.IntN(len(brokers))]
}

func (d *deed) ask() {
	forget := d.c.ask(d.anyBroker(), d.message(), d.answered)
	d.c.w.plan(d.c.node.life, 2*time.Second+time.Duration(d.rng.Int64N(int64(time.Second))), func() {
		forget()
		if !d.over && !d.c.w.silent() {
			d.c.w.Rare.add("named data was asked for again")
			d.ask()
		}
	})
}

func (d *deed) message() proto.Message {
	switch {
	case d.kind < 0.6:
		return d.c.Putting(d.id, d.name, "text of "+string(d.id))
	case d.kind < 0.75:
		return &messages.RemoveData{Id: string(d.id), Name: d.name, Session: d.c.session}
	case d.kind < 0.85:
		return &messages.DataRequest{Name: d.name, Session: d.c.session}
	}
	return &messages.DataList{Prefix: "d/", Session: d.c.session}
}

// answered ends the deed, unless asking again may help.
func (d *deed) answered(m any) {
	r, refused := m.(*messages.Refused)
	switch {
	case !refused, r.GetCode() == messages.Refused_NOT_FOUND, r.GetCode() == messages.Refused_INVALID:
		d.over = true
	case r.GetCode() == messages.Refused_RENAMED:
		d.over = true // a client makes a new id then; that is another put
	}
}
