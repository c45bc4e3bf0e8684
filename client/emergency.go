package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/messages"
)

// Level says what an emergency does to the jobs of a network.
type Level = emergency.Level

// The levels of an emergency. Low gives emergency jobs a head start, at medium they come first, at high only they start, and at critical others that
// run make room.
const (
	NoEmergency = emergency.None
	Low         = emergency.Low
	Medium      = emergency.Medium
	High        = emergency.High
	Critical    = emergency.Critical
)

// ParseLevel returns the level that a person may declare by that word.
func ParseLevel(word string) (Level, error) { return emergency.ParseLevel(word) }

// Declaration is what somebody says of an emergency.
type Declaration struct {
	Type   string // fire, medical, flood, …
	Level  Level
	Area   string        // "" for everywhere
	Reason string        // everybody sees it
	TTL    time.Duration // 0: until it is cleared
}

// Emergency is an emergency as a broker knows it.
type Emergency struct {
	Declaration
	ID         string
	By         string // node id of who declared it
	ByName     string
	Broker     string // node id of the broker that it was declared at
	BrokerName string
	At         time.Time
	Left       time.Duration // that it is still in force for; 0: until it is cleared, or it is over
	Over       bool
	OverBy     string
	OverReason string
	OverAt     time.Time
}

// Declare declares an emergency and returns when the broker has it on disk; other brokers hear of it at once. Who may is decided by the broker's
// settings. The same emergency is never declared twice by one call.
func (c *Client) Declare(ctx context.Context, d Declaration) (Emergency, error) {
	at, err := c.route(ctx)
	if err != nil {
		return Emergency{}, fmt.Errorf("declare %s: %w", d.Type, err)
	}
	broker := string(at.peer.ID)
	for range maxRenamed {
		var id string
		if id, err = c.ids.next(broker); err != nil {
			return Emergency{}, err
		}
		var e Emergency
		e, err = c.askEmergency(ctx, "declare "+d.Type, &messages.DeclareEmergency{
			Id: id, Type: d.Type, Level: uint32(d.Level), Area: d.Area, Reason: d.Reason, TtlMs: uint64(max(0, d.TTL.Milliseconds())),
			Session: c.session.bytes(),
		})
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.code != messages.Refused_RENAMED {
			return e, err
		}
		broker = refused.broker
		c.ids.after(refused.after)
	}
	return Emergency{}, err
}

// ClearEmergency ends an emergency for all brokers that hear of it. A unique prefix of its id is enough. One that is over already stays as it is.
func (c *Client) ClearEmergency(ctx context.Context, id, reason string) (Emergency, error) {
	return c.askEmergency(ctx, "clear emergency "+id, &messages.ClearEmergency{Id: id, Reason: reason, Session: c.session.bytes()})
}

func (c *Client) askEmergency(ctx context.Context, what string, m proto.Message) (Emergency, error) {
	answer, err := ask[*messages.EmergencyDeclared](ctx, c, m)
	if err != nil {
		return Emergency{}, fmt.Errorf("%s: %w", what, err)
	}
	if err := c.session.merge(answer.GetSession()); err != nil {
		return Emergency{}, fmt.Errorf("%s: %w", what, err)
	}
	return emergencyOf(answer.GetEmergency()), nil
}

// Emergencies returns the emergencies that the broker knows of, also those that ended lately, in causal order, and the level that its jobs are held to.
func (c *Client) Emergencies(ctx context.Context) ([]Emergency, Level, error) {
	answer, err := ask[*messages.EmergenciesResponse](ctx, c, &messages.EmergenciesRequest{Session: c.session.bytes()})
	if err != nil {
		return nil, NoEmergency, fmt.Errorf("list of emergencies: %w", err)
	}
	all := make([]Emergency, 0, len(answer.GetEmergencies()))
	for _, m := range answer.GetEmergencies() {
		all = append(all, emergencyOf(m))
	}
	return all, levelOf(answer.GetLevel()), nil
}

func emergencyOf(m *messages.EmergencyInfo) Emergency {
	e := Emergency{
		Declaration: Declaration{Type: m.GetType(), Level: levelOf(m.GetLevel()), Area: m.GetArea(), Reason: m.GetReason()},
		ID:          m.GetId(), By: m.GetBy(), ByName: m.GetByName(), Broker: m.GetBroker(), BrokerName: m.GetBrokerName(), At: atMillis(m.GetAtMs()),
		Left: time.Duration(min(m.GetLeftMs(), 1<<40)) * time.Millisecond,
		Over: m.GetOver(), OverBy: m.GetOverBy(), OverReason: m.GetOverReason(),
	}
	if e.Over {
		e.OverAt = atMillis(m.GetOverMs())
	}
	return e
}

func levelOf(n uint32) Level { return Level(min(n, uint32(Critical))) }

func atMillis(ms uint64) time.Time { return time.UnixMilli(int64(min(ms, 1<<52))).UTC() }

// laneOf says which messages overtake others on a link: those of emergencies.
func laneOf(m proto.Message) link.Lane {
	if messages.Urgent(m) {
		return link.Urgent
	}
	return link.Normal
}
