package bdd_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/internal/workbench"
	"github.com/urbancompute/ucp/messages"
)

// network is nodes in one process, over links in memory. Make and use it inside inVirtualTime.
type network struct {
	g      Gomega
	memory *link.Memory
	nodes  map[string]*node
}

// inNetwork runs body in virtual time with a network that has no nodes yet, and stops what body started.
func inNetwork(body func(g Gomega, n *network)) {
	GinkgoHelper()
	inVirtualTime(func(g Gomega) {
		n := newNetwork(g)
		defer n.stop()
		body(g, n)
	})
}

// node is one node of a network.
type node struct {
	name        string
	roles       []string
	system      *actor.ActorSystem
	clock       *messages.NodeClock
	links       *link.Links
	roots       []*actor.PID
	bench       *bench
	depot       *depot
	incarnation uint64
	down        bool
}

func newNetwork(g Gomega) *network {
	return &network{g: g, memory: link.NewMemory(), nodes: map[string]*node{}}
}

// idOf gives each name a node id of the right form.
func idOf(name string) identity.NodeID {
	id := name
	for len(id) < 26 {
		id += "a"
	}
	return identity.NodeID(id)
}

func quiet() *slog.Logger {
	return slog.New(slog.NewTextHandler(GinkgoWriter, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// start brings up a node that knows the given seeds. Starting a name again is the same node in a new life.
func (n *network) start(name string, roles []string, seeds ...string) *node {
	return n.startWithin(roles, name, roles, seeds...)
}

// startWithin starts a node whose certificate carries more roles than it plays.
func (n *network) startWithin(certified []string, name string, roles []string, seeds ...string) *node {
	old := n.nodes[name]
	nd := &node{name: name, roles: roles, incarnation: 1 << 24}
	if old != nil {
		nd.incarnation = old.incarnation + 1<<24
	}
	n.nodes[name] = nd
	log := quiet().With("node", name)
	nd.clock = messages.NewNodeClock(vclock.Key{Node: string(idOf(name)), Incarnation: nd.incarnation}, time.Now)
	nd.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return log }))
	var err error
	nd.links, err = link.Start(link.Config{
		System: nd.system, Endpoint: n.memory.Endpoint(identity.Peer{ID: idOf(name), Name: name, Roles: certified}), Clock: nd.clock, Roles: roles,
		Events: nd.event, Now: time.Now, Log: log,
	})
	n.g.Expect(err).NotTo(HaveOccurred())
	nd.spawn(n.g, log, roles...)
	n.g.Expect(nd.links.Listen(name)).To(Succeed())
	for _, s := range seeds {
		nd.links.Dial(s)
	}
	return nd
}

func (nd *node) spawn(g Gomega, log *slog.Logger, roles ...string) {
	about := &actors.Node{
		ID: string(idOf(nd.name)), Name: nd.name, Network: "spec", Version: "spec", Roles: nd.roles, Address: nd.name,
		Incarnation: nd.incarnation, Clock: nd.clock, Now: time.Now, Log: log,
	}
	for _, r := range roles {
		switch r {
		case messages.Broker:
			props, err := actors.NewBroker(about, actors.BrokerSettings{
				Heartbeat: 500 * time.Millisecond, LeaseTimeout: 3 * time.Second, Reconnect: 300 * time.Millisecond, LongJob: 5 * time.Second, Grace: 6 * time.Second,
				SyncInterval: time.Second, BrokerTimeout: 10 * time.Second, ForgetEvery: 5 * time.Second, Keep: time.Hour, MaxQueued: 1000, First: true, Replicas: 2,
			})
			g.Expect(err).NotTo(HaveOccurred())
			nd.root(g, props, messages.BrokerActor)
			nd.root(g, actors.NewGateway(about, actors.GatewaySettings{MaxMailbox: 1000, MaxSpec: 128 << 10, MaxJobs: 100, Sealer: seals{}}, nd.system), messages.GatewayActor)
		case messages.Executor:
			nd.bench = newBench()
			props, err := actors.NewExecutor(about, actors.ExecutorSettings{
				Slots: 2, Memory: 1 << 30, Labels: map[string]string{"name": nd.name}, Resend: 2 * time.Second, Workbench: nd.bench, Stores: nd.bench.toldOf,
			})
			g.Expect(err).NotTo(HaveOccurred())
			nd.root(g, props, messages.ExecutorActor)
		case messages.Datastore:
			nd.depot = &depot{free: 1 << 30}
			nd.root(g, actors.NewDatastore(about, nd.depot), messages.DatastoreActor)
		}
	}
}

