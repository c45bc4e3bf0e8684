package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

const (
	// partBytes is about the size of the records of one part before they are compressed; a message may not be longer than a frame of the link
	// (256 KiB).
	partBytes = 192 << 10
	// leastPart is how small parts become on a slow link.
	leastPart = 4 << 10
)

// peer is the conversation with one broker: a flow of everything, and beside it one of what was written in the urgent lane, which waits for none of
// the rest (EMG-4).
type peer struct {
	pid    *actor.PID
	life   uint64        // incarnation of this node
	size   int           // of a part, at most
	pace   time.Duration // in which a part is to be taken
	rounds *uint64       // the syncer's count of rounds, so that no two are taken for one
	pushed ledger.Vector // of this broker's writes: what was sent last
	bulk   flow
	urgent flow
	// What is being received.
	inBulk, inUrgent intake
}

// flow is what is sent. One part at a time is on its way, so a slow peer costs one part of memory.
type flow struct {
	urgent  bool
	round   uint64      // the one on its way
	part    uint32      // of the round on its way
	size    int         // of the next part
	sending *deltaReady // what is on its way; nil: nothing
	sent    time.Time   // when the part on its way was
	last    bool        // the part on its way is the round's last
	waiting *deltaReady // the next delta; a newer one replaces it
	dirty   bool        // there is more
	asked   bool        // the broker plans a push
	stalled bool        // no part was taken since the last tick
	again   bool        // it asked anew while a round was on its way that answers it
}

// intake is what is received: parts of one round, in order.
type intake struct {
	life   uint64
	round  uint64
	part   uint32
	broken bool // a part was missed: records are taken, marks are not
}

func newPeer(node string, life uint64, rounds *uint64, size int, interval time.Duration) *peer {
	return &peer{
		pid: pid(node, messages.SyncActor), life: life, rounds: rounds, size: size, pace: interval / 4,
		bulk: flow{size: size}, urgent: flow{size: size, urgent: true},
	}
}

// flow returns the one of a kind.
func (p *peer) flow(urgent bool) *flow {
	if urgent {
		return &p.urgent
	}
	return &p.bulk
}

// stream has a delta sent after the one on its way. A push that finds the way taken is planned again later; so is an answer behind an answer, most
// of which would come twice.
func (p *peer) stream(ctx actor.Context, now time.Time, d *deltaReady) {
	f := p.flow(d.urgent)
	switch {
	case f.sending == nil || (d.life != 0 && f.sending.life == 0):
		f.waiting = d
	case d.life != 0:
		f.again = true
	}
	p.next(ctx, now, f)
}

// next begins the next round, if none is on its way.
func (p *peer) next(ctx actor.Context, now time.Time, f *flow) {
	if f.sending != nil || f.waiting == nil {
		return
	}
	f.sending, f.waiting = f.waiting, nil
	p.pushed = p.pushed.Merge(f.sending.own)
	*p.rounds++
	f.round, f.part = *p.rounds, 0
	p.send(ctx, now, f)
}

// idle says whether a push could begin.
func (f *flow) idle() bool { return f.sending == nil && f.waiting == nil && f.dirty && !f.asked }

// send sends the next part with what it marks.
func (p *peer) send(ctx actor.Context, now time.Time, f *flow) {
	part, more := f.sending.delta.Next(f.size)
	f.last, f.stalled, f.sent = !more, false, now
	ctx.Request(p.pid, &messages.SyncDelta{
		Round: f.round, Part: f.part, Last: f.last, Records: ledger.EncodeRecords(part.Records), From: part.From.Append(nil), Marks: part.Marks.Append(nil),
		Journal: f.sending.journal, Incarnation: f.sending.life, Life: p.life, Urgent: f.urgent,
	})
}

// taken goes on after a part arrived.
func (p *peer) taken(ctx actor.Context, now time.Time, msg *messages.SyncTaken) {
	f := p.flow(msg.GetUrgent())
	if f.sending == nil || msg.GetRound() != f.round || msg.GetPart() != f.part {
		return
	}
	p.adapt(f, now.Sub(f.sent))
	f.stalled = false
	if f.last {
		f.sending = nil
		p.next(ctx, now, f)
		return
	}
	f.part++
	p.send(ctx, now, f)
}

// adapt makes parts smaller on a way so slow that they would be given up, and larger again.
func (p *peer) adapt(f *flow, took time.Duration) {
	switch {
	case took > p.pace:
		f.size = max(f.size/2, min(leastPart, p.size))
	case took < p.pace/4:
		f.size = min(f.size*2, p.size)
	}
}

// askAgain says whether the peer is to be asked what it lacks now that a round is over, once.
func (f *flow) askAgain() bool {
	again := f.again && f.sending == nil
	f.again = f.again && !again
	return again
}

// dropStalled gives up rounds of which no part was taken for a whole interval. What comes next begins with small parts.
func (p *peer) dropStalled() {
	for _, f := range []*flow{&p.bulk, &p.urgent} {
		if f.stalled {
			f.drop()
			f.size = max(f.size/4, min(leastPart, p.size))
		}
		f.stalled = f.sending != nil
	}
}

// drop forgets what was to be sent.
func (f *flow) drop() { f.sending, f.waiting, f.asked, f.again = nil, nil, false, false }

// takes notes a part and says whether all parts of its round so far have come.
func (p *peer) takes(d *messages.SyncDelta) bool {
	if d.GetUrgent() {
		return p.inUrgent.takes(d)
	}
	return p.inBulk.takes(d)
}

func (in *intake) takes(d *messages.SyncDelta) bool {
	if d.GetPart() == 0 {
		*in = intake{life: d.GetLife(), round: d.GetRound()}
		return true
	}
	same := d.GetLife() == in.life && d.GetRound() == in.round
	if same && d.GetPart() <= in.part {
		return !in.broken // once more
	}
	in.broken = in.broken || !same || d.GetPart() != in.part+1
	in.part = d.GetPart()
	return !in.broken
}
