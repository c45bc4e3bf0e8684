package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/urbancompute/ucp/cluster/identity"
)

// Memory is a network inside one process, for specs and simulators. Its links
// run the same protocol as those over TCP; only the bytes take another way. It
// works in testing/synctest bubbles, where all its goroutines block durably.
//
// Like TCP it neither loses nor reorders: a frame that cannot get through waits.
type Memory struct {
	// Deliver, if set before the first link, is called for every frame with the
	// ends of its link and its size. The frame arrives when it calls deliver,
	// once, from any goroutine, now or later; frames of one direction of a
	// connection arrive in the order sent all the same.
	Deliver func(from, to identity.NodeID, size int, deliver func())

	mu        sync.Mutex
	listeners map[string]*listening
	cut       map[[2]identity.NodeID]bool
	conns     map[*memoryConn]struct{}
}

// listening is an endpoint that accepts connections.
type listening struct {
	endpoint *Endpoint
	accept   func(carrier) error
}

// NewMemory returns a network without nodes.
func NewMemory() *Memory {
	return &Memory{
		listeners: map[string]*listening{}, cut: map[[2]identity.NodeID]bool{}, conns: map[*memoryConn]struct{}{},
	}
}

// Endpoint is a node's place in a network in memory.
type Endpoint struct {
	memory *Memory
	peer   identity.Peer
	addr   string
}

// Endpoint returns the place of the node that peers will know as peer.
func (m *Memory) Endpoint(peer identity.Peer) *Endpoint { return &Endpoint{memory: m, peer: peer} }

// Cut holds back everything from one node to another until Heal: neither end
// notices anything but silence.
func (m *Memory) Cut(from, to identity.NodeID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cut[[2]identity.NodeID{from, to}] = true
}

// Heal lets through what Cut has held back, and what follows.
func (m *Memory) Heal(from, to identity.NodeID) {
	m.mu.Lock()
	delete(m.cut, [2]identity.NodeID{from, to})
	conns := make([]*memoryConn, 0, len(m.conns))
	for c := range m.conns {
		conns = append(conns, c)
	}
	m.mu.Unlock()
	for _, c := range conns {
		c.out.poke()
		c.in.poke()
	}
}

// Break ends all connections between two nodes, as when a process is killed and
// its kernel says so.
func (m *Memory) Break(a, b identity.NodeID) {
	m.mu.Lock()
	var broken []*memoryConn
	for c := range m.conns {
		if c.self == a && c.peer.ID == b || c.self == b && c.peer.ID == a {
			broken = append(broken, c)
		}
	}
	m.mu.Unlock()
	for _, c := range broken {
		c.Close(errReset)
	}
}

var (
	errReset    = errors.New("connection reset")
	errNoneHere = errors.New("nothing listens there: start the node, or check the address")
)

func (m *Memory) blocked(from, to identity.NodeID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cut[[2]identity.NodeID{from, to}]
}

func (e *Endpoint) self() identity.Peer { return e.peer }
func (e *Endpoint) check() error        { return nil }

func (e *Endpoint) listen(addr string, accept func(carrier) error) (net.Addr, error) {
	e.memory.mu.Lock()
	defer e.memory.mu.Unlock()
	if e.memory.listeners[addr] != nil {
		return nil, errors.New("address is in use")
	}
	e.addr = addr
	e.memory.listeners[addr] = &listening{endpoint: e, accept: accept}
	return memoryAddr(addr), nil
}

type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }

// dial connects unless a cut is in the way, in either direction.
func (e *Endpoint) dial(ctx context.Context, addr string) (carrier, error) {
	m := e.memory
	m.mu.Lock()
	l := m.listeners[addr]
	m.mu.Unlock()
	if l == nil {
		return nil, errNoneHere
	}
	other := l.endpoint.peer
	if m.blocked(e.peer.ID, other.ID) || m.blocked(other.ID, e.peer.ID) {
		<-ctx.Done()
		return nil, fmt.Errorf("no answer in time: %w", ctx.Err())
	}
	there, back := m.pipe(e.peer.ID, other.ID), m.pipe(other.ID, e.peer.ID)
	near := &memoryConn{memory: m, self: e.peer.ID, peer: other, remote: addr, out: there, in: back}
	far := &memoryConn{memory: m, self: other.ID, peer: e.peer, remote: "dialled by " + e.peer.Name, out: back, in: there}
	m.mu.Lock()
	m.conns[near], m.conns[far] = struct{}{}, struct{}{}
	m.mu.Unlock()
	go func() {
		_ = l.accept(far) // it has logged what there is to log
		far.Close(nil)
	}()
	return near, nil
}

