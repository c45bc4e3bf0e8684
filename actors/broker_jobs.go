package actors

import (
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/mutant"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/messages"
)

// submitted takes a job, or says why not. The same job twice is one job.
func (b *Broker) submitted(ctx actor.Context, s *submission) {
	if b.stale(ctx, s.seen, string(s.id)) {
		return
	}
	if j, ok := b.job(s.id); ok {
		b.resubmitted(ctx, j, s)
		return
	}
	first, refused := b.firstOwner(s.id)
	if refused == nil {
		refused = b.tooOld(s.id)
	}
	if refused != nil {
		b.reply(ctx, refused)
		return
	}
	if busy := b.noRoom(s.id); busy != nil { // it says nothing of the ledger, and so waits for no disk
		ctx.Send(ctx.Sender(), busy)
		return
	}
	owner := first
	if first.Journal != b.journal { // another broker was asked first: this is a takeover
		owner = job.Ownership{T: 1, Journal: b.journal}
		b.note("taken without its first owner", s.id, first.Journal)
	}
	j := job.New(s.id, s.spec, owner, first, b.ID, b.hybrid())
	if cycle := b.cycle(j); cycle != "" {
		b.reply(ctx, &messages.Refused{Code: messages.Refused_INVALID, Job: string(s.id), Reason: cycle})
		return
	}
	b.commit(ctx, j)
	if b.durable() && !b.anyBrokerInReach() { // what it will be told is written with the job: a short one may end before the next write
		b.apply(ctx, s.id, job.Acknowledged{Disks: 1})
	}
	b.acknowledge(ctx, s.id, ctx.Sender())
	b.taken(ctx, s.id)
	b.schedule(ctx)
}

// taken starts what a job needs that has just come to this broker, which may be heir to its first owner.
func (b *Broker) taken(ctx actor.Context, id job.ID) {
	j, _ := b.job(id)
	b.armQueued(ctx, id, j.Spec)
	b.inputsKnown(ctx, id)
	b.beginTenure(ctx, j)
	b.enqueue(id)
}

// tooOld refuses an unknown job whose id was made before those that were forgotten: it may be one of them, and must not run again (SYNC-8).
func (b *Broker) tooOld(id job.ID) *messages.Refused {
	upto := b.forgottenUpTo()
	if id.Time() > upto || mutant.On(mutant.ForgottenRunsAgain) {
		return nil
	}
	b.note("refused as perhaps forgotten", id, "")
	return &messages.Refused{
		Code: messages.Refused_RENAMED, Job: string(id), Broker: b.name(), AfterMs: uint64(max(0, upto)),
		Reason: "jobs of that time are forgotten here, and this may have been one: submit it under a new id",
	}
}

// name is what the ids of jobs first given to this broker have behind their ULID.
func (b *Broker) name() string {
	if b.first {
		return b.ID
	}
	return b.ID + "-" + b.journal
}

// noRoom refuses a job when the queue or the disk is full.
func (b *Broker) noRoom(id job.ID) *messages.Refused {
	switch {
	case b.disk.full:
		return diskFull(id)
	case b.queue.Len() >= b.MaxQueued:
		return &messages.Refused{Code: messages.Refused_BUSY, Reason: fmt.Sprintf("%d jobs already wait at this broker", b.MaxQueued), RetryAfterMs: 500, Job: string(id)}
	}
	return nil
}

func diskFull(id job.ID) *messages.Refused {
	return &messages.Refused{
		Code: messages.Refused_BUSY, Job: string(id), RetryAfterMs: milliseconds(fullPause),
		Reason: "this broker's disk is full; what it took is safe, free some space or ask another broker",
	}
}

// firstOwner returns where the authority over a job begins: at the journal that its id names. An id that names a node means its first journal, so
// that a broker whose disk was lost cannot be a job's first owner twice.
func (b *Broker) firstOwner(id job.ID) (job.Ownership, *messages.Refused) {
	node, journal := id.FirstAsked(), id.FirstJournal()
	known := true
	if journal == "" && node == b.ID && b.first {
		journal = b.journal
	} else if journal == "" {
		journal, known = b.census.FirstBorn(node)
	} else {
		_, known = b.census.Broker(journal)
	}
	switch {
	case node == b.ID && journal != b.journal:
		return job.Ownership{}, &messages.Refused{
			Code: messages.Refused_RENAMED, Job: string(id), Broker: b.name(),
			Reason: "this broker began a new journal and does not know the job: submit it under a new id",
		}
	case !known:
		return job.Ownership{}, &messages.Refused{
			Code: messages.Refused_INVALID, Job: string(id),
			Reason: fmt.Sprintf("job %s names a first broker that is not known here: submit it under a new id", id),
		}
	}
	return job.Ownership{Journal: journal}, nil
}

