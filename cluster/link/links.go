package link

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/messages"
)

// Links are a node's connections to other nodes. All methods may be called from
// any goroutine.
type Links struct {
	cfg       Config
	transport transport
	self      identity.Peer
	address   string // self.ID, as the actor system knows it
	instance  uint64 // of a client: see hello
	addr      net.Addr
	total     totals
	unheard   throttle

	// sessions is replaced, never changed: senders read it without a lock.
	sessions atomic.Pointer[map[string]*session]

	mu      sync.Mutex
	live    map[uint64]struct{} // connections being made or in use, by their id
	dialers map[string]*dialer
	changed chan struct{} // closed when a link comes up
	part    part
	closed  bool
	running sync.WaitGroup // dialers and accepted connections
}

// part is what a node is to its peers from some time on.
type part struct {
	number uint64 // counts the changes
	roles  []string
}

// Start connects an actor system to others: from now on PIDs of other nodes
// work. It sets the system's address to the node id. The errors are about
// configuration, an address in use, or a certificate that peers would refuse.
func Start(cfg Config) (*Links, error) {
	cfg, err := cfg.normal()
	if err != nil {
		return nil, err
	}
	l := &Links{cfg: cfg, live: map[uint64]struct{}{}, dialers: map[string]*dialer{}, changed: make(chan struct{}), part: part{roles: cfg.Roles}}
	l.sessions.Store(&map[string]*session{})
	if cfg.Endpoint != nil {
		l.transport = cfg.Endpoint
	} else {
		l.transport = newTCP(cfg.Identity, cfg.Now, cfg.Log, cfg.Limits)
	}
	if err := l.transport.check(); err != nil {
		return nil, err
	}
	l.self = l.transport.self()
	l.address = string(l.self.ID)
	if isClient(l.self) {
		l.instance = rand.Uint64()
	}
	if cfg.Listen != "" {
		if err := l.Listen(cfg.Listen); err != nil {
			return nil, err
		}
	}
	cfg.System.ProcessRegistry.Address = l.address
	cfg.System.ProcessRegistry.RegisterAddressResolver(func(*actor.PID) (actor.Process, bool) { return router{l}, true })
	return l, nil
}

// Listen accepts connections on addr. A node that starts its actors between
// Start and Listen is found whole or not at all. Call it at most once, before
// Addr, and not if Config.Listen was given.
func (l *Links) Listen(addr string) error {
	var err error
	if l.addr, err = l.transport.listen(addr, l.accept); err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	return nil
}

// Self returns who this node is to its peers.
func (l *Links) Self() identity.Peer { return l.self }

// Addr returns the address this node listens on, nil if it does not.
func (l *Links) Addr() net.Addr { return l.addr }

// PeerInfo is a link as it is just now.
type PeerInfo struct {
	identity.Peer
	// Incarnation is the peer's life in vector clocks, 0 for a client.
	Incarnation uint64
	// Remote is where the connection leads, Dialed whether this node made it.
	Remote string
	Dialed bool
	// Advertise are the addresses where the peer says it can be dialled.
	Advertise []string
	// Since is when the link came up, by this node's clock.
	Since time.Time
	// Queued counts the bytes against the limits of the queues to the peer.
	Queued int
}

// Peers returns the nodes with a link, sorted by id.
func (l *Links) Peers() []PeerInfo {
	sessions := *l.sessions.Load()
	infos := make([]PeerInfo, 0, len(sessions))
	for _, id := range slices.Sorted(maps.Keys(sessions)) {
		infos = append(infos, sessions[id].info())
	}
	return infos
}

func (s *session) info() PeerInfo {
	return PeerInfo{
		Peer: s.peer, Incarnation: s.incarnation, Remote: s.carrier.Remote(), Dialed: s.dialed,
		Advertise: slices.Clone(s.advertise), Since: s.since, Queued: s.out.held(),
	}
}

// Handle serves connections of another protocol on the same port, told apart by
// ALPN. serve owns the connection, a *tls.Conn over TCP, until it returns.
func (l *Links) Handle(alpn string, serve func(net.Conn, identity.Peer)) error {
	return l.transport.handle(alpn, serve)
}

