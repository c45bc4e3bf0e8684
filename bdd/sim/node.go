package sim

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// Node is a machine with an identity. Its disk, clock and cables stay when the process that runs on it ends.
type Node struct {
	Name  string
	ID    string
	Roles []string
	Disk  *Disk // of a broker, else nil
	Shelf *Disk // of an executor's results, else nil

	w           *World
	index       int
	rng         *rand.Rand
	incarnation uint64
	life        *life // nil: down
	skew        time.Duration
	cuts        int           // that lie on its ways
	cutAt       time.Duration // when the last one came
	births      int           // of journals in a life
	disturbed   time.Duration // when something was last done to it
	sloth       float64       // share of messages handled late
	bench       *bench
	home        *Node                                    // of an executor, the broker that it registered with last
	mailTo      func(to string, from *Node, message any) // of a client, which is no actor system
}

// life is one process of a node.
type life struct {
	node    *Node
	number  int
	started time.Duration
	system  *actor.ActorSystem
	give    func() // gives the system back
	clock   *messages.NodeClock
	roots   []*actor.PID
	dead    bool
	paused  bool
	backlog []*event // what it will notice when it goes on
}

// idOf gives each name a node id of the right form.
func idOf(name string) string {
	id := []byte(name)
	for len(id) < 26 {
		id = append(id, 'a')
	}
	return string(id)
}

func (w *World) addNode(name string, roles ...string) *Node {
	if w.byName[name] != nil {
		panic(fmt.Sprintf("sim: there is a node %s already", name))
	}
	n := &Node{Name: name, ID: idOf(name), Roles: roles, w: w, index: len(w.nodes), rng: w.stream("node " + name), incarnation: 1 << 24}
	if s := w.settings.MaxSkew; s > 0 {
		n.skew = time.Duration(n.rng.Int64N(int64(2*s))) - s
	}
	n.sloth = n.rng.Float64() * w.settings.MaxSloth
	w.nodes = append(w.nodes, n)
	w.byName[name], w.byID[n.ID] = n, n
	w.net.join(n)
	return n
}

// Node returns the node of that name, which must exist.
func (w *World) Node(name string) *Node {
	n := w.byName[name]
	if n == nil {
		panic(fmt.Sprintf("sim: there is no node %s", name))
	}
	return n
}

// Is says whether the node has a role.
func (n *Node) Is(role string) bool { return slices.Contains(n.Roles, role) }

// Up says whether a process runs on the node, paused or not.
func (n *Node) Up() bool { return n.life != nil }

// start begins a new life.
func (n *Node) start() {
	w := n.w
	if n.life != nil {
		return
	}
	n.incarnation += 1<<24 + uint64(n.rng.IntN(1<<10))
	l := &life{node: n, number: int(n.incarnation >> 24), started: w.now, give: func() {}}
	n.life = l
	w.tell(n.Name, "starts, incarnation %d", n.incarnation)
	if n.mailTo == nil {
		l.clock = messages.NewNodeClock(vclock.Key{Node: n.ID, Incarnation: n.incarnation}, l.wall).Eager()
		l.system, l.give = w.smith.forge(n.ID, router{l})
		l.spawn()
	}
	w.net.started(n)
}

// spawn starts the actors of the node's roles.
func (l *life) spawn() {
	n, w := l.node, l.node.w
	about := &actors.Node{
		ID: n.ID, Name: n.Name, Network: "sim", Version: "sim", Roles: n.Roles, Address: n.Name, Incarnation: n.incarnation,
		Clock: l.clock, Now: l.monotonic, Log: logger(l), After: l.after,
		Random: randomness{n.rng}, Notes: l.noted,
	}
	if n.Is(messages.Broker) {
		l.root(newBroker(about, w.settings.Broker, n.Disk), messages.BrokerActor, true)
		gateway := w.settings.Gateway
		gateway.Sealer = seals{}
		l.root(actors.NewGateway(about, gateway, l.system), messages.GatewayActor, false)
	}
	if n.Is(messages.Executor) {
		n.bench.begin(l)
		l.root(newExecutor(about, actors.ExecutorSettings{
			Slots: n.bench.slots, Machine: n.bench.machine, Memory: 1 << 30, Labels: n.bench.labels, Resend: w.settings.Resend, Workbench: n.bench, Recent: n.bench.recent,
		}, n.Shelf), messages.ExecutorActor, true)
	}
}

