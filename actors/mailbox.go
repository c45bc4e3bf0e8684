package actors

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/messages"
)

// bounded is a mailbox that holds about bound user messages (each concurrent sender may add one more) and tells the sender of one too
// many to come again later. Those of the library either block the sender or drop the oldest without a word. What is urgent goes first, and has a
// tenth of the bound for itself when the rest is full.
func bounded(bound int, refuse func(sender *actor.PID, message any)) actor.PropsOption {
	return actor.WithMailbox(func() actor.Mailbox {
		return &boundedMailbox{overtaken: overtaken{Mailbox: actor.Unbounded()()}, bound: bound, refuse: refuse}
	})
}

type boundedMailbox struct {
	overtaken
	bound  int
	refuse func(*actor.PID, any)
}

// PostUserMessage queues m, or refuses it.
func (b *boundedMailbox) PostUserMessage(m any) {
	_, message, sender := actor.UnwrapEnvelope(m)
	bound := b.bound
	if urgent(message) {
		bound += max(b.bound/10, 1)
	}
	if b.UserMessageCount() < bound {
		b.overtaken.PostUserMessage(m)
		return
	}
	b.refuse(sender, messages.Unstamp(message))
}

// urgentFirst is a mailbox in which what is about an emergency goes before everything that waits (EMG-4).
func urgentFirst() actor.PropsOption {
	return actor.WithMailbox(func() actor.Mailbox { return &overtaken{Mailbox: actor.Unbounded()()} })
}

// overtaken is a mailbox with a second queue beside its own. For each message in that one there is a token in its own, so that the actor is woken
// and counts are right; whatever it takes out next, the actor gets the urgent ones first.
type overtaken struct {
	actor.Mailbox
	mu     sync.Mutex
	urgent []any // bounded by whoever bounds the mailbox
}

// token stands in a mailbox for a message that overtook it.
type token struct{}

// PostUserMessage implements actor.Mailbox.
func (o *overtaken) PostUserMessage(m any) {
	if _, message, _ := actor.UnwrapEnvelope(m); !urgent(message) {
		o.Mailbox.PostUserMessage(m)
		return
	}
	o.mu.Lock()
	o.urgent = append(o.urgent, m)
	o.mu.Unlock()
	o.Mailbox.PostUserMessage(token{})
}

// RegisterHandlers implements actor.Mailbox.
func (o *overtaken) RegisterHandlers(invoker actor.MessageInvoker, d actor.Dispatcher) {
	o.Mailbox.RegisterHandlers(&overtaking{invoker, o}, d)
}

func (o *overtaken) next() (m any, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.urgent) == 0 {
		o.urgent = nil
		return nil, false
	}
	m, o.urgent[0] = o.urgent[0], nil
	o.urgent = o.urgent[1:]
	return m, true
}

type overtaking struct {
	actor.MessageInvoker
	mailbox *overtaken
}

// InvokeUserMessage implements actor.MessageInvoker.
func (o *overtaking) InvokeUserMessage(m any) {
	for u, ok := o.mailbox.next(); ok; u, ok = o.mailbox.next() {
		o.MessageInvoker.InvokeUserMessage(u)
	}
	if m != (token{}) {
		o.MessageInvoker.InvokeUserMessage(m)
	}
}

// urgent says whether a message, from a link or from an actor of this node, goes first.
func urgent(m any) bool {
	switch m := messages.Unstamp(m).(type) {
	case *declaration, *clearance:
		return true
	case *submission:
		return m.spec.Emergency != ""
	case *merge:
		return m.urgent
	case proto.Message:
		return messages.Urgent(m)
	}
	return false
}

// busy is the answer of a full mailbox.
func busy(id string) *messages.Refused {
	return &messages.Refused{Code: messages.Refused_BUSY, Reason: "the broker has more requests than it can take just now", RetryAfterMs: 100, Job: id}
}
