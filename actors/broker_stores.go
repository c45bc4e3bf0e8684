package actors

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/detect"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// Where bytes are kept: this broker is home to datastores, writes down how they are, and tells its nodes of all that there are.

// depots is what a broker knows of datastores.
type depots struct {
	members map[string]*depot       // those it is home to, by node
	known   map[string]roster.Store // all, as the ledger has them
	told    roster.Stores           // what nodes are told
	rev     uint64                  // counts the changes of that
}

// depot is one datastore under one lease.
type depot struct {
	roster.Store // with its bytes as it last told them
	pid          *actor.PID
	heard        time.Time
	pulse        detect.Accrual
	reconnects   Timer     // runs while the connection is gone
	noted        time.Time // when its bytes were last written down
	contacts     uint64    // which addresses of brokers it has heard of
	stores       uint64    // which datastores
}

func newDepots() depots {
	return depots{members: map[string]*depot{}, known: map[string]roster.Store{}, rev: 1}
}

func (d *depots) sorted() []*depot {
	all := make([]*depot, 0, len(d.members))
	for _, node := range slices.Sorted(maps.Keys(d.members)) {
		all = append(all, d.members[node])
	}
	return all
}

func (d *depots) leave(m *depot) {
	m.stopTimer()
	delete(d.members, m.Node)
}

func (m *depot) stopTimer() {
	if m.reconnects != nil {
		m.reconnects.Stop()
		m.reconnects = nil
	}
}

// forgive moves all leases on by late.
func (d *depots) forgive(late time.Duration) {
	for _, m := range d.members {
		m.heard = m.heard.Add(late)
		m.pulse.Forgive(late)
	}
}

func (d *depots) stop() {
	for _, m := range d.members {
		m.stopTimer()
	}
}

// hearStore renews the lease of a datastore.
func (b *Broker) hearStore(ctx actor.Context) *depot {
	m := b.depots.members[ctx.Sender().Address]
	if m != nil {
		m.heard = b.Now()
		m.stopTimer()
	}
	return m
}

// registerStore makes this broker the home of a datastore under a new lease.
func (b *Broker) registerStore(ctx actor.Context, msg *messages.RegisterStore) {
	from := ctx.Sender()
	old := b.depots.members[from.Address]
	if old != nil {
		if old.Lease > msg.GetLease() {
			b.log.Warn("registration under an old lease ignored", "datastore", from.Address, "lease", msg.GetLease(), "known", old.Lease)
			return
		}
		old.stopTimer()
	}
	m := &depot{pid: from, heard: b.Now(), Store: roster.Store{
		Node: from.Address, Name: msg.GetName(), Address: msg.GetAddress(), Home: b.ID, Lease: msg.GetLease(), Life: msg.GetLife(),
		Free: msg.GetFree(), Used: msg.GetUsed(),
	}}
	m.pulse.Heard(b.Now())
	b.depots.members[m.Node] = m
	ctx.Watch(from)
	ctx.Request(from, &messages.StoreRegistered{Lease: m.Lease, HeartbeatMs: milliseconds(b.Heartbeat), TimeoutMs: milliseconds(b.LeaseTimeout)})
	b.log.Info("datastore joined", "datastore", m.Name, "node", m.Node, "lease", m.Lease, "free", m.Free)
	b.noteStore(ctx, m, roster.Up, "")
}

// noteEvery is the least time between two records that tell of nothing but a datastore's bytes.
const noteEvery = 10 * time.Second

func (b *Broker) storeHeartbeat(ctx actor.Context, msg *messages.StoreHeartbeat) {
	m := b.hearStore(ctx)
	answer := &messages.StoreAnswered{Lease: msg.GetLease(), Known: m != nil && m.Lease == msg.GetLease()}
	if answer.Known {
		m.pulse.Heard(b.Now())
		m.Free, m.Used = msg.GetFree(), msg.GetUsed()
		rec := b.depots.known[m.Node]
		if (rec.Free != roster.Coarse(m.Free) || rec.Used != roster.Coarse(m.Used)) && b.Now().Sub(m.noted) >= noteEvery {
			b.noteStore(ctx, m, roster.Up, "")
		}
		answer.Brokers = b.news(&m.contacts)
		answer.Stores = b.storeNews(&m.stores)
	}
	ctx.Request(ctx.Sender(), answer)
}

// noteStore writes down how a datastore is, its bytes coarsely.
func (b *Broker) noteStore(ctx actor.Context, m *depot, s roster.Standing, why string) {
	m.noted = b.Now()
	rec := m.Store
	rec.State, rec.Reason, rec.At = s, why, b.hybrid()
	rec.Free, rec.Used = roster.Coarse(m.Free), roster.Coarse(m.Used)
	b.storeKnown(ctx, b.put(ctx, ledger.Normal, storeKey(m.Node), storeState{rec}).State.(storeState).Store)
}

