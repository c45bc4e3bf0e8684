package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// numbers is a Codec of two message types: numbers and texts.
type numbers struct{}

func (numbers) TypeID(m proto.Message) (uint32, bool) {
	switch m.(type) {
	case *wrapperspb.Int64Value:
		return 1, true
	case *wrapperspb.BytesValue:
		return 2, true
	}
	return 0, false
}

func (numbers) NewMessage(id uint32) (proto.Message, bool) {
	switch id {
	case 1:
		return &wrapperspb.Int64Value{}, true
	case 2:
		return &wrapperspb.BytesValue{}, true
	}
	return nil, false
}

// anything is a policy without rules.
func anything(identity.Peer, string, uint32) error { return nil }

// negativeIsUrgent is a Lane for numbers.
func negativeIsUrgent(m proto.Message) link.Lane {
	if n, ok := m.(*wrapperspb.Int64Value); ok && n.Value < 0 {
		return link.Urgent
	}
	return link.Normal
}

func number(n int64) *wrapperspb.Int64Value { return wrapperspb.Int64(n) }

// node is a node under test.
type node struct {
	name   string
	id     identity.NodeID
	system *actor.ActorSystem
	clock  *messages.NodeClock
	links  *link.Links
	log    *lines

	mu     sync.Mutex
	events []any
}

func (n *node) pid(id string) *actor.PID { return actor.NewPID(string(n.id), id) }

func (n *node) addr() string { return n.links.Addr().String() }

// seen returns the events so far, "up b", "down b".
func (n *node) seen() (seen []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.events {
		switch e := e.(type) {
		case *messages.PeerUp:
			seen = append(seen, "up "+e.Name)
		case *messages.PeerDown:
			seen = append(seen, "down "+e.Name)
		}
	}
	return seen
}

func (n *node) lastDown() *messages.PeerDown {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range slices.Backward(n.events) {
		if d, ok := e.(*messages.PeerDown); ok {
			return d
		}
	}
	return nil
}

func (n *node) note(e any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.events = append(n.events, e)
}

func (n *node) peers() (names []string) {
	for _, p := range n.links.Peers() {
		names = append(names, p.Name)
	}
	return names
}

// lines keeps log lines.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, string(b))
	return len(b), nil
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprint(l.all)
}

// quick is a backoff for impatient specs.
var quick = link.Backoff{Min: 10 * time.Millisecond, Max: 50 * time.Millisecond, Steady: 50 * time.Millisecond}

type option func(*link.Config)

// newSystem is an actor system that keeps quiet.
func newSystem() *actor.ActorSystem {
	return actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(slog.DiscardHandler)
	}))
}

// world is a network to put nodes in.
type world interface {
	// configure gives a node its way into the network.
	configure(cfg *link.Config, name string, roles []string) identity.NodeID
	// where is an address to listen on.
	where(name string) string
	// sever ends the connections of two nodes.
	sever(a, b *node)
}

var incarnations uint64

// start starts a node of the world, and ends it with the spec.
func start(w world, name string, listen bool, options ...option) *node {
	GinkgoHelper()
	n := build(w, name, listen, options...)
	DeferCleanup(func() { n.stop() })
	return n
}

func (n *node) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n.links.Close(ctx)
	n.system.Shutdown()
}

func build(w world, name string, listen bool, options ...option) *node {
	GinkgoHelper()
	return buildAs(w, name, []string{"broker"}, listen, options...)
}

// buildAs builds a node whose certificate carries these roles.
func buildAs(w world, name string, roles []string, listen bool, options ...option) *node {
	GinkgoHelper()
	incarnations++
	n := &node{name: name, system: newSystem(), log: &lines{}}
	cfg := link.Config{
		System: n.system, Codec: numbers{}, Allow: anything, Lane: negativeIsUrgent, Events: n.note,
		Now: time.Now, Log: slog.New(slog.NewTextHandler(io.MultiWriter(GinkgoWriter, n.log), nil)).With("at", name),
		Backoff: quick,
	}
	n.id = w.configure(&cfg, name, roles)
	n.clock = messages.NewNodeClock(vclock.Key{Node: string(n.id), Incarnation: incarnations}, time.Now)
	cfg.Clock = n.clock
	if listen {
		cfg.Listen = w.where(name)
	}
	for _, o := range options {
		o(&cfg)
	}
	var err error
	n.links, err = link.Start(cfg)
	Expect(err).NotTo(HaveOccurred())
	return n
}

// join makes a dial b and waits for the link.
func join(ctx context.Context, a, b *node) {
	GinkgoHelper()
	peer, err := a.links.Connected(ctx, b.addr())
	Expect(err).NotTo(HaveOccurred())
	Expect(peer.ID).To(Equal(b.id))
	Eventually(ctx, b.peers).Should(ContainElement(a.name))
}

