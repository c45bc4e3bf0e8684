package link

import (
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/messages"
)

// deliver hands a record on. Errors end the session.
func (s *session) deliver(rec *record) error {
	switch rec.kind {
	case kindUser:
		return s.deliverMessage(rec)
	case kindWatch:
		s.deliverWatch(rec)
	case kindUnwatch:
		s.deliverUnwatch(rec)
	case kindTerminated:
		s.deliverTerminated(rec)
	case kindDeadLetter:
		s.deliverDeadLetter(rec)
	case kindRefused:
		s.deliverRefused(rec)
	case kindAcks:
		return s.out.confirmed(rec.acks)
	}
	return nil
}

// deliverMessage gives an actor or future what the peer sent it, if the policy
// has nothing against it.
func (s *session) deliverMessage(rec *record) error {
	if err := s.allowed(rec.target, rec.typeID); err != nil {
		s.refuse(rec, err)
		return nil
	}
	msg, ok := s.links.cfg.Codec.NewMessage(rec.typeID)
	if !ok {
		s.refuse(rec, fmt.Errorf("message type %d is unknown here: %w", rec.typeID, messages.ErrNotAllowed))
		return nil
	}
	if err := proto.Unmarshal(rec.body, msg); err != nil {
		return fmt.Errorf("%w: message type %d: %w", errMalformed, rec.typeID, err)
	}
	pid, isActor := s.local(rec.target, rec.targetRequest)
	s.links.cfg.System.Root.Send(pid, s.envelop(rec, msg, isActor))
	return nil
}

// envelop gives actors the stamp with the message, for their middleware; futures
// and the actors of clients get the message alone.
func (s *session) envelop(rec *record, msg proto.Message, isActor bool) any {
	var content any = msg
	if isActor && s.links.cfg.Clock != nil {
		content = &messages.Stamped{Stamp: rec.stamp, Message: msg}
	}
	if rec.sender == nil {
		return content
	}
	return &actor.MessageEnvelope{Message: content, Sender: rec.sender.remotePID(s.address, rec.senderRequest)}
}

// allowed asks the policy, once for each target and type in a row.
func (s *session) allowed(target *name, typeID uint32) error {
	if target.allowed == typeID+1 {
		return nil
	}
	if isReserved(target.id) {
		return fmt.Errorf("%q takes no messages: %w", target.id, messages.ErrNotAllowed)
	}
	if err := s.links.cfg.Allow(s.peer, target.id, typeID); err != nil {
		return err
	}
	target.allowed = typeID + 1
	return nil
}

// local returns the PID of a name here, and whether it is an actor's. The PID
// finds its process again when that was replaced by another of the same name.
func (s *session) local(n *name, request uint32) (pid *actor.PID, isActor bool) {
	if n.local != nil && request == 0 {
		return n.local, true
	}
	pid = &actor.PID{Address: s.links.address, Id: n.id, RequestId: request}
	process, ok := s.links.cfg.System.ProcessRegistry.GetLocal(n.id)
	_, isActor = process.(*actor.ActorProcess)
	if ok && isActor && request == 0 {
		n.local = pid
	}
	return pid, isActor
}

// refuse tells the peer's sender why its message was not taken.
func (s *session) refuse(rec *record, why error) {
	s.links.total.refusedIn.Add(1)
	if n, ok := s.refused.allow(s.links.cfg.Now()); ok {
		s.links.cfg.Log.Warn("message of a peer refused", "peer", s.peer.Name, "node", s.address, "target", rec.target.id, "err", why, "more", n)
	}
	if rec.sender == nil {
		return
	}
	it := &item{
		kind: kindRefused, why: byte(messages.Refused_INVALID), text: clip(why.Error()),
		target: rec.sender.id, targetRequest: rec.senderRequest, sender: rec.target.id,
	}
	if _, err := s.out.put(Normal, it, messages.Stamp{}); err != nil {
		s.links.total.refusedOut.Add(1)
	}
}

// deliverWatch lets an actor over there watch one here. There is an answer in
// any case: Terminated, now or later.
func (s *session) deliverWatch(rec *record) {
	process, ok := s.links.cfg.System.ProcessRegistry.GetLocal(rec.target.id)
	if !ok || isReserved(rec.target.id) {
		s.sendTerminated(rec.sender.id, rec.target.id, actor.TerminatedReason_NotFound)
		return
	}
	if !s.watches.admit(watch{watcher: rec.sender.id, watchee: rec.target.id}) {
		s.close(fmt.Errorf("%w: more than %d watches", errMalformed, maxInbound))
		return
	}
	process.SendSystemMessage(actor.NewPID(s.links.address, rec.target.id), &actor.Watch{Watcher: actor.NewPID(s.address, rec.sender.id)})
}

