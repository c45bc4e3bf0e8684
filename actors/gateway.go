package actors

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// GatewaySettings are a gateway's bounds.
type GatewaySettings struct {
	MaxMailbox int // requests that may wait
	MaxSpec    int // bytes of a job's spec
	MaxJobs    int // jobs in one answer to a list
	Sealer     Sealer
	Declare    string // the role that its certificate gives whoever may declare an emergency, or clear one; empty: everybody may
}

// Gateway speaks for clients: it checks what they ask, passes it on to the broker in its own words, tells them of the jobs they watch, and
// carries the streams of jobs whose client stays. The node supervises it; after a restart clients watch again by themselves. Its mailbox is
// bounded, and says so.
type Gateway struct {
	*Node
	GatewaySettings
	log      *slog.Logger
	broker   *actor.PID
	watchers map[job.ID][]*actor.PID
	readers  map[job.Name]*actor.PID     // attempts whose program waits for input
	peers    map[string]*messages.PeerUp // who there is a link to, by address
}

// NewGateway returns the props of a broker's gateway.
func NewGateway(n *Node, s GatewaySettings, system *actor.ActorSystem) *actor.Props {
	root := RootContext(system, n.Clock)
	return n.props(func() actor.Actor {
		return &Gateway{
			Node: n, GatewaySettings: s, log: n.Log.With("actor", messages.GatewayActor),
			broker: pid(n.ID, messages.BrokerActor), watchers: map[job.ID][]*actor.PID{}, readers: map[job.Name]*actor.PID{},
			peers: map[string]*messages.PeerUp{},
		}
	}, bounded(s.MaxMailbox, func(sender *actor.PID, message any) {
		if sender != nil {
			root.Send(sender, busy(jobOf(message)))
		}
	}))
}

// Receive checks and passes on.
func (g *Gateway) Receive(ctx actor.Context) {
	if anonymous(ctx) {
		g.log.Warn("message without a sender dropped", "type", typeName(ctx.Message()))
		return
	}
	switch msg := ctx.Message().(type) {
	case *messages.SubmitJob:
		g.submit(ctx, msg)
	case *messages.JobRequest:
		g.show(ctx, msg)
	case *messages.CancelJob:
		g.cancel(ctx, msg)
	case *messages.JobsRequest:
		g.list(ctx, msg)
	case *messages.NodesRequest:
		if seen, ok := g.session(ctx, msg.GetSession(), ""); ok {
			g.pass(ctx, &listNodes{seen})
		}
	case *messages.PutData:
		g.putData(ctx, msg)
	case *messages.RemoveData:
		g.removeData(ctx, msg)
	case *messages.DataRequest:
		g.showData(ctx, msg)
	case *messages.DataList:
		g.listData(ctx, msg)
	case *messages.StatusRequest, *messages.StoresRequest:
		g.pass(ctx, msg)
	case *messages.SealSession:
		g.seal(ctx)
	case *sessionContent:
		g.sealed(ctx, msg)
	case *messages.ReprieveJob:
		if seen, ok := g.session(ctx, msg.GetSession(), msg.GetJob()); ok {
			g.pass(ctx, &reprieveJob{msg.GetJob(), messages.NodeOf(ctx.Sender().Address), seen})
		}
	case *messages.ForgetBroker:
		g.pass(ctx, &forgetBroker{msg.GetBroker(), msg.GetReason(), messages.NodeOf(ctx.Sender().Address)})
	case *messages.DeclareEmergency:
		g.declare(ctx, msg)
	case *messages.ClearEmergency:
		g.clear(ctx, msg)
	case *afterPeer:
		g.afterPeer(ctx, msg)
	case *messages.EmergenciesRequest:
		if seen, ok := g.session(ctx, msg.GetSession(), ""); ok {
			g.pass(ctx, &listEmergencies{seen})
		}
	case *messages.CordonNode:
		g.cordon(ctx, msg)
	case *messages.WhyRequest:
		if seen, ok := g.session(ctx, msg.GetSession(), msg.GetJob()); ok {
			g.pass(ctx, &whyJob{msg.GetJob(), seen})
		}
	case *moved:
		g.moved(ctx, msg)
	case *messages.PeerUp:
		g.peers[msg.Node] = msg
	case *messages.PeerDown:
		delete(g.peers, msg.Node)
		g.forget(msg.Node)
	case *messages.ReadStdin:
		g.readStdin(ctx, msg)
	case *messages.StdinChunk:
		g.stdin(ctx, msg)
	case *messages.OutputChunk:
		g.output(ctx, msg)
	case returned: // a client that is gone asks again
		logReturned(g.log, msg)
	case actor.SystemMessage, actor.AutoReceiveMessage:
	default:
		g.log.Warn("unexpected message", "type", typeName(msg))
	}
}