// DialALPN opens a connection of another protocol to a node, which must be
// expect unless that is empty. It does not need a link.
func (l *Links) DialALPN(ctx context.Context, addr, alpn string, expect identity.NodeID) (net.Conn, identity.Peer, error) {
	return l.transport.dialALPN(ctx, addr, alpn, expect)
}

// Play tells peers that this node plays these roles from now on, as far as its certificate carries them. Who a node is to its peers is settled when
// a link comes up: those that are up end, and whoever dialled them dials again.
func (l *Links) Play(roles []string) {
	l.mu.Lock()
	l.part = part{l.part.number + 1, slices.Clone(roles)}
	now := l.part.number
	l.mu.Unlock()
	for _, s := range *l.sessions.Load() {
		if s.part != now {
			s.close(errPart)
		}
	}
}

// plays returns what this node is to its peers.
func (l *Links) plays() part {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.part
}

// Disconnect ends the link to a node for a reason, as when the node has been
// declared lost and its connection is of no more use. What was queued is
// returned to its senders; dialled addresses are dialled again.
func (l *Links) Disconnect(id identity.NodeID, reason error) {
	if s := (*l.sessions.Load())[string(id)]; s != nil {
		s.close(fmt.Errorf("%w: %w", errHungUp, reason))
	}
}

// Close says goodbye to all peers, once what was sent is confirmed, and returns
// when nothing of the links is left. When ctx ends it stops waiting for peers.
func (l *Links) Close(ctx context.Context) {
	l.mu.Lock()
	l.closed = true
	for _, d := range l.dialers {
		d.cancel()
	}
	l.mu.Unlock()
	sessions := *l.sessions.Load()
	for _, s := range sessions {
		s.leave(errClosed)
	}
	for _, s := range sessions {
		select {
		case <-s.done:
		case <-ctx.Done():
			s.close(errClosed)
		}
	}
	l.transport.close()
	l.running.Wait()
}

// session returns the link to a node, or why there is none.
func (l *Links) session(address string) (*session, error) {
	if s := (*l.sessions.Load())[address]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("node %s: %w", address, ErrNotConnected)
}

// install makes s the link to its peer, unless there is one already, which it
// returns. PeerUp is told before the first message of the peer is delivered.
func (l *Links) install(s *session) (existing *session, err error) {
	if existing, err = l.claim(s); existing != nil || err != nil {
		return existing, err
	}
	l.total.sessions.Add(1)
	l.cfg.Log.Info("peer connected", "peer", s.peer.Name, "node", s.address, "roles", strings.Join(s.peer.Roles, ","), "remote", s.carrier.Remote(), "dialed", s.dialed)
	l.cfg.Events(&messages.PeerUp{Node: s.address, Name: s.peer.Name, Roles: s.peer.Roles, Incarnation: s.incarnation})
	return nil, nil
}

func (l *Links) claim(s *session) (existing *session, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if s.part != l.part.number {
		return nil, errPart
	}
	sessions := maps.Clone(*l.sessions.Load())
	if existing = sessions[s.address]; existing != nil {
		return existing, nil
	}
	sessions[s.address] = s
	l.sessions.Store(&sessions)
	close(l.changed)
	l.changed = make(chan struct{})
	return nil, nil
}

// uninstall takes s away, so that a new link to the peer may come.
func (l *Links) uninstall(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sessions := maps.Clone(*l.sessions.Load())
	if sessions[s.address] == s {
		delete(sessions, s.address)
		l.sessions.Store(&sessions)
	}
	l.total.add(&s.count)
}

// remember notes a connection for alive; it fails when the links are closed.
func (l *Links) remember(id uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errClosed
	}
	if _, ok := l.live[id]; ok {
		return errors.New("connection id is in use")
	}
	l.live[id] = struct{}{}
	return nil
}

func (l *Links) forget(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, id)
}

// alive reports whether this node still holds the connection of that id, or is
// about to.
func (l *Links) alive(id uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.live[id]
	return ok
}