func (b *Broker) resubmitted(ctx actor.Context, j job.Job, s *submission) {
	if b.disk.full { // who asks each second must not wait here each time
		ctx.Send(ctx.Sender(), diskFull(s.id))
		return
	}
	if j.Spec.Hash() != s.spec.Hash() {
		b.reply(ctx, &messages.Refused{Code: messages.Refused_CONFLICT, Reason: fmt.Sprintf("job %s was submitted before with another spec; use a new id", s.id), Job: string(s.id)})
		return
	}
	if owned(j, b.journal) {
		b.acknowledge(ctx, s.id, ctx.Sender())
	} else {
		ack, copies := b.acknowledgement(s.id, ctx.Sender()), b.copies(jobKey(s.id))
		b.hold(func() { ack.send(ctx, copies) })
	}
	b.moved(ctx, j)
}

// copies is on how many disks a record of others is that is on this one's: also on that of who last wrote it, unless that is given up.
func (b *Broker) copies(key ledger.Key) uint32 {
	rec, _ := b.replica.Get(key)
	switch {
	case !b.durable():
		return 0
	case slices.ContainsFunc(rec.Writes.Dots(), func(d ledger.Dot) bool { return !b.census.Forgotten(d.Journal) }):
		return 2
	}
	return 1
}

// commit writes a job down and lets everybody know. It is the one place where a job changes at this broker by its own doing; whatever leaves this
// broker because of it is held until it is on disk.
func (b *Broker) commit(ctx actor.Context, j job.Job) {
	old, _ := b.job(j.ID)
	b.put(ctx, laneOf(jobState{j}), jobKey(j.ID), jobState{j})
	j, _ = b.job(j.ID)
	b.jobMoved(ctx, old, j)
	v, by := j.Decided()
	if was, _ := old.Decided(); v != nil && was == nil && by.Journal == b.journal {
		b.decided(ctx, j)
	}
}

// jobMoved keeps everything that follows from a job's change, by whomever.
func (b *Broker) jobMoved(ctx actor.Context, old, j job.Job) {
	v, _ := j.Decided()
	b.owners.lead(j, v != nil)
	b.account(old, j)
	b.horizon.ended.note(j.Ended, jobKey(j.ID))
	b.refs.noteJob(j)
	b.inputs.note(j)
	stands := standingOf(old) != standingOf(j)
	if stands || len(j.Spec.Data) > 0 {
		b.makerMoved(ctx, j)
	}
	b.noteArray(old, j)
	if v != nil {
		b.queue.Remove(string(j.ID))
		b.disarmQueued(j.ID)
	}
	b.movedFrom(ctx, old, j)
	if stands {
		b.inputChanged(ctx, j.ID)
	}
	b.makeRoom(ctx, j)
}

// moved tells those who watch a job, once what it says is on disk.
func (b *Broker) moved(ctx actor.Context, j job.Job) { b.movedFrom(ctx, j, j) }

func (b *Broker) movedFrom(ctx actor.Context, old, j job.Job) {
	superseded := b.superseded(j) && !b.superseded(old)
	b.hold(func() { ctx.Send(b.gateway, &moved{j, b.final(j), superseded, b.owesSuperseded(j)}) })
}

// superseded says whether this broker's clients were told, or are being told, that what they had been told does not stand.
func (b *Broker) superseded(j job.Job) bool {
	mine, ok := j.Last(b.journal)
	t, _ := j.Tenure(mine)
	return ok && t.Superseded
}

// owesSuperseded says whether they are to be told that yet.
func (b *Broker) owesSuperseded(j job.Job) bool {
	decided, _ := j.Decided()
	mine, ok := j.Last(b.journal)
	t, _ := j.Tenure(mine)
	return ok && decided != nil && t.Verdict != nil && t.Verdict.Kind != job.Released && !t.Superseded && !t.Verdict.Same(decided)
}

// put writes a record and has it pushed to the peers.
func (b *Broker) put(ctx actor.Context, lane ledger.Lane, key ledger.Key, state ledger.State) ledger.Record {
	before, had := b.replica.Get(key)
	rec := b.replica.Put(lane, key, state, b.hybrid())
	b.save(versionOf(before, had), rec)
	if mutant.On(mutant.PushBeforeFsync) {
		ctx.Send(b.sync, &wrote{lane == ledger.Urgent})
	}
	b.hold(func() { ctx.Send(b.sync, &wrote{lane == ledger.Urgent}) })
	return rec
}

