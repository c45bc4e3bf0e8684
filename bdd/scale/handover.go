package scale

import (
	"slices"
	"time"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
)

// As the actors do it (JOB-13): a broker without a place asks its peers to hold a slot, the first that does is named in the record, and begins its
// tenure when it hears of that. A broker with idle slots says so, and is asked for as many of the next jobs.

const (
	askAgain   = time.Second     // before it asks about a job again
	offerHolds = 2 * time.Second // a slot for a peer's job
	maxOffered = 64              // jobs that are offered to an idle peer at once
)

// offer is a slot that is held for a peer's job.
type offer struct {
	id    job.ID
	e     *placement.Executor
	claim placement.Claim
	until time.Duration
}

// askAround asks all peers to hold a slot for a job, unless that was done a moment ago, or nobody has answered for one of its like.
func (b *broker) askAround(t *task) {
	last, nobody := b.nobody[like(t)]
	if (nobody && t.job.Spec.Emergency == "" && b.w.now-last < askAgain) || !b.mayAsk(t) {
		return
	}
	b.nobody[like(t)], b.asked[t.job.ID] = b.w.now, b.w.now
	b.w.gauge.requests += len(b.w.brokers) - 1
	b.tellPeers(0, func(p *broker) { p.slotRequest(b, t) })
}

// like is the same for jobs of which a peer that cannot take one can take none.
func like(t *task) string { return string(t.job.Spec.Needs.Append(nil)) }

func (b *broker) mayAsk(t *task) bool {
	last, ok := b.asked[t.job.ID]
	return len(b.circles) > 0 && (!ok || b.w.now-last >= askAgain) && b.releasable(t)
}

// releasable says whether a job waits here and could be handed to a peer.
func (b *broker) releasable(t *task) bool {
	mine, ok := b.acts(t)
	return ok && b.queue.Has(string(t.job.ID)) && t.job.Releasable(mine) == nil
}

// slotRequest holds a slot for a peer's job, if there is one.
func (b *broker) slotRequest(from *broker, t *task) {
	if i := slices.IndexFunc(b.offers, func(o offer) bool { return o.id == t.job.ID }); i >= 0 { // it is asked again: held for longer
		o := b.offers[i]
		o.until = b.w.now + offerHolds
		b.offers = append(slices.Delete(b.offers, i, i+1), o)
	} else if !b.holdSlot(t) {
		return
	}
	slots := b.pool.Idle()
	b.w.after(b.delayTo(from), func() { from.slotReserved(b, t, slots) })
}

func (b *broker) holdSlot(t *task) bool {
	if !b.pool.Free() || b.queue.Held(placement.Waiting{Emergency: t.job.Spec.Emergency != ""}) {
		return false
	}
	d := b.demandOf(t)
	d.Prefer, d.Avoid = nil, nil // they do not travel with the question
	e := b.pool.Choose(&d)
	if e == nil {
		return false
	}
	claim := b.pool.Claim(&d, e)
	b.pool.Reserve(e, claim)
	b.offers = append(b.offers, offer{t.job.ID, e, claim, b.w.now + offerHolds})
	b.w.gauge.offers++
	return true
}

// slotReserved releases the job to the first peer that holds a slot, and asks that one for the slots that it has besides. If the job moved on
// meanwhile its record says so to the peer.
func (b *broker) slotReserved(peer *broker, t *task, slots int) {
	if !b.releasable(t) {
		b.w.agenda.add(max(b.w.now, t.moved+b.w.settings.Sync+gather+b.delayTo(peer)), func() {
			peer.dropOffer(t.job.ID)
			peer.schedule()
		})
		return
	}
	delete(b.nobody, like(t))
	heir, _ := b.acts(t)
	heir.H++
	heir.Journal = peer.name
	b.dequeue(t)
	b.w.gauge.waits(t, true) // it is on its way
	b.w.gauge.handOvers++
	b.apply(t, job.HandedOver{Heir: heir, Node: peer.name, At: b.w.hybrid()})
	delete(b.asked, t.job.ID)
	b.w.after(b.w.settings.Sync+gather+b.delayTo(peer), func() {
		b.w.gauge.waits(t, false)
		peer.begins(t)
	})
	t.moved = b.w.now
	b.workWanted(peer, slots)
	b.schedule()
}

// begins takes up a job that a release made this broker's, into the slot that was held for it.
func (b *broker) begins(t *task) {
	b.dropOffer(t.job.ID)
	next, owner, ok := t.job.Begin(b.name, b.name, nobodyForgotten{})
	if !ok {
		return // decided meanwhile, by a result that came late
	}
	t.job = next
	b.apply(t, job.Merged{Acting: true, At: b.w.hybrid()})
	if t.job.Wanted(owner) > 0 {
		b.enqueue(t)
	}
	b.schedule()
}

// nobodyForgotten is job.Wills of a network in which no broker is given up.
type nobodyForgotten struct{}

func (nobodyForgotten) Closed(string) bool              { return false }
func (nobodyForgotten) Heirs(string, job.ID) []job.Heir { return nil }
func (nobodyForgotten) MayHaveEnded(job.ID) bool        { return false }

func (b *broker) dropOffer(id job.ID) {
	if i := slices.IndexFunc(b.offers, func(o offer) bool { return o.id == id }); i >= 0 {
		b.pool.Release(b.offers[i].e, b.offers[i].claim)
		b.offers = slices.Delete(b.offers, i, i+1)
	}
}

func (b *broker) expireOffers() {
	for len(b.offers) > 0 && b.w.now > b.offers[0].until {
		b.pool.Release(b.offers[0].e, b.offers[0].claim)
		b.offers = b.offers[1:]
	}
	for id, at := range b.asked {
		if b.w.now-at > 10*askAgain {
			delete(b.asked, id)
		}
	}
}

// calm is what a broker without work knows of having said so.
type calm struct {
	idle bool
	told time.Duration
	once bool
}

// wantWork tells the peers when slots have become idle and no job waits for them here.
func (b *broker) wantWork() {
	slots := 0
	if b.queue.Len() == 0 {
		slots = b.pool.Idle()
	}
	switch {
	case slots == 0:
		b.calm.idle = false
	case !b.calm.idle && (!b.calm.once || b.w.now-b.calm.told >= askAgain):
		b.calm = calm{idle: true, told: b.w.now, once: true}
		b.w.gauge.wanted += len(b.w.brokers) - 1
		b.tellPeers(0, func(p *broker) { p.workWanted(b, slots) })
	}
}

// workWanted asks a peer that has idle slots to hold them for the next jobs that wait here.
func (b *broker) workWanted(peer *broker, slots int) {
	b.queue.Ahead(min(slots, maxOffered), func(id string) {
		t := b.w.tasks[job.ID(id)]
		if b.mayAsk(t) {
			b.asked[t.job.ID] = b.w.now
			b.w.gauge.requests++
			b.w.after(b.delayTo(peer), func() { peer.slotRequest(b, t) })
		}
	})
}
