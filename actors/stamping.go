package actors

import (
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/messages"
)

// Stamping makes an actor a part of the node whose clock this is: every message it sends carries a stamp of that
// clock, and the stamp of every message it receives is merged before the actor sees the message. The actor itself
// sees plain messages: ctx.Message, Sender, Respond, Request, Forward and futures work as ever.
//
//	actor.PropsFromProducer(newBroker, actors.Stamping(clock)...)
//
// All actors of a node need it, once each; one without sees *messages.Stamped (see messages.Unstamp). What the engine
// itself acts on (system messages, PoisonPill, ReceiveTimeout and the like) is left alone, and an answer to a future
// of the same node goes without a stamp, for there is no clock behind it that could learn from it.
func Stamping(clock *messages.NodeClock) []actor.PropsOption {
	return []actor.PropsOption{
		actor.WithSenderMiddleware(stampSent(clock)),
		actor.WithReceiverMiddleware(mergeReceived(clock)),
	}
}

// RootContext is for sends from outside actors; it stamps as Stamping does. (Middleware on system.Root itself would
// break the engine's own sends.)
func RootContext(system *actor.ActorSystem, clock *messages.NodeClock) *actor.RootContext {
	return actor.NewRootContext(system, nil, stampSent(clock))
}

// parcel is a stamped message in its envelope, in one allocation.
type parcel struct {
	envelope actor.MessageEnvelope
	stamped  messages.Stamped
}

func stampSent(clock *messages.NodeClock) actor.SenderMiddleware {
	return func(next actor.SenderFunc) actor.SenderFunc {
		return func(ctx actor.SenderContext, target *actor.PID, envelope *actor.MessageEnvelope) {
			if goesPlain(ctx, target, envelope.Message) {
				next(ctx, target, envelope)
				return
			}
			// The envelope may be shared (Forward sends the one that is being handled), so a new one is made.
			p := &parcel{*envelope, messages.Stamped{Stamp: clock.Tick(), Message: envelope.Message}}
			p.envelope.Message = &p.stamped
			next(ctx, target, &p.envelope)
		}
	}
}

func mergeReceived(clock *messages.NodeClock) actor.ReceiverMiddleware {
	return func(next actor.ReceiverFunc) actor.ReceiverFunc {
		return func(ctx actor.ReceiverContext, envelope *actor.MessageEnvelope) {
			stamped, ok := envelope.Message.(*messages.Stamped)
			if !ok {
				next(ctx, envelope)
				return
			}
			clock.Merge(stamped.Stamp)
			next(ctx, &actor.MessageEnvelope{Header: envelope.Header, Message: stamped.Message, Sender: envelope.Sender})
		}
	}
}

// goesPlain reports whether a message travels without a stamp: those that the engine itself acts on, those that have
// one, and answers to a future of this node.
func goesPlain(ctx actor.SenderContext, target *actor.PID, message any) bool {
	switch message.(type) {
	case *messages.Stamped, *actor.ReceiveTimeout, *actor.DeadLetterResponse,
		actor.SystemMessage, actor.AutoReceiveMessage, actor.AutoRespond, actor.InfrastructureMessage:
		return true
	}
	return target != nil && strings.HasPrefix(target.Id, "future$") &&
		target.Address == ctx.ActorSystem().Address()
}
