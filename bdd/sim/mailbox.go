package sim

import (
	"github.com/asynkron/protoactor-go/actor"
)

// mailbox is an actor's mailbox that hands over one message a turn, so that between any two messages of one actor every other may go on. It
// belongs to a world that runs on one thread.
type mailbox struct {
	life      *life
	key       uint64
	invoker   actor.MessageInvoker
	system    queue
	user      queue
	ready     bool // in the scheduler's hands
	suspended bool
}

var _ actor.Mailbox = (*mailbox)(nil)

// PostUserMessage implements actor.Mailbox.
func (m *mailbox) PostUserMessage(message any) {
	m.user.push(message)
	m.schedule()
}

// PostSystemMessage implements actor.Mailbox.
func (m *mailbox) PostSystemMessage(message any) {
	m.system.push(message)
	m.schedule()
}

// RegisterHandlers implements actor.Mailbox.
func (m *mailbox) RegisterHandlers(invoker actor.MessageInvoker, _ actor.Dispatcher) {
	m.invoker = invoker
	if who, ok := invoker.(interface{ Self() *actor.PID }); ok && who.Self() != nil {
		m.key = m.life.keyOf(who.Self().Id)
	}
}

// Start implements actor.Mailbox.
func (m *mailbox) Start() {}

// UserMessageCount implements actor.Mailbox.
func (m *mailbox) UserMessageCount() int { return m.user.len() }

func (m *mailbox) schedule() {
	if !m.ready && m.due() {
		m.ready = true
		m.life.node.w.crew.ready(turn{m.life, m.key, m.turn})
	}
}

func (m *mailbox) due() bool { return m.system.len() > 0 || (!m.suspended && m.user.len() > 0) }

func (m *mailbox) turn() {
	if m.due() {
		m.handle()
	}
	m.ready = false
	m.schedule()
}

// handle brings one message to the actor, system messages first. A panic goes to the actor's supervisor, as in the engine's own mailbox.
func (m *mailbox) handle() {
	var message any
	defer func() {
		if reason := recover(); reason != nil {
			m.invoker.EscalateFailure(reason, message)
		}
	}()
	if m.system.len() == 0 {
		message = m.user.pop()
		m.invoker.InvokeUserMessage(message)
		return
	}
	message = m.system.pop()
	switch message.(type) {
	case *actor.SuspendMailbox:
		m.suspended = true
	case *actor.ResumeMailbox:
		m.suspended = false
	default:
		m.invoker.InvokeSystemMessage(message)
	}
}

// queue is first in, first out, and uses its array again.
type queue struct {
	items []any
	first int
}

func (q *queue) len() int { return len(q.items) - q.first }

func (q *queue) push(x any) { q.items = append(q.items, x) }

func (q *queue) pop() any {
	x := q.items[q.first]
	q.items[q.first] = nil
	if q.first++; q.first == len(q.items) {
		q.items, q.first = q.items[:0], 0
	}
	return x
}
