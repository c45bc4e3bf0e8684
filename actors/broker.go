package actors

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/data"
	"github.com/urbancompute/ucp/internal/detect"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// BrokerSettings are a broker's timers and bounds.
type BrokerSettings struct {
	Heartbeat     time.Duration // how often executors are asked to show that they live
	LeaseTimeout  time.Duration // silence after which an executor that was heard regularly counts as lost, and a broker as out of reach
	Reconnect     time.Duration // how long a closed connection may stay closed before its executor counts as lost
	LongJob       time.Duration // how long an attempt must have run for its executor to be waited for when most executors fall silent at once
	Grace         time.Duration // how long it is waited for
	SyncInterval  time.Duration // how often brokers compare their ledgers
	BrokerTimeout time.Duration // how long a broker is out of reach before others take over its jobs
	ForgetEvery   time.Duration // how often brokers agree on what may be forgotten
	Keep          time.Duration // how long a silent broker may hold that up
	KeepEmergency time.Duration // how long an emergency that is over is still shown; 0: 7 days
	MaxQueued     int           // jobs that may wait; one more is refused
	PartBytes     int           // about the size of what travels between ledgers at a time; 0: 192 KiB
	First         bool          // no disk of this node was ever lost: a blank one is its first
	Founder       bool          // there is no other broker to join: it is the first of its network
	Journal       Journal       // nil: everything is in memory
	// Bytes is told what bytes this broker should have because it has a job that needs them, or left them: who took it may be gone when they are
	// asked for. It must not block. Nil: nobody.
	Bytes func([]*job.Blob)
	// Stores is told where bytes are kept, whenever that changes. It must not block. Nil: nobody.
	Stores   func(roster.Stores)
	Replicas int // how many datastores should have each blob; 0: one
	// Lend is told of bytes that travel with records and for which an executor will ask this node. It must not block. Nil: nobody asks.
	Lend func([]*job.Blob)
}

// tick is how often the broker looks at leases, owners and retention.
const tick = 250 * time.Millisecond

// Broker owns the ledger replica, the queue and the executors it is home to. The node supervises it: a broker that panics ends its node,
// for what it alone held would be gone. Its supervisors are restarted by it from the ledger.
type Broker struct {
	*Node
	BrokerSettings
	log         *slog.Logger
	saved       Saved
	journal     string // names this broker in the ledger
	first       bool   // journal is the node's first
	replica     *ledger.Replica
	census      roster.Census
	disk        disk
	queue       *placement.Queue
	crew        *crew
	fallen      []time.Time // when executors were lost to silence, within a lease
	strain      detect.Strain
	active      map[job.ID]*activeJob
	watched     map[string]job.ID  // the same by the supervisor's name
	idle        []*actor.PID       // supervisors without a job
	queued      map[job.ID]*timers // of queued jobs that have any
	owners      owners
	holders     holders
	horizon     horizon
	inputs      inputs
	catalog     *catalog
	stirred     map[job.ID]struct{} // jobs whose named data has moved since they were told
	arrays      arrays
	contacts    contacts
	depots      depots
	refs        references
	retention   *retention
	removals    *retention             // of names: when they need not be kept any longer
	peers       map[string]*peerBroker // brokers in reach, by node
	linked      map[string]uint64      // nodes with a link, and in which incarnation; 0: unknown
	asked       map[job.ID]time.Time   // jobs for which peers were asked to hold a slot, and when
	nobody      map[string]time.Time   // constraints of which no peer has said that it can meet them since they were asked then
	offers      map[job.ID]offer       // slots held for jobs of peers
	drains      map[string]drain       // executors that are to be empty, wherever they are home
	calm        calm
	emergencies emergencies
	mac         mac
	gateway     *actor.PID
	sync        *actor.PID
	counts      counts
	stopping    bool
	started     time.Time
	settled     time.Time // from then on jobs of an earlier life may be deployed again
	lastTick    time.Time
	ticker      Timer
}

