package cluster

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/journal"
	"github.com/urbancompute/ucp/internal/machine"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/internal/wasm"
	"github.com/urbancompute/ucp/internal/workbench"
	"github.com/urbancompute/ucp/messages"
)

// Options are what a node needs besides its configuration.
type Options struct {
	Identity *identity.Identity
	Version  string
	Log      *slog.Logger
	// CacheDir keeps compiled modules; empty: below the node's own directory.
	CacheDir string
	// WorkerExe is the program of the sandbox's worker processes; empty: this one.
	WorkerExe string
	// Listen is where to listen, if it is not where the configuration says: an embedded network takes any free port.
	Listen string
}

// Node is a running node.
type Node struct {
	cfg    config.Node
	log    *slog.Logger
	id     identity.NodeID
	system *actor.ActorSystem
	clock  *messages.NodeClock
	links  *link.Links
	blobs  *blobs
	bench  *workbench.Bench
	found  *contacts
	copies *copies
	depot  *depot   // nil: the node only caches
	back   *reverse // nil: others can dial the node, or have no reason to
	disk   *disk    // nil: the node is no broker, or keeps its records in memory
	kept   *results // nil: it is no executor, or keeps its results in memory
	failed chan error
	thrift func() // ends the giving back of memory

	measuring func() // ends the measuring of the machine; nil: it is no executor

	founder    bool        // as a broker it has no other one to join
	roles      []string    // from the start
	understudy *understudy // nil: what the node plays is settled
	nearby     *neighbourhood

	mu      sync.Mutex
	roots   []*actor.PID
	brokers map[string]bool // peers that are
}

// Bounds of what a broker's gateway takes at a time.
const (
	maxSpecBytes   = 128 << 10
	maxJobsAnswer  = 100
	resultPatience = 2 * time.Second
	// neededPatience is how long an answer is waited for about which bytes are needed: a broker that cannot tell says nothing.
	neededPatience = 10 * time.Second
	// meterEvery is how often an executor looks at what its machine has.
	meterEvery = 5 * time.Second
	// forgetEvery is how often brokers agree on what may be forgotten, and syncKeep how long a silent one may hold that up.
	forgetEvery = 2 * time.Second
	syncKeep    = 7 * 24 * time.Hour
)

// Start brings a node up, its actors before anybody can reach them. The caller closes it.
func Start(cfg config.Node, opt Options) (*Node, error) {
	now := wallClock
	incarnation, err := identity.NextIncarnation(cfg.Dir, now())
	if err != nil {
		return nil, err
	}
	id := opt.Identity.ID()
	n := &Node{
		cfg: cfg, id: id, log: opt.Log.With("node", cfg.Name), failed: make(chan error, 1), brokers: map[string]bool{},
		clock: messages.NewNodeClock(vclock.Key{Node: string(id), Incarnation: incarnation}, now),
	}
	n.warnOfIdleSettings()
	n.thrift = startThrift()
	if err := n.start(opt, incarnation, now); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Node) start(opt Options, incarnation uint64, now func() time.Time) error {
	var err error
	if n.blobs, err = openBlobs(n.cfg, n.log); err != nil {
		return err
	}
	n.system = newActorSystem(n.log)
	about := &actors.Node{
		ID: string(n.id), Name: n.cfg.Name, Network: n.cfg.Network, Version: opt.Version,
		Address: n.cfg.Address(), Incarnation: incarnation, Clock: n.clock, Now: now, Log: n.log, Met: func(a string) { n.found.add(a) },
	}
	if err := n.cast(about, opt); err != nil {
		return err
	}
	about.Roles = n.roles
	if err := n.link(opt, now); err != nil {
		return err
	}
	n.found = newContacts(n.links, n.cfg.Address(), n.cfg.Seeds, filepath.Join(n.cfg.Dir, "brokers"), n.log)
	if n.plays(config.RoleBroker) {
		if err := n.spawnBroker(about, opt); err != nil {
			return err
		}
	}
	if err := n.spawnDatastore(about); err != nil {
		return err
	}
	if err := n.spawnExecutor(about, opt); err != nil {
		return err
	}
	return n.connect(opt)
}

