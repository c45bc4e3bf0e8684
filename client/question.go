package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/messages"
)

// question waits for one answer. It is a process rather than a future of the library, so that it can be given up with a context.
type question struct{ answer chan any }

var _ actor.Process = question{}

// SendUserMessage takes the first answer.
func (q question) SendUserMessage(_ *actor.PID, envelope any) {
	_, m, _ := actor.UnwrapEnvelope(envelope)
	select {
	case q.answer <- messages.Unstamp(m):
	default:
	}
}

// SendSystemMessage ignores what only actors understand.
func (question) SendSystemMessage(*actor.PID, any) {}

// Stop has nothing to stop.
func (question) Stop(*actor.PID) {}

// ask asks the gateway until it answers with an A, refuses for good, or ctx ends. What it asks must be harmless to ask twice.
func ask[A proto.Message](ctx context.Context, c *Client, m proto.Message) (answer A, err error) {
	ctx, cancel := c.until(ctx)
	defer cancel()
	for {
		got, err := c.askOnce(ctx, m)
		if err != nil {
			return answer, err
		}
		switch got := got.(type) {
		case A:
			return got, nil
		case *messages.Refused:
			again, err := c.refused(ctx, refusal(got))
			if !again {
				return answer, err
			}
		case nil, *actor.DeadLetterResponse: // lost on the way: ask again
			pause(ctx, minRetry)
		default:
			return answer, unexpected(got)
		}
	}
}

// refused waits until a refusal may have passed, and says whether to ask again.
func (c *Client) refused(ctx context.Context, e *RefusedError) (again bool, err error) {
	after, passing := e.passing()
	if !passing {
		return false, e
	}
	pause(ctx, after)
	if ctx.Err() != nil {
		return false, fmt.Errorf("%w (%w)", e, context.Cause(ctx))
	}
	return true, nil
}

// askOnce returns the answer of the broker there is, nil if the connection to it was lost.
func (c *Client) askOnce(ctx context.Context, m proto.Message) (any, error) {
	at, err := c.network.current(ctx)
	if err != nil {
		return nil, err
	}
	q := question{make(chan any, 1)}
	registry := c.system.ProcessRegistry
	me, ok := registry.Add(q, "future"+registry.NextID())
	if !ok {
		return nil, errors.New("two questions of one name")
	}
	defer registry.Remove(me)
	c.system.Root.RequestWithCustomSender(gatewayAt(at), m, me)
	patience := time.NewTimer(c.patience)
	defer patience.Stop()
	select {
	case answer := <-q.answer:
		return answer, nil
	case <-at.lost:
		_, err := c.network.await(ctx, func(r *route) bool { return r != at })
		return nil, err
	case <-patience.C:
		return nil, fmt.Errorf("broker %s did not answer within %s: %w", at.peer, c.patience, ErrUnreachable)
	case <-ctx.Done():
		return nil, fmt.Errorf("broker %s has not answered yet: %w", at.peer, context.Cause(ctx))
	}
}

func gatewayAt(r *route) *actor.PID {
	return actor.NewPID(string(r.peer.ID), messages.GatewayActor)
}
