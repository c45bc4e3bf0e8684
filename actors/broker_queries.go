package actors

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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
	case *reprieveJob:
		b.reprieveJob(ctx, msg)
	case *forgetBroker:
		b.forget(ctx, msg)
	case *putData:
		b.putData(ctx, msg)
	case *showData:
		b.showData(ctx, msg)
	case *listData:
		b.listData(ctx, msg)
	case *declaration:
		b.declare(ctx, msg)
	case *clearance:
		b.clear(ctx, msg)
	case *listEmergencies:
		b.listEmergencies(ctx, msg)
	case *cordonNode:
		b.cordon(ctx, msg)
	case *whyJob:
		b.why(ctx, msg)
	case *messages.StatusRequest:
		ctx.Respond(b.status())
	case *messages.StoresRequest:
		b.listStores(ctx)
	case *sealSession:
		b.reply(ctx, &sessionContent{msg.client, b.replica.Vector(), b.hybrid()})
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
	b.read(ctx, func() any {
		j, refused := b.find(q.id)
		if refused != nil {
			return refused
		}
		return b.describe(j)
	})
}

// cancelJob writes the wish down, at whatever broker it is said: the one that acts for the job turns it into a verdict (JOB-8).
func (b *Broker) cancelJob(ctx actor.Context, q *cancelJob) {
	if b.stale(ctx, q.seen, q.id) {
		return
	}
	j, refused := b.find(q.id)
	if refused == nil && b.disk.full {
		refused = diskFull(j.ID)
	}
	if refused != nil {
		b.read(ctx, func() any { return refused })
		return
	}
	if b.acts(j) {
		b.apply(ctx, j.ID, job.CancelAsked{By: q.by, Acting: true, At: b.hybrid()})
	} else if next, news := j.AskCancel(q.by, b.hybrid()); news {
		b.commit(ctx, next)
	}
	j, _ = b.job(j.ID)
	b.reply(ctx, b.describe(j))
}

// reprieveJob ends a job's quarantine.
func (b *Broker) reprieveJob(ctx actor.Context, q *reprieveJob) {
	if b.stale(ctx, q.seen, q.id) {
		return
	}
	j, refused := b.find(q.id)
	if refused == nil && b.disk.full {
		refused = diskFull(j.ID)
	}
	switch {
	case refused != nil:
		b.read(ctx, func() any { return refused })
	case !b.acts(j):
		b.passOn(ctx, j)
	default:
		b.apply(ctx, j.ID, job.Reprieved{By: q.by, At: b.hybrid()})
		b.enqueue(j.ID)
		b.schedule(ctx)
		b.reply(ctx, b.describe(j))
	}
}