// plays says whether the node has a role from the start.
func (n *Node) plays(role string) bool { return slices.Contains(n.roles, role) }

// warnOfIdleSettings says which settings of the design this version takes and does not act on, rather than let somebody wait for them.
func (n *Node) warnOfIdleSettings() {
	for setting, set := range map[string]bool{
		"http": n.cfg.HTTP != "", "insecure": n.cfg.Insecure,
	} {
		if set {
			n.log.Warn("a setting has no effect in this version", "setting", setting)
		}
	}
}

// spawnBroker starts the actors of the role broker.
func (n *Node) spawnBroker(about *actors.Node, opt Options) error {
	settings := actors.BrokerSettings{
		Heartbeat: n.cfg.Lease.Heartbeat, LeaseTimeout: n.cfg.Lease.Timeout, Reconnect: n.cfg.Lease.Reconnect,
		LongJob: n.cfg.Lease.Long, Grace: n.cfg.Lease.Grace,
		SyncInterval: n.cfg.Sync.Interval, BrokerTimeout: n.cfg.BrokerTimeout, ForgetEvery: forgetEvery, Keep: syncKeep,
		MaxQueued: n.cfg.Queue.Jobs, First: true, Founder: n.founder,
	}
	if n.cfg.Identity != "" { // an identity of this process alone ends with it, and its records do too
		var err error
		if n.disk, err = openDisk(n.cfg, n.log); err != nil {
			return err
		}
		settings.Journal, settings.First = n.disk, n.disk.first
	}
	n.copies = startCopies(n.blobs, n.log)
	settings.Bytes, settings.Stores, settings.Replicas = n.copies.want, n.blobs.Known, n.cfg.Datastore.Replicas
	settings.Lend = n.blobs.lent.lend
	broker, err := actors.NewBroker(about, settings)
	if err != nil {
		return err
	}
	gateway := actors.NewGateway(about, actors.GatewaySettings{
		MaxMailbox: n.cfg.Queue.Mailbox, MaxSpec: maxSpecBytes, MaxJobs: maxJobsAnswer, Sealer: sealer{opt.Identity}, Declare: n.cfg.Emergency.Role(),
	}, n.system)
	if err := n.spawn(broker, messages.BrokerActor); err != nil {
		return err
	}
	if n.depot == nil { // a datastore that becomes a broker has one
		n.depot = startDepot(n.blobs, n.cfg.Datastore, n.needed(messages.BrokerActor), n.log)
	}
	return n.spawn(gateway, messages.GatewayActor)
}

// spawnDatastore starts the actor of the role datastore, and tells it of a broker in the same node.
func (n *Node) spawnDatastore(about *actors.Node) error {
	if !n.plays(config.RoleDatastore) {
		return nil
	}
	if n.depot == nil { // a broker has one
		n.depot = startDepot(n.blobs, n.cfg.Datastore, n.needed(messages.DatastoreActor), n.log)
	}
	if err := n.spawn(actors.NewDatastore(about, n.depot), messages.DatastoreActor); err != nil {
		return err
	}
	n.tellOfBroker(messages.DatastoreActor)
	return nil
}

// tellOfBroker tells an actor of the broker in the same node, if there is one.
func (n *Node) tellOfBroker(name string) {
	if n.plays(config.RoleBroker) {
		n.tell(name, &messages.PeerUp{Node: string(n.id), Name: n.cfg.Name, Roles: n.roles})
	}
}

// needed asks an actor of this node which bytes records still need.
func (n *Node) needed(name string) asks {
	return func(ctx context.Context, digests []blob.Digest) ([]need, error) {
		var asked []byte
		for _, d := range digests {
			asked = append(asked, d[:]...)
		}
		to := actor.NewPID(string(n.id), name)
		answer, err := actors.RootContext(n.system, n.clock).RequestFuture(to, &messages.ReferencesRequest{Digests: asked}, neededPatience).Result()
		if err != nil {
			return nil, fmt.Errorf("which of %d blobs are needed: %w", len(digests), err)
		}
		told, ok := messages.Unstamp(answer).(*messages.ReferencesResponse)
		if !ok || len(told.GetReferenced()) != len(digests) || !bytes.Equal(told.GetDigests(), asked) {
			return nil, fmt.Errorf("which of %d blobs are needed: the answer is to another question", len(digests))
		}
		needed := make([]need, len(digests))
		for i, n := range told.GetReferenced() {
			needed[i] = need(n)
		}
		return needed, ctx.Err()
	}
}

