package actors

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// answer handles the questions that the gateway passes on, checked, in the name of a client.
func (b *Broker) answer(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *showJob:
		b.showJob(ctx, msg)
	case *cancelJob:
		b.cancelJob(ctx, msg)
	case *listJobs:
		b.listJobs(ctx, msg)
	case *listNodes:
		b.listNodes(ctx, msg)
	case *messages.StatusRequest:
		ctx.Respond(b.status())
	case *sealSession:
		ctx.Respond(&sessionContent{b.replica.Vector(), b.hybrid()})
	case returned: // what must arrive is sent again by whoever needs it
		logReturned(b.log, msg)
	case actor.SystemMessage, actor.AutoReceiveMessage:
	default:
		b.log.Warn("unexpected message", "type", typeName(msg))
	}
}

func (b *Broker) showJob(ctx actor.Context, q *showJob) {
	if b.stale(ctx, q.seen, q.id) {
		return
	}
	j, refused := b.find(q.id)
	if refused != nil {
		ctx.Respond(refused)
		return
	}
	ctx.Respond(b.describe(j))
}

func (b *Broker) cancelJob(ctx actor.Context, q *cancelJob) {
	if b.stale(ctx, q.seen, q.id) {
		return
	}
	j, refused := b.find(q.id)
	switch {
	case refused != nil:
		ctx.Respond(refused)
	case !b.owns(j):
		b.passCancel(ctx, j)
	default:
		b.apply(ctx, j.ID, job.CancelAsked{By: q.by, At: b.hybrid()})
		ctx.Respond(b.describe(j))
	}
}

// passCancel has the job's owner decide, and brings its answer.
func (b *Broker) passCancel(ctx actor.Context, j job.Job) {
	client, owner := ctx.Sender(), j.Current().Node
	question := ctx.RequestFuture(pid(owner, messages.GatewayActor), &messages.CancelJob{Job: string(j.ID)}, askPatience)
	ctx.ReenterAfter(question, func(res any, err error) {
		if answer, ok := messages.Unstamp(res).(*messages.JobChanged); ok && err == nil {
			ctx.Send(client, answer)
			return
		}
		ctx.Send(client, &messages.Refused{
			Code: messages.Refused_UNREACHABLE, Job: string(j.ID), RetryAfterMs: 1000,
			Reason: fmt.Sprintf("broker %s, which owns the job, does not answer just now", owner),
		})
	})
}

// askPatience is how long a broker waits for another one in a client's name.
const askPatience = 3 * time.Second

// owns says whether this broker is the one whose verdict counts.
func (b *Broker) owns(j job.Job) bool { return j.Current().Owner.Journal == b.owner.Journal }

// find returns the job whose id is, or uniquely begins with, id.
func (b *Broker) find(id string) (job.Job, *messages.Refused) {
	if j, ok := b.job(job.ID(id)); ok {
		return j, nil
	}
	var found []job.Job
	for rec := range b.replica.All(ledger.Job) {
		if strings.HasPrefix(rec.Key.ID, id) && len(found) < 2 {
			found = append(found, rec.State.(jobState).Job)
		}
	}
	switch {
	case len(found) == 0 || len(id) < minPrefix:
		return job.Job{}, &messages.Refused{Code: messages.Refused_NOT_FOUND, Job: id, Reason: fmt.Sprintf("no job %q is known here", id)}
	case len(found) > 1:
		return job.Job{}, &messages.Refused{Code: messages.Refused_INVALID, Job: id, Reason: fmt.Sprintf("more than one job begins with %q", id)}
	}
	return found[0], nil
}

// minPrefix keeps an empty id from meaning any job.
const minPrefix = 4

func (b *Broker) describe(j job.Job) *messages.JobChanged {
	c := changed(j)
	c.Names = b.names(j)
	if b.owns(j) && j.State() == job.StateQueued && b.active[j.ID] == nil && b.queue.Has(string(j.ID)) {
		c.Waiting = b.waitingFor(j)
	}
	return c
}

// waitingFor says why a queued job does not run just now (JOB-9).
func (b *Broker) waitingFor(j job.Job) string {
	if _, err := b.crew.choose(demandOf(j)); err != nil {
		return err.Error()
	}
	return "other jobs are before it"
}

