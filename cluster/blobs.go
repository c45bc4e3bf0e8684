package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/roster"
)

// The protocols of blobs on a node's port. A broker that is asked for a blob it lacks asks datastores and other brokers, once: what nodes that keep
// bytes ask each other goes no further. On a connection of the last one it is the node that made it who serves: nobody can dial it.
const (
	blobProtocol        = "ucp-blob/1"
	peerBlobProtocol    = "ucp-blob-peer/1"
	reverseBlobProtocol = "ucp-blob-reverse/1"
)

// BlobProtocol is the ALPN name under which nodes serve blobs.
const BlobProtocol = blobProtocol

// PeerBlobProtocol is the ALPN name under which nodes that keep blobs serve what they have, and only that.
const PeerBlobProtocol = peerBlobProtocol

// blobs is a node's bytes, served to others and filled from them.
type blobs struct {
	log   *slog.Logger
	self  string
	store *blob.Store  // files for the programs of this node
	kept  blob.Backend // what others are served: the store, unless a datastore's bytes are elsewhere
	keeps bool         // the node is a datastore
	serve bool         // others ask this node for bytes: then it asks them for no help in turn, or they could ask each other for ever
	links *link.Links
	routes
	transport *blob.Transport // to nodes that are asked to help
	peers     *blob.Transport // to nodes that are asked for what they have
	asking    *blob.Client
	plain     *blob.Client
	known     atomic.Pointer[roster.Stores]
	news      chan struct{} // has one when it changed which datastores there are
	short     atomic.Uint64 // writes that fewer datastores took than should have
	lent      lent          // of the broker on this node
	fetched   atomic.Uint64 // blobs that this node's programs needed and that were elsewhere
}

// openBlobs opens what the node keeps. Of an executor that is nothing else it is a cache.
func openBlobs(cfg config.Node, log *slog.Logger) (*blobs, error) {
	b := &blobs{log: log, keeps: cfg.HasRole(config.RoleDatastore), news: make(chan struct{}, 1)}
	b.serve = b.keeps || cfg.HasRole(config.RoleBroker)
	b.known.Store(&roster.Stores{})
	opt := blob.Options{Log: log}
	cache := opt
	cache.Evict, cache.MaxBytes = true, int64(cfg.Cache.Bytes)
	if b.keeps {
		opt.Reserve = int64(cfg.Datastore.Reserve)
	} else if !cfg.MayBroker() {
		opt = cache
	}
	dir, url := filepath.Join(cfg.Dir, "blobs"), cfg.Datastore.URL
	var err error
	if !b.keeps || url == "" {
		b.store, err = blob.OpenStore(dir, opt)
		b.kept = b.store
		return b, err
	}
	opt.Spool = filepath.Join(cfg.Dir, "spool")
	if b.kept, err = blob.Open(context.Background(), url, opt); err != nil {
		return nil, fmt.Errorf("datastore %s: %w", cfg.Name, err)
	}
	if store, ok := b.kept.(*blob.Store); ok {
		b.store = store
		return b, nil
	}
	if b.store, err = blob.OpenStore(dir, cache); err != nil {
		return nil, errors.Join(err, b.kept.Close())
	}
	return b, nil
}

// connect serves the bytes over links, and reaches other nodes' bytes.
func (b *blobs) connect(links *link.Links) error {
	b.links, b.self = links, string(links.Self().ID)
	b.routes.links, b.routes.stores, b.routes.now = links, b.where, wallClock
	b.transport, b.peers = blob.NewTransport(b.dial(blobProtocol)), blob.NewTransport(b.dial(peerBlobProtocol))
	b.asking, b.plain = blob.NewClient(b.over(b.transport)), blob.NewClient(b.over(b.peers))
	if b.serve {
		b.asking = b.plain
	}
	peer := b.serves()
	return errors.Join(
		links.Handle(blobProtocol, serveBlobs(b.helping(peer))),
		links.Handle(peerBlobProtocol, serveBlobs(peer)),
		links.Handle(reverseBlobProtocol, b.reversed),
	)
}