// spawnExecutor starts the actors of the role executor, and tells them of a broker in the same node.
func (n *Node) spawnExecutor(about *actors.Node, opt Options) error {
	if !n.plays(config.RoleExecutor) {
		return nil
	}
	slots := n.cfg.Slots
	if slots == 0 {
		slots = runtime.NumCPU()
	}
	cache := opt.CacheDir
	if cache == "" {
		cache = filepath.Join(n.cfg.Dir, "modules")
	}
	var err error
	n.bench, err = workbench.Open(workbench.Config{
		Dir: filepath.Join(n.cfg.Dir, "scratch"), CacheDir: cache, Slots: slots, Caps: capsOf(n.cfg.Caps),
		Blobs: n.blobs, Exe: opt.WorkerExe, Log: n.log,
	})
	if err != nil {
		return err
	}
	meter := machine.NewMeter(n.cfg.Dir)
	found, err := meter.Measure(wallClock())
	if err != nil {
		n.log.Warn("not all that this machine has can be measured", "err", err)
	}
	settings := actors.ExecutorSettings{
		Slots: slots, Machine: found, Memory: uint64(n.cfg.Caps.Memory), Labels: n.cfg.Labels, Arch: runtime.GOARCH, Engine: "wazero",
		Resend: resultPatience, Workbench: n.bench, Stores: n.blobs.Known,
		Recent: n.blobs.recent,
	}
	if n.cfg.Identity != "" {
		if n.kept, err = openResults(n.cfg, n.log); err != nil {
			return err
		}
		settings.Results = n.kept
	}
	executor, err := actors.NewExecutor(about, settings)
	if err != nil {
		return err
	}
	if err := n.spawn(executor, messages.ExecutorActor); err != nil {
		return err
	}
	n.tellOfBroker(messages.ExecutorActor)
	n.measuring = machine.Watch(meter, meterEvery, wallClock,
		func(c placement.Capacity) { n.tell(messages.ExecutorActor, &actors.Measured{Capacity: c}) },
		func(err error) { n.log.Warn("not all that this machine has can be measured", "err", err) })
	return nil
}

func (n *Node) spawn(props *actor.Props, name string) error {
	props.Configure(actor.WithGuardian(&lastResort{n}))
	pid, err := n.system.Root.SpawnNamed(props, name)
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.roots = append(n.roots, pid)
	return nil
}

// link plugs the links into the actor system, before the first actor, and lets nobody in yet.
func (n *Node) link(opt Options, now func() time.Time) error {
	var advertise []string
	if a := n.cfg.Address(); a != "" {
		advertise = []string{a}
	}
	var err error
	n.links, err = link.Start(link.Config{
		System: n.system, Identity: opt.Identity, Clock: n.clock, Advertise: advertise, Roles: n.roles,
		Events: n.linkEvent, Now: now, Log: n.log, Lane: laneOf,
	})
	if err != nil {
		return err
	}
	return n.blobs.connect(n.links)
}

// connect lets others in and dials the brokers that are known.
func (n *Node) connect(opt Options) error {
	if n.cfg.Address() == "" && (n.plays(config.RoleBroker) || n.plays(config.RoleDatastore)) {
		n.back = startReverse(n.blobs, n.log)
	}
	n.nearby = startNeighbourhood(n.cfg, opt.Identity, n.links, n.found, n.log) // links tell it who comes and goes
	if listen := cmp.Or(opt.Listen, n.cfg.Listen()); listen != "" {
		if err := n.links.Listen(listen); err != nil {
			return err
		}
	}
	n.found.dial()
	if n.plays(config.RoleBroker) {
		n.nearby.announce()
	}
	n.understudy.start()
	return nil
}