// activeJob is a job with a supervisor.
type activeJob struct {
	supervisor *actor.PID
	sent       uint64 // events sent to it
}

// peerBroker is a broker that this one has a link to.
type peerBroker struct {
	pid     *actor.PID
	journal string        // empty until it said so
	knows   ledger.Vector // at least
	equal   uint64        // the hash of the ledger that its own and this one were last found equal in
	behind  bool          // it said so last
}

// counts are what `ucp status` tells.
type counts struct{ finished, accepted, rejected, redeployed uint64 }

// NewBroker reads what the journal holds and returns the props of a node's broker.
func NewBroker(n *Node, s BrokerSettings) (*actor.Props, error) {
	var saved Saved
	if s.Journal != nil {
		var err error
		if saved, err = s.Journal.Load(); err != nil {
			return nil, fmt.Errorf("broker %s: %w", n.Name, err)
		}
	}
	return n.props(func() actor.Actor {
		b := &Broker{
			Node: n, BrokerSettings: s, saved: saved,
			log:       n.Log.With("actor", messages.BrokerActor),
			queue:     placement.NewQueue(),
			crew:      newCrew(),
			active:    map[job.ID]*activeJob{},
			watched:   map[string]job.ID{},
			queued:    map[job.ID]*timers{},
			owners:    newOwners(),
			holders:   newHolders(),
			inputs:    inputs{},
			catalog:   newCatalog(),
			stirred:   map[job.ID]struct{}{},
			arrays:    arrays{},
			retention: newRetention(n.Now()),
			removals:  newRetention(n.Now()),
			peers:     map[string]*peerBroker{},
			linked:    map[string]uint64{},
			asked:     map[job.ID]time.Time{},
			nobody:    map[string]time.Time{},
			offers:    map[job.ID]offer{},
			horizon:   newHorizon(),
			depots:    newDepots(),
			refs:      newReferences(),
			gateway:   actor.NewPID(n.ID, messages.GatewayActor),
			drains:    map[string]drain{},
		}
		b.crew.ended = b.accounted
		return b
	}, actor.WithSupervisor(&childFailed{n.Log}), urgentFirst()), nil
}

// Receive turns messages into calls; the decisions are made in packages job, placement, ledger and roster.
func (b *Broker) Receive(ctx actor.Context) {
	if anonymous(ctx) {
		b.log.Warn("message without a sender dropped", "type", typeName(ctx.Message()))
		return
	}
	b.receive(ctx)
	b.flush(ctx)
}

func (b *Broker) receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		b.start(ctx)
	case *actor.Stopping:
		b.stop()
	case *brokerTick:
		b.tick(ctx)
	case *journaled:
		b.journaled(msg)

	case *submission:
		b.submitted(ctx, msg)
	case *commit:
		b.commitActive(ctx, msg)
	case *retire:
		b.retire(ctx, msg)
	case *unreserve:
		b.crew.unreserve(msg.id)
		b.schedule(ctx)
	case *expired:
		b.expired(ctx, msg)
	case *dataStirred:
		b.dataStirred(ctx)

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
	case *messages.Pong:
		b.pong(ctx, msg)
	case *reconnectOver:
		b.reconnectOver(ctx, msg)
	case *doubtOver:
		b.doubtOver(ctx, msg)
	case *actor.Terminated:
		b.terminated(ctx, msg)

	case *messages.RegisterStore:
		b.registerStore(ctx, msg)
	case *messages.StoreHeartbeat:
		b.storeHeartbeat(ctx, msg)
	case *messages.ReferencesRequest:
		b.referencesRequest(ctx, msg)
	case *storeCut:
		b.storeCut(ctx, msg)

	case *messages.PeerUp:
		b.peerUp(ctx, msg)
	case *messages.PeerDown:
		b.peerDown(ctx, msg)
	default:
		b.receiveFromBrokers(ctx)
	}
}

