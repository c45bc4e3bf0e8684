package actors

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

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
//
// It begins when a job finds no place, or when a peer says that it has idle slots (WorkWanted, or SlotReserved for the jobs behind the first). A slot
// is given back when the record says that the job has found a place elsewhere.

const (
	// askAgain is how long a broker waits before it asks about a job again.
	askAgain = time.Second
	// offerHolds is how long a slot is held for a peer's job.
	offerHolds = 2 * time.Second
)

func (b *Broker) peerUp(ctx actor.Context, msg *messages.PeerUp) {
	b.linked[msg.Node] = msg.Incarnation
	ctx.Send(b.sync, msg)
	if slices.Contains(msg.Roles, messages.Broker) && msg.Node != b.ID {
		b.peers[msg.Node] = &peerBroker{pid: pid(msg.Node, messages.BrokerActor)}
		b.calm.idle = false // it has not been told
	}
}

func (b *Broker) peerDown(ctx actor.Context, msg *messages.PeerDown) {
	delete(b.linked, msg.Node)
	delete(b.peers, msg.Node)
	ctx.Send(b.sync, msg)
}

// hasLink says whether there is a link to a node.
func (b *Broker) hasLink(node string) bool {
	_, ok := b.linked[node]
	return ok
}

// askAround asks the peers to hold a slot for a job that could be released. When nobody has one they are not asked about its like for a while, or in a
// full network each start would cost a question to every peer: who falls idle says so. Only an emergency does not wait for that.
func (b *Broker) askAround(ctx actor.Context, id job.ID) {
	j, _ := b.job(id)
	like := b.like(j)
	if len(b.peers) == 0 || (j.Spec.Emergency == "" && b.Now().Sub(b.nobody[like]) < askAgain) || !b.mayAsk(id) {
		return
	}
	b.nobody[like] = b.Now()
	b.ask(ctx, id, sortedPeers(b.peers)...)
}

// like is the same for jobs of which a peer that cannot take one can take none.
func (b *Broker) like(j job.Job) string {
	d, needs := b.demandOf(j), j.Spec.Needs
	needs.Memory = d.Memory
	return string(needs.Append(nil)) + strings.Join(slices.Sorted(maps.Keys(d.Barred)), " ")
}

// mayAsk says whether peers could be asked about a job: it could be released, and that was not asked a moment ago.
func (b *Broker) mayAsk(id job.ID) bool {
	last, ok := b.asked[id]
	return (!ok || b.Now().Sub(last) >= askAgain) && b.releasable(id)
}

// ask asks some peers about a job.
func (b *Broker) ask(ctx actor.Context, id job.ID, peers ...*peerBroker) {
	b.asked[id] = b.Now()
	j, _ := b.job(id)
	d, needs := b.demandOf(j), j.Spec.Needs
	needs.Memory = d.Memory
	m := &messages.SlotRequest{
		Job: string(id), Memory: d.Memory, Labels: d.Labels, Barred: slices.Sorted(maps.Keys(d.Barred)),
		Needs: needs.Append(nil), Emergency: j.Spec.Emergency,
	}
	for _, p := range peers {
		ctx.Request(p.pid, m)
	}
}

// calm is what a broker without work knows of having said so.
type calm struct {
	idle bool // and its peers know
	told time.Time
}

// wantWork tells the peers when slots have become idle and no job waits for them here: they may have some. It is said when that begins, and no more
// than once a second: from then on peers that get work ask by themselves.
func (b *Broker) wantWork(ctx actor.Context, now time.Time) {
	slots := 0
	if b.queue.Len() == 0 && len(b.peers) > 0 && !b.disk.full {
		slots = b.crew.pool.Idle()
	}
	switch {
	case slots == 0:
		b.calm.idle = false
	case !b.calm.idle && now.Sub(b.calm.told) >= askAgain:
		b.calm = calm{idle: true, told: now}
		for _, p := range sortedPeers(b.peers) {
			ctx.Request(p.pid, &messages.WorkWanted{Slots: narrow(slots)})
		}
	}
}

// maxOffered bounds the jobs that are offered to an idle peer at once: while they are on their way nobody starts them.
const maxOffered = 64

// workWanted asks a peer that has idle slots to hold them for the next jobs that wait here.
func (b *Broker) workWanted(ctx actor.Context, msg *messages.WorkWanted) {
	b.askFor(ctx, ctx.Sender().Address, msg.GetSlots())
}

