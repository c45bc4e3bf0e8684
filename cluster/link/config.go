package link

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/messages"
)

// DefaultPort is the TCP port of links, blobs and enrolment.
const DefaultPort = 7420

// Config says what a node's links need. System, Now and Log are required, and
// so is one of Identity and Endpoint.
type Config struct {
	// System is the actor system to connect; its address becomes the node id.
	// Start its links before the first actor that sends a message.
	System *actor.ActorSystem
	// Identity is the node's own, for links over TCP.
	Identity *identity.Identity
	// Endpoint, if given, connects the node to a network in memory instead.
	Endpoint *Endpoint
	// Clock stamps what leaves and learns from what arrives. A client has none:
	// its messages carry no stamp, and its actors get messages without one.
	Clock *messages.NodeClock
	// Codec numbers the messages that may cross a link; the registry of package
	// messages if nil.
	Codec Codec
	// Allow is the policy for what arrives: nil, or why this peer may not send
	// messages of this type to the actor of that name. It depends on its
	// arguments only. messages.Allowed if nil.
	Allow func(peer identity.Peer, target string, typeID uint32) error
	// Lane says which messages are urgent; none if nil.
	Lane func(proto.Message) Lane
	// Listen is the address to accept connections on ("" dials out only).
	Listen string
	// Advertise is where others can dial this node, for peers to pass on.
	Advertise []string
	// Roles are those of the certificate that the node plays, for peers to know; all of them if nil. See [Links.Play].
	Roles []string
	// Events gets a *messages.PeerUp before the first message of a peer and a
	// *messages.PeerDown after its last, one at a time for each peer. It must
	// not block.
	Events func(event any)
	// Now reads the wall clock, for certificates and for people.
	Now func() time.Time
	// Log gets what happens to links.
	Log *slog.Logger
	// Limits bound memory; zero fields take their defaults.
	Limits Limits
	// Backoff spaces attempts to connect; zero fields take their defaults.
	Backoff Backoff
	// Coalesce is how long a message waits for company, 0 in life. A simulator
	// sets a virtual nanosecond, so that what leaves together does not depend
	// on the scheduler.
	Coalesce time.Duration
}

// Limits bound what a peer can cost. All are bytes, for each peer.
type Limits struct {
	// Frame bounds one message (256 KiB).
	Frame int
	// Queue bounds what waits in the normal lane or is not confirmed yet, with
	// 96 bytes for each message (4 MiB). The messages themselves are held as
	// long, for telling their senders.
	Queue int
	// UrgentQueue is the same for the urgent lane (1 MiB).
	UrgentQueue int
	// Window is what may be sent without confirmation at most, for each lane, on a
	// fast link (256 KiB); on a slow one it is less.
	Window int
}

func (l Limits) normal() Limits {
	return Limits{
		Frame: positive(l.Frame, 256<<10), Queue: positive(l.Queue, 4<<20),
		UrgentQueue: positive(l.UrgentQueue, 1<<20), Window: positive(l.Window, 256<<10),
	}
}

// maxBatch is the largest frame that an honest peer with these limits sends.
func (l Limits) maxBatch() int { return batchBytes + l.Frame + 1<<10 }

// Backoff spaces attempts to connect to an address. The nth wait since the last
// lasting connection is drawn evenly from half to all of Min·1.6ⁿ, at most Max.
// A connection that held for Steady resets it.
type Backoff struct {
	Min    time.Duration // 100 ms
	Max    time.Duration // 5 s
	Steady time.Duration // 2 s
}

func (b Backoff) normal() Backoff {
	return Backoff{
		Min: positive(b.Min, 100*time.Millisecond), Max: positive(b.Max, 5*time.Second),
		Steady: positive(b.Steady, 2*time.Second),
	}
}

// wait returns the pause before attempt n, counted from 0.
func (b Backoff) wait(n int) time.Duration {
	d := float64(b.Min)
	for range n {
		if d *= 1.6; d >= float64(b.Max) {
			break
		}
	}
	d = min(d, float64(b.Max))
	return time.Duration(d/2 + rand.Float64()*d/2)
}

func positive[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Codec numbers the messages that may cross a link.
type Codec interface {
	// TypeID returns the number of a message's type, if it may cross.
	TypeID(m proto.Message) (uint32, bool)
	// NewMessage returns an empty message of the type of that number.
	NewMessage(id uint32) (proto.Message, bool)
}

// registry is the Codec of package messages.
type registry struct{}

func (registry) TypeID(m proto.Message) (uint32, bool)      { return messages.TypeID(m) }
func (registry) NewMessage(id uint32) (proto.Message, bool) { return messages.NewMessage(id) }

// normal fills in defaults.
func (c Config) normal() (Config, error) {
	if c.System == nil || c.Now == nil || c.Log == nil || (c.Identity == nil) == (c.Endpoint == nil) {
		return c, errors.New("link: System, Now, Log and one of Identity and Endpoint are required")
	}
	if c.Codec == nil {
		c.Codec = registry{}
	}
	if c.Allow == nil {
		c.Allow = func(p identity.Peer, target string, id uint32) error { return messages.Allowed(p.Roles, target, id) }
	}
	if c.Lane == nil {
		c.Lane = func(proto.Message) Lane { return Normal }
	}
	if c.Events == nil {
		c.Events = func(any) {}
	}
	c.Limits, c.Backoff = c.Limits.normal(), c.Backoff.normal()
	return c, nil
}
