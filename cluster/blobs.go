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
	"strings"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/job"
)

// The protocols of blobs on a node's port. A broker that is asked for a blob it lacks asks the other brokers, once: what brokers ask each
// other goes no further.
const (
	blobProtocol     = "ucp-blob/1"
	peerBlobProtocol = "ucp-blob-peer/1"
)

// BlobProtocol is the ALPN name under which nodes serve blobs.
const BlobProtocol = blobProtocol

// blobs is a node's store, served to others and filled from them.
type blobs struct {
	log       *slog.Logger
	store     *blob.Store
	links     *link.Links
	transport *blob.Transport // to any node, by id
	peers     *blob.Transport // to brokers, for what clients asked of us
	lent      lent
}

func openBlobs(dir string, log *slog.Logger) (*blobs, error) {
	store, err := blob.OpenStore(dir, blob.Options{Log: log})
	if err != nil {
		return nil, err
	}
	return &blobs{log: log, store: store}, nil
}

// connect serves the store over links, and reaches other nodes' stores.
func (b *blobs) connect(links *link.Links) error {
	b.links = links
	b.transport = blob.NewTransport(b.dial(blobProtocol))
	b.peers = blob.NewTransport(b.dial(peerBlobProtocol))
	plain := blob.Handler(b.store, func(*http.Request) error { return nil }) // whoever has a certificate of the network may
	return errors.Join(
		links.Handle(blobProtocol, serveBlobs(b.relay(plain))),
		links.Handle(peerBlobProtocol, serveBlobs(plain)),
	)
}

func serveBlobs(h http.Handler) func(net.Conn, identity.Peer) {
	return func(c net.Conn, _ identity.Peer) { blob.ServeConn(c, h) }
}

// dial reaches a node by its id.
func (b *blobs) dial(protocol string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, id string) (net.Conn, error) {
		addr, err := b.addressOf(id)
		if err != nil {
			return nil, err
		}
		conn, _, err := b.links.DialALPN(ctx, addr, protocol, identity.NodeID(id))
		return conn, err
	}
}

func (b *blobs) addressOf(id string) (string, error) {
	for _, p := range b.links.Peers() {
		switch {
		case string(p.ID) != id:
		case p.Dialed:
			return p.Remote, nil
		case len(p.Advertise) > 0:
			return p.Advertise[0], nil
		}
	}
	return "", fmt.Errorf("node %s cannot be dialled from here", id)
}

func base(node string) string { return "http://" + node }

// relay brings a blob that is asked for and not here from a broker that has it.
func (b *blobs) relay(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _ := strings.CutPrefix(r.URL.Path, "/blob/")
		if d, err := blob.Parse(name); err == nil && r.Method == http.MethodGet && !b.store.Has(d) {
			if err := b.bring(r.Context(), d); err != nil {
				b.log.Debug("blob is not at any broker in reach", "blob", d.Short(), "err", err)
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (b *blobs) bring(ctx context.Context, d blob.Digest) error {
	if ours, err := b.lent.storeInto(ctx, b.store, d); ours {
		return err
	}
	client := blob.NewClient(b.peers)
	var errs []error
	for _, p := range b.links.Peers() {
		if !p.Has(identity.RoleBroker) {
			continue
		}
		err := client.Get(ctx, base(string(p.ID)), d, b.store)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return errors.New("no broker is in reach")
	}
	return errors.Join(errs...)
}

// Fetch implements workbench.Blobs.
func (b *blobs) Fetch(ctx context.Context, from string, x job.Blob) (string, error) {
	d := blob.Digest(x.Digest)
	path, err := b.store.Path(ctx, d)
	if !errors.Is(err, blob.ErrNotFound) && !errors.Is(err, blob.ErrCorrupt) { // what is damaged is gone by now, and fetched anew
		return path, err
	}
	if len(x.Inline) > 0 {
		err = b.store.Put(ctx, bytes.NewReader(x.Inline), d)
	} else {
		err = b.fetch(ctx, from, d)
	}
	if err != nil {
		return "", err
	}
	return b.store.Path(ctx, d)
}

func (b *blobs) fetch(ctx context.Context, from string, d blob.Digest) error {
	if from == string(b.links.Self().ID) {
		return b.bring(ctx, d)
	}
	return blob.NewClient(b.transport).Get(ctx, base(from), d, b.store)
}

// Keep implements workbench.Blobs: the bytes are at node to, verified, when it returns.
func (b *blobs) Keep(ctx context.Context, to string, r io.Reader) (job.Blob, error) {
	d, size, err := b.store.Add(ctx, r)
	if err != nil {
		return job.Blob{}, err
	}
	if to != string(b.links.Self().ID) {
		if err := blob.NewClient(b.transport).Send(ctx, base(to), d, b.store); err != nil {
			return job.Blob{}, err
		}
	}
	return job.Blob{Digest: d, Size: uint64(size)}, nil
}

func (b *blobs) close() {
	var errs []error
	if b.transport != nil {
		errs = append(errs, b.transport.Close(), b.peers.Close())
	}
	if err := errors.Join(append(errs, b.store.Close())...); err != nil {
		b.log.Warn("blobs did not close cleanly", "err", err)
	}
}