func (e *Endpoint) handle(string, func(net.Conn, identity.Peer)) error { return errOnlyLinks }

func (e *Endpoint) dialALPN(context.Context, string, string, identity.NodeID) (net.Conn, identity.Peer, error) {
	return nil, identity.Peer{}, errOnlyLinks
}

var errOnlyLinks = errors.New("a network in memory carries links only")

func (e *Endpoint) close() {
	e.memory.mu.Lock()
	if e.addr != "" {
		delete(e.memory.listeners, e.addr)
	}
	var mine []*memoryConn
	for c := range e.memory.conns {
		if c.self == e.peer.ID {
			mine = append(mine, c)
		}
	}
	e.memory.mu.Unlock()
	for _, c := range mine {
		c.Close(errClosed)
	}
}

// memoryConn is one end of a connection.
type memoryConn struct {
	memory  *Memory
	self    identity.NodeID
	peer    identity.Peer
	remote  string
	out, in *pipe
	last    *[]byte
}

func (c *memoryConn) Peer() identity.Peer      { return c.peer }
func (c *memoryConn) Remote() string           { return c.remote }
func (c *memoryConn) Send(frame *[]byte) error { return c.out.send(frame) }

func (c *memoryConn) Recv() ([]byte, error) {
	if c.last != nil {
		buffers.Put(c.last)
	}
	var err error
	if c.last, err = c.in.recv(); err != nil {
		return nil, err
	}
	return *c.last, nil
}

func (c *memoryConn) Close(reason error) {
	c.memory.mu.Lock()
	delete(c.memory.conns, c)
	c.memory.mu.Unlock()
	c.out.finish(&c.out.written, reason)
	c.in.finish(&c.in.read, errReset)
}

// memoryWindow is what one direction of a connection buffers, like the kernel.
const memoryWindow = 256 << 10

// pipe is one direction of a connection.
type pipe struct {
	memory   *Memory
	from, to identity.NodeID

	mu       sync.Mutex
	changed  sync.Cond
	queue    []*crossing
	buffered int
	// written and read are why that end has closed, io.EOF if all was said.
	written, read error
}

// crossing is a frame on its way.
type crossing struct {
	frame   *[]byte
	arrived bool
}

func (m *Memory) pipe(from, to identity.NodeID) *pipe {
	p := &pipe{memory: m, from: from, to: to}
	p.changed.L = &p.mu
	return p
}

func (p *pipe) send(frame *[]byte) error {
	x := &crossing{frame: frame, arrived: p.memory.Deliver == nil}
	if err := p.push(x); err != nil {
		return err
	}
	if p.memory.Deliver != nil {
		p.memory.Deliver(p.from, p.to, len(*frame), func() { p.arrive(x) })
	}
	return nil
}

func (p *pipe) push(x *crossing) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for !p.refuses() && p.buffered > memoryWindow {
		p.changed.Wait()
	}
	if p.refuses() {
		return io.EOF
	}
	p.queue = append(p.queue, x)
	p.buffered += len(*x.frame)
	p.changed.Broadcast()
	return nil
}

// refuses reports whether the writer knows that its bytes go nowhere. That the
// reader closed takes the way back, which may be cut.
func (p *pipe) refuses() bool {
	return p.written != nil || p.read != nil && !p.memory.blocked(p.to, p.from)
}

func (p *pipe) arrive(x *crossing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x.arrived = true
	p.changed.Broadcast()
}

func (p *pipe) poke() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed.Broadcast()
}

// recv returns the next frame once it has arrived. When the writer has closed
// it returns what was sent before, unless the connection was reset.
func (p *pipe) recv() (*[]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		open := !p.memory.blocked(p.from, p.to)
		reset := p.written != nil && !errors.Is(p.written, io.EOF)
		switch {
		case p.read != nil:
			return nil, p.read
		case open && (reset || p.written != nil && len(p.queue) == 0):
			return nil, p.written
		case open && len(p.queue) > 0 && p.queue[0].arrived:
			return p.pop(), nil
		}
		p.changed.Wait()
	}
}

func (p *pipe) pop() *[]byte {
	x := p.queue[0]
	p.queue[0] = nil
	p.queue = p.queue[1:]
	p.buffered -= len(*x.frame)
	p.changed.Broadcast()
	return x.frame
}

// finish notes why an end has closed; the first reason counts.
func (p *pipe) finish(end *error, reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case *end != nil:
	case reason == nil:
		*end = io.EOF
	default:
		*end = errReset // the reason does not cross
	}
	p.changed.Broadcast()
}