// root starts a root actor under the world's scheduler. The gateway keeps its own mailbox, whose bound is part of what it does.
func (l *life) root(props *actor.Props, name string, ownMailbox bool) {
	l.adopt(props, name, ownMailbox)
	props.Configure(actor.WithGuardian(guardian{l}), actor.WithSpawnMiddleware(l.adoptChild))
	pid, err := l.system.Root.SpawnNamed(props, name)
	if err != nil {
		panic(fmt.Sprintf("sim: start %s of %s: %v", name, l.node.Name, err))
	}
	l.roots = append(l.roots, pid)
}

// adopt puts an actor under the world's scheduler.
func (l *life) adopt(props *actor.Props, name string, ownMailbox bool) {
	props.Configure(actor.WithDispatcher(dispatcher{l, l.keyOf(name)}))
	if ownMailbox && l.node.w.crew.loose == nil {
		props.Configure(actor.WithMailbox(func() actor.Mailbox { return &mailbox{life: l} }))
	}
}

// adoptChild does the same for the children of actors, and theirs.
func (l *life) adoptChild(next actor.SpawnFunc) actor.SpawnFunc {
	return func(system *actor.ActorSystem, id string, props *actor.Props, parent actor.SpawnerContext) (*actor.PID, error) {
		l.adopt(props, id, true)
		return next(system, id, props, parent)
	}
}

// keyOf names an actor for the scheduler, the same in every run.
func (l *life) keyOf(name string) uint64 {
	return mix(hashString(name) ^ uint64(l.node.index)<<32 ^ uint64(l.number)<<40)
}

// end abandons the process: its actors never run again, and nothing of theirs is told.
func (l *life) end() {
	l.dead = true
	l.backlog = nil
	l.node.w.returns = append(l.node.w.returns, l.give)
	if l.node.life == l {
		l.node.life = nil
	}
}

// noted counts what the actors tell of their lives.
func (l *life) noted(n actors.Note) {
	l.node.w.Rare.add(n.Kind)
	l.node.w.script.noted(l.node, n)
	switch n.Kind {
	case "reborn":
		l.node.disturbed = l.node.w.now
		l.node.births++
	case "forgotten":
		l.node.w.chronicle.givenUp(n.Text, l.node)
	case "attempt behind a cut":
		l.node.w.chronicle.behindCut(n.Job, l.node)
	case "superseded":
		l.node.w.chronicle.story(n.Job).superseded[l.node.voice()]++
	}
	l.node.w.tell(l.node.Name, "%s %s %s", n.Kind, n.Job, n.Text)
}

// voice is a broker in one of its journals, as those know it whom it tells something.
func (n *Node) voice() string { return fmt.Sprintf("%s %d", n.Name, n.births) }

// randomness makes a node's names and keys a function of the seed.
type randomness struct{ from *rand.Rand }

// Read implements io.Reader.
func (r randomness) Read(b []byte) (int, error) {
	for i := 0; i < len(b); i += 8 {
		copy(b[i:], binary.LittleEndian.AppendUint64(nil, r.from.Uint64()))
	}
	return len(b), nil
}

// monotonic is the node's clock for durations. It starts anywhere and never jumps.
func (l *life) monotonic() time.Time {
	return epoch.Add(l.node.w.now + time.Duration(l.node.index)*time.Hour)
}

// wall is the node's clock for people, which may be wrong.
func (l *life) wall() time.Time { return epoch.Add(l.node.w.now + l.node.skew) }

// after is actors.Node.After.
func (l *life) after(d time.Duration, do func()) actors.Timer {
	return timer{l.node.w, l.node.w.after(l, d, do)}
}

type timer struct {
	w *World
	e *event
}

// Stop implements actors.Timer.
func (t timer) Stop() bool {
	t.w.mu.Lock()
	defer t.w.mu.Unlock()
	was := t.e.do != nil
	t.e.do = nil
	return was
}

// announce tells the root actors of links that come and go.
func (l *life) announce(news any) {
	for _, pid := range l.roots {
		actors.RootContext(l.system, l.clock).Send(actor.NewPID(pid.Address, pid.Id), news)
	}
}

// guardian ends the node when one of its root actors panics, which none may.
type guardian struct{ life *life }

// HandleFailure implements actor.SupervisorStrategy.
func (g guardian) HandleFailure(_ *actor.ActorSystem, _ actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, message any) {
	w := g.life.node.w
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chronicle.broke(g.life.node, child.GetId(), fmt.Sprintf("%v on %T\n%s", reason, messages.Unstamp(message), debug.Stack()))
	w.plan(g.life, 0, g.life.node.kill)
}
