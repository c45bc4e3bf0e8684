package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/urbancompute/ucp/cluster/identity"
)

// alpnLink is the protocol of links on the port.
const alpnLink = "ucp-link/1"

const (
	// maxHandshakes bounds the strangers that are being looked at.
	maxHandshakes = 256
	// tlsTime bounds the TLS handshake of an accepted connection.
	tlsTime = 5 * time.Second
)

// keepAlive finds peers that vanished from an idle link in about a minute. The
// kernel answers it, also for a process that is stopped or busy.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 10 * time.Second, Count: 5}

// peerConn is a TLS connection whose peer is verified.
type peerConn struct {
	*tls.Conn
	peer identity.Peer
}

// tcp is the transport of life: TLS over TCP, one port for several protocols.
type tcp struct {
	id     *identity.Identity
	now    func() time.Time
	log    *slog.Logger
	limits Limits

	mu       sync.Mutex
	handlers map[string]func(*peerConn)
	order    []string
	conns    map[net.Conn]struct{} // accepted, not given to gRPC
	closed   bool
	listener net.Listener
	server   *grpc.Server
	links    *connQueue
	running  sync.WaitGroup
	refused  throttle
}

func newTCP(id *identity.Identity, now func() time.Time, log *slog.Logger, limits Limits) *tcp {
	return &tcp{id: id, now: now, log: log, limits: limits, handlers: map[string]func(*peerConn){}, conns: map[net.Conn]struct{}{}}
}

func (t *tcp) self() identity.Peer { return t.id.Peer() }
func (t *tcp) check() error        { return t.id.Check(t.now()) }

// listen opens the port.
func (t *tcp) listen(addr string, accept func(carrier) error) (net.Addr, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive, Control: impatient}
	lis, err := config.Listen(context.Background(), "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port is in use by another process: stop it or choose another port: %w", err)
	}
	if err != nil {
		return nil, err
	}
	t.listener, t.server = lis, newServer(accept, t.limits)
	t.links = &connQueue{addr: lis.Addr(), conns: make(chan net.Conn), done: make(chan struct{})}
	t.register(alpnLink, func(c *peerConn) { t.links.push(c) })
	t.running.Go(func() { _ = t.server.Serve(t.links) }) // ends with the queue
	t.running.Go(t.acceptAll)
	return lis.Addr(), nil
}

// acceptAll accepts until the listener closes. Running out of descriptors is no
// reason to stop.
func (t *tcp) acceptAll() {
	free := make(chan struct{}, maxHandshakes)
	for {
		conn, err := t.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.log.Warn("accept failed", "err", err)
			pause(context.Background(), 100*time.Millisecond)
			continue
		}
		if !t.track(conn) {
			continue
		}
		free <- struct{}{}
		t.running.Go(func() {
			t.greet(conn, func() { <-free })
		})
	}
}

// track keeps a connection closable; it closes it when we are closed.
func (t *tcp) track(c net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = c.Close()
		return false
	}
	t.conns[c] = struct{}{}
	return true
}

func (t *tcp) untrack(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, c)
}

// greet shakes hands and hands the connection to whom it is for.
func (t *tcp) greet(raw net.Conn, done func()) {
	defer t.untrack(raw)
	ctx, cancel := context.WithTimeout(context.Background(), tlsTime)
	conn, serve, err := t.authenticate(ctx, tls.Server(raw, t.serverConfig()))
	cancel()
	done()
	if err != nil {
		_ = raw.Close()
		t.refuse(raw.RemoteAddr(), err)
		return
	}
	serve(conn)
}

func (t *tcp) authenticate(ctx context.Context, conn *tls.Conn) (*peerConn, func(*peerConn), error) {
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, nil, err
	}
	peer, err := t.id.Trust().PeerOf(conn.ConnectionState())
	if err != nil {
		return nil, nil, err
	}
	alpn := conn.ConnectionState().NegotiatedProtocol
	t.mu.Lock()
	serve := t.handlers[alpn]
	t.mu.Unlock()
	if serve == nil {
		return nil, nil, fmt.Errorf("peer %s speaks %q, which this port does not", peer, alpn)
	}
	return &peerConn{Conn: conn, peer: peer}, serve, nil
}

