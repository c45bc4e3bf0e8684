package actors

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// register makes this broker the home of an executor under a new lease, and hears what it still runs.
func (b *Broker) register(ctx actor.Context, msg *messages.RegisterExecutor) {
	from := ctx.Sender()
	if old, ok := b.crew.members[from.Address]; ok && old.lease > msg.GetLease() {
		b.log.Warn("registration under an old lease ignored", "executor", from.Address, "lease", msg.GetLease(), "known", old.lease)
		return
	}
	c, before := msg.GetCapabilities(), b.crew.jobsOf(from.Address)
	m := b.crew.join(placement.Executor{
		ID: from.Address, Name: msg.GetName(), Slots: int(c.GetSlots()), Window: int(c.GetWindow()), Memory: c.GetMemory(), Labels: c.GetLabels(),
		Engine: c.GetEngine(), Capacity: capacityOf(c), Cordoned: b.cordoned(from.Address),
	}, from, msg.GetLease(), msg.GetLife(), b.Now())
	m.toldRecent(msg.GetRecent()[:min(len(msg.GetRecent()), 8*maxTold)])
	ctx.Watch(from)
	ctx.Request(from, &messages.ExecutorRegistered{Lease: m.lease, HeartbeatMs: milliseconds(b.Heartbeat), TimeoutMs: milliseconds(b.LeaseTimeout)})
	b.log.Info("executor joined", "executor", m.Name, "node", m.ID, "lease", m.lease, "slots", m.Slots)
	b.noteExecutor(ctx, m, roster.Up, "")
	b.reported(ctx, m, before, msg)
	b.schedule(ctx)
}