// pass asks the broker in the name of the client: the broker answers it directly.
func (g *Gateway) pass(ctx actor.Context, question any) {
	ctx.RequestWithCustomSender(g.broker, question, ctx.Sender())
}

func (g *Gateway) submit(ctx actor.Context, msg *messages.SubmitJob) {
	seen, ok := g.session(ctx, msg.GetSession(), msg.GetJob())
	if !ok {
		return
	}
	spec, err := g.spec(msg, messages.NodeOf(ctx.Sender().Address))
	if err != nil {
		g.refuse(ctx, err.Error(), msg.GetJob())
		return
	}
	id := job.ID(msg.GetJob())
	if msg.GetWatch() && !g.watch(ctx, id) {
		return
	}
	g.pass(ctx, &submission{id, spec, seen})
}

func (g *Gateway) spec(msg *messages.SubmitJob, submitter string) (*job.Spec, error) {
	if len(msg.GetSpec()) > g.MaxSpec {
		return nil, fmt.Errorf("the job's description has %d bytes, %d are allowed; put large files into blobs", len(msg.GetSpec()), g.MaxSpec)
	}
	if err := job.ID(msg.GetJob()).Valid(); err != nil {
		return nil, err
	}
	spec, err := job.DecodeSpec(msg.GetSpec())
	if err != nil {
		return nil, fmt.Errorf("the job's description cannot be read: %w", err)
	}
	spec.Submitter = submitter // names in messages are never trusted
	return spec, spec.Valid()
}

func (g *Gateway) show(ctx actor.Context, msg *messages.JobRequest) {
	seen, ok := g.session(ctx, msg.GetSession(), msg.GetJob())
	if !ok {
		return
	}
	if msg.GetWatch() && !g.watch(ctx, job.ID(msg.GetJob())) {
		return
	}
	g.pass(ctx, &showJob{msg.GetJob(), seen})
}

func (g *Gateway) cancel(ctx actor.Context, msg *messages.CancelJob) {
	if seen, ok := g.session(ctx, msg.GetSession(), msg.GetJob()); ok {
		g.pass(ctx, &cancelJob{msg.GetJob(), messages.NodeOf(ctx.Sender().Address), seen})
	}
}

func (g *Gateway) cordon(ctx actor.Context, msg *messages.CordonNode) {
	seen, ok := g.session(ctx, msg.GetSession(), "")
	if !ok {
		return
	}
	wish, ok := wishes[msg.GetWish()]
	if !ok || msg.GetPatienceMs() > maxPatience {
		ctx.Respond(&messages.Refused{Code: messages.Refused_INVALID, Reason: "a node is cordoned, drained within at most a year, or uncordoned"})
		return
	}
	patience := time.Duration(msg.GetPatienceMs()) * time.Millisecond
	g.pass(ctx, &cordonNode{msg.GetNode(), messages.NodeOf(ctx.Sender().Address), wish, patience, seen})
}

// wishes are what people may want of a node.
var wishes = map[messages.CordonNode_Wish]cordonWish{
	messages.CordonNode_UNCORDON: cordonWish(roster.Open), messages.CordonNode_CORDON: cordonWish(roster.Cordoned), messages.CordonNode_DRAIN: cordonWish(roster.Drain),
}