func serveBlobs(h http.Handler) func(net.Conn, identity.Peer) {
	return func(c net.Conn, _ identity.Peer) { blob.ServeConn(c, h) }
}

// serves is what nodes that keep bytes serve each other: what they have, and the way to nodes that only they reach. Whoever has a certificate of the
// network may.
func (b *blobs) serves() http.Handler {
	anyone := func(*http.Request) error { return nil }
	mux := http.NewServeMux()
	mux.Handle("/blob/", b.renewing(blob.Handler(b.kept, anyone, blob.Fetching(b.copyFrom))))
	mux.Handle("/relay/", blob.Relay(b.peers, func(*http.Request, string) error { return nil }, b.log))
	return mux
}

// copyFrom brings a blob that somebody wants to be here too.
func (b *blobs) copyFrom(ctx context.Context, d blob.Digest, from []string) error {
	return b.plain.Get(ctx, from, d, b.kept)
}

// where returns where bytes are kept.
func (b *blobs) where() roster.Stores { return *b.known.Load() }

// Known hears where bytes are kept. It does not block.
func (b *blobs) Known(s roster.Stores) {
	b.known.Store(&s)
	select {
	case b.news <- struct{}{}:
	default:
	}
}

func base(node string) string { return "http://" + node }

func bases(nodes []string) []string {
	all := make([]string, len(nodes))
	for i, n := range nodes {
		all[i] = base(n)
	}
	return all
}

// sources returns the nodes that may have a blob, in the order in which they are asked: the datastores by rank, then a broker that should have it, then
// the other brokers.
func (b *blobs) sources(d blob.Digest, broker string) []string {
	var all []string
	add := func(node string) {
		if node != "" && node != b.self && !slices.Contains(all, node) {
			all = append(all, node)
		}
	}
	for _, s := range roster.Rank(d, b.where().Up()) {
		add(s.Node)
	}
	add(broker)
	for _, node := range b.brokers() {
		add(node)
	}
	return all
}

// bring gets a blob that is wanted here from whoever has it.
func (b *blobs) bring(ctx context.Context, d blob.Digest) error {
	if ours, err := b.lent.storeInto(ctx, b.kept, d); ours {
		return err
	}
	return b.plain.Get(ctx, bases(b.sources(d, "")), d, b.kept)
}

// Fetch implements workbench.Blobs.
func (b *blobs) Fetch(ctx context.Context, from string, x job.Blob) (path string, release func(), err error) {
	d := blob.Digest(x.Digest)
	path, release, err = b.store.Path(ctx, d)
	if !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrCorrupt) { // what is damaged is gone by now, and fetched anew
		return path, release, err
	}
	if len(x.Inline) > 0 {
		err = b.store.Put(ctx, bytes.NewReader(x.Inline), d)
	} else {
		err = b.fetch(ctx, from, d)
	}
	if err != nil {
		return "", nil, err
	}
	return b.store.Path(ctx, d)
}

// fetch brings a blob into the store.
func (b *blobs) fetch(ctx context.Context, broker string, d blob.Digest) error {
	if b.kept != blob.Backend(b.store) {
		r, err := b.kept.Open(ctx, d)
		if err == nil {
			return errors.Join(b.store.Put(ctx, r, d), r.Close())
		}
		if !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrCorrupt) {
			return err
		}
	}
	if err := b.asking.Get(ctx, bases(b.sources(d, broker)), d, b.store); err != nil {
		return err
	}
	b.log.Debug("blob fetched", "blob", d.String(), "fetched", b.fetched.Add(1))
	return nil
}

// recent returns the blobs that this node used last, for its executor's home to know.
func (b *blobs) recent(most int) [][32]byte {
	var all [][32]byte
	for _, d := range b.store.Recent(most) {
		all = append(all, d)
	}
	return all
}