// storeKnown takes in what the ledger now says of a datastore.
func (b *Broker) storeKnown(ctx actor.Context, s roster.Store) {
	b.depots.known[s.Node] = s
	if m, ok := b.depots.members[s.Node]; ok && s.Home != b.ID && s.State == roster.Up && s.Lease > m.Lease {
		b.log.Info("datastore moved", "datastore", m.Name, "node", m.Node, "home", s.Home)
		b.depots.leave(m)
	}
	b.lookForStores(ctx)
}

// dismissStore lets a datastore go. It is a guess if it did not say so: it registers again when it is back.
func (b *Broker) dismissStore(ctx actor.Context, m *depot, standing roster.Standing, why string) {
	b.log.Warn("datastore gone", "datastore", m.Name, "node", m.Node, "state", string(standing), "reason", why)
	b.depots.leave(m)
	if b.depots.known[m.Node].Lease <= m.Lease {
		b.noteStore(ctx, m, standing, why)
	}
}

// watchStores looks for datastores whose silence means loss. Nobody else is asked: a wrong guess costs a copy, and no job.
func (b *Broker) watchStores(ctx actor.Context, now time.Time) {
	for _, m := range b.depots.sorted() {
		silent := now.Sub(m.heard)
		if m.pulse.Suspects(silent, b.strain.Allowance(), detect.Settings{Interval: b.Heartbeat, Timeout: b.LeaseTimeout}) {
			b.dismissStore(ctx, m, roster.Lost, fmt.Sprintf("silent for %s", silent.Round(100*time.Millisecond)))
		}
	}
	b.lookForStores(ctx)
}

// storeCut says that a datastore's closed connection stayed closed for the time allowed.
type storeCut struct {
	node  string
	lease uint64
}

// storeEnded hears that a datastore, or the way to it, ended, and says whether it was one.
func (b *Broker) storeEnded(ctx actor.Context, msg *actor.Terminated) bool {
	m, ok := b.depots.members[msg.Who.Address]
	switch {
	case !ok || !m.pid.Equal(msg.Who):
		return false
	case msg.Why == actor.TerminatedReason_AddressTerminated:
		root, self := RootContext(ctx.ActorSystem(), b.Clock), ctx.Self()
		over := &storeCut{m.Node, m.Lease}
		m.stopTimer()
		m.reconnects = b.after(b.Reconnect, func() { root.Send(self, over) })
	default:
		b.dismissStore(ctx, m, roster.Left, "it stopped")
	}
	return true
}

func (b *Broker) storeCut(ctx actor.Context, msg *storeCut) {
	if m, ok := b.depots.members[msg.node]; ok && m.Lease == msg.lease && m.reconnects != nil {
		b.dismissStore(ctx, m, roster.Lost, fmt.Sprintf("its connection closed and did not come back within %s", b.Reconnect))
	}
}

// stores returns where bytes are kept, as far as this broker can vouch for it: one whose home it has no link to, nor to itself, may be gone.
func (b *Broker) stores() roster.Stores {
	s := roster.Stores{Replicas: max(1, b.Replicas), Paused: b.copiesPaused()}
	for _, node := range slices.Sorted(maps.Keys(b.depots.known)) {
		x := b.depots.known[node]
		if _, linked := b.peers[x.Home]; x.State == roster.Up && x.Home != b.ID && !linked && !b.hasLink(x.Node) {
			x.State, x.Reason = roster.Unseen, "the broker asked has no link to it, nor to its home"
		}
		s.All = append(s.All, x)
	}
	return s
}

// lookForStores notices that nodes are to be told anew where bytes are kept. When a record was last written is no news.
func (b *Broker) lookForStores(_ actor.Context) {
	now := b.stores()
	same := func(x, y roster.Store) bool {
		x.At, x.Lease, x.Life = y.At, y.Lease, y.Life
		return x == y
	}
	if now.Replicas == b.depots.told.Replicas && now.Paused == b.depots.told.Paused && slices.EqualFunc(now.All, b.depots.told.All, same) {
		return
	}
	b.depots.told = now
	b.depots.rev++
	if b.Stores != nil {
		b.Stores(now)
	}
}

// storeNews returns where bytes are kept, nil to whom knows that already.
func (b *Broker) storeNews(known *uint64) *messages.StoresResponse {
	if *known == b.depots.rev {
		return nil
	}
	*known = b.depots.rev
	return messages.StoresToWire(b.depots.told)
}

// listStores answers a client. Of those at home here the bytes are known exactly.
func (b *Broker) listStores(ctx actor.Context) {
	s := b.stores()
	for i := range s.All {
		if m, ok := b.depots.members[s.All[i].Node]; ok {
			s.All[i].Free, s.All[i].Used = m.Free, m.Used
		}
	}
	res := messages.StoresToWire(s)
	b.read(ctx, func() any { return res }) // who is there is no promise
}
