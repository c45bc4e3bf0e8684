package actors

import (
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

// Brokers given up for good (JOB-14). The record alone does nothing but have every other member fence the broker off; when all fences are known the
// heirs begin.

// putBroker writes this broker's own record.
func (b *Broker) putBroker(ctx actor.Context, r roster.Broker) {
	b.census.Add(r)
	b.put(ctx, ledger.Urgent, brokerKey(r.Journal), brokerState{r})
}

// forget writes down that a broker is given up, and says whose fences are awaited.
func (b *Broker) forget(ctx actor.Context, q *forgetBroker) {
	journal, err := b.journalOf(q.broker)
	if err != nil {
		b.reply(ctx, &messages.Refused{Code: messages.Refused_INVALID, Reason: err.Error()})
		return
	}
	if !b.census.Forgotten(journal) {
		b.giveUp(ctx, journal, q.by, q.reason)
	}
	b.reply(ctx, &messages.BrokerForgotten{Journal: journal, Waiting: b.census.Unfenced(journal)})
}

// journalOf returns the journal that a person means by a node id or a journal.
func (b *Broker) journalOf(broker string) (string, error) {
	if _, ok := b.census.Broker(broker); ok {
		return broker, b.notThisOne(broker)
	}
	switch all := b.census.OfNode(broker); len(all) {
	case 0:
		return "", fmt.Errorf("no broker %q is known here, or it is forgotten already", broker)
	case 1:
		return all[0], b.notThisOne(all[0])
	default:
		return "", fmt.Errorf("node %s has had several journals, name the one to forget: %v", broker, all)
	}
}

func (b *Broker) notThisOne(journal string) error {
	if journal == b.journal {
		return fmt.Errorf("this is the broker itself: ask another one to forget it")
	}
	return nil
}

// giveUp writes the record, and this broker's fence with it.
func (b *Broker) giveUp(ctx actor.Context, journal, by, reason string) {
	b.forgotten(ctx, b.putForget(ctx, journal, by, reason))
}

func (b *Broker) putForget(ctx actor.Context, journal, by, reason string) roster.Forget {
	b.note("forgotten", "", journal)
	f := roster.Forget{Journal: journal, By: by, Reason: reason, At: b.hybrid()}
	return b.put(ctx, ledger.Urgent, forgetKey(journal), forgetState{f}).State.(forgetState).Forget
}

// forgotten acts on a record that gives a broker up: a fence around it, or if it is this one a new journal.
func (b *Broker) forgotten(ctx actor.Context, f roster.Forget) {
	b.census.Forget(f)
	delete(b.holders.holds, f.Journal)
	if f.Journal == b.journal {
		b.rebirth(ctx, "it was given up by "+f.By)
		return
	}
	b.fenceOff(ctx)
	b.inherit(ctx)
}

// fenceOff makes the fences that are due. A newcomer waits with its own until it knows whom the others know, for heirs are those whom all fencers
// know; it takes nothing from a broker that is given up all the same.
func (b *Broker) fenceOff(ctx actor.Context) {
	own, ok := b.census.Broker(b.journal)
	if !ok || !own.Established {
		return
	}
	for _, journal := range b.census.Given() {
		if _, done := own.Fence(journal); !done && journal != b.journal {
			b.note("fenced", "", journal)
			own = own.Fenced(b.fence(ctx, journal))
			b.putBroker(ctx, own)
		}
	}
}

// fence says what this broker holds of a journal. What it holds out of order, above what its vector says, it writes anew as its own: only so can
// an heir know that it has it too, for what is missing in between may never come.
func (b *Broker) fence(ctx actor.Context, journal string) roster.Fence {
	for _, rec := range b.outOfOrder(journal) {
		b.put(ctx, laneOf(rec.State), rec.Key, rec.State)
	}
	v := b.replica.Vector()
	return roster.Fence{Journal: journal, Covers: v.Of(journal).Merge(v.Of(b.journal)), Known: b.census.Members()}
}

// outOfOrder returns the records with writes of a journal that the vector does not cover.
func (b *Broker) outOfOrder(journal string) []ledger.Record {
	v := b.replica.Vector().Of(journal)
	var above []ledger.Record
	for _, kind := range ledger.Kinds {
		for _, rec := range sortedRecords(b.replica, kind) {
			if !v.CoversAll(rec.Writes.Of(journal)) {
				above = append(above, rec)
			}
		}
	}
	return above
}

// membersChanged says what follows from others' records: this broker tells newcomers that it knows them, and becomes established and proven
// when all have shown that they know it.
func (b *Broker) membersChanged(ctx actor.Context) {
	own, ok := b.census.Broker(b.journal)
	if !ok || b.census.Forgotten(b.journal) {
		return
	}
	next := own
	if !own.Known.CoversAll(b.newcomers()) {
		next = next.Knowing(b.replica.Vector())
	}
	if !own.Established && b.knownToAll() {
		b.note("established", "", b.journal)
		next = next.Establish()
	}
	if own.Proven < b.Incarnation && b.shownByAll() {
		b.note("proven", "", b.journal)
		next = next.Prove(b.Incarnation)
	}
	if next.Rev != own.Rev {
		b.putBroker(ctx, next)
		b.fenceOff(ctx)
		b.refinalize(ctx)
	}
}

// newcomers returns the first writes of the members that are not established yet, as far as this broker's vector covers them.
func (b *Broker) newcomers() ledger.Vector {
	var v ledger.Vector
	for _, m := range b.census.Members() {
		r, _ := b.census.Broker(m)
		rec, ok := b.replica.Get(brokerKey(m))
		if ok && !r.Established && m != b.journal && b.replica.Vector().Covers(rec.Created) {
			v = v.With(rec.Created)
		}
	}
	return v
}

// knownToAll says whether every member has said that it knows this broker, and this one has caught up with what each then knew: so it knows whom
// they know.
func (b *Broker) knownToAll() bool {
	rec, ok := b.replica.Get(brokerKey(b.journal))
	members := b.census.Members()
	if !ok || (len(members) < 2 && !b.Founder) {
		return false
	}
	for _, m := range members {
		r, _ := b.census.Broker(m)
		if m != b.journal && (!r.Known.Covers(rec.Created) || !b.replica.Vector().CoversAll(r.Known)) {
			return false
		}
	}
	return true
}

// shownByAll says whether every member has shown since the start what it holds of this broker's writes.
func (b *Broker) shownByAll() bool {
	for _, m := range b.census.Members() {
		if m != b.journal && !b.holders.shown[m] {
			return false
		}
	}
	return true
}

// inherit begins what this broker is heir to, as soon as brokers that were given up are closed. A newcomer opens a closed one again until it has
// fenced it too, and what came meanwhile has no heir yet.
func (b *Broker) inherit(ctx actor.Context) {
	v := b.replica.Vector()
	for _, journal := range b.census.Given() {
		was := b.owners.inherited[journal]
		b.owners.inherited[journal] = b.census.Closed(journal, v)
		if was || !b.owners.inherited[journal] {
			continue
		}
		b.note("closed", "", journal)
		b.refinalize(ctx)
		for _, rec := range sortedRecords(b.replica, ledger.Job) {
			b.beginTenure(ctx, rec.State.(jobState).Job)
		}
	}
}

// fenced says whether this broker takes nothing from a journal and confirms nothing to it.
func (b *Broker) fenced(journal string) bool { return b.census.Forgotten(journal) }

// rebirth goes on as a new broker, under a new journal. All that its disk holds stays, for it may be the only copy of what it confirmed to others:
// it is now what this broker knows of the old one, and counts as far as that still can (decision 14). What the others have forgotten meanwhile
// they tell it to drop.
func (b *Broker) rebirth(ctx actor.Context, why string) {
	old := b.journal
	b.note("reborn", "", why)
	b.abandon(ctx)
	b.rename(false)
	b.replica.Rename(b.journal, b.Incarnation)
	b.replica.SetBehind(true)
	b.saveMeta(metaBehind, []byte{1})
	b.putForget(ctx, old, b.ID, why)
	b.resume(ctx)
	b.introduce(ctx)
	b.writeSelf(ctx)
	ctx.Send(b.sync, &reborn{})
}

// abandon lets go of everything that the old journal stood for.
func (b *Broker) abandon(ctx actor.Context) {
	for _, id := range slices.Sorted(maps.Keys(b.active)) {
		ctx.Stop(b.active[id].supervisor)
	}
	for _, t := range b.queued {
		t.stop()
	}
	b.disk.waiting = nil
	b.active, b.watched, b.queued = map[job.ID]*activeJob{}, map[string]job.ID{}, map[job.ID]*timers{}
	heard := b.owners.heard
	b.owners, b.holders, b.inputs = newOwners(), newHolders(), inputs{}
	b.owners.heard = heard
	b.catalog = newCatalog()
	b.census, b.horizon = roster.Census{}, horizon{dropped: b.horizon.dropped, droppedData: b.horizon.droppedData}
	b.queue = placement.NewQueue()
	b.emergencies = emergencies{}
	b.retention, b.removals = newRetention(b.Now()), newRetention(b.Now())
	b.crew.clear()
}
