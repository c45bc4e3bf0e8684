package actors

import (
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/messages"
)

// A job that finds no place here is handed to a broker that holds a slot for it (JOB-13):
//
//	owner                          peer
//	SlotRequest   ──────────────▶  reserves a slot, for a moment
//	              ◀──────────────  SlotReserved
//	releases: the record says so
//	record        ─── sync ─────▶  finds itself named, begins its tenure

const (
	// askAgain is how long a broker waits before it asks about a job again.
	askAgain = time.Second
	// offerHolds is how long a slot is held for a peer's job.
	offerHolds = 2 * time.Second
)

func (b *Broker) peerUp(ctx actor.Context, msg *messages.PeerUp) {
	b.linked[msg.Node] = true
	ctx.Send(b.sync, msg)
	if slices.Contains(msg.Roles, messages.Broker) && msg.Node != b.ID {
		b.peers[msg.Node] = &peerBroker{pid: pid(msg.Node, messages.BrokerActor)}
	}
}

func (b *Broker) peerDown(ctx actor.Context, msg *messages.PeerDown) {
	delete(b.linked, msg.Node)
	delete(b.peers, msg.Node)
	ctx.Send(b.sync, msg)
}

// askAround asks the peers to hold a slot for a job that could be released.
func (b *Broker) askAround(ctx actor.Context, w placement.Waiting) {
	id := job.ID(w.ID)
	now := b.Now()
	if last, ok := b.asked[id]; len(b.peers) == 0 || (ok && now.Sub(last) < askAgain) || !b.releasable(id) {
		return
	}
	b.asked[id] = now
	j, _ := b.job(id)
	for _, p := range sortedPeers(b.peers) {
		ctx.Request(p.pid, &messages.SlotRequest{Job: w.ID, Memory: w.Demand.Memory, Labels: w.Demand.Labels, Module: w.Demand.Module[:], Barred: slices.Sorted(maps.Keys(w.Demand.Barred)), Emergency: j.Spec.Emergency})
	}
}

// releasable says whether a job waits here and could be handed to a peer.
func (b *Broker) releasable(id job.ID) bool {
	j, ok := b.job(id)
	if !ok || b.active[id] != nil || !b.acts(j) || !b.queue.Has(string(id)) {
		return false
	}
	mine, _ := j.Mine(b.journal)
	return j.Releasable(mine) == nil
}

// slotRequest holds a slot for a peer's job, if there is one that no job of ours waits for. Silence is the answer if not: it is asked again.
func (b *Broker) slotRequest(ctx actor.Context, msg *messages.SlotRequest) {
	id := job.ID(msg.GetJob())
	if j, ok := b.job(id); ok && b.acts(j) {
		return // it is here already
	}
	if b.emergencies.level >= emergency.High && msg.GetEmergency() == "" {
		return // no job starts here but those of emergencies
	}
	if _, held := b.offers[id]; !held && !b.holdSlot(id, msg) {
		return
	}
	b.offers[id] = b.Now().Add(offerHolds)
	ctx.Request(ctx.Sender(), &messages.SlotReserved{Job: msg.GetJob(), Journal: b.journal})
}

// holdSlot reserves a slot for a job that is not here, and says whether there was one.
func (b *Broker) holdSlot(id job.ID, msg *messages.SlotRequest) bool {
	d := placement.Demand{Memory: msg.GetMemory(), Labels: msg.GetLabels()}
	copy(d.Module[:], msg.GetModule())
	for _, p := range msg.GetBarred() {
		if d.Barred == nil {
			d.Barred = map[string]bool{}
		}
		d.Barred[p] = true
	}
	e, err := b.crew.choose(d)
	if err != nil {
		return false
	}
	e.reserve(id)
	return true
}

// slotReserved releases the job to the first peer that holds a slot. It does nothing if the job moved on meanwhile.
func (b *Broker) slotReserved(ctx actor.Context, msg *messages.SlotReserved) {
	id := job.ID(msg.GetJob())
	if !b.releasable(id) || b.census.Forgotten(msg.GetJournal()) {
		return
	}
	j, _ := b.job(id)
	heir, _ := j.Mine(b.journal)
	heir.H++
	heir.Journal = msg.GetJournal()
	b.apply(ctx, id, job.HandedOver{Heir: heir, Node: ctx.Sender().Address, At: b.hybrid()})
	b.schedule(ctx)
}

func (b *Broker) expireOffers(now time.Time) {
	for _, id := range slices.Sorted(maps.Keys(b.offers)) {
		if now.After(b.offers[id]) {
			delete(b.offers, id)
			b.crew.unreserve(id)
			b.enqueue(id) // if it has become ours meanwhile
		}
	}
	for id, at := range b.asked {
		if now.Sub(at) > 10*askAgain {
			delete(b.asked, id)
		}
	}
}
