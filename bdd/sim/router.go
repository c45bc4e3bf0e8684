package sim

import (
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/messages"
)

// router is the process that stands, in one life of a node, for every actor on other nodes.
type router struct{ life *life }

var _ actor.Process = router{}

var (
	errNotConnected = errors.New("not connected")
	errNotSendable  = errors.New("not a message for a link")
)

// SendUserMessage implements actor.Process.
func (r router) SendUserMessage(pid *actor.PID, envelope any) {
	w := r.life.node.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.life.dead {
		return
	}
	_, message, sender := actor.UnwrapEnvelope(envelope)
	if pid.Address == inspector {
		w.questions.answered(w, pid.Id, messages.Unstamp(message))
		return
	}
	p := &parcel{kind: userKind, target: pid.Id, targetRequest: pid.RequestId, message: message}
	if sender != nil && sender.Address == r.life.node.ID {
		p.sender, p.senderRequest = sender.Id, sender.RequestId
	}
	r.life.node.post(p, pid.Address)
}

// post sends a user's message to a node, or gives it back.
func (n *Node) post(p *parcel, to string) {
	w := n.w
	e, err := n.way(to)
	if dead, ok := p.message.(*actor.DeadLetterResponse); ok {
		p.kind, p.sender, p.message = deadLetterKind, dead.Target.GetId(), nil
	} else if _, ok := messages.Unstamp(p.message).(proto.Message); !ok {
		err = fmt.Errorf("%T: %w", messages.Unstamp(p.message), errNotSendable)
		w.chronicle.unsendable(n, p)
	}
	if err == nil {
		w.chronicle.sent(n, e.other().node, p)
		if w.settings.Honest {
			p.sum = sumOf(p.message)
		}
		err = e.send(p)
	}
	if err != nil && p.kind == userKind {
		giveBackTo(n, n.life, p, to, err, false)
	}
}

// way returns the node's end of its connection to another one.
func (n *Node) way(to string) (*end, error) {
	other := n.w.byID[to]
	if other == nil {
		return nil, fmt.Errorf("node %s: %w", to, errNotConnected)
	}
	e := n.w.net.end(n, other)
	if e == nil || e.session == 0 {
		return nil, fmt.Errorf("node %s: %w", other.Name, errNotConnected)
	}
	return e, nil
}

// SendSystemMessage implements actor.Process: it carries Watch, Unwatch and Terminated.
func (r router) SendSystemMessage(pid *actor.PID, message any) {
	w := r.life.node.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.life.dead {
		return
	}
	e, err := r.life.node.way(pid.Address)
	switch m := message.(type) {
	case *actor.Watch:
		x := watch{m.Watcher.Id, pid.Id}
		if err != nil {
			r.tellUnreachable(x, pid.Address)
			return
		}
		remove(&e.watches.out, x)
		e.watches.out = append(e.watches.out, x)
		err = e.send(&parcel{kind: watchKind, target: pid.Id, sender: x.watcher})
	case *actor.Unwatch:
		if err == nil && remove(&e.watches.out, watch{m.Watcher.Id, pid.Id}) {
			err = e.send(&parcel{kind: unwatchKind, target: pid.Id, sender: m.Watcher.Id})
		}
	case *actor.Terminated:
		if err == nil {
			remove(&e.watches.in, watch{pid.Id, m.Who.Id})
			err = e.send(&parcel{kind: terminatedKind, target: pid.Id, sender: m.Who.Id, why: m.Why})
		}
	}
	if err != nil && e != nil {
		w.plan(r.life, 0, func() { e.close(err) }) // whoever waits for news that cannot be sent is told so by the end of the connection
	}
}

// tellUnreachable answers a watch of an actor on a node without a connection.
func (r router) tellUnreachable(x watch, address string) {
	l := r.life
	l.node.w.plan(l, 0, func() {
		if p, ok := l.system.ProcessRegistry.GetLocal(x.watcher); ok {
			p.SendSystemMessage(actor.NewPID(l.node.ID, x.watcher), &actor.Terminated{
				Who: actor.NewPID(address, x.watchee), Why: actor.TerminatedReason_AddressTerminated,
			})
		}
	})
}

// Stop implements actor.Process: nobody stops another node's actors.
func (r router) Stop(*actor.PID) {}

// undelivered tells an actor that a message it sent did not arrive, or may not have.
type undelivered struct {
	target    *actor.PID
	message   any
	reason    error
	uncertain bool
}

// Returned gives the message back.
func (u *undelivered) Returned() (message any, reason error, uncertain bool) {
	return messages.Unstamp(u.message), u.reason, u.uncertain
}

// giveBack returns a message that left this end.
func (e *end) giveBack(p *parcel, reason error, uncertain bool) {
	giveBackTo(e.node, e.life, p, e.out.to.ID, reason, uncertain)
}

func giveBackTo(n *Node, l *life, p *parcel, to string, reason error, uncertain bool) {
	if p.sender == "" {
		return
	}
	n.w.plan(l, 0, func() {
		u := &undelivered{actor.NewPID(to, p.target), p.message, reason, uncertain}
		refused := &messages.Refused{Code: messages.Refused_UNREACHABLE, Reason: fmt.Sprintf("%v, uncertain %t", reason, uncertain)}
		if n.mailTo != nil {
			n.mailTo(p.sender, n.w.byID[to], refused)
			return
		}
		self := &actor.PID{Address: n.ID, Id: p.sender, RequestId: p.senderRequest}
		if process, ok := l.system.ProcessRegistry.GetLocal(p.sender); ok && isActor(process) {
			l.system.Root.Send(self, u)
		} else if ok {
			l.system.Root.Send(self, refused)
		}
	})
}

func isActor(p actor.Process) bool {
	_, ok := p.(*actor.ActorProcess)
	return ok
}
