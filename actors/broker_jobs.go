package actors

import (
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/messages"
)

// durability is on how many disks a job is when it is acknowledged: the journal is not there yet.
const durability = 0

// submitted takes a job, or says why not. The same job twice is one job.
func (b *Broker) submitted(ctx actor.Context, s *submission) {
	if b.stale(ctx, s.seen, string(s.id)) {
		return
	}
	if j, ok := b.job(s.id); ok {
		b.resubmitted(ctx, j, s)
		return
	}
	if b.queue.Len() >= b.MaxQueued {
		ctx.Respond(&messages.Refused{Code: messages.Refused_BUSY, Reason: fmt.Sprintf("%d jobs already wait at this broker", b.MaxQueued), RetryAfterMs: 500, Job: string(s.id)})
		return
	}
	b.commit(ctx, job.New(s.id, s.spec, b.owner, b.ID, b.hybrid()))
	b.acknowledge(ctx, s.id)
	b.armQueued(ctx, s.id, s.spec)
	j, _ := b.job(s.id)
	b.enqueue(j)
	b.schedule(ctx)
}

func (b *Broker) resubmitted(ctx actor.Context, j job.Job, s *submission) {
	if j.Spec.Hash() != s.spec.Hash() {
		ctx.Respond(&messages.Refused{Code: messages.Refused_CONFLICT, Reason: fmt.Sprintf("job %s was submitted before with another spec; use a new id", s.id), Job: string(s.id)})
		return
	}
	b.acknowledge(ctx, s.id)
	ctx.Send(b.gateway, &moved{j})
}

func (b *Broker) acknowledge(ctx actor.Context, id job.ID) {
	rec, _ := b.replica.Get(jobKey(id))
	ctx.Respond(&messages.JobSubmitted{Job: string(id), Durability: durability, Session: sessionOf(rec.Writes, b.hybrid())})
}

// commit writes a job down and lets everybody know. It is the one place where a job changes at this broker, and so the place to wait
// for a journal's fsync: whatever follows from the change is done by the caller after it.
func (b *Broker) commit(ctx actor.Context, j job.Job) {
	old, _ := b.job(j.ID)
	b.put(ctx, jobKey(j.ID), jobState{j})
	j, _ = b.job(j.ID)
	b.account(old, j)
	b.remember(old, j)
	ctx.Send(b.gateway, &moved{j})
}

// put writes a record and hands it to the sync actor.
func (b *Broker) put(ctx actor.Context, key ledger.Key, state ledger.State) {
	rec := b.replica.Put(ledger.Normal, key, state, b.hybrid())
	origin := ledger.Origin{Journal: b.owner.Journal, Incarnation: b.Incarnation, Lane: ledger.Normal}
	ctx.Send(b.sync, &wrote{rec, ledger.Dot{Origin: origin, Seq: rec.Writes.Seq(origin)}})
}

// account keeps the books that follow from a job's change: slots in use, counters, timers of the queue.
func (b *Broker) account(old, j job.Job) {
	now := b.mine(j)
	if now == nil {
		return
	}
	var before job.Tenure
	if t := b.mine(old); t != nil {
		before = *t
	}
	b.crew.account(before, *now)
	b.counts.redeployed += uint64(max(0, len(now.Attempts)-max(1, len(before.Attempts))))
	b.counts.rejected += uint64(max(0, len(now.Rejected)-len(before.Rejected)))
	if now.Verdict != nil && before.Verdict == nil {
		switch now.Verdict.Kind {
		case job.Accepted:
			b.counts.accepted++
			b.counts.finished++
		case job.FailedVerdict, job.Cancelled, job.Expired:
			b.counts.finished++
		case job.Released:
		}
		b.queue.Remove(string(j.ID))
		b.disarmQueued(j.ID)
	}
}

// remember arms the retention of a job that just ended.
func (b *Broker) remember(old, j job.Job) {
	if j.State().Terminal() && (len(old.Tenures) == 0 || !old.State().Terminal()) {
		b.retention.add(jobKey(j.ID), b.Now().Add(j.Spec.Retention))
	}
}

// mine returns this broker's own, last, tenure of j, nil if it has none.
func (b *Broker) mine(j job.Job) *job.Tenure {
	for i := range slices.Backward(j.Tenures) {
		if j.Tenures[i].Owner.Journal == b.owner.Journal {
			return &j.Tenures[i]
		}
	}
	return nil
}

func (b *Broker) job(id job.ID) (job.Job, bool) {
	rec, ok := b.replica.Get(jobKey(id))
	if !ok {
		return job.Job{}, false
	}
	return rec.State.(jobState).Job, true
}