// commitActive writes down what a supervisor decided, and then does what follows for executors; the supervisor does the rest.
func (b *Broker) commitActive(ctx actor.Context, c *commit) {
	if c.news {
		b.commit(ctx, c.job)
	}
	supervisor := ctx.Sender()
	if mutant.On(mutant.AnswerBeforeFsync) {
		b.perform(ctx, c.job.ID, c.owner, c.effects)
	}
	b.hold(func() {
		b.perform(ctx, c.job.ID, c.owner, c.effects)
		ctx.Send(supervisor, &committed{c.effects})
	})
	b.enqueue(c.job.ID) // it may want more attempts
	b.schedule(ctx)     // it may have freed a slot
}

// account keeps the books that follow from a job's change: slots in use, counters, attempts without a home.
func (b *Broker) account(old, j job.Job) {
	mine, ok := j.Mine(b.journal)
	if !ok {
		mine, ok = j.Last(b.journal)
	}
	if !ok {
		return
	}
	now, _ := j.Tenure(mine)
	before, _ := old.Tenure(mine)
	b.crew.account(before, now, b.naming())
	b.orphaned(now)
	b.counts.redeployed += uint64(max(0, len(now.Attempts)-max(1, len(before.Attempts))))
	b.counts.rejected += uint64(max(0, len(now.Rejected)-len(before.Rejected)))
	if now.Verdict != nil && before.Verdict == nil {
		b.count(now.Verdict.Kind)
	}
}

func (b *Broker) count(k job.VerdictKind) {
	switch k {
	case job.Accepted:
		b.counts.accepted++
		b.counts.finished++
	case job.FailedVerdict, job.Cancelled, job.Expired, job.Skipped:
		b.counts.finished++
	case job.Released:
	}
}

func (b *Broker) job(id job.ID) (job.Job, bool) {
	rec, ok := b.replica.Get(jobKey(id))
	if !ok {
		return job.Job{}, false
	}
	return rec.State.(jobState).Job, true
}

// apply brings an event to a job: to its supervisor if it has one, else to the record itself.
func (b *Broker) apply(ctx actor.Context, id job.ID, ev job.Event) { b.applyWith(ctx, id, ev) }

// applyWith is apply for events after which a supervisor must know what others wrote.
func (b *Broker) applyWith(ctx actor.Context, id job.ID, ev job.Event) {
	j, ok := b.job(id)
	if !ok {
		return
	}
	if a, active := b.active[id]; active {
		a.sent++
		t := &told{event: ev, job: j}
		if _, deploys := ev.(job.Deployable); deploys && len(j.Spec.Data) > 0 {
			t.inline = b.inlines(j)
		}
		ctx.Send(a.supervisor, t)
		return
	}
	mine, ok := j.Mine(b.journal)
	if !ok {
		if mine, ok = j.Last(b.journal); !ok {
			b.log.Debug("event for a job that is not ours", "job", id, "event", fmt.Sprintf("%T", ev))
			return
		}
	}
	next, effects, err := j.Apply(mine, ev)
	if err != nil {
		b.log.Debug("event refused", "job", id, "err", err)
		return
	}
	next = next.DecidedIn(mine, b.Incarnation)
	if changedBy(j, next, mine) {
		b.commit(ctx, next)
	}
	b.hold(func() { b.perform(ctx, id, mine, effects) })
	b.performHere(ctx, id, effects)
}

// perform does the effects of a job that leave this broker, in the name of one of its owners.
func (b *Broker) perform(ctx actor.Context, id job.ID, owner job.Ownership, effects []job.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case job.Stop:
			b.tellExecutor(ctx, e.Attempt.Executor, &messages.Relay{Stop: stopMessage(e)})
		case job.Answer:
			b.answerExecutor(ctx, id, owner, e)
		case job.Forward:
			b.note("result for a successor", id, e.Node)
		case job.Supersede:
			b.note("superseded", id, "")
		case job.Deploy, job.Requeue, job.Arm, job.Finish:
		}
	}
}

// performHere does those of a job without a supervisor that stay here.
func (b *Broker) performHere(ctx actor.Context, id job.ID, effects []job.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case job.Requeue:
			b.enqueue(id)
		case job.Arm:
			b.timersOf(id).arm(ctx, b.Node, ctx.Self(), id, e)
		case job.Finish:
			b.disarmQueued(id)
		case job.Deploy:
			b.log.Error("an attempt was named without a supervisor", "job", id)
		case job.Stop, job.Answer, job.Forward, job.Supersede:
		}
	}
}

