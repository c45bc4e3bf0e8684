package blob_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

// peer serves a handler over mutual TLS on a loopback port, and knows its connections.
type peer struct {
	listener net.Listener
	config   *tls.Config
	dials    atomic.Int64

	mu    sync.Mutex
	conns []net.Conn
	done  sync.WaitGroup
}

// servePeer starts a peer; stop ends it and waits for it.
func servePeer(g Gomega, h http.Handler) *peer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	g.Expect(err).NotTo(HaveOccurred())
	p := &peer{listener: l, config: mutualTLS(g)}
	p.done.Go(func() { p.accept(h) })
	return p
}

func (p *peer) accept(h http.Handler) {
	for {
		raw, err := p.listener.Accept()
		if err != nil {
			return
		}
		conn := tls.Server(raw, p.config)
		p.mu.Lock()
		p.conns = append(p.conns, conn)
		p.mu.Unlock()
		p.done.Go(func() {
			if conn.Handshake() == nil {
				blob.ServeConn(conn, h)
			}
		})
	}
}

// hangUp closes all connections, and goes on listening.
func (p *peer) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns = nil
}

func (p *peer) stop() {
	_ = p.listener.Close()
	p.hangUp()
	p.done.Wait()
}

// dial is what a Transport is given: it maps the name "peer" to the peer.
func (p *peer) dial(ctx context.Context, addr string) (net.Conn, error) {
	p.dials.Add(1)
	if addr != "peer" {
		return nil, &net.DNSError{Err: "no such node", Name: addr}
	}
	d := tls.Dialer{Config: p.config}
	return d.DialContext(ctx, "tcp", p.listener.Addr().String())
}

const base = "http://peer"

// everyone lets every request through.
func everyone(*http.Request) error { return nil }

// connect serves h to a client over mutual TLS until the spec ends.
func connect(h http.Handler) (*blob.Client, *blob.Transport, *peer) {
	GinkgoHelper()
	p := servePeer(NewWithT(GinkgoTB()), h)
	t := blob.NewTransport(p.dial)
	DeferCleanup(p.stop)
	DeferCleanup(t.Close)
	return blob.NewClient(t), t, p
}