func (s *session) deliverUnwatch(rec *record) {
	s.watches.release(watch{watcher: rec.sender.id, watchee: rec.target.id})
	s.unwatch(rec.sender.id, rec.target.id)
}

func (s *session) unwatch(watcher, watchee string) {
	if process, ok := s.links.cfg.System.ProcessRegistry.GetLocal(watchee); ok && !isReserved(watchee) {
		process.SendSystemMessage(actor.NewPID(s.links.address, watchee), &actor.Unwatch{Watcher: actor.NewPID(s.address, watcher)})
	}
}

// deliverTerminated tells a watcher here, if it does watch.
func (s *session) deliverTerminated(rec *record) {
	x := watch{watcher: rec.target.id, watchee: rec.sender.id}
	if s.watches.end(x) {
		s.tellWatcher(x, actor.TerminatedReason(rec.why))
	}
}

func (s *session) tellWatcher(x watch, why actor.TerminatedReason) {
	if process, ok := s.links.cfg.System.ProcessRegistry.GetLocal(x.watcher); ok {
		process.SendSystemMessage(actor.NewPID(s.links.address, x.watcher), terminated(actor.NewPID(s.address, x.watchee), why))
	}
}

// sendTerminated tells a watcher over there.
func (s *session) sendTerminated(watcher, watchee string, why actor.TerminatedReason) {
	s.putSystem(&item{kind: kindTerminated, why: byte(why), target: watcher, sender: watchee}) //nolint:gosec // a small enum
}

// putSystem queues a system record. If even its reserve is full the session
// ends, and with it every watch, so that nobody waits for news that was lost.
func (s *session) putSystem(it *item) {
	if fatal, err := s.out.put(Normal, it, messages.Stamp{}); fatal {
		s.close(fmt.Errorf("%w: %w", errOverflow, err))
	}
}

// endWatches tells every watcher here that the node is gone, and takes the
// peer's watchers out of the actors here.
func (s *session) endWatches() {
	out, in := s.watches.close()
	for x := range out {
		s.tellWatcher(x, actor.TerminatedReason_AddressTerminated)
	}
	for x := range in {
		s.unwatch(x.watcher, x.watchee)
	}
}

// deliverDeadLetter tells an actor or future here that its message found nobody.
func (s *session) deliverDeadLetter(rec *record) {
	response := &actor.DeadLetterResponse{}
	if rec.sender != nil {
		response.Target = rec.sender.remotePID(s.address, rec.senderRequest)
	}
	s.answer(rec, response)
}

// deliverRefused tells an actor or future here that the peer would not take its
// message.
func (s *session) deliverRefused(rec *record) {
	if isReserved(rec.target.id) {
		return
	}
	u := &Undelivered{Reason: errors.New(string(rec.body))}
	if rec.sender != nil {
		u.Target = rec.sender.remotePID(s.address, rec.senderRequest)
	}
	pid, isActor := s.local(rec.target, rec.targetRequest)
	s.links.inform(pid, isActor, u)
}

// answer gives a message of the link's own to an actor or future here.
func (s *session) answer(rec *record, msg any) {
	if process, ok := s.links.cfg.System.ProcessRegistry.GetLocal(rec.target.id); ok && !isReserved(rec.target.id) {
		process.SendUserMessage(&actor.PID{Address: s.links.address, Id: rec.target.id, RequestId: rec.targetRequest}, msg)
	}
}

// returnToSender tells about an item that the session could not get rid of.
func (s *session) returnToSender(it *leftover) {
	if it.kind != kindUser {
		return // watches are told as such; the rest is about messages that came from over there
	}
	target := &actor.PID{Address: s.address, Id: it.target, RequestId: it.targetRequest}
	var sender *actor.PID
	if it.sender != "" {
		sender = &actor.PID{Address: s.links.address, Id: it.sender, RequestId: it.senderRequest}
	}
	reason := fmt.Errorf("node %s: %w: %w", s.peer, ErrNotConnected, s.reason)
	s.links.undelivered(sender, &Undelivered{Target: target, Message: it.message, Reason: reason, Uncertain: it.sent})
}