// reported tells the jobs concerned what an executor has in hand under its new lease, also if others deployed it: its last home may be gone. Concerned
// are also those whose attempts it had before: a result that it sent counts as in its hands until it says what it has. Of what is finished the result
// is on the way, to here too, unless another owner has answered it: then nothing more is heard of it.
func (b *Broker) reported(ctx actor.Context, m *member, before []job.ID, msg *messages.RegisterExecutor) {
	running, macs := messages.AttemptsFromWire(msg.GetRunning()), msg.GetMacs()
	concerned, said := map[job.ID]bool{}, map[job.Name]bool{}
	for _, id := range slices.Concat(before, m.jobs()) {
		concerned[id] = true
	}
	for _, n := range sortedNames(m.live) {
		if !m.has(n, b.Now()) {
			m.ends(n)
		}
	}
	for i, n := range running {
		concerned[n.Job], said[n] = true, true
		h, held := inHand{}, &hold{since: b.Now()}
		if j, ok := b.job(n.Job); ok {
			d := b.demandOf(j)
			held.claim = b.crew.pool.Claim(&d, m.Executor)
			h.signed = i < len(macs) && b.mac.verify(macs[i], n, m.ID, j.Spec)
		}
		m.inHand[n] = h
		if i < int(msg.GetFinished()) {
			m.over(n, b.Now())
		} else {
			m.begins(n, held)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(concerned)) {
		b.reportedJob(ctx, m, id, slices.DeleteFunc(m.held(id), func(h job.Held) bool { return !said[h.Name] }))
	}
}

func (b *Broker) reportedJob(ctx actor.Context, m *member, id job.ID, held []job.Held) {
	j, known := b.job(id)
	v, _ := j.Decided()
	_, ours := j.Last(b.journal)
	switch {
	case !ours && v == nil: // it goes on for an owner elsewhere, or for whoever takes over
	case known && ours:
		b.apply(ctx, id, job.Reported{Executor: m.ID, Lease: m.lease, Running: held, At: b.hybrid()})
	case known && v != nil:
		for _, h := range held {
			b.tellExecutor(ctx, m.ID, &messages.Relay{Stop: &messages.StopAttempt{Attempt: messages.AttemptToWire(h.Name), Reason: "the job is over"}})
		}
	}
}

// carriedOn tells a job that has just become ours what executors at home here have in hand of it.
func (b *Broker) carriedOn(ctx actor.Context, id job.ID) {
	for _, m := range b.crew.sorted() {
		if held := m.held(id); len(held) > 0 {
			b.apply(ctx, id, job.Reported{Executor: m.ID, Lease: m.lease, Running: held, At: b.hybrid()})
		}
	}
}

func (b *Broker) heartbeat(ctx actor.Context, msg *messages.Heartbeat) {
	m := b.hear(ctx)
	known := m != nil && m.lease == msg.GetLease()
	if known {
		m.pulse.Heard(b.Now())
	}
	if c := msg.GetCapabilities(); known && c != nil {
		m.Window, m.Slots, m.Capacity = int(c.GetWindow()), int(c.GetSlots()), capacityOf(c)
		b.crew.pool.Put(m.Executor)
		b.schedule(ctx)
	}
	answer := &messages.HeartbeatAnswered{Lease: msg.GetLease(), Known: known}
	if known {
		answer.Brokers = b.news(&m.told)
		answer.Stores = b.storeNews(&m.stores)
	}
	ctx.Request(ctx.Sender(), answer)
}

// hear renews the sender's lease: any traffic does.
func (b *Broker) hear(ctx actor.Context) *member {
	from := ctx.Sender().Address
	return b.crew.hear(from, b.linked[from], b.Now())
}

func (b *Broker) attemptStarted(ctx actor.Context, msg *messages.AttemptStarted) {
	b.hear(ctx)
	n := messages.AttemptFromWire(msg.GetAttempt())
	b.applyIfKnown(ctx, n.Job, job.Started{Attempt: n})
}

func (b *Broker) attemptDeclined(ctx actor.Context, msg *messages.AttemptDeclined) {
	n := messages.AttemptFromWire(msg.GetAttempt())
	switch m := b.crew.members[ctx.Sender().Address]; {
	case m != nil && msg.GetMoved() > m.lease:
		m.done(n)
		b.movedAway(ctx, m, "it has moved to another broker")
	case m != nil:
		b.hear(ctx)
		m.done(n)
	}
	b.applyIfKnown(ctx, n.Job, job.Declined{Attempt: n, Reason: msg.GetReason(), At: b.hybrid()})
}

func (b *Broker) applyIfKnown(ctx actor.Context, id job.ID, ev job.Event) {
	j, ok := b.job(id)
	if _, mine := j.Last(b.journal); !ok || !mine {
		b.log.Debug("event for an unknown job", "job", id, "event", fmt.Sprintf("%T", ev))
		return
	}
	b.apply(ctx, id, ev)
}

// attemptFinished hands a result to its job.
func (b *Broker) attemptFinished(ctx actor.Context, msg *messages.AttemptFinished) {
	executor := ctx.Sender().Address
	m := b.hear(ctx)
	party := executor
	if m != nil {
		m.over(messages.AttemptFromWire(msg.GetAttempt()), b.Now())
		m.Window = int(msg.GetWindow())
		b.crew.pool.Put(m.Executor)
		party = m.party()
	}
	b.takeResult(ctx, executor, party, msg)
}

func capacityOf(c *messages.Capabilities) placement.Capacity {
	return placement.Capacity{
		Cores: c.GetCores(), CPU: c.GetFreeCpu(), Memory: c.GetFreeMemory(), Disk: c.GetFreeDisk(), Battery: c.GetBattery(), Charge: c.GetCharge(), Mains: c.GetMains(),
	}
}

// learn notes what an executor has because it ran a job: what its program needed, and what it made.
func (m *member) learn(j job.Job, r *job.Result) {
	for _, x := range bytesOf(j) {
		m.Recent.Add(x.Mark)
	}
	for _, x := range r.Blobs() {
		if x.Elsewhere() {
			m.Recent.Add(placement.MarkOf(x.Digest))
		}
	}
}

// maxTold bounds what an executor tells of what it has.
const maxTold = 1024

// toldRecent takes in what an executor says that it has, the oldest first. What else its home remembers of it stays.
func (m *member) toldRecent(marks []byte) {
	for ; len(marks) >= 8; marks = marks[8:] {
		m.Recent.Add(placement.Mark(binary.BigEndian.Uint64(marks)))
	}
}

// reconnectOver says that a closed connection stayed closed for the time allowed.
type reconnectOver struct {
	node  string
	lease uint64
}

// terminated hears that an executor, or the way to it, or a supervisor ended.
func (b *Broker) terminated(ctx actor.Context, msg *actor.Terminated) {
	if b.stopping {
		return // everybody ends
	}
	if msg.Who.Address == b.ID && b.supervisorEnded(ctx, msg.Who) {
		return
	}
	if b.storeEnded(ctx, msg) {
		return
	}
	m, ok := b.crew.members[msg.Who.Address]
	if !ok || !m.pid.Equal(msg.Who) {
		return
	}
	if msg.Why == actor.TerminatedReason_AddressTerminated {
		b.awaitReconnect(ctx, m)
		return
	}
	b.log.Info("executor left", "executor", m.Name, "node", m.ID, "attempts", len(m.live))
	for _, id := range b.dismiss(ctx, m, roster.Left, "it stopped") {
		b.applyIfKnown(ctx, id, job.ExecutorLost{Executor: m.ID, Lease: m.lease, Reason: "it stopped", At: b.hybrid()})
	}
}

func (b *Broker) awaitReconnect(ctx actor.Context, m *member) {
	root, self := RootContext(ctx.ActorSystem(), b.Clock), ctx.Self()
	over := &reconnectOver{m.ID, m.lease}
	m.stopTimers()
	m.Cut = true
	m.reconnects = b.after(b.Reconnect, func() { root.Send(self, over) })
}

func (b *Broker) reconnectOver(ctx actor.Context, msg *reconnectOver) {
	if m, ok := b.crew.members[msg.node]; ok && m.lease == msg.lease && m.reconnects != nil {
		b.suspect(ctx, m, true, fmt.Sprintf("its connection closed and did not come back within %s", b.Reconnect))
	}
}

// supervisorEnded gives a job whose supervisor broke down a new one, from the ledger. A parent always hears of its children's end.
func (b *Broker) supervisorEnded(ctx actor.Context, who *actor.PID) bool {
	b.idle = slices.DeleteFunc(b.idle, func(p *actor.PID) bool { return p.Equal(who) })
	id, ok := b.watched[who.Id]
	if !ok {
		return false
	}
	b.log.Error("supervisor broke down; its job goes on under a new one", "job", id)
	delete(b.active, id)
	delete(b.watched, who.Id)
	b.crew.unreserve(id)
	if t, ok := b.tenure(id); ok && len(t.Live()) > 0 { // an attempt is under way for this broker
		b.supervise(ctx, id)
	} else {
		b.enqueue(id)
		b.schedule(ctx)
	}
	return true
}

// tenure returns the one under which this broker handles a job.
func (b *Broker) tenure(id job.ID) (job.Tenure, bool) {
	j, _ := b.job(id)
	mine, ok := j.Mine(b.journal)
	t, _ := j.Tenure(mine)
	return t, ok
}

// noteExecutor puts an executor into the roster. What people want of it stays (Node.Merge); what is known there of the broker on the same node stays: where it can be dialled.
func (b *Broker) noteExecutor(ctx actor.Context, m *member, s roster.Standing, why string) {
	roles, address := []string{messages.Executor}, ""
	if n, ok := b.node(m.ID); ok && slices.Contains(n.Roles, messages.Broker) {
		roles, address = n.Roles, n.Address
	}
	b.put(ctx, ledger.Normal, nodeKey(m.ID), nodeState{roster.Node{
		ID: m.ID, Name: m.Name, Roles: roles, Home: b.ID, Address: address, Lease: m.lease, Life: m.life, State: s, Reason: why,
		Slots: narrow(m.Slots), Labels: m.Labels, At: b.hybrid(),
	}})
}

// writeSelf puts this broker into the roster.
func (b *Broker) writeSelf(ctx actor.Context) {
	b.put(ctx, ledger.Normal, nodeKey(b.ID), nodeState{roster.Node{
		ID: b.ID, Name: b.Name, Roles: b.Roles, Home: b.ID, Address: b.Address, Lease: b.Incarnation, Life: b.Incarnation, State: roster.Up, At: b.hybrid(),
	}})
}
