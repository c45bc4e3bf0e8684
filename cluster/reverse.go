package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/internal/blob"
)

// reverse keeps a connection to every broker that this node has dialled, on which it serves its bytes: nobody can dial the node itself.
type reverse struct {
	blobs  *blobs
	log    *slog.Logger
	cancel context.CancelFunc
	news   chan struct{} // a node came or went
	work   sync.WaitGroup

	mu   sync.Mutex
	open map[string]bool // brokers that have such a connection, or are about to
}

// reversePause is how long a broker that could not be dialled, or hung up, is left alone.
const reversePause = time.Second

func startReverse(b *blobs, log *slog.Logger) *reverse {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reverse{blobs: b, log: log, cancel: cancel, news: make(chan struct{}, 1), open: map[string]bool{}}
	r.lookAgain()
	r.work.Go(func() { r.watch(ctx) })
	return r
}

// lookAgain tells that a node came or went. It does not block.
func (r *reverse) lookAgain() {
	if r == nil {
		return
	}
	select {
	case r.news <- struct{}{}:
	default:
	}
}

func (r *reverse) watch(ctx context.Context) {
	for {
		select {
		case <-r.news:
			for _, p := range r.blobs.links.Peers() {
				if p.Dialed && p.Has(identity.RoleBroker) && r.begin(string(p.ID)) {
					r.work.Go(func() { r.keep(ctx, string(p.ID)) })
				}
			}
		case <-ctx.Done():
			return
		}
	}
}

// begin notes that a broker gets a connection, and says whether it has none.
func (r *reverse) begin(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[node] {
		return false
	}
	r.open[node] = true
	return true
}

// keep serves a broker until it has no link any more.
func (r *reverse) keep(ctx context.Context, node string) {
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, node)
	}()
	dial := r.blobs.dial(reverseBlobProtocol)
	for ctx.Err() == nil && r.linked(node) {
		conn, err := dial(ctx, node)
		if err != nil {
			r.log.Debug("broker cannot be offered this node's bytes", "broker", node, "err", err)
		} else {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // which ends the serving
			blob.ServeBack(conn, r.blobs.serves())
			stop()
		}
		pause, over := context.WithTimeout(ctx, reversePause)
		<-pause.Done()
		over()
	}
	r.lookAgain()
}

func (r *reverse) linked(node string) bool {
	for _, p := range r.blobs.links.Peers() {
		if string(p.ID) == node && p.Dialed {
			return true
		}
	}
	return false
}

func (r *reverse) close() {
	if r == nil {
		return
	}
	r.cancel()
	r.work.Wait()
}

// reversed asks a node that nobody can dial for its bytes over the connection that it has made, for as long as that is open.
func (b *blobs) reversed(conn net.Conn, peer identity.Peer) {
	b.markUp(string(peer.ID))
	if err := b.peers.Use(context.Background(), string(peer.ID), conn); err != nil && !errors.Is(err, blob.ErrClosed) {
		b.log.Debug("connection of a node that cannot be dialled ended", "node", peer.ID, "err", err)
	}
}
