package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/messages"
)

// DialTime is how long Dial tries to reach a broker, unless its context ends earlier.
const DialTime = 4500 * time.Millisecond

// DefaultWindow is how many submitted jobs may be unfinished at once unless Options say otherwise.
const DefaultWindow = 16384

// Options say whom to speak to, and as whom. Addresses and Identity are required.
type Options struct {
	// Addresses of brokers (host:port), in the order to try.
	Addresses []string
	// Identity is the client's own; its certificate carries the role client.
	Identity *identity.Identity
	// Log gets what happens to the connection; nothing is logged if nil.
	Log *slog.Logger
	// Session goes on with what another client had seen: see [Client.Session].
	Session []byte
	// Window bounds the submitted jobs that are not over: Submit waits for room. [DefaultWindow] if 0.
	Window int
	// Patience is how long a broker may take to answer a question before it is asked again: 10 s if 0.
	Patience time.Duration

	endpoint *link.Endpoint                                                                 // connects in memory instead, in tests
	bytes    func(ctx context.Context, addr string, node identity.NodeID) (net.Conn, error) // the same for bytes
}

// Client speaks to one network. All methods may be called from any goroutine.
type Client struct {
	patience time.Duration
	log      *slog.Logger
	system   *actor.ActorSystem
	self     *actor.PID
	links    *link.Links
	network  *network
	session  session
	ids      *ids
	window   chan struct{}
	bytes    *blob.Transport
	connect  func(ctx context.Context, addr string, node identity.NodeID) (net.Conn, error) // for bytes
	ended    context.Context                                                                // ends with Close
	end      context.CancelCauseFunc
	running  sync.WaitGroup
}

// Dial connects to the first of the addresses that answers. The error, after at most [DialTime], is a [*DialError] that says for each
// address whether nobody listens there, nobody answers, or it is of another network or out of its time.
func Dial(ctx context.Context, o Options) (*Client, error) {
	if len(o.Addresses) == 0 {
		return nil, fmt.Errorf("no broker is named: %w", ErrUnreachable)
	}
	c, err := start(o) //nolint:contextcheck // a client outlives the context it is dialled in
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, DialTime)
	defer cancel()
	at, err := c.network.connect(dialing)
	if err != nil {
		return nil, errors.Join(err, c.Close()) //nolint:contextcheck // closing has a bound of its own
	}
	c.network.enter(at)
	c.tell(&connected{string(at.peer.ID)})
	c.running.Go(c.stayConnected)
	return c, nil
}

// start makes a client that knows nobody yet.
func start(o Options) (*Client, error) {
	c := &Client{patience: o.Patience, log: o.Log, ids: newIDs(now), window: make(chan struct{}, DefaultWindow)}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if o.Window > 0 {
		c.window = make(chan struct{}, o.Window)
	}
	if c.patience <= 0 {
		c.patience = 10 * time.Second
	}
	if err := c.session.merge(o.Session); err != nil {
		return nil, invalid("%s", err)
	}
	c.ended, c.end = context.WithCancelCause(context.Background())
	c.system = actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return c.log }))
	return c, c.join(o)
}

// join connects the actor system to the network and spawns the client's actor.
func (c *Client) join(o Options) error {
	c.network = newNetwork(o.Addresses)
	var err error
	c.links, err = link.Start(link.Config{
		System: c.system, Identity: o.Identity, Endpoint: o.endpoint, Events: c.network.event, Now: now, Log: c.log, Lane: laneOf,
		Backoff: link.Backoff{Max: 2 * time.Second}, // a person may be waiting
	})
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	c.network.links = c.links
	if c.connect = o.bytes; c.connect == nil {
		c.connect = c.overLinks
	}
	c.bytes = blob.NewTransport(c.dialBytes)
	c.self, err = c.system.Root.SpawnNamed(newSpeaker(c), messages.ClientActor)
	if err != nil {
		return errors.Join(fmt.Errorf("client: %w", err), c.Close())
	}
	return nil
}

// stayConnected tells the actor of every loss and return of the connection.
func (c *Client) stayConnected() {
	for c.ended.Err() == nil {
		at, err := c.network.current(c.ended)
		if err != nil {
			return
		}
		select {
		case <-at.lost:
		case <-c.ended.Done():
			return
		}
		c.network.leave()
		c.tell(&disconnected{})
		c.log.Warn("connection to the network lost", "broker", at.peer.Name, "node", at.peer.ID, "addr", at.addr)
		if at, err = c.network.reconnect(c.ended); err != nil {
			return
		}
		c.network.enter(at)
		c.log.Info("connected again", "broker", at.peer.Name, "node", at.peer.ID, "addr", at.addr)
		c.tell(&connected{string(at.peer.ID)})
	}
}

// tell gives the client's actor something to do.
func (c *Client) tell(m any) { c.system.Root.Send(c.self, m) }

// route returns the broker to speak to, once there is one.
func (c *Client) route(ctx context.Context) (*route, error) {
	ctx, cancel := c.until(ctx)
	defer cancel()
	return c.network.current(ctx)
}

// until returns ctx that also ends with the client.
func (c *Client) until(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.ended, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

// enter takes a place in the window; the returned function gives it back.
func (c *Client) enter(ctx context.Context) (release func(), err error) {
	select {
	case c.window <- struct{}{}:
		return func() { <-c.window }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%d jobs of this client are under way: %w", cap(c.window), context.Cause(ctx))
	case <-c.ended.Done():
		return nil, ErrClosed
	}
}

// Broker returns the name and node id of the broker this client speaks to just now; empty while there is none.
func (c *Client) Broker() (name, node string) {
	if at, _ := c.network.now(); at != nil {
		return at.peer.Name, string(at.peer.ID)
	}
	return "", ""
}

// closeTime bounds how long Close waits for what was sent to be confirmed.
const closeTime = 2 * time.Second

// Close ends the client. Jobs go on; submissions that are followed end with [ErrClosed].
func (c *Client) Close() error {
	if c.ended.Err() != nil {
		return nil
	}
	c.end(ErrClosed)
	c.running.Wait()
	var err error
	if c.self != nil {
		err = c.system.Root.PoisonFuture(c.self).Wait()
	}
	if c.bytes != nil {
		err = errors.Join(err, c.bytes.Close())
	}
	if c.links != nil {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		c.links.Close(ctx)
	}
	c.system.Shutdown()
	return err
}

var _ io.Closer = (*Client)(nil)
