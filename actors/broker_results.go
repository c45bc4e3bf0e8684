package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// takeResult brings a result to whoever acts for its job. Where nobody does just now it is left to the executor, which keeps it and sends it again.
func (b *Broker) takeResult(ctx actor.Context, executor, party string, msg *messages.AttemptFinished) {
	if b.disk.full {
		return // its executor keeps it and sends it again
	}
	n := messages.AttemptFromWire(msg.GetAttempt())
	result, err := job.DecodeResult(msg.GetResult())
	if err != nil {
		b.log.Error("result of an executor cannot be read", "job", n.Job, "executor", executor, "err", err)
		b.tellExecutor(ctx, executor, &messages.Relay{Answer: &messages.ResultAnswered{Attempt: msg.GetAttempt(), Why: err.Error()}})
		return
	}
	j, known := b.job(n.Job)
	if !known {
		b.unknownResult(ctx, executor, party, n, msg)
		return
	}
	if m, ok := b.crew.members[executor]; ok {
		m.learn(j, result)
	}
	v, _ := j.Decided()
	_, ours := j.Last(b.journal)
	ev := job.Finished{Attempt: n, Executor: executor, Party: party, Signed: b.mac.verify(msg.GetMac(), n, executor, j.Spec), Result: result, At: b.hybrid()}
	switch {
	case b.acts(j), v != nil && ours:
		b.apply(ctx, n.Job, ev)
	case v != nil:
		b.answerLate(ctx, j, ev)
	default:
		if to, ok := b.actingFor(j); ok {
			b.forward(ctx, to.Journal, executor, party, msg)
		}
	}
}

// answerLate tells an executor what the decision of another broker means for its result. Nothing is written down: that is the other's to do.
func (b *Broker) answerLate(ctx actor.Context, j job.Job, ev job.Finished) {
	_, by := j.Decided()
	_, effects, err := j.Apply(by, ev)
	if err != nil {
		return
	}
	b.hold(func() { b.perform(ctx, j.ID, by, effects) })
}

// unknownResult handles a result for a job that no record tells of: its owner says what to do, and if that is this broker, the job was never
// taken or is long over.
func (b *Broker) unknownResult(ctx actor.Context, executor, party string, n job.Name, msg *messages.AttemptFinished) {
	switch owner := n.Owner.Journal; {
	case owner == b.journal || b.census.Forgotten(owner):
		b.hold(func() {
			b.tellExecutor(ctx, executor, &messages.Relay{Answer: &messages.ResultAnswered{Attempt: msg.GetAttempt(), Why: "the job is not known here"}})
		})
	case b.reaches(owner):
		b.forward(ctx, owner, executor, party, msg)
	}
}

// forward brings a result to the broker of a journal.
func (b *Broker) forward(ctx actor.Context, journal, executor, party string, msg *messages.AttemptFinished) {
	r, ok := b.census.Broker(journal)
	if p, up := b.peers[r.Node]; ok && up && p.journal == journal {
		ctx.Request(p.pid, &messages.ForwardResult{Executor: executor, Party: party, Result: msg})
	}
}

// resultForwarded takes a result that another broker brings. It goes no further than here: its executor sends it again.
func (b *Broker) resultForwarded(ctx actor.Context, msg *messages.ForwardResult) {
	n := messages.AttemptFromWire(msg.GetResult().GetAttempt())
	j, known := b.job(n.Job)
	v, _ := j.Decided()
	if known && (b.acts(j) || v != nil) || !known && n.Owner.Journal == b.journal {
		b.takeResult(ctx, msg.GetExecutor(), msg.GetParty(), msg.GetResult())
	}
}

// answerExecutor tells an executor what became of its result. One that is held until others agree is answered when it is on a second disk.
func (b *Broker) answerExecutor(ctx actor.Context, id job.ID, owner job.Ownership, e job.Answer) {
	if !e.Accepted && !e.Held {
		b.note("late result: "+e.Why.String(), id, e.Executor)
	}
	answer := &messages.Relay{Answer: &messages.ResultAnswered{
		Attempt: messages.AttemptToWire(e.Attempt), Accepted: e.Accepted, Held: e.Held, Why: e.Why.String(), Winner: messages.AttemptToWire(e.Winner), Owner: messages.OwnershipToWire(owner),
		Urgent: b.ofEmergency(id),
	}}
	if !e.Held || !b.durable() {
		b.tellExecutor(ctx, e.Executor, answer)
		return
	}
	b.whenHeld(b.dotOf(jobKey(id)), b.Now().Add(ackPatience), func(confirmed bool) {
		if confirmed {
			b.tellExecutor(ctx, e.Executor, answer)
		}
	})
}

// tellExecutor sends a message to an executor, over the broker that is home to it if there is no link.
func (b *Broker) tellExecutor(ctx actor.Context, executor string, msg *messages.Relay) {
	if b.hasLink(executor) || executor == b.ID {
		b.deliver(ctx, executor, msg)
		return
	}
	node, ok := b.node(executor)
	if p, up := b.peers[node.Home]; ok && up {
		msg.Executor = executor
		ctx.Request(p.pid, msg)
	}
}

// relay passes a message on to an executor that is home here.
func (b *Broker) relay(ctx actor.Context, msg *messages.Relay) {
	if b.hasLink(msg.GetExecutor()) || msg.GetExecutor() == b.ID {
		b.deliver(ctx, msg.GetExecutor(), msg)
	}
}

func (b *Broker) deliver(ctx actor.Context, executor string, msg *messages.Relay) {
	to := pid(executor, messages.ExecutorActor)
	if msg.GetAnswer() != nil {
		ctx.Request(to, msg.GetAnswer())
	}
	if stop := msg.GetStop(); stop != nil {
		ctx.Request(to, stop)
		b.freeSlot(ctx, executor, messages.AttemptFromWire(stop.GetAttempt()))
	}
}

// freeSlot notes that an executor was told to stop an attempt. One that it came back with is in no list of attempts that end, and nothing more is
// heard of it, unless its result is on the way.
func (b *Broker) freeSlot(ctx actor.Context, executor string, n job.Name) {
	m, ok := b.crew.members[executor]
	if !ok {
		return
	}
	held := m.live[n] != nil
	m.over(n, b.Now())
	if held {
		b.schedule(ctx)
	}
}

func stopMessage(e job.Stop) *messages.StopAttempt {
	return &messages.StopAttempt{Attempt: messages.AttemptToWire(e.Attempt.Name), Reason: e.Reason}
}
