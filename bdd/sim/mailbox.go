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
	system    []any
	user      []any
	ready     bool // in the scheduler's hands
	suspended bool
}

var _ actor.Mailbox = (*mailbox)(nil)

// PostUserMessage implements actor.Mailbox.
func (m *mailbox) PostUserMessage(message any) {
	m.user = append(m.user, message)
	m.schedule()
}

// PostSystemMessage implements actor.Mailbox.
func (m *mailbox) PostSystemMessage(message any) {
	m.system = append(m.system, message)
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
func (m *mailbox) UserMessageCount() int { return len(m.user) }

func (m *mailbox) schedule() {
	if !m.ready && m.due() {
		m.ready = true
		m.life.node.w.crew.ready(turn{m.life, m.key, m.turn})
	}
}

func (m *mailbox) due() bool { return len(m.system) > 0 || (!m.suspended && len(m.user) > 0) }

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
	if len(m.system) == 0 {
		message, m.user = pop(m.user)
		m.invoker.InvokeUserMessage(message)
		return
	}
	message, m.system = pop(m.system)
	switch message.(type) {
	case *actor.SuspendMailbox:
		m.suspended = true
	case *actor.ResumeMailbox:
		m.suspended = false
	default:
		m.invoker.InvokeSystemMessage(message)
	}
}

// pop takes the first of a queue, and keeps the array of one that has become empty.
func pop(q []any) (any, []any) {
	first := q[0]
	q[0] = nil
	if len(q) == 1 {
		return first, q[:0]
	}
	return first, q[1:]
}
