package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/messages"
)

// route is a connection to a broker. It is lost at most once.
type route struct {
	peer identity.Peer
	addr string
	seen uint64 // how many links had ended when it was looked for
	lost chan struct{}
	once sync.Once
}

func (r *route) lose() { r.once.Do(func() { close(r.lost) }) }

// network is where the brokers are and which of them the client speaks to.
type network struct {
	links *link.Links
	addrs []string

	mu      sync.Mutex
	at      *route        // nil while there is none
	changed chan struct{} // closed when at changes
	ended   uint64        // links so far
}

func newNetwork(addrs []string) *network {
	return &network{addrs: addrs, changed: make(chan struct{})}
}

// event takes what the links tell.
func (n *network) event(ev any) {
	down, ok := ev.(*messages.PeerDown)
	if !ok {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.ended++
	if n.at != nil && string(n.at.peer.ID) == down.Node {
		n.at.lose()
	}
}

// enter makes r the way to the network. If a link ended since r was looked for it may be r's: it is then looked for again.
func (n *network) enter(r *route) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended != r.seen {
		r.lose()
	}
	n.set(r)
}

// leave ends the way to the network.
func (n *network) leave() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.set(nil)
}

func (n *network) set(r *route) {
	n.at = r
	close(n.changed)
	n.changed = make(chan struct{})
}

// now returns the route, nil if there is none, and what is closed when that changes.
func (n *network) now() (*route, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.at, n.changed
}

// await returns the route, or nil, once it is one that ok accepts.
func (n *network) await(ctx context.Context, ok func(*route) bool) (*route, error) {
	for {
		at, changed := n.now()
		if ok(at) {
			return at, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrUnreachable, context.Cause(ctx))
		}
	}
}

// current returns the route, once there is one.
func (n *network) current(ctx context.Context) (*route, error) {
	return n.await(ctx, func(r *route) bool { return r != nil })
}

const (
	// glance is how long an address is waited for before what is known of it is looked at.
	glance = 250 * time.Millisecond
	// refusedFor is how long nobody may listen at any address before Dial gives up: a network may just be starting.
	refusedFor = time.Second
	// turn is how long one of several addresses is tried before the next.
	turn = time.Second
)

// connect returns a route to the first address that answers before ctx ends. It gives up early when waiting is of no use.
func (n *network) connect(ctx context.Context) (*route, error) {
	failed := &DialError{reasons: map[string]error{}}
	early, cancel := context.WithTimeout(ctx, refusedFor)
	defer cancel()
	for {
		for _, addr := range n.addrs {
			r, err := n.try(ctx, addr)
			if err == nil {
				return r, nil
			}
			failed.note(addr, err)
		}
		if ctx.Err() != nil || failed.all(decisive) || early.Err() != nil && failed.all(nobodyThere) {
			return nil, failed
		}
	}
}

// reconnect is connect without an end.
func (n *network) reconnect(ctx context.Context) (*route, error) {
	for {
		for _, addr := range n.addrs {
			r, err := n.try(ctx, addr)
			if err == nil || ctx.Err() != nil {
				return r, err
			}
		}
		pause(ctx, glance)
	}
}

// try waits for a link to addr for its turn, or less if it is known not to come.
func (n *network) try(ctx context.Context, addr string) (*route, error) {
	ctx, cancel := context.WithTimeout(ctx, turn)
	defer cancel()
	for {
		r, err := n.glance(ctx, addr)
		if err == nil {
			return r, nil
		}
		if ctx.Err() == nil && !nobodyThere(err) {
			continue
		}
		if len(n.addrs) > 1 || decisive(err) {
			n.links.Hangup(addr) // else it is dialled on until the next try
		}
		return nil, err
	}
}

// glance looks whether there is a link to a broker at addr.
func (n *network) glance(ctx context.Context, addr string) (*route, error) {
	ctx, cancel := context.WithTimeout(ctx, glance)
	defer cancel()
	n.mu.Lock()
	seen := n.ended
	n.mu.Unlock()
	peer, err := n.links.Connected(ctx, addr)
	if err != nil {
		return nil, err
	}
	if !peer.Has(identity.RoleBroker) {
		return nil, &noBrokerError{peer}
	}
	return &route{peer: peer, addr: addr, seen: seen, lost: make(chan struct{})}, nil
}

// noBrokerError says that a node is not one that clients can speak to.
type noBrokerError struct{ peer identity.Peer }

func (e *noBrokerError) Error() string {
	return fmt.Sprintf("node %s plays %s and is no broker; name a broker's address", e.peer, strings.Join(e.peer.Roles, " and "))
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// DialError says why no broker could be reached, address by address. It is [ErrUnreachable].
type DialError struct {
	addrs   []string // in the order they were tried
	reasons map[string]error
}

func (e *DialError) note(addr string, err error) {
	if _, ok := e.reasons[addr]; !ok {
		e.addrs = append(e.addrs, addr)
	}
	e.reasons[addr] = err
}

// Error names each address and what is wrong with it.
func (e *DialError) Error() string {
	parts := make([]string, len(e.addrs))
	for i, addr := range e.addrs {
		parts[i] = addr + ": " + explain(e.reasons[addr])
	}
	return fmt.Sprintf("no broker can be reached: %s", strings.Join(parts, "; "))
}

// Unwrap returns ErrUnreachable and what happened at each address.
func (e *DialError) Unwrap() []error {
	errs := []error{ErrUnreachable}
	for _, addr := range e.addrs {
		errs = append(errs, e.reasons[addr])
	}
	return errs
}

func (e *DialError) all(is func(error) bool) bool {
	for _, err := range e.reasons {
		if !is(err) {
			return false
		}
	}
	return true
}

// decisive says that trying again is of no use before somebody acts.
func decisive(err error) bool {
	var (
		expired  *identity.ExpiredError
		unborn   *identity.NotYetValidError
		foreign  *identity.ForeignError
		impostor *identity.ImpostorError
		other    *noBrokerError
	)
	return errors.As(err, &expired) || errors.As(err, &unborn) || errors.As(err, &foreign) || errors.As(err, &impostor) || errors.As(err, &other)
}

// nobodyThere says that no broker of this network listens at the address just now.
func nobodyThere(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) || decisive(err) }

// explain says in words for people what went wrong at an address, and what to do.
func explain(err error) string {
	var (
		at   *link.DialError
		slow net.Error
	)
	if errors.As(err, &at) {
		err = at.Err
	}
	switch {
	case decisive(err):
		return err.Error() // says what to do
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens there (connection refused); is the node running?"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return "no answer in time; check the address, the network and the firewall"
	}
	return err.Error()
}
