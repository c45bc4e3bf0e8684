package actors

import (
	"log/slog"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

const (
	// gather is how long writes are collected before they are pushed: a burst travels as one message.
	gather = 5 * time.Millisecond
	// maxGathered bounds the writes that wait for a push; beyond it the next round brings them.
	maxGathered = 4096
)

// syncer exchanges ledger state with peer brokers: it pushes this broker's writes as they happen, and compares ledgers on a period, so that
// whatever a push missed arrives with the next round. It owns no records, only the conversation; its broker supervises it, and after a
// restart the next round makes good what it forgot.
type syncer struct {
	*Node
	interval time.Duration
	broker   *actor.PID
	log      *slog.Logger
	peers    map[string]*peer
	push     []ledger.Record
	since    ledger.Vector // where the writes in push begin
	upto     ledger.Vector
	flushing bool
	timers   []Timer
}

func newSync(n *Node, interval time.Duration, broker *actor.PID) *actor.Props {
	return n.props(func() actor.Actor {
		return &syncer{Node: n, interval: interval, broker: broker, log: n.Log.With("actor", "sync"), peers: map[string]*peer{}}
	})
}

// Receive turns messages into calls; merging is package ledger's, in the broker.
func (s *syncer) Receive(ctx actor.Context) {
	if anonymous(ctx) {
		s.log.Warn("message without a sender dropped", "type", typeName(ctx.Message()))
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		s.later(ctx, s.interval, &syncTick{})
	case *actor.Stopping, *actor.Restarting:
		for _, t := range s.timers {
			t.Stop()
		}
	case *syncTick:
		s.tick(ctx)
	case *messages.PeerUp:
		s.peerUp(ctx, msg)
	case *messages.PeerDown:
		delete(s.peers, msg.Node)
	case *wrote:
		s.wrote(ctx, msg)
	case *flushPush:
		s.flush(ctx)
	case *messages.SyncPing:
		ctx.Request(s.broker, &vectorRequest{s.from(ctx), msg.GetHash(), true})
	case *vectorResponse:
		s.compare(ctx, msg)
	case *messages.SyncVector:
		s.lacks(ctx, msg)
	case *deltaResponse:
		s.deliver(ctx, msg.peer, msg.records, msg.since, msg.upto)
	case *messages.SyncDelta:
		s.receive(ctx, msg)
	case *messages.SyncTaken:
		s.taken(ctx, msg)
	case returned: // the next round brings what this one did not
		logReturned(s.log, msg)
	case actor.SystemMessage, actor.AutoReceiveMessage:
	default:
		s.log.Warn("unexpected message", "type", typeName(msg))
	}
}

// later sends m to this actor after d.
func (s *syncer) later(ctx actor.Context, d time.Duration, m any) {
	root, self := RootContext(ctx.ActorSystem(), s.Clock), ctx.Self()
	s.timers = append(s.timers, s.after(d, func() { root.Send(self, m) }))
}

func (s *syncer) peerUp(ctx actor.Context, msg *messages.PeerUp) {
	if slices.Contains(msg.Roles, messages.Broker) {
		s.peers[msg.Node] = &peer{pid: pid(msg.Node, messages.SyncActor)}
		ctx.Request(s.broker, &vectorRequest{peer: msg.Node, answer: true})
	}
}

// from returns the peer that sent the message under way.
func (s *syncer) from(ctx actor.Context) string {
	return ctx.Sender().Address
}

// tick opens a round with everybody, and gives up deliveries that went nowhere since the last one: the round brings them again.
func (s *syncer) tick(ctx actor.Context) {
	for _, p := range s.peers {
		p.dropStalled()
	}
	ctx.Request(s.broker, &vectorRequest{})
	s.timers = s.timers[:0]
	s.later(ctx, s.interval, &syncTick{})
}

// compare goes on when the broker's vector is there: pings everybody, or answers a ping that showed a difference.
func (s *syncer) compare(ctx actor.Context, v *vectorResponse) {
	hash := v.vector.Hash()
	if v.peer == "" {
		for _, p := range s.peers {
			ctx.Request(p.pid, &messages.SyncPing{Hash: hash})
		}
		return
	}
	if p, ok := s.peers[v.peer]; ok && hash != v.hash {
		ctx.Request(p.pid, &messages.SyncVector{Vector: v.vector.Append(nil), Answer: v.answer})
	}
}

// lacks answers a peer's vector with what it lacks, and with our own vector if it asks for it.
func (s *syncer) lacks(ctx actor.Context, msg *messages.SyncVector) {
	since, err := ledger.DecodeVector(msg.GetVector())
	if err != nil {
		s.log.Warn("vector of a peer cannot be read", "peer", s.from(ctx), "err", err)
		return
	}
	p, ok := s.peers[s.from(ctx)]
	if !ok || p.sending != nil {
		return // it left, or is being told already
	}
	ctx.Request(s.broker, &deltaRequest{peer: s.from(ctx), since: since})
	if msg.GetAnswer() {
		ctx.Request(s.broker, &vectorRequest{peer: s.from(ctx)})
	}
}

// wrote gathers a write of this broker for the next push.
func (s *syncer) wrote(ctx actor.Context, w *wrote) {
	if len(s.peers) == 0 || len(s.push) >= maxGathered {
		return
	}
	if len(s.push) == 0 {
		before := w.dot
		before.Seq--
		s.since, s.upto = ledger.Vector{}.With(before), ledger.Vector{}
	}
	s.push = append(s.push, w.record)
	s.upto = s.upto.With(w.dot)
	if !s.flushing {
		s.flushing = true
		s.later(ctx, gather, &flushPush{})
	}
}

func (s *syncer) flush(ctx actor.Context) {
	push := newest(s.push)
	s.flushing, s.push = false, nil
	for id := range s.peers {
		s.deliver(ctx, id, push, s.since, s.upto)
	}
}

// newest keeps the last version of each record, in order.
func newest(recs []ledger.Record) []ledger.Record {
	seen := map[ledger.Key]bool{}
	var out []ledger.Record
	for _, r := range slices.Backward(recs) {
		if !seen[r.Key] {
			seen[r.Key] = true
			out = append(out, r)
		}
	}
	slices.Reverse(out)
	return out
}

// deliver has records sent to a peer, after what is on its way there already.
func (s *syncer) deliver(ctx actor.Context, to string, recs []ledger.Record, after, upto ledger.Vector) {
	if p, ok := s.peers[to]; ok {
		p.enqueue(&delivery{records: recs, after: after, upto: upto})
		p.next(ctx)
	}
}

// receive hands a part to the broker. Only who got every part of a round may adopt what the round covers.
func (s *syncer) receive(ctx actor.Context, d *messages.SyncDelta) {
	p, ok := s.peers[s.from(ctx)]
	if !ok {
		return // it left while this was on its way; the next round brings it again
	}
	recs, err := messages.RecordsFromWire(d.GetRecords(), decodeState)
	if err != nil {
		s.log.Error("records of a peer cannot be read", "peer", s.from(ctx), "err", err)
		return
	}
	m := &merge{records: recs}
	if p.takes(d) && d.GetLast() {
		var afterErr, uptoErr error
		m.after, afterErr = ledger.DecodeVector(d.GetAfter())
		m.upto, uptoErr = ledger.DecodeVector(d.GetUpto())
		m.adopt = afterErr == nil && uptoErr == nil
	}
	ctx.Send(s.broker, m)
	ctx.Request(p.pid, &messages.SyncTaken{Round: d.GetRound(), Part: d.GetPart()})
}

func (s *syncer) taken(ctx actor.Context, msg *messages.SyncTaken) {
	if p, ok := s.peers[s.from(ctx)]; ok {
		p.taken(ctx, msg)
	}
}
