package actors

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// ExecutorSettings say what an executor offers.
type ExecutorSettings struct {
	Slots     int
	Memory    uint64 // bytes, for one job
	Labels    map[string]string
	Arch      string
	Engine    string
	Resend    time.Duration      // how long a result waits for its answer before it is sent again
	Machine   placement.Capacity // what it has for jobs at the start; Measured brings what changed. The zero value: nobody measures
	Workbench Workbench
	// Recent returns at most so many of the blobs that are here, those that were used last, the oldest of them first. It must not block. Nil: nobody knows.
	Recent  func(most int) [][32]byte
	Results Results // nil: they are in memory
	// Stores is told where bytes are kept, whenever that changes. It must not block. Nil: nobody.
	Stores func(roster.Stores)
}

// Executor runs attempts for its home broker. It holds a lease there, which it numbers itself; it queues what it was deployed, hands it to
// its runners, and keeps every result until a broker has answered for it, on disk and so also across its own end. The node supervises it: one that
// panics ends its node, and the broker redeploys what it had running.
type Executor struct {
	*Node
	ExecutorSettings
	homing
	log      *slog.Logger
	runners  []*station
	waiting  []*deployment
	hands    map[job.Name]*deployment // everything deployed and not answered yet
	finished int                      // how many of them are
	shelf    shelf
	pace     placement.Pace
	told     uint32             // the window that home knows
	machine  placement.Capacity // as measured last
	toldOf   placement.Capacity // what home knows of it
	ticker   Timer
}

// station is a runner and what it is at.
type station struct {
	pid  *actor.PID
	busy *deployment
}

// deployment is one attempt in this executor's hands.
type deployment struct {
	name    job.Name
	owner   *actor.PID // the broker that deployed it, which is home no more if the executor has moved
	spec    *job.Spec
	inputs  []job.Input // one for each of the spec's Data
	mac     []byte
	result  *messages.AttemptFinished // nil until it is done
	since   time.Time                 // when it was done, or this life began
	sent    time.Time
	held    bool // a broker said that it holds the result until others agree
	earlier bool // it was done in an earlier life
	first   bool // it is of an emergency: it runs before others that wait
}

// runnersPerSlot is two, so that a slot finds its next program ready.
const runnersPerSlot = 2

// Measured tells an executor what its machine has for jobs now.
type Measured struct{ Capacity placement.Capacity }

// executorTick is when an executor shows that it lives and sends again what was not answered.
type executorTick struct{}

// NewExecutor reads which results were kept and returns the props of a node's executor.
func NewExecutor(n *Node, s ExecutorSettings) (*actor.Props, error) {
	kept, err := loadResults(s.Results)
	if err != nil {
		return nil, fmt.Errorf("executor %s: %w", n.Name, err)
	}
	return n.props(func() actor.Actor {
		e := &Executor{
			Node: n, ExecutorSettings: s, log: n.Log.With("actor", messages.ExecutorActor),
			hands: map[job.Name]*deployment{}, finished: len(kept), homing: newHoming(n),
		}
		e.shelf.Node, e.shelf.disk = n, s.Results
		for _, d := range kept {
			e.hands[d.name] = d
		}
		return e
	}), nil
}

// Receive turns messages into calls.
func (e *Executor) Receive(ctx actor.Context) {
	if anonymous(ctx) {
		e.log.Warn("message without a sender dropped", "type", typeName(ctx.Message()))
		return
	}
	switch msg := ctx.Message().(type) {
	case *actor.Started:
		e.start(ctx)
	case *actor.Stopping:
		e.ticker.Stop()
		e.shelf.stop(ctx)
	case *executorTick:
		e.tick(ctx)
	case *Measured:
		e.machine = msg.Capacity // the next heartbeat tells, if it is worth a word
	case *messages.PeerUp:
		e.brokerUp(ctx, msg)
	case *messages.PeerDown:
		e.brokerDown(msg)
	case *messages.ExecutorRegistered:
		e.registered(ctx, msg)
	case *messages.HeartbeatAnswered:
		e.heartbeatAnswered(ctx, msg)
	case *messages.Ping:
		ctx.Request(e.brokerOf(ctx), &messages.Pong{For: msg.GetFor()})
	case *messages.DeployAttempt:
		e.deploy(ctx, msg)
	case *messages.StopAttempt:
		e.stopAttempt(ctx, msg)
	case *messages.ResultAnswered:
		e.resultAnswered(ctx, msg)
	case *messages.StdinChunk:
		e.stdin(ctx, msg)
	case *runStarted:
		e.started(ctx, msg.name)
	case *runDone:
		e.done(ctx, msg)
	case *batchWritten:
		e.resultsWritten(ctx, msg)
	case *breathOver:
		e.shelf.breathOver(ctx)
	case *tryAgain:
		e.shelf.send(ctx)
	case returned: // results are sent again, and so is the registration
		logReturned(e.log, msg)
	case actor.SystemMessage, actor.AutoReceiveMessage:
	default:
		e.log.Warn("unexpected message", "type", typeName(msg))
	}
}

