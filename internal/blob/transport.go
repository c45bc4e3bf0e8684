package blob

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
)

// Transport makes HTTP/2 requests over connections that its dial function has secured: one connection for each host of
// a URL, shared by all requests to it, dialled when first needed and again when it broke. It is safe for concurrent use.
type Transport struct {
	dial    dialFunc
	closing context.Context // ends with Close, and with it dialling
	close   context.CancelCauseFunc

	mu    sync.Mutex
	lines map[string]*line              // by host: where new requests go
	conns map[*http.ClientConn]struct{} // all that are open; those without a line finish what they have begun
}

// dialFunc makes a secured connection to a host of a URL.
type dialFunc func(ctx context.Context, addr string) (net.Conn, error)

// line is the connection to one host, or the attempt to make it.
type line struct {
	ready chan struct{}    // closed when conn or err is set
	conn  *http.ClientConn // nil if err is not
	err   error
}

// NewTransport returns a transport over connections that dial makes. The addr it is asked for is the host of the URL as
// it stands there, with its port only if it has one: a node id will do. URLs have the scheme http.
func NewTransport(dial func(ctx context.Context, addr string) (net.Conn, error)) *Transport {
	closing, cancel := context.WithCancelCause(context.Background())
	return &Transport{
		dial: dial, closing: closing, close: cancel,
		lines: map[string]*line{}, conns: map[*http.ClientConn]struct{}{},
	}
}

// RoundTrip makes one request. If it fails with its connection, and can be repeated because it has no body or a GetBody
// function that gives it again, it is made once more on a new connection.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, l, err := t.attempt(req)
	if err == nil || l == nil || req.Context().Err() != nil || usable(l.conn) {
		return resp, err
	}
	t.drop(req.URL.Host, l)
	again, ok := repeat(req)
	if !ok {
		return nil, err
	}
	resp, _, err = t.attempt(again)
	return resp, err
}

// attempt makes one request and returns the line that it was made on, nil if there is none.
func (t *Transport) attempt(req *http.Request) (*http.Response, *line, error) {
	l, err := t.connect(req.Context(), req.URL.Host)
	if err != nil {
		return nil, nil, errors.Join(err, closeBody(req))
	}
	resp, err := l.conn.RoundTrip(req)
	return resp, l, err
}

// usable reports whether conn takes further requests. After a peer's GOAWAY it does not, though Err is still nil.
func usable(conn *http.ClientConn) bool {
	return conn.Err() == nil && conn.Available() > 0
}

// repeat returns req as it was before it was tried, if that can be had.
func repeat(req *http.Request) (again *http.Request, ok bool) {
	again = req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	again.Body = body
	return again, err == nil
}

// closeBody does what a RoundTripper owes to a request it does not make.
func closeBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	return req.Body.Close()
}

// connect returns a line to host that is not known to be broken.
func (t *Transport) connect(ctx context.Context, host string) (*line, error) {
	for {
		l, mine, err := t.line(host)
		if err != nil {
			return nil, err
		}
		if mine {
			t.establish(ctx, host, l)
		}
		select {
		case <-l.ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if l.err == nil && (mine || usable(l.conn) || l.conn.InFlight() > 0) {
			return l, nil
		}
		t.drop(host, l)
		// An attempt that ended with its caller's context says nothing about ours.
		if l.err != nil && (mine || !isContextError(l.err)) {
			return nil, l.err
		}
	}
}

func isContextError(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// line returns the connection to host; mine says that the caller has to establish it.
func (t *Transport) line(host string) (l *line, mine bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing.Err() != nil {
		return nil, false, ErrClosed
	}
	if l, ok := t.lines[host]; ok {
		return l, false, nil
	}
	l = &line{ready: make(chan struct{})}
	t.lines[host] = l
	return l, true, nil
}

// establish dials, and wakes all who wait for it.
func (t *Transport) establish(ctx context.Context, host string, l *line) {
	defer close(l.ready)
	conn, err := t.open(ctx, host, t.dial)
	if err != nil {
		l.err = fmt.Errorf("dial %s: %w", host, err)
		return
	}
	if !t.adopt(conn) {
		l.err = errors.Join(ErrClosed, conn.Close())
		return
	}
	l.conn = conn
	t.watch(host, l, func() {})
}

// watch forgets the line when its connection ends, and then calls ended, perhaps more than once.
func (t *Transport) watch(host string, l *line, ended func()) {
	l.conn.SetStateHook(func(conn *http.ClientConn) {
		if conn.Err() != nil {
			t.drop(host, l)
			t.release(conn)
			ended()
		}
	})
}

// Use makes requests to host on conn, on which the other end serves with ServeBack: a node that can only dial out is read
// from that way. Of several connections the one that came last takes new requests; none is dialled while there is one.
// Use returns when conn ends, which it does with ctx and with the transport; conn is closed then.
func (t *Transport) Use(ctx context.Context, host string, conn net.Conn) error {
	if t.closing.Err() != nil {
		return errors.Join(ErrClosed, conn.Close())
	}
	ended := make(chan struct{})
	watched := &watchedConn{Conn: conn, closed: ended}
	once := func(context.Context, string) (net.Conn, error) { return watched, nil }
	over, err := t.open(ctx, host, once)
	if err != nil {
		return errors.Join(fmt.Errorf("use the connection from %s: %w", host, err), conn.Close())
	}
	if !t.adopt(over) {
		return errors.Join(ErrClosed, over.Close())
	}
	l := &line{ready: make(chan struct{}), conn: over}
	close(l.ready)
	t.prefer(host, l)
	t.watch(host, l, func() { _ = watched.Close() }) // it has ended already
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), over.Close())
	}
}

// prefer has new requests to host made on l. Those under way on another line go on.
func (t *Transport) prefer(host string, l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing.Err() == nil {
		t.lines[host] = l
	}
}

// open makes a connection, until ctx or the transport ends.
func (t *Transport) open(ctx context.Context, host string, dial dialFunc) (*http.ClientConn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.closing, func() { cancel(ErrClosed) })() //nolint:contextcheck // two contexts end the dial
	base := &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, host) },
		Protocols:          onlyHTTP2(),
		HTTP2:              http2Config(),
		DisableCompression: true,
	}
	// The address only has to look like one: dial gets the host as the URL has it.
	return base.NewClientConn(ctx, "http", "peer:80")
}

// adopt takes conn in, unless the transport was closed while it was made.
func (t *Transport) adopt(conn *http.ClientConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closing.Err() != nil {
		return false
	}
	t.conns[conn] = struct{}{}
	return true
}

// release forgets a connection that has ended.
func (t *Transport) release(conn *http.ClientConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, conn)
}

// drop forgets a line, so that the next request dials.
func (t *Transport) drop(host string, l *line) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines[host] == l {
		delete(t.lines, host)
	}
}

// Close closes all connections; requests under way fail, and so do later ones, with ErrClosed.
func (t *Transport) Close() error {
	var errs []error
	for _, conn := range t.abandon() {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// abandon ends dialling and returns the connections that are open.
func (t *Transport) abandon() []*http.ClientConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.close(ErrClosed)
	conns := slices.Collect(maps.Keys(t.conns))
	clear(t.lines)
	clear(t.conns)
	return conns
}
