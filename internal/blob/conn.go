package blob

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	streamWindow = 4<<20 - 1  // bytes a peer may send on one stream before we have read any
	connWindow   = 16<<20 - 1 // the same for all streams of one connection
	frameBytes   = 256 << 10  // largest frame we read: larger ones are no faster, and hold more memory
	maxStreams   = 128        // requests at a time on one connection; further ones wait
	headerBytes  = 16 << 10
	pingAfter    = 10 * time.Second // of silence
	pingTimeout  = 5 * time.Second
	stallTimeout = 10 * time.Second // in which not one byte could be written
	idleTimeout  = 3 * time.Minute  // after which a connection nobody uses is closed; a client dials again
)

func http2Config() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          maxStreams,
		StrictMaxConcurrentRequests:   true,
		MaxReadFrameSize:              frameBytes,
		MaxReceiveBufferPerConnection: connWindow,
		MaxReceiveBufferPerStream:     streamWindow,
		SendPingTimeout:               pingAfter,
		PingTimeout:                   pingTimeout,
		WriteByteTimeout:              stallTimeout,
	}
}

func onlyHTTP2() *http.Protocols {
	var p http.Protocols
	p.SetUnencryptedHTTP2(true) // unencrypted as far as net/http sees: the connection is secured already
	return &p
}

// ServeConn serves h over HTTP/2 on conn, which is already secured, until conn ends. Close conn to stop it: the contexts
// of requests still being answered then end. When ServeConn returns conn is closed. If conn has a ConnectionState method,
// as a *tls.Conn has, h finds in Request.TLS what it returned when ServeConn was called: complete the handshake before.
func ServeConn(conn net.Conn, h http.Handler) { serveConn(conn, h, idleTimeout) }

// ServeBack serves h on a connection that this end has dialled, for the other end to Use: as ServeConn does, but however
// long nothing is asked, for the other end cannot dial again. Pings tell when it is dead.
func ServeBack(conn net.Conn, h http.Handler) { serveConn(conn, h, 0) }

func serveConn(conn net.Conn, h http.Handler, idle time.Duration) {
	if secured, ok := conn.(interface{ ConnectionState() tls.ConnectionState }); ok {
		h = withState(h, secured.ConnectionState())
	}
	server := &http.Server{
		Handler:           h,
		Protocols:         onlyHTTP2(),
		HTTP2:             http2Config(),
		IdleTimeout:       idle,
		ReadHeaderTimeout: pingAfter,
		MaxHeaderBytes:    headerBytes,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelWarn),
	}
	// Serve returns when the listener does, and that is when the connection is closed: there is no error to tell.
	_ = server.Serve(listenOnce(conn))
}

// withState lets h see who is at the other end.
func withState(h http.Handler, state tls.ConnectionState) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = &state
		h.ServeHTTP(w, r)
	})
}

// singleListener is a listener whose one connection is there already. Its second Accept waits for the end of the first
// connection and returns net.ErrClosed.
type singleListener struct {
	conn  *watchedConn
	first chan net.Conn
}

func listenOnce(conn net.Conn) *singleListener {
	watched := &watchedConn{Conn: conn, closed: make(chan struct{})}
	l := &singleListener{conn: watched, first: make(chan net.Conn, 1)}
	l.first <- watched
	return l
}

// Accept returns the connection once.
func (l *singleListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.first:
		return conn, nil
	case <-l.conn.closed:
		return nil, net.ErrClosed
	}
}

// Addr returns the local address of the connection.
func (l *singleListener) Addr() net.Addr {
	return l.conn.LocalAddr()
}

// Close does nothing: the connection is closed by whoever serves it.
func (l *singleListener) Close() error {
	return nil
}

// watchedConn tells when it is closed. It hides that it may be a *tls.Conn: net/http would insist on its own ALPN name.
type watchedConn struct {
	net.Conn
	once   sync.Once
	closed chan struct{}
}

// Close closes the connection.
func (c *watchedConn) Close() error {
	defer c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
