package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/messages"
)

// bounded is a mailbox that holds about bound user messages (each concurrent sender may add one more) and tells the sender of one too
// many to come again later. Those of the library either block the sender or drop the oldest without a word.
func bounded(bound int, refuse func(sender *actor.PID, message any)) actor.PropsOption {
	return actor.WithMailbox(func() actor.Mailbox {
		return &boundedMailbox{Mailbox: actor.Unbounded()(), bound: bound, refuse: refuse}
	})
}

type boundedMailbox struct {
	actor.Mailbox
	bound  int
	refuse func(*actor.PID, any)
}

// PostUserMessage queues m, or refuses it.
func (b *boundedMailbox) PostUserMessage(m any) {
	if b.UserMessageCount() < b.bound {
		b.Mailbox.PostUserMessage(m)
		return
	}
	_, message, sender := actor.UnwrapEnvelope(m)
	b.refuse(sender, messages.Unstamp(message))
}

// busy is the answer of a full mailbox.
func busy(id string) *messages.Refused {
	return &messages.Refused{Code: messages.Refused_BUSY, Reason: "the broker has more requests than it can take just now", RetryAfterMs: 100, Job: id}
}
