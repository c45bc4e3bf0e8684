package actors

import (
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/mutant"
	"github.com/urbancompute/ucp/messages"
)

// Durability on more than one disk: what other brokers said they hold of this broker's writes, and what waits for them to say so.

// ackPatience is how long a submission waits for a second disk while another broker is in reach.
const ackPatience = time.Second

// holders knows which writes of this broker are on other disks.
type holders struct {
	holds   map[string]ledger.Vector // by the journal of the holder
	waiting map[ledger.Origin][]confirmation
	shown   map[string]bool // who has told since the start what it holds
	final   map[job.ID]bool // decided here, and not yet on as many disks as were promised
}

// confirmation is what is to be done when a write is on a second disk, or will not be in time.
type confirmation struct {
	dot   ledger.Dot
	until time.Time // zero: it waits as long as it takes
	done  func(confirmed bool)
}

func newHolders() holders {
	return holders{holds: map[string]ledger.Vector{}, waiting: map[ledger.Origin][]confirmation{}, shown: map[string]bool{}, final: map[job.ID]bool{}}
}

// confirmed says whether a write is on the disk of another broker. Only established ones count for what is final.
func (b *Broker) confirmed(d ledger.Dot) bool {
	for j, v := range b.holders.holds {
		if r, ok := b.census.Broker(j); ok && r.Established && v.Covers(d) {
			return true
		}
	}
	return false
}

// whenHeld calls done as soon as another broker holds a write on disk, or with false when until has come. Dots of an origin come in order.
func (b *Broker) whenHeld(d ledger.Dot, until time.Time, done func(confirmed bool)) {
	if b.confirmed(d) {
		done(true)
		return
	}
	b.holders.waiting[d.Origin] = append(b.holders.waiting[d.Origin], confirmation{d, until, done})
}

// held hears what another broker has of this broker's writes on its disk. One that has more than was ever written here has seen what a disk
// since rolled back has lost.
func (b *Broker) held(ctx actor.Context, journal string, v ledger.Vector) {
	if journal == "" || journal == b.journal || b.census.Forgotten(journal) {
		return
	}
	v = v.Of(b.journal)
	b.holders.holds[journal] = b.holders.holds[journal].Merge(v)
	if !b.replica.Vector().CoversAll(v) && !mutant.On(mutant.RolledBackGoesOn) {
		b.rebirth(ctx, "a peer holds writes of this journal that its disk has lost")
		return
	}
	for _, d := range v.Dots() {
		b.confirm(d.Origin)
	}
	if !b.holders.shown[journal] {
		b.holders.shown[journal] = true
		b.membersChanged(ctx)
	}
}

func (b *Broker) confirm(o ledger.Origin) {
	queue := b.holders.waiting[o]
	for len(queue) > 0 && b.confirmed(queue[0].dot) {
		done := queue[0].done
		queue = queue[1:]
		b.holders.waiting[o] = queue
		done(true)
		queue = b.holders.waiting[o]
	}
	if len(queue) == 0 {
		delete(b.holders.waiting, o)
	}
}

// expireHolders gives up waiting where it was bounded.
func (b *Broker) expireHolders(now time.Time) {
	for _, o := range sortedOrigins(b.holders.waiting) {
		var left, over []confirmation
		for _, c := range b.holders.waiting[o] {
			if !c.until.IsZero() && now.After(c.until) {
				over = append(over, c)
			} else {
				left = append(left, c)
			}
		}
		b.holders.waiting[o] = left
		for _, c := range over {
			c.done(false)
		}
	}
}

// dotOf returns this broker's last write of a record.
func (b *Broker) dotOf(key ledger.Key) ledger.Dot {
	rec, _ := b.replica.Get(key)
	var last ledger.Dot
	for _, d := range rec.Writes.Of(b.journal).Dots() {
		if d.Incarnation >= last.Incarnation {
			last = d
		}
	}
	return last
}

// acknowledge answers a client once its job is on disk here and at one more broker, or says that it is here alone (JOB-1).
func (b *Broker) acknowledge(ctx actor.Context, id job.ID, client *actor.PID) {
	ack := b.acknowledgement(id, client)
	if !b.durable() {
		ack.send(ctx, 0)
		return
	}
	if mutant.On(mutant.AckBeforeFsync) {
		ack.send(ctx, 1)
		return
	}
	dot := b.dotOf(jobKey(id))
	b.holdOr(func() {
		until := b.Now().Add(ackPatience)
		if !b.anyBrokerInReach() {
			until = b.Now()
		}
		b.whenHeld(dot, until, func(confirmed bool) {
			if confirmed && b.alone(id) {
				b.apply(ctx, id, job.Acknowledged{Disks: 2}) // more than was told before
			} else if !confirmed {
				b.apply(ctx, id, job.Acknowledged{Disks: 1}) // the promise is written down before it is made
			}
			disks := uint32(1)
			if confirmed && !b.alone(id) || mutant.On(mutant.AckTwoOnOne) { // what has ended as one that is here alone stays so
				disks = 2
			}
			b.hold(func() { ack.send(ctx, disks) })
		})
		if !b.anyBrokerInReach() {
			b.expireHolders(b.Now().Add(1))
		}
	}, func() { ctx.Send(client, diskFull(id)) })
}

// alone says whether a client was told that the job is on this disk only.
func (b *Broker) alone(id job.ID) bool {
	j, _ := b.job(id)
	mine, ok := j.Mine(b.journal)
	t, _ := j.Tenure(mine)
	return ok && t.Single
}

