package actors

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/detect"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/mutant"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// An executor that falls silent, or whose connection closed, may be lost or may only be out of this broker's reach. Before its jobs are redeployed
// the other brokers are asked whether they hear it (LOSS-2, LOSS-3). If most executors fall silent at once it is the network that broke, and what
// took long to compute is waited for (LOSS-4).

// secondOpinion is how long other brokers have to say that they hear an executor.
const secondOpinion = 100 * time.Millisecond

// doubt is what is believed of an executor while others are asked.
type doubt struct {
	down     bool
	why      string
	patience Timer
}

// doubtOver says that others had their time to vouch for an executor.
type doubtOver struct {
	node  string
	lease uint64
}

// watchExecutors looks for executors whose silence means loss.
func (b *Broker) watchExecutors(ctx actor.Context, now time.Time) {
	if mutant.On(mutant.LeaseNeverExpires) {
		return
	}
	for _, m := range b.crew.silent(now, b.strain.Allowance(), detect.Settings{Interval: b.Heartbeat, Timeout: b.LeaseTimeout}) {
		b.suspect(ctx, m, false, fmt.Sprintf("silent for %s", now.Sub(m.heard).Round(100*time.Millisecond)))
	}
}

// suspect asks the other brokers whether they hear an executor. Where there is nobody to ask it is lost.
// One whose kernel closed the connection went down, as far as can be told; silence says nothing (JOB-5).
func (b *Broker) suspect(ctx actor.Context, m *member, down bool, why string) {
	switch {
	case m.doubt != nil:
		return
	case len(b.peers) == 0:
		b.lose(ctx, m, down, why)
		return
	}
	for _, p := range sortedPeers(b.peers) {
		ctx.Request(p.pid, &messages.HearRequest{Executor: m.ID})
	}
	root, self := RootContext(ctx.ActorSystem(), b.Clock), ctx.Self()
	over := &doubtOver{m.ID, m.lease}
	m.Cut = true
	m.doubt = &doubt{down, why, b.after(secondOpinion+b.strain.Late(), func() { root.Send(self, over) })}
}

func (b *Broker) doubtOver(ctx actor.Context, msg *doubtOver) {
	if m, ok := b.crew.members[msg.node]; ok && m.lease == msg.lease && m.doubt != nil {
		b.lose(ctx, m, m.doubt.down, m.doubt.why)
	}
}

// hearRequest is asked by another broker. Whether an executor is heard shows when it answers; of one without a link there is nothing to say.
func (b *Broker) hearRequest(ctx actor.Context, msg *messages.HearRequest) {
	switch executor := msg.GetExecutor(); {
	case executor == "":
		ctx.Request(ctx.Sender(), &messages.HearResponse{Journal: msg.GetJournal(), Hears: b.reaches(msg.GetJournal())})
	case b.hasLink(executor):
		ctx.Request(pid(executor, messages.ExecutorActor), &messages.Ping{For: ctx.Sender().Address})
	}
}

// pong tells a broker that asked for it that an executor was heard.
func (b *Broker) pong(ctx actor.Context, msg *messages.Pong) {
	b.hear(ctx)
	if p, ok := b.peers[msg.GetFor()]; ok {
		ctx.Request(p.pid, &messages.HearResponse{Executor: ctx.Sender().Address, Hears: true, Life: b.linked[ctx.Sender().Address]})
	}
}

func (b *Broker) hearResponse(ctx actor.Context, msg *messages.HearResponse) {
	if msg.GetExecutor() == "" {
		b.owners.answered(msg.GetJournal(), msg.GetHears(), b.Now())
		return
	}
	if m, ok := b.crew.members[msg.GetExecutor()]; ok && m.doubt != nil && msg.GetHears() {
		b.note("executor heard elsewhere", "", m.ID+" by "+ctx.Sender().Address)
		if msg.GetLife() > m.life {
			b.outlived(ctx, m, msg.GetLife())
			return
		}
		b.movedAway(ctx, m, "out of reach of its broker, though others hear it: "+m.doubt.why)
	}
}

// movedAway lets an executor go that has another home now, or seeks one. What it has in hand has a lease's time to be heard of there.
func (b *Broker) movedAway(ctx actor.Context, m *member, why string) {
	b.log.Warn("executor moved", "executor", m.Name, "node", m.ID, "lease", m.lease, "reason", why, "attempts", len(m.live))
	for _, id := range b.dismiss(ctx, m, roster.Lost, why) {
		if t, ours := b.tenure(id); ours {
			b.orphaned(t)
		}
	}
}

