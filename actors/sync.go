package actors

import (
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

const (
	// gather is how long writes are collected before they are pushed: a burst travels as one message.
	gather = 5 * time.Millisecond
	// everybody is the number of peers up to which all are asked in every round; of more, a random few.
	everybody = 15
	// aFew is how many are asked then.
	aFew = 4
)

// syncer exchanges ledger state with peer brokers: it pushes this broker's writes as they happen, and compares ledgers on a period, so that
// whatever a push missed arrives with the next round. It owns no records, only the conversation, and sends nothing that its broker has not said
// is on disk; its broker supervises it, and after a restart the next round makes good what it forgot.
type syncer struct {
	*Node
	interval time.Duration
	part     int // about the size of one, in bytes
	broker   *actor.PID
	log      *slog.Logger
	random   *rand.Rand
	peers    map[string]*peer
	rounds   uint64
	flushing bool
	timers   []Timer
}

func newSync(n *Node, interval time.Duration, part int, broker *actor.PID) *actor.Props {
	return n.props(func() actor.Actor {
		return &syncer{
			Node: n, interval: interval, part: part, broker: broker, log: n.Log.With("actor", "sync"), peers: map[string]*peer{},
			random: rand.New(rand.NewPCG(n.Incarnation, 0)), rounds: n.hybrid().Pack(),
		}
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
		s.wrote(ctx)
	case *flushPush:
		s.flush(ctx)
	case *summary:
		s.ping(ctx, msg)
	case *vectorReady:
		s.send(ctx, msg.peer, msg.tell)
	case *deltaReady:
		s.deliver(ctx, msg)
	case *merged:
		s.merged(ctx, msg)
	case *reborn:
		s.reborn(ctx)
	case *auditReady:
		s.send(ctx, msg.peer, &messages.SyncAudit{Ranges: msg.sums})
	case *sumsReady:
		s.send(ctx, msg.peer, messages.SumsToWire(msg.index, msg.sums))
	case *wantReady:
		s.send(ctx, msg.peer, messages.WantToWire(msg.keys))
	case *repairReady:
		s.send(ctx, msg.peer, &messages.SyncRepair{Records: ledger.EncodeRecords(msg.records), Journal: msg.journal, Behind: msg.behind})
	default:
		s.hear(ctx)
	}
}

// hear handles what peers say.
func (s *syncer) hear(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *messages.SyncPing:
		ctx.Send(s.broker, &pinged{s.from(ctx), msg.GetHash(), msg.GetBehind()})
	case *messages.SyncVector:
		s.told(ctx, msg)
	case *messages.SyncDelta:
		s.receive(ctx, msg)
	case *messages.SyncTaken:
		s.taken(ctx, msg)
	case *messages.SyncForgotten:
		s.forgotten(ctx, msg)
	case *messages.SyncAudit:
		ctx.Send(s.broker, &audited{s.from(ctx), msg.GetRanges()})
	case *messages.SyncSums:
		index, sums := messages.SumsFromWire(msg)
		ctx.Send(s.broker, &summed{s.from(ctx), index, sums})
	case *messages.SyncWant:
		ctx.Send(s.broker, &wanted{s.from(ctx), messages.WantFromWire(msg)})
	case *messages.SyncRepair:
		s.repaired(ctx, msg)
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
	if slices.Contains(msg.Roles, messages.Broker) && msg.Node != s.ID {
		s.peers[msg.Node] = &peer{pid: pid(msg.Node, messages.SyncActor), life: s.Incarnation, rounds: &s.rounds, size: s.part}
		ctx.Send(s.broker, &vectorRequest{peer: msg.Node, answer: true})
	}
}

// from returns the peer that sent the message under way.
func (s *syncer) from(ctx actor.Context) string { return ctx.Sender().Address }

func (s *syncer) send(ctx actor.Context, to string, m any) {
	if p, ok := s.peers[to]; ok {
		ctx.Request(p.pid, m)
	}
}

// tick opens a round, and gives up deliveries that went nowhere since the last one: the round brings them again.
func (s *syncer) tick(ctx actor.Context) {
	for _, p := range s.peers {
		p.dropStalled()
	}
	ctx.Send(s.broker, &summaryRequest{})
	s.timers = s.timers[:0]
	s.later(ctx, s.interval, &syncTick{})
}

// ping asks peers whether their ledgers equal this one: all of them, or of many a random few (SYNC-1).
func (s *syncer) ping(ctx actor.Context, msg *summary) {
	names := slices.Sorted(maps.Keys(s.peers))
	if len(names) > everybody {
		s.random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		names = names[:aFew]
	}
	for _, n := range names {
		ctx.Request(s.peers[n].pid, &messages.SyncPing{Hash: msg.hash, Behind: msg.behind})
	}
}

// told passes on what a peer knows.
func (s *syncer) told(ctx actor.Context, msg *messages.SyncVector) {
	knows, err := ledger.DecodeKnowledge(msg.GetKnowledge())
	if err != nil {
		s.log.Warn("vector of a peer cannot be read", "peer", s.from(ctx), "err", err)
		return
	}
	ctx.Send(s.broker, &vectorTold{
		peer: s.from(ctx), journal: msg.GetJournal(), incarnation: msg.GetIncarnation(), knows: knows, root: msg.GetRoot(), answer: msg.GetAnswer(),
	})
}

// wrote gathers writes of this broker for the next push to every peer.
func (s *syncer) wrote(ctx actor.Context) {
	for _, p := range s.peers {
		p.dirty = true
	}
	if !s.flushing && len(s.peers) > 0 {
		s.flushing = true
		s.later(ctx, gather, &flushPush{})
	}
}

// flush has pushes planned for the peers to whom nothing is on its way; the others get theirs when that has arrived.
func (s *syncer) flush(ctx actor.Context) {
	s.flushing = false
	for _, n := range slices.Sorted(maps.Keys(s.peers)) {
		s.push(ctx, n)
	}
}

func (s *syncer) push(ctx actor.Context, to string) {
	if p := s.peers[to]; p.idle() {
		p.dirty, p.asked = false, true
		ctx.Send(s.broker, &pushRequest{to, p.pushed})
	}
}

// deliver sends a peer what it lacks.
func (s *syncer) deliver(ctx actor.Context, msg *deltaReady) {
	p, ok := s.peers[msg.peer]
	if !ok {
		return
	}
	if msg.life == 0 {
		p.asked = false
	}
	if !msg.delta.Empty() {
		p.stream(ctx, msg)
	}
}

// reborn drops what was to be sent under the old journal, and asks everybody for everything.
func (s *syncer) reborn(ctx actor.Context) {
	for _, n := range slices.Sorted(maps.Keys(s.peers)) {
		p := s.peers[n]
		p.sending, p.waiting, p.asked, p.again, p.pushed = nil, nil, false, false, ledger.Vector{}
		ctx.Send(s.broker, &vectorRequest{peer: n, answer: true})
	}
}

// receive hands a part to the broker. Only who got every part of a round so far may adopt what it marks.
func (s *syncer) receive(ctx actor.Context, d *messages.SyncDelta) {
	p, ok := s.peers[s.from(ctx)]
	if !ok {
		return // it left while this was on its way; the next round brings it again
	}
	m := &merge{peer: s.from(ctx), journal: d.GetJournal(), life: d.GetIncarnation(), round: d.GetRound(), part: d.GetPart()}
	var err error
	if m.records, err = ledger.DecodeRecords(d.GetRecords(), decodeState, maxPart); err == nil {
		m.from, m.marks, err = marksOf(d)
	}
	if err != nil {
		s.log.Error("records of a peer cannot be read", "peer", s.from(ctx), "err", err)
		return
	}
	m.adopt = p.takes(d)
	ctx.Send(s.broker, m)
}

// maxPart bounds what one part may unpack to, in bytes: some 192 KiB, or a single record.
const maxPart = 4 << 20

func marksOf(d *messages.SyncDelta) (from, marks ledger.Vector, err error) {
	if from, err = ledger.DecodeVector(d.GetFrom()); err != nil {
		return from, marks, err
	}
	marks, err = ledger.DecodeVector(d.GetMarks())
	return from, marks, err
}

func (s *syncer) repaired(ctx actor.Context, msg *messages.SyncRepair) {
	recs, err := ledger.DecodeRecords(msg.GetRecords(), decodeState, maxPart)
	if err != nil {
		s.log.Error("records of a peer cannot be read", "peer", s.from(ctx), "err", err)
		return
	}
	ctx.Send(s.broker, &merge{peer: s.from(ctx), journal: msg.GetJournal(), records: recs, repair: !msg.GetBehind()})
}

// merged tells the sender of a part that it is on disk, and of what it brought that was forgotten here.
func (s *syncer) merged(ctx actor.Context, m *merged) {
	if !m.repair {
		s.send(ctx, m.peer, &messages.SyncTaken{Round: m.round, Part: m.part, Journal: m.journal, Held: m.holds.Append(nil)})
	}
	if len(m.refused) > 0 {
		told := &messages.SyncForgotten{Horizon: m.horizon.Append(nil)}
		for _, key := range m.refused {
			switch key.Kind {
			case ledger.Job:
				told.Jobs = append(told.Jobs, key.ID)
			case ledger.Data:
				told.Data = append(told.Data, key.ID)
			default: // none of the others ends
			}
		}
		s.send(ctx, m.peer, told)
	}
}

func (s *syncer) taken(ctx actor.Context, msg *messages.SyncTaken) {
	if v, err := ledger.DecodeVector(msg.GetHeld()); err == nil {
		ctx.Send(s.broker, &partTaken{msg.GetJournal(), v})
	}
	if p, ok := s.peers[s.from(ctx)]; ok {
		p.taken(ctx, msg)
		if p.askAgain() {
			ctx.Send(s.broker, &vectorRequest{peer: s.from(ctx), answer: true})
		}
		s.push(ctx, s.from(ctx))
	}
}

func (s *syncer) forgotten(ctx actor.Context, msg *messages.SyncForgotten) {
	v, err := ledger.DecodeVector(msg.GetHorizon())
	if err != nil {
		s.log.Warn("horizon of a peer cannot be read", "peer", s.from(ctx), "err", err)
		return
	}
	f := &forgottenThere{peer: s.from(ctx), horizon: v}
	for _, id := range msg.GetJobs() {
		f.keys = append(f.keys, ledger.Key{Kind: ledger.Job, ID: id})
	}
	for _, id := range msg.GetData() {
		f.keys = append(f.keys, dataKey(id))
	}
	ctx.Send(s.broker, f)
}
