package actors

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// why says what a job waits for, and what every executor known here lacks for it (JOB-9, PLACE-1).
func (b *Broker) why(ctx actor.Context, q *whyJob) {
	if b.stale(ctx, q.seen, q.id) {
		return
	}
	b.read(ctx, func() any {
		j, refused := b.find(q.id)
		if refused != nil {
			return refused
		}
		return &messages.WhyResponse{Job: string(j.ID), Waiting: b.describe(j).GetWaiting(), Executors: b.views(j)}
	})
}

// views tells of all executors, those that are home here with all that they lack.
func (b *Broker) views(j job.Job) []*messages.WhyResponse_Verdict {
	d := b.demandOf(j)
	var all []*messages.WhyResponse_Verdict
	for _, v := range b.crew.pool.Look(&d) {
		e := v.Executor
		all = append(all, &messages.WhyResponse_Verdict{
			Node: e.ID, Name: e.Name, Home: b.ID, Lacks: v.Lacks, Used: narrow(min(e.Used, e.Slots)), Slots: narrow(e.Slots), Chosen: v.Chosen,
		})
	}
	for _, rec := range sortedRecords(b.replica, ledger.Node) {
		n := b.asSeen(rec.State.(nodeState).Node)
		if _, here := b.crew.members[n.ID]; here || !slices.Contains(n.Roles, messages.Executor) {
			continue
		}
		all = append(all, &messages.WhyResponse_Verdict{Node: n.ID, Name: n.Name, Home: n.Home, Lacks: b.lacksElsewhere(&d, n), Slots: n.Slots})
	}
	slices.SortStableFunc(all, func(a, b *messages.WhyResponse_Verdict) int {
		return cmp.Or(cmp.Compare(a.GetName(), b.GetName()), cmp.Compare(a.GetNode(), b.GetNode()))
	})
	return all
}

// lacksElsewhere says what is known to be in the way at an executor of another broker, which must hold a slot there for the job.
func (b *Broker) lacksElsewhere(d *placement.Demand, n roster.Node) []string {
	if n.State != roster.Up {
		why := string(n.State)
		if n.Reason != "" {
			why += ": " + n.Reason
		}
		return []string{why}
	}
	e := placement.Executor{
		ID: n.ID, Slots: int(n.Slots), Window: int(n.Slots), Memory: d.Memory, Engine: d.Engine, Labels: n.Labels, Party: b.partyOf(n.ID),
		Cordoned: n.Cordon.Wish != roster.Open,
	}
	known := placement.Demand{Labels: d.Labels, Barred: d.Barred}
	home, _ := b.node(n.Home)
	return append(known.Lacks(&e), fmt.Sprintf("at home at %s, which has not held a slot for it", cmp.Or(home.Name, n.Home)))
}
