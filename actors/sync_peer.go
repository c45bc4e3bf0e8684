package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

const (
	// partBytes is about the size of one part of a delta; a message may not be longer than a frame of the link (256 KiB).
	partBytes = 96 << 10
	// maxDeliveries bounds what waits for a slow peer. What finds no room comes with a later round.
	maxDeliveries = 8
)

// peer is the conversation with one broker. One part at a time is on its way, so a slow peer costs one part of memory.
type peer struct {
	pid     *actor.PID
	round   uint64    // rounds begun
	part    uint32    // of the round on its way
	sending *delivery // nil: none
	queue   []*delivery
	stalled bool // no part was taken since the last tick

	// What is being received: parts of one round, in order.
	inRound uint64
	inPart  uint32
	broken  bool // a part was missed: records are taken, the vector is not
}

// delivery is records for a peer, and what they cover.
type delivery struct {
	records     []ledger.Record
	after, upto ledger.Vector
}

func (p *peer) enqueue(d *delivery) {
	if len(p.queue) < maxDeliveries {
		p.queue = append(p.queue, d)
	}
}

// next begins the next round, if none is on its way.
func (p *peer) next(ctx actor.Context) {
	if p.sending != nil || len(p.queue) == 0 {
		return
	}
	p.sending, p.queue = p.queue[0], p.queue[1:]
	p.round++
	p.part = 0
	p.send(ctx)
}

// send sends the next part; the last one says what the round covers.
func (p *peer) send(ctx actor.Context) {
	d := &messages.SyncDelta{Round: p.round, Part: p.part}
	size := 0
	for len(p.sending.records) > 0 && size < partBytes {
		b := p.sending.records[0].Append(nil)
		if size > 0 && size+len(b) > partBytes {
			break
		}
		d.Records = append(d.Records, b)
		size += len(b)
		p.sending.records = p.sending.records[1:]
	}
	if len(p.sending.records) == 0 {
		d.Last, d.After, d.Upto = true, p.sending.after.Append(nil), p.sending.upto.Append(nil)
	}
	p.stalled = false
	ctx.Request(p.pid, d)
}

// taken goes on after a part arrived.
func (p *peer) taken(ctx actor.Context, msg *messages.SyncTaken) {
	if p.sending == nil || msg.GetRound() != p.round || msg.GetPart() != p.part {
		return
	}
	if len(p.sending.records) == 0 {
		p.sending = nil
		p.next(ctx)
		return
	}
	p.part++
	p.send(ctx)
}

// dropStalled gives up a round of which no part was taken for a whole interval.
func (p *peer) dropStalled() {
	if p.stalled {
		p.sending, p.queue = nil, nil
	}
	p.stalled = p.sending != nil
}

// takes notes a part and says whether all parts of its round so far have come.
func (p *peer) takes(d *messages.SyncDelta) bool {
	if d.GetPart() == 0 {
		p.inRound, p.inPart, p.broken = d.GetRound(), 0, false
		return true
	}
	p.inPart++
	p.broken = p.broken || d.GetRound() != p.inRound || d.GetPart() != p.inPart
	return !p.broken
}