// linkEvent tells those that care which nodes come and go.
func (n *Node) linkEvent(event any) {
	n.mu.Lock()
	roots, before := slices.Clone(n.roots), len(n.brokers)
	switch event := event.(type) {
	case *messages.PeerUp:
		if slices.Contains(event.Roles, messages.Broker) {
			n.brokers[event.Node] = true
		}
	case *messages.PeerDown:
		delete(n.brokers, event.Node)
	}
	now := len(n.brokers)
	n.mu.Unlock()
	for _, pid := range roots {
		actors.RootContext(n.system, n.clock).Send(pid, event)
	}
	n.understudy.lookAgain()
	n.back.lookAgain()
	if before > 0 && now == 0 {
		n.nearby.lookAgain()
	}
}

// brokersInReach returns how many brokers there is a link to.
func (n *Node) brokersInReach() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.brokers)
}

func (n *Node) tell(name string, m any) {
	actors.RootContext(n.system, n.clock).Send(actor.NewPID(string(n.id), name), m)
}

// ID returns the node's id.
func (n *Node) ID() identity.NodeID { return n.id }

// Addr returns the address the node listens on, empty if it does not.
func (n *Node) Addr() string {
	if n.links == nil || n.links.Addr() == nil {
		return ""
	}
	return n.links.Addr().String()
}

// Links returns the node's connections.
func (n *Node) Links() *link.Links { return n.links }

// Failed delivers the reason when the node cannot go on: an actor that must not break did.
func (n *Node) Failed() <-chan error { return n.failed }

// goodbye is how long a closing node waits for its peers.
const goodbye = 2 * time.Second

// Close stops the actors, says goodbye to the peers and ends the worker processes. It may be called on a node that only half started.
func (n *Node) Close() {
	n.understudy.close()
	n.nearby.close()
	if n.measuring != nil {
		n.measuring()
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	for _, pid := range slices.Backward(n.roots) {
		if err := n.system.Root.StopFuture(pid).Wait(); err != nil && !errors.Is(err, actor.ErrDeadLetter) {
			n.log.Warn("actor did not stop in time", "actor", pid.GetId(), "err", err)
		}
	}
	if n.copies != nil {
		n.copies.close()
	}
	n.depot.close()
	n.back.close()
	if n.links != nil {
		n.links.Close(ctx)
	}
	if n.found != nil {
		n.found.close()
	}
	if n.bench != nil {
		n.bench.Close()
	}
	if n.blobs != nil {
		n.blobs.close()
	}
	if n.disk != nil {
		n.closeJournal(n.disk.journal)
	}
	if n.kept != nil {
		n.closeJournal(n.kept.journal)
	}
	if n.system != nil {
		n.system.Shutdown()
	}
	n.thrift()
}

func (n *Node) closeJournal(j *journal.Journal) {
	if err := j.Close(); err != nil {
		n.log.Error("journal did not close", "dir", j.Dir(), "err", err)
	}
}

// lastResort stops a root actor that panics, and the node with it: what the actor alone held is gone, and peers know how to go on without
// a node, not with half of one.
type lastResort struct{ node *Node }

// HandleFailure implements actor.SupervisorStrategy.
func (l *lastResort) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, reason, message any) {
	l.node.log.Error("actor broke down, the node stops", "actor", child.GetId(), "reason", reason, "message", fmt.Sprintf("%T", message))
	s.StopChildren(child)
	l.node.fail(fmt.Errorf("actor %s broke down: %v", child.GetId(), reason))
}

// fail ends the node; the first reason counts.
func (n *Node) fail(reason error) {
	select {
	case n.failed <- reason:
	default:
	}
}

func capsOf(c config.Caps) wasm.Limits {
	return wasm.Limits{
		MemoryBytes: int64(c.Memory), StdoutBytes: int64(c.Stdout), StderrBytes: int64(c.Stderr), ModuleBytes: int64(c.Module),
		OutputBytes: int64(c.Output), OpenFiles: c.OpenFiles, Timeout: c.Timeout, CompileTimeout: c.Compile,
	}
}
