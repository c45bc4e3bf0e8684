package blob_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

// network is peers by name, and a transport that reaches them.
type network struct {
	peers map[string]*peer
	*blob.Transport
}

// serveAll serves handlers by name until the spec ends.
func serveAll(handlers map[string]http.Handler) *network {
	GinkgoHelper()
	n := &network{peers: map[string]*peer{}}
	for name, h := range handlers {
		p := servePeer(NewWithT(GinkgoTB()), h)
		DeferCleanup(p.stop)
		n.peers[name] = p
	}
	n.Transport = blob.NewTransport(n.dial)
	DeferCleanup(n.Transport.Close)
	return n
}

func (n *network) dial(ctx context.Context, name string) (net.Conn, error) {
	if p, ok := n.peers[name]; ok {
		return p.dial(ctx, "peer")
	}
	return nil, &net.DNSError{Err: "no such node", Name: name}
}

// tripwire calls trip once, when a handler has sent or received more than so many bytes.
type tripwire struct {
	http.Handler
	after int64
	trip  func()
	each  func(total int64) // nil: nobody wants to know
	once  sync.Once
	n     atomic.Int64 // bytes of bodies, both ways
}

func (t *tripwire) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = &wiredBody{r.Body, t}
	t.Handler.ServeHTTP(&wiredAnswer{w, t}, r)
}

func (t *tripwire) count(n int) {
	total := t.n.Add(int64(n))
	if total > t.after && t.trip != nil {
		t.once.Do(t.trip)
	}
	if t.each != nil {
		t.each(total)
	}
}

type wiredAnswer struct {
	http.ResponseWriter
	t *tripwire
}

func (c *wiredAnswer) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.t.count(n)
	return n, err
}

type wiredBody struct {
	rc interface {
		Read(p []byte) (int, error)
		Close() error
	}
	t *tripwire
}

func (c *wiredBody) Read(p []byte) (int, error) {
	n, err := c.rc.Read(p)
	c.t.count(n)
	return n, err
}

func (c *wiredBody) Close() error { return c.rc.Close() }
