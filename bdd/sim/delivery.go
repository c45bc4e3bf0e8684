package sim

import (
	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/messages"
)

// deliver hands over what arrived at this end.
func (e *end) deliver(p *parcel) {
	w := e.link.net.w
	e.traced(p)
	w.script.arrived(e.other().node, e.node, p)
	if e.node.mailTo != nil {
		if p.kind == userKind {
			e.node.mailTo(p.target, e.other().node, messages.Unstamp(p.message))
		}
		return
	}
	switch p.kind {
	case userKind:
		e.deliverMessage(p)
	case watchKind:
		e.deliverWatch(p)
	case unwatchKind:
		remove(&e.watches.in, watch{p.sender, p.target})
		e.system(p.target, &actor.Unwatch{Watcher: actor.NewPID(e.other().node.ID, p.sender)})
	case terminatedKind:
		if x := (watch{p.target, p.sender}); remove(&e.watches.out, x) {
			e.tellWatcher(x, p.why)
		}
	case deadLetterKind:
		if process, ok := e.life.system.ProcessRegistry.GetLocal(p.target); ok {
			process.SendUserMessage(e.localPID(p), &actor.DeadLetterResponse{Target: actor.NewPID(e.other().node.ID, p.sender)})
		}
	}
	if w.settings.Honest && p.kind == userKind {
		w.plan(e.life, 0, func() { w.chronicle.unchanged(e.node, p) })
	}
}

// pidOf is the sender of a message, made anew: a PID remembers its process, and must not be shared by two systems.
func (e *end) pidOf(p *parcel) *actor.PID {
	if p.sender == "" {
		return nil
	}
	return &actor.PID{Address: e.other().node.ID, Id: p.sender, RequestId: p.senderRequest}
}

func (e *end) localPID(p *parcel) *actor.PID {
	return &actor.PID{Address: e.node.ID, Id: p.target, RequestId: p.targetRequest}
}

func (e *end) deliverMessage(p *parcel) {
	w := e.link.net.w
	process, ok := e.life.system.ProcessRegistry.GetLocal(p.target)
	if !ok {
		e.answerDead(p)
		return
	}
	w.chronicle.delivered(e.other().node, e.node, p)
	message := p.message
	if !isActor(process) { // a future takes the message alone
		message = messages.Unstamp(message)
	}
	if sender := e.pidOf(p); sender != nil {
		message = &actor.MessageEnvelope{Message: message, Sender: sender}
	}
	process.SendUserMessage(e.localPID(p), message)
}

// answerDead tells the sender that its message found nobody.
func (e *end) answerDead(p *parcel) {
	if p.sender == "" || e.session == 0 {
		return
	}
	_ = e.send(&parcel{kind: deadLetterKind, target: p.sender, targetRequest: p.senderRequest, sender: p.target})
}

func (e *end) deliverWatch(p *parcel) {
	x := watch{p.sender, p.target}
	if e.system(p.target, &actor.Watch{Watcher: actor.NewPID(e.other().node.ID, p.sender)}) {
		remove(&e.watches.in, x)
		e.watches.in = append(e.watches.in, x)
		return
	}
	if e.session != 0 {
		_ = e.send(&parcel{kind: terminatedKind, target: p.sender, sender: p.target, why: actor.TerminatedReason_NotFound})
	}
}

// traced brings a delivery into the hash of the world, and into the readable trace.
func (e *end) traced(p *parcel) {
	w := e.link.net.w
	m := messages.Unstamp(p.message)
	w.trace.add(uint64(w.now), uint64(e.other().node.index)<<32|uint64(e.node.index), uint64(p.kind), hashString(p.target), hashString(p.sender))
	if id, ok := m.(proto.Message); ok {
		number, _ := messages.TypeID(id)
		w.trace.add(uint64(number))
		if w.settings.Content {
			w.trace.add(sumOf(m))
		}
	}
	if w.trace.out != nil && !tedious(m) {
		w.tell(e.other().node.Name, "→ %s %s", e.node.Name, describe(p))
	}
}

// sumOf is a hash of what a message says.
func sumOf(m any) uint64 {
	pm, ok := messages.Unstamp(m).(proto.Message)
	if !ok {
		return 0
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(pm)
	if err != nil {
		return 0
	}
	return hashString(string(b))
}