// outlived lets an executor go that is heard in another life, without having come back here. What it ran ended with the life before, and is not waited
// for; results that it kept on disk are, where its home can be asked for them.
func (b *Broker) outlived(ctx actor.Context, m *member, life uint64) {
	b.movedAway(ctx, m, "it began another life, and not here")
	for n, o := range b.owners.orphans {
		if o.executor == m.ID && life > o.lease {
			o.life = life
			b.owners.orphans[n] = o
		}
	}
}

// lose declares an executor lost. It is a guess: whatever it has in hand may still come back.
func (b *Broker) lose(ctx actor.Context, m *member, down bool, why string) {
	b.log.Warn("executor lost", "executor", m.Name, "node", m.ID, "lease", m.lease, "reason", why, "attempts", len(m.live))
	cut := !down && b.groupCut()
	for _, id := range b.dismiss(ctx, m, roster.Lost, why) {
		if !cut || !b.waitOut(m, id) {
			b.applyIfKnown(ctx, id, job.ExecutorLost{Executor: m.ID, Lease: m.lease, Reason: why, Down: down, At: b.hybrid()})
		}
	}
}

// dismiss takes an executor out of the crew and returns the jobs that it has in hand.
func (b *Broker) dismiss(ctx actor.Context, m *member, standing roster.Standing, why string) []job.ID {
	ids := m.jobs()
	b.crew.leave(m)
	for _, id := range slices.Sorted(maps.Keys(m.reserved)) {
		b.enqueue(id)
	}
	if n, known := b.node(m.ID); !known || n.Lease <= m.lease {
		b.noteExecutor(ctx, m, standing, why)
	}
	return ids
}

// nodeMerged hears from another broker that it is home to an executor which counts as one of ours.
func (b *Broker) nodeMerged(ctx actor.Context, n roster.Node) {
	b.cordonMerged(ctx, n)
	if m, ok := b.crew.members[n.ID]; ok && n.Home != b.ID && n.State == roster.Up && n.Lease > m.lease {
		b.movedAway(ctx, m, "it has moved to another broker")
	}
}

// groupCut notes that one more executor fell silent, and says whether so many have within a lease that it must be the network.
func (b *Broker) groupCut() bool {
	now := b.Now()
	b.fallen = slices.DeleteFunc(b.fallen, func(t time.Time) bool { return now.Sub(t) > b.LeaseTimeout })
	silent := len(b.fallen) + b.crew.quiet(now, 2*b.Heartbeat)
	all := len(b.fallen) + len(b.crew.members)
	b.fallen = append(b.fallen, now)
	return detect.Parted(silent, all)
}

// waitOut gives what an executor behind a cut has been at for long some time to come back, once for each attempt, and says whether it did.
func (b *Broker) waitOut(m *member, id job.ID) bool {
	t, _ := b.tenure(id)
	waits := false
	for _, a := range t.Attempts {
		ran := time.Duration(b.hybrid().Wall-a.Placed.Wall) * time.Millisecond
		if a.Executor != m.ID || a.Lease > m.lease || !a.State.Live() || ran < b.LongJob || b.owners.graced[a.Name] {
			continue
		}
		waits = true
		b.owners.graced[a.Name] = true
		b.owners.orphans[a.Name] = orphan{executor: a.Executor, lease: a.Lease, since: b.Now().Add(b.Grace - b.LeaseTimeout), behindCut: true}
		b.note("attempt behind a cut", id, fmt.Sprintf("%s has %s to come back", m.ID, b.Grace))
	}
	return waits
}

// behindCut says what a job waits for whose executor fell silent with most others, "" if none did.
func (b *Broker) behindCut(j job.Job) string {
	t, _ := b.tenure(j.ID)
	for _, a := range t.Attempts {
		o, ok := b.owners.orphans[a.Name]
		if !ok || !o.behindCut {
			continue
		}
		n, _ := b.node(a.Executor)
		left := o.since.Add(b.LeaseTimeout).Sub(b.Now()).Round(time.Second)
		return fmt.Sprintf("executor %s fell silent together with most others, as in a partition: it has %s to come back", n.Name, max(left, 0))
	}
	return ""
}