// receiveFromBrokers handles what other brokers say, through the sync actor and directly.
func (b *Broker) receiveFromBrokers(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *summaryRequest:
		b.summarize(ctx)
	case *pinged:
		b.pinged(ctx, msg)
	case *vectorRequest:
		b.tellKnowledge(ctx, *msg)
	case *pushRequest:
		b.pushTo(ctx, msg)
	case *vectorTold:
		b.vectorTold(ctx, msg)
	case *merge:
		b.merge(ctx, msg)
	case *partTaken:
		b.held(ctx, msg.journal, msg.holds)
	case *forgottenThere:
		b.forgottenThere(ctx, msg)
	case *audited:
		b.audited(ctx, msg)
	case *summed:
		b.summed(ctx, msg)
	case *wanted:
		b.wanted(ctx, msg)

	case *messages.SlotRequest:
		b.slotRequest(ctx, msg)
	case *messages.SlotReserved:
		b.slotReserved(ctx, msg)
	case *messages.WorkWanted:
		b.workWanted(ctx, msg)
	case *messages.HearRequest:
		b.hearRequest(ctx, msg)
	case *messages.HearResponse:
		b.hearResponse(ctx, msg)
	case *messages.HeldRequest:
		b.heldRequest(ctx, msg)
	case *messages.HeldResponse:
		b.heldResponse(ctx, msg)
	case *messages.ForwardResult:
		b.resultForwarded(ctx, msg)
	case *messages.Relay:
		b.relay(ctx, msg)
	default:
		b.answer(ctx)
	}
}

func (b *Broker) start(ctx actor.Context) {
	b.started, b.lastTick = b.Now(), b.Now()
	b.sync = spawn(ctx, newSync(b.Node, b.SyncInterval, cmp.Or(b.PartBytes, partBytes), ctx.Self()), "sync")
	if b.Journal != nil {
		b.disk.pid = spawn(ctx, newJournaler(b.Node, b.Journal), "journal")
	}
	b.open(ctx)
	b.writeSelf(ctx)
	b.arm(ctx)
}

// open goes on with the journal that was found, or begins one.
func (b *Broker) open(ctx actor.Context) {
	meta := b.saved.Meta
	if len(meta[metaJournal]) == 0 {
		b.begin(ctx, b.First)
		return
	}
	b.journal, b.first = string(meta[metaJournal]), len(meta[metaFirst]) > 0
	b.mac = mac{meta[metaKey]}
	b.replica = ledger.New(b.journal, b.Incarnation)
	if err := load(b.replica, b.saved); err != nil {
		panic(err.Error())
	}
	b.replica.SetBehind(len(meta[metaBehind]) > 0)
	if made, n := binary.Varint(meta[metaDropped]); n > 0 {
		b.horizon.dropped = made
	}
	if made, n := binary.Varint(meta[metaDroppedData]); n > 0 {
		b.horizon.droppedData = made
	}
	if t := meta[metaTime]; len(t) > 0 {
		b.Clock.Witness(vclock.Unpack(canon.NewReader(t).Uint64()))
	}
	b.saved = Saved{}
	b.resume(ctx)
}

// begin starts a journal that owns nothing that an earlier one owned.
func (b *Broker) begin(ctx actor.Context, first bool) {
	b.rename(first)
	b.replica = ledger.New(b.journal, b.Incarnation)
	b.introduce(ctx)
}

// rename gives this broker a journal of its own that nobody has heard of.
func (b *Broker) rename(first bool) {
	b.journal, b.first, b.mac = b.randomName(), first, mac{b.random(32)}
	b.saveMeta(metaJournal, []byte(b.journal))
	b.saveMeta(metaKey, b.mac.key)
	isFirst := []byte{}
	if first {
		isFirst = []byte{1}
	}
	b.saveMeta(metaFirst, isFirst)
}