// acknowledgement is what a client is told when its job is safe. It is put together when the job is written: its session must not tell of later
// writes, which a crash may take back.
type acknowledgement struct {
	id      job.ID
	client  *actor.PID
	session []byte
	urgent  bool
}

func (b *Broker) acknowledgement(id job.ID, client *actor.PID) acknowledgement {
	rec, _ := b.replica.Get(jobKey(id))
	return acknowledgement{id, client, sessionOf(rec.Writes, b.hybrid()), b.ofEmergency(id)}
}

func (a acknowledgement) send(ctx actor.Context, disks uint32) {
	ctx.Send(a.client, &messages.JobSubmitted{Job: string(a.id), Durability: disks, Session: a.session, Urgent: a.urgent})
}

// final says whether the decision on a job is on as many disks as its acknowledgement said, and so never changes (JOB-7). A decision of another
// broker is on that one's disk and on this one's, which does not count while others do not know this one.
func (b *Broker) final(j job.Job) bool {
	v, by := j.Decided()
	if mutant.On(mutant.TakerDecidesFinally) {
		v, by = j.Winner()
	}
	own, _ := b.census.Broker(b.journal)
	switch t, _ := j.Tenure(by); {
	case v == nil, j.Doubtful():
		return false
	case !b.durable():
		return true
	case by.Journal == b.journal && t.Single:
		return true
	case by.Journal == b.journal && b.holders.final[j.ID], by.Journal != b.journal && !t.Single && !own.Established:
		return false
	}
	return !slices.ContainsFunc(j.Grounds(), func(t job.Tenure) bool { return !b.stands(j.ID, t) })
}

// stands says whether an owner's verdict, a release too, is its first: its disk has lost no earlier one. One that is given up cannot show that any
// more, but what all others had of it by then can.
func (b *Broker) stands(id job.ID, t job.Tenure) bool {
	journal, life := t.Owner.Journal, t.Verdict.Life
	proven := b.proven(journal, life)
	if !b.census.Forgotten(journal) || (t.Single && proven) {
		return proven
	}
	return b.fencedWith(journal, id, life) && (proven || b.census.Closed(journal, b.replica.Vector()))
}

// fencedWith says whether what a broker, which is given up, decided in a life was known to somebody who fenced it: what came out later does not
// count.
func (b *Broker) fencedWith(journal string, id job.ID, life uint64) bool {
	rec, _ := b.replica.Get(jobKey(id))
	writes := ledger.Vector{}
	for _, d := range rec.Writes.Of(journal).Dots() {
		if d.Incarnation <= life {
			writes = writes.With(d)
		}
	}
	return len(writes.Dots()) > 0 && b.census.Fenced(journal, writes)
}

// proven says whether the disk of the broker that decided a job was shown, in that life or a later one, to have lost nothing: it has not decided
// otherwise before.
func (b *Broker) proven(journal string, life uint64) bool {
	if mutant.On(mutant.UnprovenCounts) {
		return true
	}
	r, ok := b.census.Broker(journal)
	return ok && life != 0 && life <= r.Proven
}

// refinalize tells of decisions that became final by what is now known of the brokers.
func (b *Broker) refinalize(ctx actor.Context) {
	for _, rec := range sortedRecords(b.replica, ledger.Job) {
		j := rec.State.(jobState).Job
		if v, _ := j.Decided(); v != nil && !j.Ended && b.final(j) {
			b.moved(ctx, j)
			b.finalized(ctx, j.ID)
		}
	}
}

// decided waits for this broker's decision on a job to be as durable as was promised, and then tells those who watch it.
func (b *Broker) decided(ctx actor.Context, j job.Job) {
	_, by := j.Decided()
	alone, _ := j.Tenure(by)
	if !b.durable() || alone.Single || mutant.On(mutant.FinalOnOneDisk) {
		b.finalized(ctx, j.ID)
		return
	}
	b.holders.final[j.ID] = true
	dot := b.dotOf(jobKey(j.ID))
	b.hold(func() {
		b.whenHeld(dot, time.Time{}, func(bool) {
			delete(b.holders.final, j.ID)
			if j, ok := b.job(j.ID); ok {
				b.moved(ctx, j)
			}
			b.finalized(ctx, j.ID)
		})
	})
}

// finalized arms the retention of a job that is over for good, and moves on those that wait for its result.
func (b *Broker) finalized(ctx actor.Context, id job.ID) {
	j, ok := b.job(id)
	if !ok {
		return
	}
	if b.keeps(j) {
		b.retention.add(id, b.Now().Add(j.Spec.Retention))
	}
	b.inputChanged(ctx, id)
	b.makerMoved(ctx, j)
}

// keeps says whether it is this broker that ends the job's retention: the one that decided it, or if that is given up the first of the rest.
func (b *Broker) keeps(j job.Job) bool {
	_, by := j.Decided()
	if !b.census.Forgotten(by.Journal) {
		return by.Journal == b.journal
	}
	return len(b.ranked(j.ID, "")) > 0 && b.ranked(j.ID, "")[0] == b.journal
}

// endRetention writes down that finished jobs need not be kept any longer (SYNC-8: they end by a written record).
func (b *Broker) endRetention(ctx actor.Context, now time.Time) {
	for _, id := range b.retention.due(now) {
		if j, ok := b.job(id); ok && !j.Ended {
			b.keepResults(ctx, j)
			b.commit(ctx, j.End())
		}
	}
}

func (b *Broker) anyBrokerInReach() bool {
	for _, p := range b.peers {
		if p.journal == "" || b.reaches(p.journal) {
			return true
		}
	}
	return false
}