// Keep implements workbench.Blobs: the bytes are off this node, verified, when it returns, unless the broker is on this node too and there are no
// datastores.
func (b *blobs) Keep(ctx context.Context, to string, r io.Reader) (job.Blob, error) {
	d, size, err := b.store.Add(ctx, r)
	if err != nil {
		return job.Blob{}, err
	}
	if err := b.place(ctx, d, size, b.store, to); err != nil {
		return job.Blob{}, err
	}
	return job.Blob{Digest: d, Size: uint64(size)}, nil
}

// place has a blob kept by the datastores that should have it, the next ones in rank in the place of those that cannot. If no other node takes it the
// broker has to, or when that cannot either, as when it has just been lost, another one in reach: brokers find it there.
func (b *blobs) place(ctx context.Context, d blob.Digest, size int64, from blob.Backend, broker string) error {
	placed, should, failed := b.spread(ctx, d, size, from)
	others := slices.DeleteFunc(slices.Clone(placed), func(n string) bool { return n == b.self })
	if len(placed) < should {
		b.fewer(d, len(placed), should, failed)
	}
	if len(others) > 0 || broker == b.self {
		return nil
	}
	for _, to := range append([]string{broker}, slices.DeleteFunc(b.brokers(), func(n string) bool { return n == broker })...) {
		err := b.asking.Send(ctx, base(to), d, from)
		if err == nil || ctx.Err() != nil {
			return err
		}
		failed = errors.Join(err, failed)
	}
	return failed
}

// fewer tells that a blob has fewer copies than it should have. More are made when there is room again.
func (b *blobs) fewer(d blob.Digest, placed, should int, why error) {
	b.log.Warn("bytes are kept by fewer datastores than they should be", "blob", d.Short(), "datastores", placed, "wanted", should,
		"times", b.short.Add(1), "err", why)
}

// spread has a blob kept by datastores, and returns those that have it now and how many should.
func (b *blobs) spread(ctx context.Context, d blob.Digest, size int64, from blob.Backend) (placed []string, should int, failed error) {
	known := b.where()
	up := known.Up()
	should = min(known.Replicas, len(up))
	for _, s := range roster.Rank(d, up) {
		switch {
		case len(placed) >= should:
			return placed, should, failed
		case s.Free < uint64(size):
			failed = errors.Join(failed, fmt.Errorf("datastore %s has no room for it", s.Name))
		default:
			if err := b.give(ctx, s.Node, d, from, placed); err != nil {
				failed = errors.Join(failed, fmt.Errorf("datastore %s: %w", s.Name, err))
			} else {
				placed = append(placed, s.Node)
			}
		}
		if ctx.Err() != nil {
			return placed, should, errors.Join(failed, context.Cause(ctx))
		}
	}
	return placed, should, failed
}

// give has a datastore keep a blob: it gets it from those that have it by now, so that this node sends it only once.
func (b *blobs) give(ctx context.Context, node string, d blob.Digest, from blob.Backend, have []string) error {
	if node == b.self {
		return b.keepHere(ctx, d, from)
	}
	others := slices.DeleteFunc(slices.Clone(have), func(n string) bool { return n == b.self })
	if len(others) > 0 && b.plain.Copy(ctx, base(node), d, bases(others)) == nil {
		return nil
	}
	return b.plain.Send(ctx, base(node), d, from)
}

// keepHere has a blob of this node's store where others are served from.
func (b *blobs) keepHere(ctx context.Context, d blob.Digest, from blob.Backend) error {
	if from == b.kept {
		return nil
	}
	r, err := from.Open(ctx, d)
	if err != nil {
		return err
	}
	return errors.Join(b.kept.Put(ctx, r, d), r.Close())
}

func (b *blobs) close() {
	var errs []error
	if b.transport != nil {
		errs = append(errs, b.transport.Close(), b.peers.Close())
	}
	errs = append(errs, b.store.Close())
	if b.kept != blob.Backend(b.store) {
		errs = append(errs, b.kept.Close())
	}
	if err := errors.Join(errs...); err != nil {
		b.log.Warn("blobs did not close cleanly", "err", err)
	}
}