// find returns the job whose id is, or uniquely begins with, id.
func (b *Broker) find(id string) (job.Job, *messages.Refused) {
	each, get := b.readable()
	if j, ok := get(job.ID(id)); ok {
		return j, nil
	}
	var found []job.Job
	for j := range each {
		if strings.HasPrefix(string(j.ID), id) && len(found) < 2 {
			found = append(found, j)
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

// passOn has the broker that acts for a job reprieve it, in the name of the client.
func (b *Broker) passOn(ctx actor.Context, j job.Job) {
	owner, ok := b.actingFor(j)
	r, _ := b.census.Broker(owner.Journal)
	if !ok || owner.Journal == b.journal || b.peers[r.Node] == nil {
		b.reply(ctx, &messages.Refused{
			Code: messages.Refused_UNREACHABLE, Job: string(j.ID), RetryAfterMs: 1000, Reason: "no broker in reach acts for the job",
		})
		return
	}
	ctx.RequestWithCustomSender(pid(r.Node, messages.GatewayActor), &messages.ReprieveJob{Job: string(j.ID)}, ctx.Sender())
	b.reply(ctx, b.describe(j))
}

func (b *Broker) describe(j job.Job) *messages.JobChanged {
	c := changed(j, b.final(j))
	c.Names = b.names(j)
	if why := b.waitingFor(j); why != "" {
		c.Waiting = why
	}
	return c
}

// waitingFor says why a job does not move just now, as far as this broker knows better than its record (JOB-9).
func (b *Broker) waitingFor(j job.Job) string {
	v, _ := j.Decided()
	provisional, _ := j.Winner()
	owner, _ := j.Authority()
	switch {
	case v != nil && b.final(j):
		return ""
	case v != nil && j.Doubtful():
		return "jobs of its time are forgotten, and it may have been one with another end: this one stays provisional"
	case v != nil:
		return "its end is not on a second disk yet"
	case provisional != nil && owner.Journal != b.journal:
		return b.awaits(owner) + " makes its end final"
	case b.owners.resumed[j.ID]:
		return "this broker has just started: executors may still run it"
	case b.queue.Has(string(j.ID)) && b.active[j.ID] == nil:
		return b.queuedFor(j)
	case j.State() == job.StateQueued:
		return b.actorWaits(j)
	}
	return b.behindCut(j)
}

// actorWaits says what whoever acts for a job waits for. That need not be the authority, whose word is what a record says first.
func (b *Broker) actorWaits(j job.Job) string {
	owner, ok := b.actingFor(j)
	if !ok {
		owner = j.Owners()[0]
	}
	switch t, _ := j.Tenure(owner); {
	case ok && b.heldUp(j.Spec) != "" && j.Wanted(owner) > 0:
		return b.heldUp(j.Spec)
	case ok && t.Waiting != "":
		return t.Waiting
	case b.acts(j):
		return ""
	}
	return b.awaits(owner) + " acts for it"
}

// awaits names the broker that something waits for, or whose fences if it is given up.
func (b *Broker) awaits(o job.Ownership) string {
	if b.census.Forgotten(o.Journal) {
		if missing := b.census.Unfenced(o.Journal); len(missing) > 0 {
			return "waits for the fence of broker " + b.nameOf(missing[0]) + "; then an heir of broker " + b.nameOf(o.Journal)
		}
		return "waits until an heir of broker " + b.nameOf(o.Journal)
	}
	return "waits until broker " + b.nameOf(o.Journal)
}

// nameOf returns what people call the broker of a journal.
func (b *Broker) nameOf(journal string) string {
	r, ok := b.census.Broker(journal)
	if n, known := b.node(r.Node); ok && known {
		return n.Name
	}
	return journal
}

func (b *Broker) queuedFor(j job.Job) string {
	if why := b.heldUp(j.Spec); why != "" {
		return why
	}
	if d := b.demandOf(j); b.crew.choose(&d) == nil {
		return b.crew.pool.Refusal(&d).Error()
	}
	return "other jobs are before it"
}

func (b *Broker) names(j job.Job) map[string]string {
	names := map[string]string{}
	for _, t := range j.Tenures {
		b.nameNode(names, t.Node)
		for _, a := range t.Attempts {
			b.nameNode(names, a.Executor)
		}
	}
	return names
}

func (b *Broker) nameNode(into map[string]string, id string) {
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
	b.read(ctx, func() any { return b.jobsPage(q) })
}

func (b *Broker) jobsPage(q *listJobs) *messages.JobsResponse {
	each, _ := b.readable()
	var jobs []job.Job
	for j := range each {
		if string(j.ID) > q.after && (q.state == "" || string(j.State()) == q.state) && (q.receiver == "" || j.Spec.Receiver == q.receiver) {
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
	return res
}

func (b *Broker) listNodes(ctx actor.Context, q *listNodes) {
	if b.stale(ctx, q.seen, "") {
		return
	}
	res := &messages.NodesResponse{}
	for rec := range b.replica.All(ledger.Node) {
		n := b.asWished(b.asSeen(rec.State.(nodeState).Node))
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
	b.read(ctx, func() any { return res }) // who is there is no promise
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
	s.EmergencyLevel, s.Emergencies = uint32(b.emergencies.level), uint32(len(b.emergencies.board.Active())) //nolint:gosec // at most a few hundred
	for rec := range b.replica.All(ledger.Node) {
		n := b.asSeen(rec.State.(nodeState).Node)
		if n.State != roster.Up {
			continue
		}
		if slices.Contains(n.Roles, messages.Broker) {
			s.Brokers++
		}
		if slices.Contains(n.Roles, messages.Executor) {
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
func changed(j job.Job, final bool) *messages.JobChanged {
	return &messages.JobChanged{Record: j.Append(nil), Waiting: j.Current().Waiting, Final: final, Urgent: j.Spec.Emergency != ""}
}