func (b *Broker) names(j job.Job) map[string]string {
	names := map[string]string{}
	for _, t := range j.Tenures {
		b.name(names, t.Node)
		for _, a := range t.Attempts {
			b.name(names, a.Executor)
		}
	}
	return names
}

func (b *Broker) name(into map[string]string, id string) {
	if n, ok := b.node(id); ok {
		into[id] = n.Name
	}
}

func (b *Broker) node(id string) (roster.Node, bool) {
	rec, ok := b.replica.Get(nodeKey(id))
	if !ok {
		return roster.Node{}, false
	}
	return rec.State.(nodeState).Node, true
}

// listJobs answers with jobs in the order of their ids, which is the order of their making.
func (b *Broker) listJobs(ctx actor.Context, q *listJobs) {
	if b.stale(ctx, q.seen, "") {
		return
	}
	var jobs []job.Job
	for rec := range b.replica.All(ledger.Job) {
		j := rec.State.(jobState).Job
		if string(j.ID) > q.after && (q.state == "" || string(j.State()) == q.state) {
			jobs = append(jobs, j)
		}
	}
	slices.SortFunc(jobs, func(a, b job.Job) int { return cmp.Compare(a.ID, b.ID) })
	res := &messages.JobsResponse{}
	if len(jobs) > q.limit {
		jobs = jobs[:q.limit]
		res.Next = string(jobs[q.limit-1].ID)
	}
	for _, j := range jobs {
		res.Jobs = append(res.Jobs, b.describe(j))
	}
	ctx.Respond(res)
}

func (b *Broker) listNodes(ctx actor.Context, q *listNodes) {
	if b.stale(ctx, q.seen, "") {
		return
	}
	res := &messages.NodesResponse{}
	for rec := range b.replica.All(ledger.Node) {
		n := b.asSeen(rec.State.(nodeState).Node)
		info := &messages.NodeInfo{
			Id: n.ID, Name: n.Name, Roles: n.Roles, Home: n.Home, State: string(n.State), Slots: n.Slots, Labels: n.Labels,
			Address: n.Address, Lease: n.Lease, SeenMs: uint64(max(0, n.At.Wall)), Reason: n.Reason,
		}
		if m, ok := b.crew.members[n.ID]; ok {
			info.Used = narrow(min(m.used(), m.Slots))
		}
		res.Nodes = append(res.Nodes, info)
	}
	slices.SortFunc(res.Nodes, func(a, b *messages.NodeInfo) int {
		return cmp.Or(cmp.Compare(a.GetName(), b.GetName()), cmp.Compare(a.GetId(), b.GetId()))
	})
	ctx.Respond(res)
}

// asSeen marks a node that is up by a record whose writer this broker has no link to: it may be out of date.
func (b *Broker) asSeen(n roster.Node) roster.Node {
	if _, linked := b.peers[n.Home]; n.State == roster.Up && n.Home != b.ID && !linked {
		n.State, n.Reason = roster.Unseen, "the broker asked has no link to its home"
	}
	return n
}

func (b *Broker) status() *messages.StatusResponse {
	s := &messages.StatusResponse{
		Node: b.ID, Name: b.Name, Network: b.Network, Version: b.Version,
		Queued: uint64(b.queue.Len()), Finished: b.counts.finished, Accepted: b.counts.accepted, Rejected: b.counts.rejected,
		Redeployed: b.counts.redeployed, Records: uint64(b.replica.Len()),
		UptimeMs: uint64(b.Now().Sub(b.started).Milliseconds()), Clock: b.Clock.Now().String(),
	}
	for rec := range b.replica.All(ledger.Node) {
		n := b.asSeen(rec.State.(nodeState).Node)
		switch {
		case n.State != roster.Up:
		case slices.Contains(n.Roles, messages.Broker):
			s.Brokers++
		case slices.Contains(n.Roles, messages.Executor):
			s.Executors++
			s.Slots += n.Slots
		}
	}
	for _, m := range b.crew.members {
		s.Used += narrow(min(m.used(), m.Slots))
		s.Running += uint64(len(m.live))
	}
	return s
}

// changed returns what a client is told of a job.
func changed(j job.Job) *messages.JobChanged {
	return &messages.JobChanged{Record: j.Append(nil), Waiting: j.Current().Waiting}
}