// introduce writes down that there is a broker of this journal, which is new and so has lost nothing.
func (b *Broker) introduce(ctx actor.Context) {
	b.putBroker(ctx, roster.Broker{Journal: b.journal, Node: b.ID, First: b.first, Rev: 1, Proven: b.Incarnation})
	b.membersChanged(ctx)
}

// resume takes up what an earlier life of this broker left. What may still run somewhere is deployed again only when its executors have
// reported or one lease has passed (JOB-2).
func (b *Broker) resume(ctx actor.Context) {
	for _, rec := range sortedRecords(b.replica, ledger.Broker) {
		b.census.Add(rec.State.(brokerState).Broker)
	}
	for _, rec := range sortedRecords(b.replica, ledger.Forget) {
		b.census.Forget(rec.State.(forgetState).Forget)
	}
	for _, rec := range sortedRecords(b.replica, ledger.Node) {
		b.cordonMerged(ctx, rec.State.(nodeState).Node)
	}
	b.resumeEmergencies(ctx)
	b.applyHorizon(ctx)
	for _, rec := range sortedRecords(b.replica, ledger.Store) {
		b.depots.known[rec.Key.ID] = rec.State.(storeState).Store
	}
	for _, rec := range sortedRecords(b.replica, ledger.Data) {
		b.dataMoved(ctx, data.Record{}, rec.State.(dataState).Record)
	}
	for _, rec := range sortedRecords(b.replica, ledger.Job) {
		b.resumeJob(ctx, rec)
	}
	b.log.Info("journal read", "journal", b.journal, "records", b.replica.Len())
}

func (b *Broker) stop() {
	b.stopping = true
	if b.ticker != nil {
		b.ticker.Stop()
	}
	for _, t := range b.queued {
		t.stop()
	}
	b.crew.stop()
	b.depots.stop()
}

// arm sends the next tick. Timers only ever send a message; nothing of the broker is touched from outside its mailbox.
func (b *Broker) arm(ctx actor.Context) {
	root, self := RootContext(ctx.ActorSystem(), b.Clock), ctx.Self()
	b.ticker = b.after(tick, func() { root.Send(self, &brokerTick{}) })
}

func (b *Broker) tick(ctx actor.Context) {
	now := b.Now()
	late := now.Sub(b.lastTick) - 2*tick
	b.strain.Ticked(late + tick)
	b.lastTick = now
	if late > 0 { // we were held up ourselves: nobody is blamed for the time that nobody listened
		b.crew.forgive(late)
		b.depots.forgive(late)
		b.owners.forgive(late)
	}
	b.watchExecutors(ctx, now)
	b.watchStores(ctx, now)
	b.endRetention(ctx, now)
	b.endRemovals(ctx, now)
	b.crew.prune(now)
	b.expireOffers(now)
	b.crew.overran(now, b.queue.Charge)
	b.watchDrains(ctx, now)
	b.expireHolders(now)
	b.watchOrphans(ctx, now)
	b.watchOwners(ctx, now)
	b.watchStragglers(ctx, now)
	b.watchEmergencies(ctx, now)
	b.watchHorizon(ctx, now)
	b.lookForBrokers()
	if !b.settled.IsZero() && !now.Before(b.settled) {
		b.settle(ctx)
	}
	b.schedule(ctx)
	b.wantWork(ctx, now)
	b.arm(ctx)
}

// note tells of something in this broker's life, for the log and for whoever follows the network's events.
func (b *Broker) note(kind string, id job.ID, text string) {
	b.log.Info("event", "kind", kind, "job", string(id), "detail", text)
	b.Node.note(kind, id, text)
}

// spawn starts a named child. A name that is taken is a bug.
func spawn(ctx actor.Context, props *actor.Props, name string) *actor.PID {
	pid, err := ctx.SpawnNamed(props, name)
	if err != nil {
		panic(fmt.Sprintf("spawn %s: %v", name, err))
	}
	return pid
}
