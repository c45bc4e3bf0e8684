package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

// partBytes is about the size of the records of one part before they are compressed; a message may not be longer than a frame of the link (256 KiB).
const partBytes = 192 << 10

// peer is the conversation with one broker. One part at a time is on its way, so a slow peer costs one part of memory.
type peer struct {
	pid     *actor.PID
	life    uint64        // incarnation of this node
	size    int           // of a part
	rounds  *uint64       // the syncer's count of rounds, so that no two are taken for one
	round   uint64        // the one on its way
	part    uint32        // of the round on its way
	sending *deltaReady   // what is on its way; nil: nothing
	last    bool          // the part on its way is the round's last
	waiting *deltaReady   // the next delta; a newer one replaces it
	pushed  ledger.Vector // of this broker's writes: what was sent last
	dirty   bool          // there is more
	asked   bool          // the broker plans a push
	stalled bool          // no part was taken since the last tick
	again   bool          // it asked anew while a round was on its way that answers it

	// What is being received: parts of one round, in order.
	inLife  uint64
	inRound uint64
	inPart  uint32
	broken  bool // a part was missed: records are taken, marks are not
}

// stream has a delta sent after the one on its way. A push that finds the way taken is planned again later; so is an answer behind an answer, most
// of which would come twice.
func (p *peer) stream(ctx actor.Context, d *deltaReady) {
	switch {
	case p.sending == nil || (d.life != 0 && p.sending.life == 0):
		p.waiting = d
	case d.life != 0:
		p.again = true
	}
	p.next(ctx)
}

// next begins the next round, if none is on its way.
func (p *peer) next(ctx actor.Context) {
	if p.sending != nil || p.waiting == nil {
		return
	}
	p.sending, p.waiting = p.waiting, nil
	p.pushed = p.pushed.Merge(p.sending.own)
	*p.rounds++
	p.round, p.part = *p.rounds, 0
	p.send(ctx)
}

// idle says whether a push could begin.
func (p *peer) idle() bool { return p.sending == nil && p.waiting == nil && p.dirty && !p.asked }

// send sends the next part with what it marks.
func (p *peer) send(ctx actor.Context) {
	part, more := p.sending.delta.Next(p.size)
	p.last, p.stalled = !more, false
	ctx.Request(p.pid, &messages.SyncDelta{
		Round: p.round, Part: p.part, Last: p.last, Records: ledger.EncodeRecords(part.Records), From: part.From.Append(nil), Marks: part.Marks.Append(nil),
		Journal: p.sending.journal, Incarnation: p.sending.life, Life: p.life,
	})
}

// taken goes on after a part arrived.
func (p *peer) taken(ctx actor.Context, msg *messages.SyncTaken) {
	if p.sending == nil || msg.GetRound() != p.round || msg.GetPart() != p.part {
		return
	}
	p.stalled = false
	if p.last {
		p.sending = nil
		p.next(ctx)
		return
	}
	p.part++
	p.send(ctx)
}

// askAgain says whether the peer is to be asked what it lacks now that a round is over, once.
func (p *peer) askAgain() bool {
	again := p.again && p.sending == nil
	p.again = p.again && !again
	return again
}

// dropStalled gives up a round of which no part was taken for a whole interval.
func (p *peer) dropStalled() {
	if p.stalled {
		p.sending, p.waiting, p.asked, p.again = nil, nil, false, false
	}
	p.stalled = p.sending != nil
}

// takes notes a part and says whether all parts of its round so far have come.
func (p *peer) takes(d *messages.SyncDelta) bool {
	if d.GetPart() == 0 {
		p.inLife, p.inRound, p.inPart, p.broken = d.GetLife(), d.GetRound(), 0, false
		return true
	}
	same := d.GetLife() == p.inLife && d.GetRound() == p.inRound
	if same && d.GetPart() <= p.inPart {
		return !p.broken // once more
	}
	p.broken = p.broken || !same || d.GetPart() != p.inPart+1
	p.inPart = d.GetPart()
	return !p.broken
}
