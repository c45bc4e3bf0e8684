package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"

	"github.com/urbancompute/ucp/cluster/identity"
)

const (
	service = "ucp.Link"
	method  = "/ucp.Link/Connect"

	// A link is torn down for silence only when the other end's HTTP/2 stack has
	// not answered for three minutes: leases decide who is lost, this only
	// cleans up behind machines that vanished.
	pingAfter   = time.Minute
	pingTimeout = 2 * time.Minute

	// grpcWindow is what gRPC buffers for a reader that is behind. It is above
	// both lanes' credit, so that credit is what holds senders back.
	grpcWindow = 1 << 20
)

var streamDesc = grpc.StreamDesc{StreamName: "Connect", ServerStreams: true, ClientStreams: true}

// rawCodec passes frames through gRPC as they are. What is sent goes back to
// the pool when gRPC has written it; what is received is the receiver's to free.
type rawCodec struct{}

func (rawCodec) Name() string { return "ucp-frame" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.NewBuffer(v.(*[]byte), &buffers)}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*mem.Buffer) = data.MaterializeToBuffer(&buffers)
	return nil
}

// stream is what client and server streams have in common.
type stream interface {
	SendMsg(any) error
	RecvMsg(any) error
}

// streamCarrier is a carrier over one gRPC stream, alone on its connection.
type streamCarrier struct {
	stream stream
	conn   *tls.Conn
	peer   identity.Peer
	last   mem.Buffer // what Recv returned
	finish func()     // ends the stream; everything sent before still arrives
	abort  func()     // frees the rest, when the connection is closed
	once   sync.Once
}

func (c *streamCarrier) Peer() identity.Peer { return c.peer }
func (c *streamCarrier) Remote() string      { return c.conn.RemoteAddr().String() }

func (c *streamCarrier) Send(frame *[]byte) error { return c.stream.SendMsg(frame) }

func (c *streamCarrier) Recv() ([]byte, error) {
	if c.last != nil {
		c.last.Free()
		c.last = nil
	}
	if err := c.stream.RecvMsg(&c.last); err != nil {
		return nil, err
	}
	return c.last.ReadOnlyData(), nil
}

// Close closes the connection below gRPC at once if there is a reason: gRPC
// would wait for a peer that does not read.
func (c *streamCarrier) Close(reason error) {
	c.once.Do(func() {
		if reason == nil {
			c.finish()
			return
		}
		_ = c.conn.NetConn().Close() // the stream says what came of it
		c.abort()
	})
}

// handshaken are gRPC credentials for connections whose TLS handshake is done.
type handshaken struct{}

// authInfo carries the connection and its peer to the stream handler.
type authInfo struct {
	credentials.CommonAuthInfo
	conn   *tls.Conn
	peer   identity.Peer
	opened *atomic.Bool // by a first stream
}

func (authInfo) AuthType() string { return "ucp" }

func (handshaken) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, ok := c.(*peerConn)
	if !ok {
		return nil, nil, errors.New("connection is not authenticated")
	}
	level := credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}
	return conn, authInfo{level, conn.Conn, conn.peer, new(atomic.Bool)}, nil
}

func (h handshaken) ClientHandshake(_ context.Context, _ string, c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return h.ServerHandshake(c)
}

func (handshaken) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}
func (h handshaken) Clone() credentials.TransportCredentials { return h }
func (handshaken) OverrideServerName(string) error           { return nil }

// newServer returns a gRPC server that gives each stream to accept.
func newServer(accept func(carrier) error, limits Limits) *grpc.Server {
	server := grpc.NewServer(
		grpc.Creds(handshaken{}), grpc.ForceServerCodecV2(rawCodec{}), grpc.MaxConcurrentStreams(1),
		grpc.MaxRecvMsgSize(limits.maxBatch()), grpc.MaxHeaderListSize(4<<10), grpc.ConnectionTimeout(handshakeTime),
		grpc.StaticStreamWindowSize(grpcWindow), grpc.StaticConnWindowSize(grpcWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 30 * time.Second, Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingAfter / 2}),
	)
	desc := streamDesc
	desc.Handler = func(_ any, s grpc.ServerStream) error {
		p, _ := peer.FromContext(s.Context())
		info, ok := p.AuthInfo.(authInfo)
		if !ok || info.opened.Swap(true) {
			return errors.New("one stream a connection")
		}
		// The stream ends when this returns, after everything that was sent.
		nothing := func() {}
		return accept(&streamCarrier{stream: s, conn: info.conn, peer: info.peer, finish: nothing, abort: nothing})
	}
	server.RegisterService(&grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{desc}}, nil)
	return server
}

// connect opens the stream on a connection that has done its TLS handshake.
func connect(ctx context.Context, conn *peerConn, limits Limits) (carrier, error) {
	var used atomic.Bool
	cc, err := grpc.NewClient("passthrough:///"+conn.RemoteAddr().String(),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) {
			if used.Swap(true) {
				return nil, io.ErrClosedPipe // the connection is gone: the link's dialer makes the next
			}
			return conn, nil
		}),
		grpc.WithTransportCredentials(handshaken{}), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithIdleTimeout(0), grpc.WithMaxHeaderListSize(4<<10),
		grpc.WithStaticStreamWindowSize(grpcWindow), grpc.WithStaticConnWindowSize(grpcWindow),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawCodec{}), grpc.MaxCallRecvMsgSize(limits.maxBatch())),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}),
	)
	if err != nil {
		return nil, fmt.Errorf("grpc: %w", err)
	}
	// The stream outlives ctx, which bounds the attempt only.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	s, err := cc.NewStream(running, &streamDesc, method)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		cancel()
		return nil, errors.Join(fmt.Errorf("open stream: %w", err), cc.Close())
	}
	c := &streamCarrier{stream: s, conn: conn.Conn, peer: conn.peer}
	c.abort = func() {
		cancel()
		_ = cc.Close() // its connection is closed
	}
	c.finish = func() {
		_ = s.CloseSend()
		go c.linger()
	}
	return c, nil
}

// linger waits, but not long, until the other end has read everything.
func (c *streamCarrier) linger() {
	guard := time.AfterFunc(farewellTime, func() { _ = c.conn.NetConn().Close() })
	defer guard.Stop()
	for {
		if _, err := c.Recv(); err != nil {
			_ = c.conn.NetConn().Close()
			c.abort()
			return
		}
	}
}