func (e *Executor) start(ctx actor.Context) {
	e.machine = e.Machine
	e.pace, e.ticked = placement.Pace{Slots: e.Slots}, e.Now()
	for _, d := range e.hands {
		d.since = e.Now()
	}
	if e.finished > 0 {
		e.log.Info("results of an earlier life found", "results", e.finished)
	}
	for i := range runnersPerSlot * e.Slots {
		e.runners = append(e.runners, &station{pid: ctx.Spawn(newRunner(e.Node, e.Workbench, i))})
	}
	e.arm(ctx)
}

func (e *Executor) arm(ctx actor.Context) {
	root, self := RootContext(ctx.ActorSystem(), e.Clock), ctx.Self()
	e.ticker = e.after(e.every, func() { root.Send(self, &executorTick{}) })
}

func (e *Executor) tick(ctx actor.Context) {
	e.arm(ctx)
	e.forgive(e.Now())
	e.letGo(ctx)
	e.shelf.flush(ctx)
	if e.home == nil {
		return
	}
	if silent, lost := e.silent(e.Now()); lost {
		e.leaveHome(ctx, silent)
		return
	}
	if !e.confirmed {
		e.register(ctx)
		return
	}
	ctx.Request(e.home, &messages.Heartbeat{Lease: e.lease, Capabilities: e.capabilitiesIfChanged()})
	for _, d := range e.inHand() {
		if d.result != nil && e.Now().Sub(d.sent) >= e.Resend {
			e.sendResult(ctx, d)
		}
	}
}

// brokerUp hears of a broker, which may become home.
func (e *Executor) brokerUp(ctx actor.Context, msg *messages.PeerUp) {
	if e.homing.brokerUp(e.ID, msg) {
		e.moveTo(ctx, msg.Node)
	}
}

// leaveHome moves to another broker if there is one in reach, and else keeps asking.
func (e *Executor) leaveHome(ctx actor.Context, silent time.Duration) {
	old := e.home.Address
	next := e.next()
	if next != old {
		e.log.Warn("home broker lost", "broker", old, "silent", silent, "next", next)
	}
	e.moveTo(ctx, next)
}

func (e *Executor) moveTo(ctx actor.Context, broker string) {
	e.homing.moveTo(broker, e.Now())
	e.register(ctx)
}

// register asks for a new lease and reports everything in hand, also results not answered yet.
func (e *Executor) register(ctx actor.Context) {
	e.renew()
	m := &messages.RegisterExecutor{Name: e.Name, Lease: e.lease, Life: e.Incarnation, Capabilities: e.capabilities(), Recent: e.recent()}
	for _, d := range e.inHand() {
		at := len(m.GetRunning())
		if d.result != nil {
			at = int(m.GetFinished())
			m.Finished++
		}
		m.Running = slices.Insert(m.Running, at, messages.AttemptToWire(d.name))
		m.Macs = slices.Insert(m.Macs, at, d.mac)
	}
	ctx.Request(e.home, m)
}

// recent is what home is to know of the bytes that are here: it may have been home to this executor never before, or forgotten.
func (e *Executor) recent() []byte {
	if e.Recent == nil {
		return nil
	}
	all := e.Recent(maxTold)
	marks := make([]byte, 0, 8*len(all))
	for _, d := range all {
		marks = append(marks, d[:8]...)
	}
	return marks
}

// inHand returns everything deployed here and not answered, whoever deployed it, in a fixed order.
func (e *Executor) inHand() []*deployment {
	all := make([]*deployment, 0, len(e.hands))
	for _, n := range sortedNames(e.hands) {
		all = append(all, e.hands[n])
	}
	return all
}

func (e *Executor) registered(ctx actor.Context, msg *messages.ExecutorRegistered) {
	if !e.isHome(ctx) || msg.GetLease() != e.lease {
		return
	}
	e.accept(e.Now(), msg.GetHeartbeatMs(), msg.GetTimeoutMs())
	e.log.Info("joined", "broker", e.home.Address, "lease", e.lease)
	for _, d := range e.inHand() {
		if d.result != nil {
			e.sendResult(ctx, d)
		}
	}
}

func (e *Executor) heartbeatAnswered(ctx actor.Context, msg *messages.HeartbeatAnswered) {
	if !e.isHome(ctx) || msg.GetLease() != e.lease {
		return
	}
	e.answered(e.Now())
	for _, address := range msg.GetBrokers() {
		e.met(address)
	}
	if s := msg.GetStores(); s != nil && e.Stores != nil {
		e.Stores(messages.StoresFromWire(s))
	}
	if !msg.GetKnown() {
		e.register(ctx)
	}
}

// capabilities is all that home is to know of this executor.
func (e *Executor) capabilities() *messages.Capabilities {
	e.told, e.toldOf = e.window(), e.machine
	m := e.machine
	return &messages.Capabilities{
		Slots: narrow(e.Slots), Window: e.told, Memory: e.Memory, Labels: e.Labels, Arch: e.Arch, Engine: e.Engine,
		Cores: m.Cores, FreeCpu: m.CPU, FreeMemory: m.Memory, FreeDisk: m.Disk, Battery: m.Battery, Charge: m.Charge, Mains: m.Mains,
	}
}

func (e *Executor) capabilitiesIfChanged() *messages.Capabilities {
	if e.window() != e.told || e.toldOf.Differs(e.machine) {
		return e.capabilities()
	}
	return nil
}