// askFor asks a peer to hold slots, of so many that it has, for the next jobs that wait here.
func (b *Broker) askFor(ctx actor.Context, peer string, slots uint32) {
	if p, ok := b.peers[peer]; ok {
		b.queue.Ahead(min(int(slots), maxOffered), func(id string) {
			if b.mayAsk(job.ID(id)) {
				b.ask(ctx, job.ID(id), p)
			}
		})
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
	if _, held := b.offers[id]; !held && !b.holdSlot(id, msg) {
		return
	}
	b.offers[id] = offer{b.Now().Add(offerHolds), ctx.Sender().Address}
	ctx.Request(ctx.Sender(), &messages.SlotReserved{Job: msg.GetJob(), Journal: b.journal, Slots: narrow(b.crew.pool.Idle())})
}

// offer is a slot that is held for a peer's job.
type offer struct {
	until time.Time
	asker string // node id
}

// holdSlot reserves a slot for a job that is not here, and says whether there was one.
func (b *Broker) holdSlot(id job.ID, msg *messages.SlotRequest) bool {
	if b.queue.Held(placement.Waiting{Emergency: msg.GetEmergency() != ""}) {
		return false
	}
	d, err := demandFromWire(msg)
	if err != nil {
		b.log.Warn("request for a slot ignored", "job", id, "err", err)
		return false
	}
	e := b.crew.choose(&d)
	if e == nil {
		return false
	}
	e.reserve(id, &d, hold{since: b.Now()})
	return true
}

func demandFromWire(msg *messages.SlotRequest) (placement.Demand, error) {
	needs := job.Needs{Memory: msg.GetMemory(), Labels: msg.GetLabels()}
	if len(msg.GetNeeds()) > 0 {
		var err error
		if needs, err = job.DecodeNeeds(msg.GetNeeds()); err != nil {
			return placement.Demand{}, fmt.Errorf("its needs cannot be read: %w", err)
		}
	}
	d := demandOfNeeds(needs)
	for _, p := range msg.GetBarred() {
		if d.Barred == nil {
			d.Barred = map[string]bool{}
		}
		d.Barred[p] = true
	}
	return d, nil
}

// slotReserved releases the job to the first peer that holds a slot. It does nothing if the job moved on meanwhile.
func (b *Broker) slotReserved(ctx actor.Context, msg *messages.SlotReserved) {
	id := job.ID(msg.GetJob())
	if !b.releasable(id) || b.census.Forgotten(msg.GetJournal()) {
		return
	}
	j, _ := b.job(id)
	delete(b.nobody, b.like(j))
	heir, _ := j.Mine(b.journal)
	heir.H++
	heir.Journal = msg.GetJournal()
	b.apply(ctx, id, job.HandedOver{Heir: heir, Node: ctx.Sender().Address, At: b.hybrid()})
	b.askFor(ctx, ctx.Sender().Address, msg.GetSlots())
	b.schedule(ctx)
}

// withdraw gives back a slot that is held for a peer's job once the peer wants none for it any more: of all that were asked one got it, and a hundred
// slots that wait for nothing are not idle for long.
func (b *Broker) withdraw(ctx actor.Context, j job.Job) {
	o, held := b.offers[j.ID]
	asked := func(t job.Tenure) bool { return t.Node == o.asker }
	if !held || !slices.ContainsFunc(j.Tenures, asked) || slices.ContainsFunc(j.Tenures, func(t job.Tenure) bool { return asked(t) && j.Wanted(t.Owner) > 0 }) {
		return
	}
	delete(b.offers, j.ID)
	b.crew.unreserve(j.ID)
	b.schedule(ctx)
}

func (b *Broker) expireOffers(now time.Time) {
	for _, id := range slices.Sorted(maps.Keys(b.offers)) {
		if now.After(b.offers[id].until) {
			delete(b.offers, id)
			b.crew.unreserve(id)
			b.enqueue(id) // if it has become ours meanwhile
		}
	}
	maps.DeleteFunc(b.nobody, func(_ string, at time.Time) bool { return now.Sub(at) > askAgain })
	for id, at := range b.asked {
		if now.Sub(at) > 10*askAgain {
			delete(b.asked, id)
		}
	}
}