// tcpWorld is mutual TLS over the loopback.
type tcpWorld struct {
	ca *identity.CA
	// ids keeps a node's identity when it comes back.
	ids map[string]*identity.Identity
}

func newTCPWorld() *tcpWorld {
	GinkgoHelper()
	ca, err := identity.NewEphemeralCA("lab", time.Now())
	Expect(err).NotTo(HaveOccurred())
	return &tcpWorld{ca: ca, ids: map[string]*identity.Identity{}}
}

func (w *tcpWorld) configure(cfg *link.Config, name string, roles []string) identity.NodeID {
	GinkgoHelper()
	id := w.ids[name]
	if id == nil {
		var err error
		id, err = identity.NewEphemeral(w.ca, identity.Subject{Name: name, Roles: roles}, time.Now())
		Expect(err).NotTo(HaveOccurred())
		w.ids[name] = id
	}
	cfg.Identity = id
	return id.ID()
}

func (*tcpWorld) where(string) string { return "127.0.0.1:0" }

func (*tcpWorld) sever(a, b *node) { a.links.Disconnect(b.id, errors.New("the spec says so")) }

// memoryWorld is a network in memory.
type memoryWorld struct{ memory *link.Memory }

func newMemoryWorld() *memoryWorld { return &memoryWorld{link.NewMemory()} }

func (w *memoryWorld) configure(cfg *link.Config, name string, roles []string) identity.NodeID {
	peer := identity.Peer{ID: identity.NodeID("id-of-" + name), Name: name, Roles: roles}
	cfg.Endpoint = w.memory.Endpoint(peer)
	return peer.ID
}

func (*memoryWorld) where(name string) string { return name + ":7420" }

func (w *memoryWorld) sever(a, b *node) { w.memory.Break(a.id, b.id) }

// probe is an actor that keeps what it gets and answers numbers with their
// double, if asked.
type probe struct {
	mu     sync.Mutex
	got    []any
	stamps []messages.Stamp
}

func (p *probe) Receive(ctx actor.Context) {
	msg := ctx.Message()
	if s, ok := msg.(*messages.Stamped); ok {
		p.keepStamp(s.Stamp)
		msg = s.Message
	}
	switch m := msg.(type) {
	case *watchPlease:
		ctx.Watch(m.pid)
		close(m.done)
	case *unwatchPlease:
		ctx.Unwatch(m.pid)
		close(m.done)
	case actor.SystemMessage, actor.AutoReceiveMessage:
		if t, ok := m.(*actor.Terminated); ok {
			p.keep(t.Who.Id + " " + t.Why.String())
		}
	case *wrapperspb.Int64Value:
		p.keep(m.Value)
		if ctx.Sender() != nil {
			ctx.Respond(number(2 * m.Value))
		}
	case *askPlease:
		ctx.Request(m.pid, m.what)
	default:
		p.keep(m)
	}
}

func (p *probe) keep(m any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got = append(p.got, m)
}

func (p *probe) keepStamp(s messages.Stamp) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stamps = append(p.stamps, s)
}

func (p *probe) all() []any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]any(nil), p.got...)
}

// endings are the Terminated it got.
func (p *probe) endings() (endings []string) {
	for _, m := range p.all() {
		if s, ok := m.(string); ok {
			endings = append(endings, s)
		}
	}
	return endings
}

func (p *probe) allStamps() []messages.Stamp {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]messages.Stamp(nil), p.stamps...)
}

type (
	watchPlease struct {
		pid  *actor.PID
		done chan struct{}
	}
	unwatchPlease struct {
		pid  *actor.PID
		done chan struct{}
	}
	askPlease struct {
		pid  *actor.PID
		what any
	}
)

// spawn puts a probe on a node.
func spawn(n *node, name string) (*probe, *actor.PID) {
	GinkgoHelper()
	p := &probe{}
	pid, err := n.system.Root.SpawnNamed(actor.PropsFromProducer(func() actor.Actor { return p }), name)
	Expect(err).NotTo(HaveOccurred())
	return p, pid
}

// watch makes a probe watch an actor; it returns when the probe has said so to
// its link.
func watch(ctx context.Context, n *node, watcher, watchee *actor.PID) {
	GinkgoHelper()
	done := make(chan struct{})
	n.system.Root.Send(watcher, &watchPlease{watchee, done})
	await(ctx, done)
}

func unwatch(ctx context.Context, n *node, watcher, watchee *actor.PID) {
	GinkgoHelper()
	done := make(chan struct{})
	n.system.Root.Send(watcher, &unwatchPlease{watchee, done})
	await(ctx, done)
}

func await(ctx context.Context, done <-chan struct{}) {
	GinkgoHelper()
	select {
	case <-done:
	case <-ctx.Done():
		Fail("waited in vain")
	}
}