// enqueue puts a job into the queue if this broker acts for it and it wants another attempt, and takes it out otherwise.
func (b *Broker) enqueue(id job.ID) {
	j, ok := b.job(id)
	if !ok {
		return
	}
	mine, ok := j.Mine(b.journal)
	if !ok || b.owners.resumed[id] || !b.acts(j) || j.Wanted(mine) <= b.crew.reserved(id) {
		b.queue.Remove(string(id))
		return
	}
	if !b.queue.Has(string(id)) {
		b.queue.Add(b.waiting(j))
	}
}

// schedule starts as many waiting jobs as there are places for.
func (b *Broker) schedule(ctx actor.Context) {
	if b.queue.Len() == 0 || (!b.crew.free() && len(b.peers) == 0) {
		return
	}
	b.queue.Take(func(w placement.Waiting) bool {
		id := job.ID(w.ID)
		e, d := b.placeFor(id)
		if e == nil {
			b.askAround(ctx, id)
			return false
		}
		e.reserve(id, &d, hold{account: w.Account(), charged: w.Charge, since: b.Now()})
		b.supervise(ctx, id)
		b.apply(ctx, id, job.Deployable{Executor: e.ID, Lease: e.lease, Incarnation: b.naming(), At: b.hybrid()})
		return true
	})
}

// placeFor returns the executor that suits a job best, nil if none can take it now.
func (b *Broker) placeFor(id job.ID) (*member, placement.Demand) {
	if !b.crew.free() {
		return nil, placement.Demand{}
	}
	j, _ := b.job(id)
	d := b.demandOf(j)
	return b.crew.choose(&d), d
}

// accounted settles what a start was charged when its slot is given back.
func (b *Broker) accounted(h *hold, deployed bool) {
	if h.charged == 0 {
		return
	}
	took := time.Duration(0)
	if deployed {
		took = b.Now().Sub(h.since)
		b.queue.Took(h.account, took)
	}
	b.queue.Charge(h.account, took-h.charged)
}

// naming is the incarnation in the names of attempts: no other life of this broker gives the same names.
func (b *Broker) naming() uint64 {
	if mutant.On(mutant.NamesReused) {
		return 1
	}
	return b.Incarnation
}

// supervise makes sure that a job has a supervisor.
func (b *Broker) supervise(ctx actor.Context, id job.ID) {
	if _, ok := b.active[id]; ok {
		return
	}
	j, _ := b.job(id)
	mine, _ := j.Mine(b.journal)
	sup := b.supervisor(ctx)
	ctx.Send(sup, &assign{j, mine, b.mac})
	b.active[id] = &activeJob{supervisor: sup}
	b.watched[sup.Id] = id
}

// supervisor returns one without a job. A new actor for each job would cost more than most jobs do, and the engine's registry of names never
// gives back what it took for one.
func (b *Broker) supervisor(ctx actor.Context) *actor.PID {
	last := len(b.idle) - 1
	if last < 0 {
		return ctx.Spawn(newSupervisor(b.Node))
	}
	sup := b.idle[last]
	b.idle = b.idle[:last]
	return sup
}

// maxIdle bounds the supervisors without a job.
const maxIdle = 1024

// retire takes the job from a supervisor that has handled everything it was sent.
func (b *Broker) retire(ctx actor.Context, r *retire) {
	a, ok := b.active[r.id]
	if !ok || a.sent != r.handled {
		return
	}
	delete(b.active, r.id)
	delete(b.watched, a.supervisor.Id)
	if len(b.idle) < maxIdle {
		b.idle = append(b.idle, a.supervisor)
	} else {
		ctx.Stop(a.supervisor)
	}
	b.crew.unreserve(r.id)
	b.enqueue(r.id) // if it ended with the job still to do
	b.schedule(ctx)
}

// armQueued starts the timers of a job's life: they run from submission on and outlive supervisors.
func (b *Broker) armQueued(ctx actor.Context, id job.ID, s *job.Spec) {
	for _, a := range []job.Arm{{Timer: job.QueueTimer, After: s.QueueTimeout}, {Timer: job.DeadlineTimer, After: s.Deadline}} {
		if a.After > 0 {
			b.timersOf(id).arm(ctx, b.Node, ctx.Self(), id, a)
		}
	}
}

func (b *Broker) expired(ctx actor.Context, e *expired) {
	b.timersOf(e.id).ended(e.timer)
	if e.timer == job.RetryTimer {
		b.applyIfKnown(ctx, e.id, job.RetryDue{At: b.hybrid()})
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