func (nd *node) root(g Gomega, props *actor.Props, name string) {
	props.Configure(actor.WithGuardian(unbroken{}))
	pid, err := nd.system.Root.SpawnNamed(props, name)
	g.Expect(err).NotTo(HaveOccurred())
	nd.roots = append(nd.roots, pid)
}

// unbroken fails the spec when an actor panics.
type unbroken struct{}

// HandleFailure implements actor.SupervisorStrategy.
func (unbroken) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, message any) {
	s.StopChildren(child)
	panic(fmt.Sprintf("actor %s broke down on %T: %v\n%s", child.GetId(), message, reason, debug.Stack()))
}

func (nd *node) event(ev any) {
	for _, pid := range nd.roots {
		actors.RootContext(nd.system, nd.clock).Send(pid, ev)
	}
}

func broker(n *network, name string, seeds ...string) *node {
	return n.start(name, []string{messages.Broker}, seeds...)
}

func executor(n *network, name string, seeds ...string) *node {
	return n.start(name, []string{messages.Executor}, seeds...)
}

// kill ends a node as SIGKILL does: its peers' kernels hear of it, its actors say nothing.
func (n *network) kill(name string) {
	nd := n.nodes[name]
	for other := range n.nodes {
		if other != name {
			n.memory.Break(idOf(name), idOf(other))
		}
	}
	nd.links.Close(already())
	nd.end()
}

// end stops the actors of a node.
func (nd *node) end() {
	if nd.down {
		return
	}
	nd.down = true
	for _, pid := range nd.roots {
		nd.system.Root.Stop(pid)
	}
	pass(0)
	nd.system.Shutdown()
}

// freeze holds back everything to and from a node, as SIGSTOP or a pulled cable do; thaw lets it through.
func (n *network) freeze(name string) { n.each(name, n.memory.Cut) }
func (n *network) thaw(name string)   { n.each(name, n.memory.Heal) }

func (n *network) each(name string, do func(from, to identity.NodeID)) {
	for other := range n.nodes {
		if other != name {
			do(idOf(name), idOf(other))
			do(idOf(other), idOf(name))
		}
	}
}

// already is a context that has ended.
func already() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// stop ends all nodes; defer it inside the bubble.
func (n *network) stop() {
	for name := range n.nodes {
		for other := range n.nodes {
			n.memory.Heal(idOf(name), idOf(other))
		}
	}
	for _, nd := range n.nodes {
		nd.links.Close(already())
		nd.end()
	}
}

// seals is a Sealer for specs: the seal is a hash.
type seals struct{}

func (seals) Seal(content []byte) ([]byte, error) { h := sha256.Sum256(content); return h[:], nil }
func (seals) Verify(content, seal []byte) error {
	if h := sha256.Sum256(content); string(h[:]) != string(seal) {
		return fmt.Errorf("forged")
	}
	return nil
}

// bench is a Workbench whose programs do what the spec says: each takes as long as its first argument, and exits
// with its second; a streamed one echoes its input.
type bench struct {
	mu      sync.Mutex
	stores  roster.Stores
	started []job.Name
	stopped []job.Name
}

func newBench() *bench { return &bench{} }

// Run implements actors.Workbench.
func (b *bench) Run(task workbench.Task, done func(*job.Result)) func(string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.started = append(b.started, task.Attempt)
	length, code := time.Second, uint32(0)
	if len(task.Spec.Args) > 0 {
		length, _ = time.ParseDuration(task.Spec.Args[0])
	}
	if len(task.Spec.Args) > 1 {
		fmt.Sscan(task.Spec.Args[1], &code)
	}
	task.Started()
	var once sync.Once
	end := func(r *job.Result) { once.Do(func() { r.Seal(); done(r) }) }
	if task.Stdin != nil {
		go func() { end(&job.Result{Kind: job.Exited, Stdout: echo(task.Stdin)}) }()
		return func(string) {}
	}
	timer := time.AfterFunc(length, func() { end(&job.Result{Kind: job.Exited, ExitCode: code, Run: length}) })
	return func(reason string) {
		b.mu.Lock()
		b.stopped = append(b.stopped, task.Attempt)
		b.mu.Unlock()
		timer.Stop()
		go end(&job.Result{Kind: job.Crashed, Message: reason})
	}
}

func (b *bench) runs() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.started)
}

func (b *bench) stops() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.stopped)
}

// echo reads the input of a program to its end and writes it out again.
func echo(stdin func(uint64, int) ([]byte, error)) job.Blob {
	var all []byte
	for {
		b, err := stdin(uint64(len(all)), 1024)
		if err != nil {
			return job.Blob{Digest: sha256.Sum256(all), Size: uint64(len(all)), Inline: all}
		}
		all = append(all, b...)
	}
}
