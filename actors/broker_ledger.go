package actors

import (
	"log/slog"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/mutant"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// summarize tells the sync actor what a ping says: equal hashes are equal ledgers.
func (b *Broker) summarize(ctx actor.Context) {
	told := &summary{b.replica.Hash(), b.replica.Behind()}
	b.hold(func() { ctx.Send(b.sync, told) })
}

// pinged answers a peer whose ledger differs with what this one knows.
func (b *Broker) pinged(ctx actor.Context, msg *pinged) {
	p, ok := b.peers[msg.peer]
	if !ok {
		return
	}
	p.behind = msg.behind
	b.hearBroker(ctx, p.journal)
	switch {
	case p.journal == "" || msg.hash != b.replica.Hash():
		b.tellKnowledge(ctx, vectorRequest{peer: msg.peer, answer: true})
	case !b.fenced(p.journal):
		b.held(ctx, p.journal, b.replica.Vector()) // it holds what we hold
		p.equal = msg.hash
		b.caughtUp(!msg.behind)
	}
}

// caughtUp ends being behind once this ledger equals that of a peer that is not. Two that are may hold the same and both lack what the others forgot:
// they say nothing for each other. Where everybody is behind, who equals all others has heard whatever there is to hear.
func (b *Broker) caughtUp(ahead bool) {
	if b.replica.Behind() && (ahead || b.equalsAll()) {
		b.replica.SetBehind(false)
		b.saveMeta(metaBehind, []byte{})
	}
}

// equalsAll says whether all other brokers of the network were found to hold what is held here now.
func (b *Broker) equalsAll() bool {
	equal, hash := map[string]bool{b.journal: true}, b.replica.Hash()
	for _, p := range b.peers {
		if p.equal == hash {
			equal[p.journal] = true
		}
	}
	return !slices.ContainsFunc(b.census.Members(), func(m string) bool { return !equal[m] })
}

// tellKnowledge has a peer told what this broker has on disk.
func (b *Broker) tellKnowledge(ctx actor.Context, msg vectorRequest) {
	told := &vectorReady{msg.peer, &messages.SyncVector{
		Knowledge: b.replica.Seen().Append(nil), Answer: msg.answer, Journal: b.journal, Incarnation: b.Incarnation,
		Root: b.replica.Root(), Horizon: b.replica.Horizon().Append(nil), Behind: b.replica.Behind(),
	}}
	b.hold(func() { ctx.Send(b.sync, told) })
}

// vectorTold hears what a peer knows and sends what it lacks.
func (b *Broker) vectorTold(ctx actor.Context, msg *vectorTold) {
	p, ok := b.peers[msg.peer]
	if !ok {
		return
	}
	p.journal, p.knows = msg.journal, msg.knows.Vector
	b.hearBroker(ctx, msg.journal)
	before := b.journal
	if !b.fenced(msg.journal) {
		b.held(ctx, msg.journal, msg.knows.Vector)
	}
	if b.journal != before {
		return // what it showed made this a new broker: it will ask again
	}
	if msg.answer {
		b.tellKnowledge(ctx, vectorRequest{peer: msg.peer})
	}
	delta := b.replica.Missing(msg.knows)
	if len(msg.knows.Extra) > 0 && !delta.Empty() {
		b.note("stream resumed", "", msg.peer)
	}
	if delta.Empty() && msg.root != b.replica.Root() && equalVectors(msg.knows.Vector, b.replica.Vector()) {
		b.audit(ctx, msg.peer)
		return
	}
	ready := &deltaReady{peer: msg.peer, journal: b.journal, life: msg.incarnation, delta: delta, own: b.replica.Own()}
	b.hold(func() { ctx.Send(b.sync, ready) })
}

func equalVectors(v, w ledger.Vector) bool { return v.CoversAll(w) && w.CoversAll(v) }

// pushTo has a peer sent what was written here since it was sent something last.
func (b *Broker) pushTo(ctx actor.Context, msg *pushRequest) {
	p, ok := b.peers[msg.peer]
	if !ok {
		return
	}
	ready := &deltaReady{peer: msg.peer, journal: b.journal, urgent: msg.urgent}
	if msg.urgent {
		ready.delta, ready.own = b.replica.PushUrgent(msg.from, p.knows), b.replica.OwnUrgent()
	} else {
		ready.delta, ready.own = b.replica.Push(msg.from, p.knows), b.replica.Own()
	}
	if mutant.On(mutant.PushBeforeFsync) {
		ctx.Send(b.sync, ready)
		return
	}
	b.hold(func() { ctx.Send(b.sync, ready) })
}

// merge takes in a part of what a peer sent, and answers for it once it is on disk.
func (b *Broker) merge(ctx actor.Context, m *merge) {
	p, ok := b.peers[m.peer]
	if !ok || b.fenced(m.journal) || (m.life != 0 && m.life != b.Incarnation) {
		return // of a broker given up, or meant for an earlier life of this one
	}
	b.hearBroker(ctx, m.journal)
	if b.disk.full {
		return // it is sent again
	}
	p.journal = m.journal
	journal := b.journal
	if b.showsLoss(m) && !mutant.On(mutant.RolledBackGoesOn) {
		b.rebirth(ctx, "a peer brings writes of this journal that its disk has lost")
		return
	}
	var refused []ledger.Key
	for _, rec := range m.records {
		if !b.mergeRecord(ctx, rec, m.repair) {
			refused = append(refused, rec.Key)
		}
		if b.journal != journal {
			return // it said that this broker is given up
		}
	}
	if m.adopt {
		if _, changed := b.replica.TakeMarks(m.from, m.marks); changed {
			b.disk.moved = true
			b.inherit(ctx)
			b.membersChanged(ctx)
			b.applyHorizon(ctx)
		}
	}
	told := &merged{
		peer: m.peer, round: m.round, part: m.part, repair: m.repair, urgent: m.urgent, journal: b.journal, holds: b.replica.Vector().Of(m.journal),
		refused: refused, horizon: b.replica.Horizon(),
	}
	confirm := func() {
		if !b.fenced(m.journal) {
			ctx.Send(b.sync, told)
		}
	}
	if mutant.On(mutant.ConfirmBeforeFsync) {
		confirm()
		return
	}
	b.hold(confirm)
}

// showsLoss says whether a part tells of writes of this journal that are not here: the disk was rolled back. Once they were merged nothing would show
// it any more.
func (b *Broker) showsLoss(m *merge) bool {
	own := b.replica.Vector()
	return !own.CoversAll(m.marks.Of(b.journal)) || slices.ContainsFunc(m.records, func(rec ledger.Record) bool {
		return !own.CoversAll(rec.Writes.Of(b.journal))
	})
}

// mergeRecord takes in one record and acts on what it says. It returns false if the record was forgotten here.
func (b *Broker) mergeRecord(ctx actor.Context, rec ledger.Record, repair bool) bool {
	before, had := b.replica.Get(rec.Key)
	after, outcome := b.replica.Merge(rec, repair)
	switch outcome {
	case ledger.Refused:
		b.note("resurrection refused", "", rec.Key.ID)
		return false
	case ledger.Known:
		return true
	case ledger.Taken:
	}
	b.save(versionOf(before, had), after)
	switch s := after.State.(type) {
	case jobState:
		old, _ := before.State.(jobState)
		b.jobMerged(ctx, old, s)
	case dataState:
		old, _ := before.State.(dataState)
		b.dataMoved(ctx, old.Record, s.Record)
		b.replaceMerged(ctx, s.Record)
	case nodeState:
		b.nodeMerged(ctx, s.Node)
	case storeState:
		b.storeKnown(ctx, s.Store)
	case brokerState:
		b.brokerMerged(ctx, s.Broker)
	case forgetState:
		b.forgotten(ctx, s.Forget)
	case emergencyState:
		b.emergencyMoved(ctx, s.Emergency)
	case ledger.HorizonState:
		if b.replica.Behind() {
			b.saveMeta(metaBehind, []byte{1})
		}
	}
	return true
}

// jobMerged follows a job that another broker moved.
func (b *Broker) jobMerged(ctx actor.Context, old, s jobState) {
	b.jobMoved(ctx, old.Job, s.Job)
	b.bytesOf(old.Job, s.Job)
	if v, _ := s.Decided(); v != nil {
		if was, _ := old.Decided(); was == nil {
			b.hold(func() { b.finalized(ctx, s.ID) })
		}
	}
	b.beginTenure(ctx, s.Job)
	if j, ok := b.job(s.ID); ok && owned(j, b.journal) {
		b.applyMerged(ctx, j)
	}
	b.withdraw(ctx, s.Job)
}

// bytesOf asks for the bytes that a job of another broker, new here or newly ended, names.
func (b *Broker) bytesOf(old, j job.Job) {
	if b.Bytes == nil {
		return
	}
	if b.copiesPaused() && j.Spec.Emergency == "" {
		b.emergencies.putOff(j.ID)
		return
	}
	v, _ := j.Winner()
	was, _ := old.Winner()
	switch {
	case v != nil && was == nil && v.Result != nil:
		b.Bytes(v.Result.Blobs())
	case v == nil && old.ID == "":
		b.Bytes(j.Spec.Blobs())
	}
}

// brokerMerged follows what another broker says of itself.
func (b *Broker) brokerMerged(ctx actor.Context, r roster.Broker) {
	was, _ := b.census.Broker(r.Journal)
	b.census.Add(r)
	if r.Node == b.ID && r.Journal != b.journal && !b.census.Forgotten(r.Journal) {
		b.giveUp(ctx, r.Journal, b.ID, "its disk is gone: the node has begun a new journal")
	}
	b.membersChanged(ctx)
	b.inherit(ctx)
	if r.Established && !was.Established {
		for _, o := range sortedOrigins(b.holders.waiting) {
			b.confirm(o)
		}
	}
	if r.Proven > was.Proven {
		b.refinalize(ctx)
	}
}

// forgottenThere hears that a peer forgot records which this broker told of. If this one was away when that was agreed on, or knows their end, it forgets
// them too. If not, the peer has lost them: the audit will tell.
func (b *Broker) forgottenThere(ctx actor.Context, msg *forgottenThere) {
	away := b.replica.Behind() || !b.replica.Vector().CoversAll(msg.horizon)
	for _, key := range msg.keys {
		rec, ok := b.replica.Get(key)
		if ok && (away || ended(rec.State)) {
			b.note("forgotten elsewhere", jobID(key), msg.peer)
			b.replica.Drop(key)
			b.dropped(key)
		}
	}
	b.levelMoved(ctx)
}

func ended(s ledger.State) bool {
	e, ok := s.(interface{ Ended() bool })
	return ok && e.Ended()
}

// stale answers STALE, and says so, if a client has seen more than this broker knows (CLK-5).
func (b *Broker) stale(ctx actor.Context, seen ledger.Vector, id string) bool {
	if b.knows(seen) {
		return false
	}
	ctx.Respond(&messages.Refused{
		Code: messages.Refused_STALE, Job: id, RetryAfterMs: milliseconds(b.SyncInterval),
		Reason: "this broker has not heard yet of what you saw at another one",
	})
	return true
}

// knows says whether what a client has seen is here. What is gone for good with a broker that was given up nobody will ever know.
func (b *Broker) knows(seen ledger.Vector) bool {
	v := b.replica.Vector()
	return !slices.ContainsFunc(seen.Dots(), func(d ledger.Dot) bool { return !v.Covers(d) && !b.census.Closed(d.Journal, v) })
}

// childFailed decides what happens when a child of the broker panics: the sync actor starts afresh, a supervisor ends and the broker,
// which watches it, starts another from the ledger. A journal that cannot be written ends the node.
type childFailed struct{ log *slog.Logger }

// HandleFailure implements actor.SupervisorStrategy.
func (c *childFailed) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, message any) {
	c.log.Error("actor broke down", "actor", child.GetId(), "reason", reason, "message", typeName(message))
	switch child.GetId() {
	case messages.SyncActor:
		s.RestartChildren(child)
	case journalActor:
		s.EscalateFailure(reason, message)
	default:
		s.StopChildren(child)
	}
}

// journalActor is the name of the journal's actor.
const journalActor = messages.BrokerActor + "/journal"

// owned says whether a broker has, or had, a part in a job.
func owned(j job.Job, journal string) bool {
	_, ok := j.Last(journal)
	return ok
}