// maxPatience is a year, in milliseconds.
const maxPatience = 365 * 24 * 3600 * 1000

func (g *Gateway) list(ctx actor.Context, msg *messages.JobsRequest) {
	if seen, ok := g.session(ctx, msg.GetSession(), ""); ok {
		limit := min(int(msg.GetLimit()), g.MaxJobs)
		if limit == 0 {
			limit = g.MaxJobs
		}
		g.pass(ctx, &listJobs{msg.GetState(), msg.GetReceiver(), msg.GetAfter(), limit, seen})
	}
}

// session returns what the client has seen. The hybrid time is merged only under a broker's seal: anybody can write a time.
func (g *Gateway) session(ctx actor.Context, b []byte, id string) (ledger.Vector, bool) {
	s, err := readSession(b)
	if err != nil {
		g.refuse(ctx, err.Error(), id)
		return ledger.Vector{}, false
	}
	if len(s.seal) > 0 {
		if err := g.Sealer.Verify(s.content(), s.seal); err != nil {
			g.refuse(ctx, fmt.Sprintf("the session's seal does not hold: %v", err), id)
			return ledger.Vector{}, false
		}
		g.Clock.Witness(s.at)
	}
	return s.vector, true
}

// seal asks the broker what it knows, and sealed answers with that under this broker's seal.
func (g *Gateway) seal(ctx actor.Context) { ctx.Request(g.broker, &sealSession{ctx.Sender()}) }

func (g *Gateway) sealed(ctx actor.Context, c *sessionContent) {
	s := session{vector: c.vector, at: c.at}
	var err error
	if s.seal, err = g.Sealer.Seal(s.content()); err != nil {
		ctx.Send(c.client, &messages.Refused{Code: messages.Refused_INVALID, Reason: fmt.Sprintf("the session cannot be sealed: %v", err)})
		return
	}
	ctx.Send(c.client, &messages.SessionSealed{Session: s.append()})
}

// refuse says why a question makes no sense.
func (g *Gateway) refuse(ctx actor.Context, reason, id string) {
	ctx.Respond(&messages.Refused{Code: messages.Refused_INVALID, Reason: reason, Job: id})
}

// moved tells those who watch a job, until it is over for good and they know it.
func (g *Gateway) moved(ctx actor.Context, msg *moved) {
	watchers, ok := g.watchers[msg.job.ID]
	if !ok {
		return
	}
	for _, w := range watchers {
		c := changed(msg.job, msg.final)
		c.Superseded = msg.superseded
		ctx.Send(w, c)
	}
	if msg.final && !msg.owed {
		delete(g.watchers, msg.job.ID)
		maps.DeleteFunc(g.readers, func(n job.Name, _ *actor.PID) bool { return n.Job == msg.job.ID })
	}
}

// maxWatched bounds the jobs that clients watch, and maxWatchers those who watch one.
const (
	maxWatched  = 1 << 20
	maxWatchers = 64
)

// watch has the sender told of a job from now on, or refuses.
func (g *Gateway) watch(ctx actor.Context, id job.ID) bool {
	ws, who := g.watchers[id], ctx.Sender()
	switch {
	case slices.ContainsFunc(ws, who.Equal):
	case len(ws) >= maxWatchers || len(g.watchers) >= maxWatched:
		ctx.Respond(busy(string(id)))
		return false
	default:
		g.watchers[id] = append(ws, who)
	}
	return true
}

// forget drops what a node that left was watching.
func (g *Gateway) forget(node string) {
	for id, ws := range g.watchers {
		ws = slices.DeleteFunc(ws, func(w *actor.PID) bool { return w.Address == node })
		if len(ws) == 0 {
			delete(g.watchers, id)
		} else {
			g.watchers[id] = ws
		}
	}
}

// jobOf names the job that a refused request was about.
func jobOf(message any) string {
	switch m := message.(type) {
	case interface{ GetJob() string }:
		return m.GetJob()
	case interface{ GetId() string }:
		return m.GetId()
	}
	return ""
}
