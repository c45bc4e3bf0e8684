package actors

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

// merge takes in what a peer sent. A vector is adopted only for origins in which this broker is not behind where the delta began.
func (b *Broker) merge(ctx actor.Context, m *merge) {
	for _, rec := range m.records {
		b.mergeRecord(ctx, rec)
	}
	if !m.adopt {
		return
	}
	v := b.replica.Vector()
	for _, d := range m.upto.Dots() {
		if v.Seq(d.Origin) >= m.after.Seq(d.Origin) {
			v = v.With(d)
		}
	}
	b.replica.Adopt(v)
}

func (b *Broker) mergeRecord(ctx actor.Context, rec ledger.Record) {
	before, _ := b.replica.Get(rec.Key)
	after, news := b.replica.Merge(rec)
	if !news {
		return
	}
	if s, ok := after.State.(jobState); ok {
		old, _ := before.State.(jobState)
		b.remember(old.Job, s.Job)
		ctx.Send(b.gateway, &moved{s.Job})
		b.succeed(ctx, s.Job)
	}
}

// stale answers STALE, and says so, if a client has seen more than this broker knows (CLK-5).
func (b *Broker) stale(ctx actor.Context, seen ledger.Vector, id string) bool {
	if b.replica.Vector().CoversAll(seen) {
		return false
	}
	ctx.Respond(&messages.Refused{
		Code: messages.Refused_STALE, Job: id, RetryAfterMs: milliseconds(b.SyncInterval),
		Reason: "this broker has not heard yet of what you saw at another one",
	})
	return true
}

// childFailed decides what happens when a child of the broker panics: the sync actor starts afresh, a supervisor ends and the broker,
// which watches it, starts another from the ledger.
type childFailed struct{ log *slog.Logger }

// HandleFailure implements actor.SupervisorStrategy.
func (c *childFailed) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, message any) {
	c.log.Error("actor broke down", "actor", child.GetId(), "reason", reason, "message", typeName(message))
	if child.GetId() == messages.SyncActor {
		s.RestartChildren(child)
		return
	}
	s.StopChildren(child)
}
