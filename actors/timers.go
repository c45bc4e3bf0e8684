package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
)

// timers are a job's armed timers, by kind. They only send a message to the actor that armed them.
type timers struct{ running map[job.Timer]Timer }

func (t *timers) arm(ctx actor.Context, n *Node, to *actor.PID, id job.ID, a job.Arm) {
	if t.running == nil {
		t.running = map[job.Timer]Timer{}
	}
	if old, ok := t.running[a.Timer]; ok {
		old.Stop()
	}
	root := RootContext(ctx.ActorSystem(), n.Clock)
	t.running[a.Timer] = n.after(a.After, func() { root.Send(to, &expired{id, a.Timer}) })
}

// ended forgets a timer that ran out.
func (t *timers) ended(k job.Timer) { delete(t.running, k) }

func (t *timers) armed() bool { return len(t.running) > 0 }

func (t *timers) stop() {
	for _, r := range t.running {
		r.Stop()
	}
	t.running = nil
}

// retention knows when records may be forgotten. It counts in whole seconds from its own start.
type retention struct {
	start   time.Time
	buckets map[int64][]job.ID
	next    int64 // the first second whose records were not handed out yet
}

func newRetention(now time.Time) *retention {
	return &retention{start: now, buckets: map[int64][]job.ID{}}
}

func (r *retention) add(id job.ID, at time.Time) {
	second := max(int64(at.Sub(r.start)/time.Second), r.next)
	r.buckets[second] = append(r.buckets[second], id)
}

// due hands out the records whose time is over, each once.
func (r *retention) due(now time.Time) []job.ID {
	var keys []job.ID
	for last := int64(now.Sub(r.start) / time.Second); r.next <= last; r.next++ {
		keys = append(keys, r.buckets[r.next]...)
		delete(r.buckets, r.next)
	}
	return keys
}
