package actors

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// People cordon or drain an executor at any broker. The wish is in the executor's record, and so outlives restarts and moves, and reaches whoever has to
// do with it: its home gives it nothing new, and every owner of what it runs takes that back when the time is up.

// drain is an executor that is to be empty.
type drain struct {
	wish  vclock.Hybrid // when that was said
	until time.Time     // what runs may go on until then
}

// cordon writes down what people want of an executor.
func (b *Broker) cordon(ctx actor.Context, q *cordonNode) {
	if b.stale(ctx, q.seen, "") {
		return
	}
	n, refused := b.findNode(q.node)
	if refused == nil && b.disk.full {
		refused = diskFull("")
	}
	if refused == nil && !slices.Contains(n.Roles, messages.Executor) {
		refused = &messages.Refused{Code: messages.Refused_INVALID, Reason: fmt.Sprintf("node %s is no executor: only executors are given work", n.Name)}
	}
	if refused != nil {
		b.read(ctx, func() any { return refused })
		return
	}
	b.note("executor "+q.wish.said(), "", n.ID)
	n.Cordon = roster.Cordon{Wish: roster.Wish(q.wish), Patience: q.patience, By: q.by, At: b.hybrid()}
	b.put(ctx, ledger.Normal, nodeKey(n.ID), nodeState{n})
	b.cordonMerged(ctx, n)
	b.reply(ctx, &messages.NodeCordoned{Node: n.ID, Running: narrow(b.leftAt(n.ID))})
}

type cordonWish roster.Wish

func (w cordonWish) said() string {
	switch roster.Wish(w) {
	case roster.Cordoned:
		return "cordoned"
	case roster.Drain:
		return "drained"
	case roster.Open:
	}
	return "uncordoned"
}

// findNode returns the node with an id, or with a name that no other has.
func (b *Broker) findNode(name string) (roster.Node, *messages.Refused) {
	if n, ok := b.node(name); ok {
		return n, nil
	}
	var found []roster.Node
	for _, rec := range sortedRecords(b.replica, ledger.Node) {
		if n := rec.State.(nodeState).Node; n.Name == name {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return roster.Node{}, &messages.Refused{Code: messages.Refused_NOT_FOUND, Reason: fmt.Sprintf("no node %q is known here: ucp node list", name)}
	case 1:
		return found[0], nil
	}
	return roster.Node{}, &messages.Refused{Code: messages.Refused_INVALID, Reason: fmt.Sprintf("%d nodes are called %q: name one by its id, see ucp node list", len(found), name)}
}

// cordoned says whether an executor is to be given nothing new.
func (b *Broker) cordoned(executor string) bool {
	n, _ := b.node(executor)
	return n.Cordon.Wish != roster.Open
}

// cordonMerged does what people want of an executor, as far as it is this broker's to do. Its patience runs from when it heard of it.
func (b *Broker) cordonMerged(ctx actor.Context, n roster.Node) {
	if m, ok := b.crew.members[n.ID]; ok {
		m.Cordoned = n.Cordon.Wish != roster.Open
	}
	switch {
	case n.Cordon.Wish != roster.Drain:
		delete(b.drains, n.ID)
	case b.drains[n.ID].wish != n.Cordon.At:
		b.drains[n.ID] = drain{n.Cordon.At, b.Now().Add(n.Cordon.Patience)}
	}
	b.schedule(ctx)
}

// watchDrains takes back what still runs where it may not any more. It costs its jobs nothing.
func (b *Broker) watchDrains(ctx actor.Context, now time.Time) {
	for _, executor := range slices.Sorted(maps.Keys(b.drains)) {
		m, home := b.crew.members[executor]
		if now.Before(b.drains[executor].until) || (home && m.used() == 0) {
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(b.active)) {
			t, _ := b.tenure(id)
			for _, a := range t.Live() {
				if a.Executor == executor {
					b.apply(ctx, id, job.Preempted{Attempt: a.Name, Reason: "its executor is being drained", At: b.hybrid()})
				}
			}
		}
	}
}

// leftAt counts the attempts that an executor at home here still has in hand.
func (b *Broker) leftAt(executor string) int {
	if m, ok := b.crew.members[executor]; ok {
		return m.used()
	}
	return 0
}

// asWished tells of a node that is up and is to be given nothing new, how far that is.
func (b *Broker) asWished(n roster.Node) roster.Node {
	if n.State != roster.Up || n.Cordon.Wish == roster.Open {
		return n
	}
	left := b.leftAt(n.ID)
	switch {
	case n.Cordon.Wish == roster.Cordoned:
		n.State = roster.Closed
	case n.Home == b.ID && left == 0:
		n.State = roster.Drained
	case n.Home == b.ID:
		n.State, n.Reason = roster.Draining, fmt.Sprintf("%d attempts are left", left)
	default:
		n.State, n.Reason = roster.Draining, "its home broker knows how many attempts are left"
	}
	return n
}
