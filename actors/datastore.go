package actors

import (
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// Depot is the bytes of a datastore. Its methods do not block.
type Depot interface {
	// Room returns how many bytes it can still take, and how many it keeps.
	Room() (free, used uint64)
	// Known tells where bytes are kept, whenever that changes.
	Known(roster.Stores)
}

// Datastore speaks for the bytes of a node: it registers at a home broker under a lease that it numbers, tells how much room there is, hears where
// other bytes are kept, and passes on questions about what is still needed. It does no I/O: that is its depot's. The node supervises it: one that
// panics ends its node.
type Datastore struct {
	*Node
	homing
	depot  Depot
	log    *slog.Logger
	asker  *actor.PID // who waits to hear what is needed
	asked  time.Time
	ticker Timer
}

// askerPatience is how long an answer about what is needed is waited for before another question is passed on.
const askerPatience = 30 * time.Second

// datastoreTick is when a datastore shows that it lives.
type datastoreTick struct{}

// NewDatastore returns the props of a node's datastore.
func NewDatastore(n *Node, depot Depot) *actor.Props {
	return n.props(func() actor.Actor {
		return &Datastore{Node: n, homing: newHoming(n), depot: depot, log: n.Log.With("actor", messages.DatastoreActor)}
	})
}

// Receive turns messages into calls.
func (d *Datastore) Receive(ctx actor.Context) {
	if anonymous(ctx) {
		d.log.Warn("message without a sender dropped", "type", typeName(ctx.Message()))
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		d.ticked = d.Now()
		d.arm(ctx)
	case *actor.Stopping:
		d.ticker.Stop()
	case *datastoreTick:
		d.tick(ctx)
	case *messages.PeerUp:
		if d.brokerUp(d.ID, msg) {
			d.moveTo(ctx, msg.Node)
		}
	case *messages.PeerDown:
		d.brokerDown(msg)
	case *messages.StoreRegistered:
		d.registered(ctx, msg)
	case *messages.StoreAnswered:
		d.storeAnswered(ctx, msg)
	case *messages.ReferencesRequest:
		d.ask(ctx, msg)
	case *messages.ReferencesResponse:
		d.told(ctx, msg)
	case returned: // the registration is sent again, and questions too
		logReturned(d.log, msg)
	case actor.SystemMessage, actor.AutoReceiveMessage:
	default:
		d.log.Warn("unexpected message", "type", typeName(msg))
	}
}

func (d *Datastore) arm(ctx actor.Context) {
	root, self := RootContext(ctx.ActorSystem(), d.Clock), ctx.Self()
	d.ticker = d.after(d.every, func() { root.Send(self, &datastoreTick{}) })
}

func (d *Datastore) tick(ctx actor.Context) {
	d.arm(ctx)
	d.forgive(d.Now())
	if d.home == nil {
		return
	}
	if silent, lost := d.silent(d.Now()); lost {
		old, next := d.home.Address, d.next()
		if next != old {
			d.log.Warn("home broker lost", "broker", old, "silent", silent, "next", next)
		}
		d.moveTo(ctx, next)
		return
	}
	if !d.confirmed {
		d.register(ctx)
		return
	}
	free, used := d.depot.Room()
	ctx.Request(d.home, &messages.StoreHeartbeat{Lease: d.lease, Free: free, Used: used})
}

func (d *Datastore) moveTo(ctx actor.Context, broker string) {
	d.homing.moveTo(broker, d.Now())
	d.register(ctx)
}

func (d *Datastore) register(ctx actor.Context) {
	d.renew()
	free, used := d.depot.Room()
	ctx.Request(d.home, &messages.RegisterStore{Name: d.Name, Address: d.Address, Lease: d.lease, Life: d.Incarnation, Free: free, Used: used})
}

func (d *Datastore) registered(ctx actor.Context, msg *messages.StoreRegistered) {
	if !d.isHome(ctx) || msg.GetLease() != d.lease {
		return
	}
	d.accept(d.Now(), msg.GetHeartbeatMs(), msg.GetTimeoutMs())
	d.log.Info("joined", "broker", d.home.Address, "lease", d.lease)
}

func (d *Datastore) storeAnswered(ctx actor.Context, msg *messages.StoreAnswered) {
	if !d.isHome(ctx) || msg.GetLease() != d.lease {
		return
	}
	d.answered(d.Now())
	for _, address := range msg.GetBrokers() {
		d.met(address)
	}
	if s := msg.GetStores(); s != nil {
		d.depot.Known(messages.StoresFromWire(s))
	}
	if !msg.GetKnown() {
		d.register(ctx)
	}
}

// ask passes on to home what somebody of this node wants to know. Without a home there is no answer, and nothing is deleted.
func (d *Datastore) ask(ctx actor.Context, msg *messages.ReferencesRequest) {
	busy := d.asker != nil && d.Now().Sub(d.asked) < askerPatience
	if ctx.Sender().Address != d.ID || !d.confirmed || busy {
		return
	}
	d.asker, d.asked = ctx.Sender(), d.Now()
	ctx.Request(d.home, msg)
}

func (d *Datastore) told(ctx actor.Context, msg *messages.ReferencesResponse) {
	if d.asker != nil && d.isHome(ctx) {
		ctx.Send(d.asker, msg)
		d.asker = nil
	}
}