// apply brings an event to a job: to its supervisor if it has one, else to the record itself.
func (b *Broker) apply(ctx actor.Context, id job.ID, ev job.Event) {
	if a, ok := b.active[id]; ok {
		a.sent++
		ctx.Send(a.supervisor, &told{ev})
		return
	}
	j, ok := b.job(id)
	t := b.mine(j)
	if !ok || t == nil {
		b.log.Warn("event for a job that is not ours", "job", id, "event", fmt.Sprintf("%T", ev))
		return
	}
	next, effects, err := j.Apply(t.Owner, ev)
	if err != nil {
		b.log.Warn("event refused", "job", id, "err", err)
		return
	}
	if m := b.mine(next); m.Rev != t.Rev {
		b.commit(ctx, next)
	}
	b.perform(ctx, id, effects)
}

// perform does the effects of a job without a supervisor.
func (b *Broker) perform(ctx actor.Context, id job.ID, effects []job.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case job.Requeue:
			b.requeue(ctx, id)
		case job.Arm:
			b.timersOf(id).arm(ctx, b.Node, ctx.Self(), id, e)
		case job.Finish:
			b.disarmQueued(id)
		case job.Deploy:
			b.log.Error("an attempt was named without a supervisor", "job", id)
		case job.Stop, job.Answer:
			tellExecutor(ctx, e)
		}
	}
}

func (b *Broker) requeue(ctx actor.Context, id job.ID) {
	if j, ok := b.job(id); ok && !j.State().Terminal() {
		b.enqueue(j)
		b.schedule(ctx)
	}
}

func (b *Broker) enqueue(j job.Job) {
	b.queue.Add(placement.Waiting{ID: string(j.ID), Priority: j.Spec.Priority, Demand: demandOf(j)})
}

// schedule starts as many waiting jobs as there are places for.
func (b *Broker) schedule(ctx actor.Context) {
	if b.queue.Len() == 0 || (!b.crew.free() && len(b.peers) == 0) {
		return
	}
	b.queue.Take(func(w placement.Waiting) bool {
		e, err := b.crew.choose(w.Demand)
		if err != nil {
			b.askAround(ctx, w)
			return false
		}
		id := job.ID(w.ID)
		e.reserve(id)
		b.supervise(ctx, id)
		b.apply(ctx, id, job.Deployable{Executor: e.ID, Lease: e.lease, Incarnation: b.Incarnation, At: b.hybrid()})
		return true
	})
}

// supervise makes sure that a job has a supervisor.
func (b *Broker) supervise(ctx actor.Context, id job.ID) {
	if _, ok := b.active[id]; ok {
		return
	}
	j, _ := b.job(id)
	t := b.mine(j)
	sup := b.supervisor(ctx)
	ctx.Send(sup, &assign{j, t.Owner})
	b.active[id] = &activeJob{supervisor: sup}
	b.watched[sup.Id] = id
}

// supervisor returns one without a job. A new actor for each job would cost more than most jobs do, and the engine's registry of names never
// gives back what it took for one.
func (b *Broker) supervisor(ctx actor.Context) *actor.PID {
	last := len(b.idle) - 1
	if last < 0 {
		return ctx.Spawn(newSupervisor(b.Node, b.mac))
	}
	sup := b.idle[last]
	b.idle = b.idle[:last]
	return sup
}

// maxIdle bounds the supervisors without a job.
const maxIdle = 1024

// retire takes the job from a supervisor that has handled everything it was sent.
func (b *Broker) retire(ctx actor.Context, r *retire) {
	if a, ok := b.active[r.id]; ok && a.sent == r.handled {
		delete(b.active, r.id)
		delete(b.watched, a.supervisor.Id)
		if len(b.idle) < maxIdle {
			b.idle = append(b.idle, a.supervisor)
		} else {
			ctx.Stop(a.supervisor)
		}
		b.crew.unreserve(r.id)
		b.requeue(ctx, r.id) // if it ended with the job still to do
	}
}

// armQueued starts the timers of a job's life: they run from submission on and outlive supervisors.
func (b *Broker) armQueued(ctx actor.Context, id job.ID, s *job.Spec) {
	for timer, after := range map[job.Timer]time.Duration{job.QueueTimer: s.QueueTimeout, job.DeadlineTimer: s.Deadline} {
		if after > 0 {
			b.timersOf(id).arm(ctx, b.Node, ctx.Self(), id, job.Arm{Timer: timer, After: after})
		}
	}
}

func (b *Broker) expired(ctx actor.Context, e *expired) {
	b.timersOf(e.id).ended(e.timer)
	if e.timer == job.RetryTimer {
		b.applyIfKnown(ctx, e.id, job.RetryDue{})
		return
	}
	b.applyIfKnown(ctx, e.id, job.Overdue{Timer: e.timer, At: b.hybrid()})
}

func (b *Broker) timersOf(id job.ID) *timers {
	t, ok := b.queued[id]
	if !ok {
		t = &timers{}
		b.queued[id] = t
	}
	return t
}

func (b *Broker) disarmQueued(id job.ID) {
	if t, ok := b.queued[id]; ok {
		t.stop()
		delete(b.queued, id)
	}
}
