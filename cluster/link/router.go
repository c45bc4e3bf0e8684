package link

import (
	"errors"
	"fmt"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/messages"
)

// Undelivered tells an actor that a message it sent over a link did not arrive,
// or may not have. It never crosses a link. A future gets a *messages.Refused
// instead, so that requests fail with a reason as soon as it is known.
type Undelivered struct {
	// Target is whom the message was for.
	Target *actor.PID
	// Message is what was sent, nil if the peer refused it.
	Message any
	// Reason wraps ErrNotConnected, ErrBusy, ErrTooLarge or ErrNotSendable, or is
	// the peer's.
	Reason error
	// Uncertain says that the message had left: it may have arrived.
	Uncertain bool
}

// Returned gives the message back to actors that do not know this package.
func (u *Undelivered) Returned() (message any, reason error, uncertain bool) {
	return messages.Unstamp(u.Message), u.Reason, u.Uncertain
}

// refused is the same for futures and clients.
func (u *Undelivered) refused() *messages.Refused {
	r := &messages.Refused{Code: messages.Refused_UNREACHABLE, Reason: u.Reason.Error()}
	switch {
	case errors.Is(u.Reason, ErrBusy):
		r.Code, r.RetryAfterMs = messages.Refused_BUSY, uint32(busyRetry.Milliseconds()) //nolint:gosec // a constant
	case !errors.Is(u.Reason, ErrNotConnected):
		r.Code = messages.Refused_INVALID
	case u.Uncertain:
		r.Reason += " (the request may have arrived)"
	}
	return r
}

// busyRetry is when to try again on a full queue.
const busyRetry = 200 * time.Millisecond

var (
	errForeignSender = errors.New("its sender is on another node, for which this one cannot speak")
	errNoStop        = errors.New("an actor of another node cannot be stopped from here")
)

// router is the process that stands for every actor on other nodes. It finds
// the session anew for each message, so that PIDs may keep it for ever.
type router struct{ links *Links }

var _ actor.Process = router{}

// SendUserMessage queues a message for the node it is addressed to. It never
// blocks; who cannot be served is told.
func (r router) SendUserMessage(pid *actor.PID, envelope any) {
	_, msg, sender := actor.UnwrapEnvelope(envelope)
	var stamp messages.Stamp
	if stamped, ok := msg.(*messages.Stamped); ok {
		msg, stamp = stamped.Message, r.links.own(stamped.Stamp)
	}
	if err := r.send(pid, msg, sender, stamp); err != nil {
		if r.links.foreign(sender) {
			sender = nil
		}
		r.links.undelivered(sender, &Undelivered{Target: pid, Message: msg, Reason: err})
	}
}

func (r router) send(pid *actor.PID, msg any, sender *actor.PID, stamp messages.Stamp) error {
	if r.links.foreign(sender) {
		return fmt.Errorf("%T for %s: %w: %w", msg, pid.Id, ErrNotSendable, errForeignSender)
	}
	it := item{kind: kindUser, target: pid.Id, targetRequest: pid.RequestId}
	if sender != nil {
		it.sender, it.senderRequest = sender.Id, sender.RequestId
	}
	at, err := r.links.classify(&it, msg)
	if err != nil {
		return err
	}
	s, err := r.links.session(pid.Address)
	if err != nil {
		return err
	}
	if _, err := s.out.put(at, &it, stamp); err != nil {
		return fmt.Errorf("%T for %s at %s: %w", msg, pid.Id, s.peer, err)
	}
	return nil
}

// classify says what kind of record a message makes, and in which lane.
func (l *Links) classify(it *item, msg any) (Lane, error) {
	switch m := msg.(type) {
	case *actor.DeadLetterResponse:
		it.kind = kindDeadLetter
		if m.Target != nil {
			it.sender = m.Target.Id
		}
		return Normal, nil
	case proto.Message:
		id, ok := l.cfg.Codec.TypeID(m)
		if !ok {
			return 0, fmt.Errorf("%T for %s: %w", msg, it.target, ErrNotSendable)
		}
		it.message, it.typeID = m, id
		return l.cfg.Lane(m), nil
	}
	return 0, fmt.Errorf("%T for %s: %w", msg, it.target, ErrNotSendable)
}

