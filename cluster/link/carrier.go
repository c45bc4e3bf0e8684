package link

import (
	"context"
	"net"
	"sync"

	"github.com/urbancompute/ucp/cluster/identity"
)

// carrier is one established, authenticated connection that keeps the order of
// what it carries. There are two: a gRPC stream over TLS, and one in memory.
// Send and Recv are each called by one goroutine at a time.
type carrier interface {
	// Peer is who the other end has proved to be.
	Peer() identity.Peer
	// Remote is the other end's address, for people.
	Remote() string
	// Send hands over the buffer, which the caller must not touch again. It
	// blocks while the other end does not read.
	Send(*[]byte) error
	// Recv returns the next buffer, which is valid until the next call.
	Recv() ([]byte, error)
	// Close ends the connection and unblocks Send and Recv. With a nil reason
	// what was sent still arrives. It does not block for long.
	Close(reason error)
}

// transport makes carriers.
type transport interface {
	// self is who we are to peers.
	self() identity.Peer
	// check says why peers would refuse us, if we know already.
	check() error
	// listen accepts connections until close; accept owns its carrier until it
	// returns.
	listen(addr string, accept func(carrier) error) (net.Addr, error)
	dial(ctx context.Context, addr string) (carrier, error)
	handle(alpn string, serve func(net.Conn, identity.Peer)) error
	dialALPN(ctx context.Context, addr, alpn string, expect identity.NodeID) (net.Conn, identity.Peer, error)
	close()
}

// maxPooled is the greatest buffer worth keeping.
const maxPooled = 2 * batchBytes

// bufferPool keeps batch buffers. It has the shape that gRPC asks of a pool, so
// that a sent buffer comes back when gRPC has written it.
type bufferPool struct{ pool sync.Pool }

var buffers bufferPool

// Get returns a buffer of the given length.
func (p *bufferPool) Get(length int) *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok && cap(*b) >= length {
		*b = (*b)[:length]
		return b
	}
	b := make([]byte, length, max(length, 4<<10))
	return &b
}

// Put takes back a buffer.
func (p *bufferPool) Put(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		p.pool.Put(b)
	}
}
