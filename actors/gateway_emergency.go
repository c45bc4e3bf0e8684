package actors

import (
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// Whoever may declare an emergency may clear any: it is the network's, not theirs.

// afterPeer is a question that overtook the news of who asks it.
type afterPeer struct{ question proto.Message }

// asker returns who sent the message under way, with the roles of its certificate. If that is not known yet the question is put off until it is:
// what is urgent may overtake the news that its sender came.
func (g *Gateway) asker(ctx actor.Context, question proto.Message) (peer *messages.PeerUp, ok bool) {
	if peer = g.peers[ctx.Sender().Address]; peer == nil {
		ctx.RequestWithCustomSender(ctx.Self(), &afterPeer{question}, ctx.Sender())
	}
	return peer, peer != nil
}

// afterPeer answers a question that was put off. Whoever is not here by now is gone, and asks again when it is back.
func (g *Gateway) afterPeer(ctx actor.Context, msg *afterPeer) {
	if g.peers[ctx.Sender().Address] == nil {
		g.log.Debug("question of a node that is gone", "node", ctx.Sender().Address, "type", typeName(msg.question))
		return
	}
	switch q := msg.question.(type) {
	case *messages.DeclareEmergency:
		g.declare(ctx, q)
	case *messages.ClearEmergency:
		g.clear(ctx, q)
	}
}

func (g *Gateway) declare(ctx actor.Context, msg *messages.DeclareEmergency) {
	peer, ok := g.asker(ctx, msg)
	if !ok || !g.mayDeclare(ctx, peer, msg.GetId()) {
		return
	}
	seen, ok := g.session(ctx, msg.GetSession(), msg.GetId())
	if !ok {
		return
	}
	e := emergency.Emergency{
		ID: msg.GetId(), Type: msg.GetType(), Level: emergency.Level(min(msg.GetLevel(), 255)), Area: msg.GetArea(), Reason: msg.GetReason(),
		By: messages.NodeOf(ctx.Sender().Address), ByName: peer.Name, TTL: time.Duration(min(msg.GetTtlMs(), maxTTLMillis)) * time.Millisecond,
	}
	if err := job.ID(e.ID).Valid(); err != nil {
		g.refuse(ctx, err.Error(), e.ID)
		return
	}
	if err := e.Valid(); err != nil {
		g.refuse(ctx, err.Error(), e.ID)
		return
	}
	g.pass(ctx, &declaration{e, seen})
}

// maxTTLMillis keeps a time to live from overflowing; what is allowed is less.
const maxTTLMillis = 1 << 40

func (g *Gateway) clear(ctx actor.Context, msg *messages.ClearEmergency) {
	peer, ok := g.asker(ctx, msg)
	if !ok || !g.mayDeclare(ctx, peer, msg.GetId()) {
		return
	}
	seen, ok := g.session(ctx, msg.GetSession(), msg.GetId())
	if !ok {
		return
	}
	if err := emergency.ValidReason(msg.GetReason()); err != nil {
		g.refuse(ctx, err.Error(), msg.GetId())
		return
	}
	over := emergency.Over{By: messages.NodeOf(ctx.Sender().Address), ByName: peer.Name, Reason: msg.GetReason()}
	g.pass(ctx, &clearance{msg.GetId(), over, seen})
}

// mayDeclare says whether a node may declare emergencies and clear them, and tells it who may if not.
func (g *Gateway) mayDeclare(ctx actor.Context, peer *messages.PeerUp, id string) bool {
	if g.Declare == "" || slices.Contains(peer.Roles, g.Declare) {
		return true
	}
	g.log.Warn("emergency refused", "node", peer.Node, "name", peer.Name, "needs", g.Declare)
	g.refuse(ctx, fmt.Sprintf(
		"%s may not: at this broker, emergencies are declared and cleared by those whose certificate has the role %s", peer.Name, g.Declare), id)
	return false
}