// SendSystemMessage carries Watch, Unwatch and Terminated; nothing else of the
// actor system crosses a link.
func (r router) SendSystemMessage(pid *actor.PID, msg any) {
	s, err := r.links.session(pid.Address)
	switch m := msg.(type) {
	case *actor.Watch:
		if err != nil || !s.watch(m.Watcher, pid) {
			r.links.tellUnreachable(m.Watcher, pid)
		}
	case *actor.Unwatch:
		if err == nil {
			s.stopWatching(m.Watcher, pid)
		}
	case *actor.Terminated:
		if err == nil {
			s.watches.release(watch{watcher: pid.Id, watchee: m.Who.Id})
			s.sendTerminated(pid.Id, m.Who.Id, m.Why)
		}
	default:
		r.links.undelivered(nil, &Undelivered{Target: pid, Message: msg, Reason: ErrNotSendable})
	}
}

// Stop refuses: nobody stops another node's actors.
func (r router) Stop(pid *actor.PID) {
	r.links.undelivered(nil, &Undelivered{Target: pid, Message: &actor.Stop{}, Reason: errNoStop})
}

// watch lets an actor here watch one over there. It reports false if the
// session is over.
func (s *session) watch(watcher, watchee *actor.PID) bool {
	if !s.watches.begin(watch{watcher: watcher.Id, watchee: watchee.Id}) {
		return false
	}
	for _, x := range s.watches.stale(s.links.gone) {
		s.putSystem(&item{kind: kindUnwatch, target: x.watchee, sender: x.watcher})
	}
	s.putSystem(&item{kind: kindWatch, target: watchee.Id, sender: watcher.Id})
	return true
}

func (s *session) stopWatching(watcher, watchee *actor.PID) {
	if s.watches.end(watch{watcher: watcher.Id, watchee: watchee.Id}) {
		s.putSystem(&item{kind: kindUnwatch, target: watchee.Id, sender: watcher.Id})
	}
}

// tellUnreachable answers a watch of an actor on a node without a link.
func (l *Links) tellUnreachable(watcher, watchee *actor.PID) {
	if process, ok := l.cfg.System.ProcessRegistry.GetLocal(watcher.Id); ok {
		process.SendSystemMessage(watcher, terminated(actor.NewPID(watchee.Address, watchee.Id), actor.TerminatedReason_AddressTerminated))
	}
}

// gone reports whether there is no actor of that name here.
func (l *Links) gone(id string) bool {
	_, ok := l.cfg.System.ProcessRegistry.GetLocal(id)
	return !ok
}

// foreign reports whether a sender lives on another node.
func (l *Links) foreign(sender *actor.PID) bool {
	return sender != nil && sender.Address != l.address && sender.Address != localAddress
}

// localAddress is what protoactor calls a system that has no address yet.
const localAddress = "nonhost"

// own returns the stamp if this node made it; a stamp that came from elsewhere
// is not passed on as ours.
func (l *Links) own(s messages.Stamp) messages.Stamp {
	if l.cfg.Clock == nil || s.IsZero() || s.Owner() != l.cfg.Clock.Self() {
		return messages.Stamp{}
	}
	return s
}

// undelivered tells the sender, if there is one here, and else the dead letters.
func (l *Links) undelivered(sender *actor.PID, u *Undelivered) {
	l.total.refusedOut.Add(1)
	if sender == nil {
		if more, ok := l.unheard.allow(l.cfg.Now()); ok {
			l.cfg.Log.Debug("message undelivered", "node", u.Target.Address, "target", u.Target.Id, "err", u.Reason, "more", more)
		}
		l.cfg.System.EventStream.Publish(&actor.DeadLetterEvent{PID: u.Target, Message: u.Message})
		return
	}
	process, _ := l.cfg.System.ProcessRegistry.GetLocal(sender.Id)
	_, isActor := process.(*actor.ActorProcess)
	l.inform(sender, isActor, u)
}

// inform sends what became of a message to the actor or future that sent it.
func (l *Links) inform(pid *actor.PID, isActor bool, u *Undelivered) {
	if isActor {
		l.cfg.System.Root.Send(pid, u)
		return
	}
	l.cfg.System.Root.Send(pid, u.refused())
}
