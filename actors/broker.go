package actors

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/messages"
)

// BrokerSettings are a broker's timers and bounds.
type BrokerSettings struct {
	Heartbeat    time.Duration // how often executors are asked to show that they live
	LeaseTimeout time.Duration // silence after which an executor counts as lost
	Reconnect    time.Duration // how long a closed connection may stay closed before its executor counts as lost
	SyncInterval time.Duration // how often brokers compare their ledgers
	MaxQueued    int           // jobs that may wait; one more is refused
}

// tick is how often the broker looks at leases and retention.
const tick = 250 * time.Millisecond

// Broker owns the ledger replica, the queue and the executors it is home to. The node supervises it: a broker that panics ends its node,
// for what it alone held would be gone. Its supervisors are restarted by it from the ledger.
type Broker struct {
	*Node
	BrokerSettings
	log       *slog.Logger
	owner     job.Ownership // of jobs first submitted here; its journal names this broker in the ledger
	replica   *ledger.Replica
	queue     *placement.Queue
	crew      *crew
	active    map[job.ID]*activeJob
	watched   map[string]job.ID  // the same by the supervisor's name
	idle      []*actor.PID       // supervisors without a job
	queued    map[job.ID]*timers // of queued jobs that have any
	retention *retention
	peers     map[string]*actor.PID // brokers in reach
	asked     map[job.ID]time.Time  // jobs for which peers were asked to hold a slot, and when
	offers    map[job.ID]time.Time  // slots held for jobs of peers, and until when
	mac       mac
	gateway   *actor.PID
	sync      *actor.PID
	counts    counts
	stopping  bool
	started   time.Time
	lastTick  time.Time
	ticker    Timer
}

// activeJob is a job with a supervisor.
type activeJob struct {
	supervisor *actor.PID
	sent       uint64 // events sent to it
}

// counts are what `ucp status` tells.
type counts struct{ finished, accepted, rejected, redeployed uint64 }

// NewBroker returns the props of a node's broker.
func NewBroker(n *Node, s BrokerSettings) *actor.Props {
	return n.props(func() actor.Actor {
		journal := rand.Text()[:16] // a blank journal owns nothing that an earlier one owned
		return &Broker{
			Node: n, BrokerSettings: s,
			log:       n.Log.With("actor", messages.BrokerActor),
			owner:     job.Ownership{Journal: journal},
			replica:   ledger.New(journal, n.Incarnation),
			queue:     placement.NewQueue(),
			crew:      newCrew(),
			active:    map[job.ID]*activeJob{},
			watched:   map[string]job.ID{},
			queued:    map[job.ID]*timers{},
			retention: newRetention(n.Now()),
			peers:     map[string]*actor.PID{},
			asked:     map[job.ID]time.Time{},
			offers:    map[job.ID]time.Time{},
			mac:       newMAC(),
			gateway:   actor.NewPID(n.ID, messages.GatewayActor),
		}
	}, actor.WithSupervisor(&childFailed{n.Log}))
}

// Receive turns messages into calls; the decisions are made in packages job, placement and ledger.
func (b *Broker) Receive(ctx actor.Context) {
	if anonymous(ctx) {
		b.log.Warn("message without a sender dropped", "type", typeName(ctx.Message()))
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		b.start(ctx)
	case *actor.Stopping:
		b.stop()
	case *brokerTick:
		b.tick(ctx)

	case *submission:
		b.submitted(ctx, msg)
	case *commit:
		b.commit(ctx, msg.job)
		ctx.Respond(&committed{msg.effects})
		b.schedule(ctx) // it may have freed a slot
	case *retire:
		b.retire(ctx, msg)
	case *unreserve:
		b.crew.unreserve(msg.id)
		b.schedule(ctx)
	case *expired:
		b.expired(ctx, msg)

	case *messages.RegisterExecutor:
		b.register(ctx, msg)
	case *messages.Heartbeat:
		b.heartbeat(ctx, msg)
	case *messages.AttemptStarted:
		b.attemptStarted(ctx, msg)
	case *messages.AttemptDeclined:
		b.attemptDeclined(ctx, msg)
	case *messages.AttemptFinished:
		b.attemptFinished(ctx, msg)
	case *reconnectOver:
		b.reconnectOver(ctx, msg)
	case *actor.Terminated:
		b.terminated(ctx, msg)

	case *vectorRequest:
		ctx.Respond(&vectorResponse{*msg, b.replica.Vector()})
	case *deltaRequest:
		ctx.Respond(&deltaResponse{*msg, b.replica.Delta(msg.since), b.replica.Vector()})
	case *merge:
		b.merge(ctx, msg)
	case *messages.PeerUp:
		b.peerUp(ctx, msg)
	case *messages.PeerDown:
		delete(b.peers, msg.Node)
		ctx.Send(b.sync, msg)
	case *messages.SlotRequest:
		b.slotRequest(ctx, msg)
	case *messages.SlotReserved:
		b.slotReserved(ctx, msg)

	default:
		b.answer(ctx)
	}
}

func (b *Broker) start(ctx actor.Context) {
	b.started, b.lastTick = b.Now(), b.Now()
	b.sync = spawn(ctx, newSync(b.Node, b.SyncInterval, ctx.Self()), "sync")
	b.writeSelf(ctx)
	b.arm(ctx)
}

func (b *Broker) stop() {
	b.stopping = true
	b.ticker.Stop()
	for _, t := range b.queued {
		t.stop()
	}
	b.crew.stop()
}

// arm sends the next tick. Timers only ever send a message; nothing of the broker is touched from outside its mailbox.
func (b *Broker) arm(ctx actor.Context) {
	root, self := RootContext(ctx.ActorSystem(), b.Clock), ctx.Self()
	b.ticker = b.after(tick, func() { root.Send(self, &brokerTick{}) })
}

func (b *Broker) tick(ctx actor.Context) {
	now := b.Now()
	late := now.Sub(b.lastTick) - 2*tick
	b.lastTick = now
	if late > 0 { // we were held up ourselves: nobody is blamed for the time that nobody listened
		b.crew.forgive(late)
	}
	for _, e := range b.crew.silent(now, b.LeaseTimeout) {
		b.lose(ctx, e, fmt.Sprintf("silent for %s", b.LeaseTimeout))
	}
	for _, key := range b.retention.due(now) {
		b.replica.Forget(key)
	}
	b.expireOffers(now)
	b.schedule(ctx)
	b.arm(ctx)
}

// spawn starts a named child. A name that is taken is a bug.
func spawn(ctx actor.Context, props *actor.Props, name string) *actor.PID {
	pid, err := ctx.SpawnNamed(props, name)
	if err != nil {
		panic(fmt.Sprintf("spawn %s: %v", name, err))
	}
	return pid
}