func (t *tcp) refuse(remote net.Addr, err error) {
	if more, ok := t.refused.allow(t.now()); ok {
		t.log.Warn("connection refused", "remote", remote.String(), "err", err, "more", more)
	}
}

// serverConfig knows the protocols registered so far.
func (t *tcp) serverConfig() *tls.Config {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.id.TLS(t.now, "", t.order...)
}

func (t *tcp) register(alpn string, serve func(*peerConn)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.handlers[alpn] = serve
	t.order = append(t.order, alpn)
}

func (t *tcp) handle(alpn string, serve func(net.Conn, identity.Peer)) error {
	t.mu.Lock()
	taken := slices.Contains(t.order, alpn)
	t.mu.Unlock()
	if taken || alpn == alpnLink {
		return fmt.Errorf("protocol %q has a handler already", alpn)
	}
	t.register(alpn, func(c *peerConn) {
		defer func() { _ = c.Close() }()
		serve(c.Conn, c.peer)
	})
	return nil
}

// dial opens a link's connection.
func (t *tcp) dial(ctx context.Context, addr string) (carrier, error) {
	conn, err := t.open(ctx, addr, alpnLink, "")
	if err != nil {
		return nil, err
	}
	if conn.peer.ID == t.id.ID() {
		return nil, errors.Join(errSelf, conn.Close())
	}
	c, err := connect(ctx, conn, t.limits)
	if err != nil {
		_ = conn.NetConn().Close()
		return nil, t.explain(addr, err)
	}
	return c, nil
}

func (t *tcp) dialALPN(ctx context.Context, addr, alpn string, expect identity.NodeID) (net.Conn, identity.Peer, error) {
	conn, err := t.open(ctx, addr, alpn, expect)
	if err != nil {
		return nil, identity.Peer{}, &DialError{addr, err}
	}
	return conn.Conn, conn.peer, nil
}

// open connects and shakes hands.
func (t *tcp) open(ctx context.Context, addr, alpn string, expect identity.NodeID) (*peerConn, error) {
	if err := t.check(); err != nil {
		return nil, err // the peer would only say that the certificate is bad
	}
	dialer := net.Dialer{KeepAliveConfig: keepAlive, Control: impatient}
	raw, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, t.explain(addr, err)
	}
	conn := tls.Client(raw, t.id.TLS(t.now, expect, alpn))
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, t.explain(addr, err)
	}
	peer, err := t.id.Trust().PeerOf(conn.ConnectionState())
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return &peerConn{Conn: conn, peer: peer}, nil
}

// explain puts the usual failures into words that say what to do.
func (t *tcp) explain(addr string, err error) error {
	var (
		record tls.RecordHeaderError
		alert  tls.AlertError
		dns    *net.DNSError
	)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens there: start the node, or check the address: %w", err)
	case errors.As(err, &dns):
		return fmt.Errorf("the name is not known here: check the address: %w", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer in time: check the address, the network and any firewall: %w", err)
	case errors.As(err, &record):
		return fmt.Errorf("what listens there does not speak TLS, so it is no node: check the address: %w", err)
	case errors.As(err, &alert):
		return fmt.Errorf("the node there refused this one: its network or clock may differ, see its log: %w", err)
	}
	return fmt.Errorf("connect to %s: %w", addr, err)
}

// close closes the port and every connection accepted there.
func (t *tcp) close() {
	t.mu.Lock()
	t.closed = true
	for c := range t.conns {
		_ = c.Close()
	}
	t.mu.Unlock()
	if t.listener == nil {
		return
	}
	_ = t.listener.Close()
	t.links.close()
	t.server.Stop()
	t.running.Wait()
}

// connQueue is the listener that gRPC accepts from.
type connQueue struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (q *connQueue) push(c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		_ = c.Close()
	}
}

// Accept returns the next connection that speaks the link protocol.
func (q *connQueue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (q *connQueue) Close() error {
	q.close()
	return nil
}

func (q *connQueue) close() { q.once.Do(func() { close(q.done) }) }

// Addr returns the address of the port.
func (q *connQueue) Addr() net.Addr { return q.addr }
