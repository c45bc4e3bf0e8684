package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/roster"
)

const (
	// dialPatience bounds the making of a connection: where nobody answers, a broker may know the way.
	dialPatience = 3 * time.Second
	// detour is for how long a node that could not be dialled is asked through a broker without being tried again.
	detour = 30 * time.Second
)

// routes finds the way to other nodes for bytes: to dial them, or through a broker that reaches them. A URL names a node by its id.
type routes struct {
	links  *link.Links
	stores func() roster.Stores
	now    func() time.Time

	mu   sync.Mutex
	down map[string]time.Time // nodes that could not be dialled, and until when that is believed
}

// unreachableError says that a node could not be dialled. Nothing was sent to it.
type unreachableError struct {
	node string
	err  error
}

// Error names the node.
func (e *unreachableError) Error() string {
	return fmt.Sprintf("node %s cannot be dialled from here: %v", e.node, e.err)
}

// Unwrap returns why.
func (e *unreachableError) Unwrap() error { return e.err }

var errNoAddress = errors.New("it has no address that is known here")

// dial reaches a node by its id, for a protocol.
func (r *routes) dial(protocol string) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, node string) (net.Conn, error) {
		ctx, done := context.WithTimeout(ctx, dialPatience)
		defer done()
		addr, ok := r.address(node)
		if !ok {
			return nil, &unreachableError{node, errNoAddress}
		}
		conn, _, err := r.links.DialALPN(ctx, addr, protocol, identity.NodeID(node))
		if err != nil {
			return nil, &unreachableError{node, err}
		}
		return conn, nil
	}
}

// address returns where a node can be dialled: where its link leads, or as it says itself, there or in its record as a datastore.
func (r *routes) address(node string) (string, bool) {
	for _, p := range r.links.Peers() {
		switch {
		case string(p.ID) != node:
		case p.Dialed:
			return p.Remote, true
		case len(p.Advertise) > 0:
			return p.Advertise[0], true
		}
	}
	s, ok := r.stores().Find(node)
	return s.Address, ok && s.Address != ""
}

// relay returns a broker through which a node may be reached: its home if that is in reach, or else any.
func (r *routes) relay(node string) (string, bool) {
	home := ""
	if s, ok := r.stores().Find(node); ok {
		home = s.Home
	}
	other := ""
	for _, p := range r.links.Peers() {
		switch {
		case !p.Has(identity.RoleBroker) || string(p.ID) == node:
		case string(p.ID) == home:
			return home, true
		default:
			other = string(p.ID)
		}
	}
	return other, other != ""
}

// brokers returns the brokers in reach, in the order of their ids.
func (r *routes) brokers() (all []string) {
	for _, p := range r.links.Peers() {
		if p.Has(identity.RoleBroker) {
			all = append(all, string(p.ID))
		}
	}
	return all
}

func (r *routes) isDown(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, ok := r.down[node]
	if ok && r.now().After(until) {
		delete(r.down, node)
		return false
	}
	return ok
}

func (r *routes) markDown(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.down == nil || len(r.down) > maxContacts {
		r.down = map[string]time.Time{}
	}
	r.down[node] = r.now().Add(detour)
}

// markUp notes that a node has come by itself.
func (r *routes) markUp(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.down, node)
}

// over makes requests over a transport that dials, and over a relay where that does not reach.
func (r *routes) over(direct *blob.Transport) http.RoundTripper { return &detours{r, direct} }

type detours struct {
	*routes
	direct *blob.Transport
}

// RoundTrip makes a request to the node that its URL names.
func (d *detours) RoundTrip(req *http.Request) (*http.Response, error) {
	node := req.URL.Host
	if !d.isDown(node) {
		resp, err := d.direct.RoundTrip(req)
		var unreachable *unreachableError
		if !errors.As(err, &unreachable) || req.Context().Err() != nil {
			return resp, err
		}
		if !errors.Is(err, errNoAddress) { // that may be known in a moment
			d.markDown(node)
		}
	}
	via, ok := d.relay(node)
	if !ok {
		return nil, fmt.Errorf("node %s cannot be reached, and no broker is linked that might: %w", node, blob.ErrUnreachable)
	}
	again := req.Clone(req.Context())
	if req.Body != nil && req.Body != http.NoBody {
		var err error
		if again.Body, err = req.GetBody(); err != nil {
			return nil, err
		}
	}
	again.URL.Host, again.URL.Path = via, "/relay/"+node+req.URL.Path
	return d.direct.RoundTrip(again)
}
