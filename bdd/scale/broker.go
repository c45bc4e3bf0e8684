package scale

import (
	"fmt"
	"slices"
	"time"

	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/workbench"
)

const (
	// tick is how often a broker looks at its offers, at what overran and at its idle slots.
	tick = 250 * time.Millisecond
	// gather is how long writes are collected before they are pushed to peers.
	gather = 5 * time.Millisecond
)

// broker does what the actor of that name does, as far as it concerns where jobs run.
type broker struct {
	w       *World
	index   int
	name    string
	queue   *placement.Queue
	pool    placement.Pool
	crew    map[string]*executor
	live    []*run // attempts under way that were deployed from here
	board   emergency.Board
	level   emergency.Level
	asked   map[job.ID]time.Duration // when peers were asked to hold a slot for a job
	nobody  map[string]time.Duration // constraints of which no peer has said that it can meet them since they were asked then
	offers  []offer                  // slots held for jobs of peers, in the order of their end
	calm    calm
	circles []circle
}

// circle is the peers at one distance.
type circle struct {
	delay time.Duration
	peers []*broker
}

func newBroker(w *World, i int) *broker {
	return &broker{w: w, index: i, name: fmt.Sprintf("b%03d", i), queue: placement.NewQueue(), crew: map[string]*executor{}, asked: map[job.ID]time.Duration{}, nobody: map[string]time.Duration{}}
}

func (b *broker) area() string { return fmt.Sprintf("area-%d", b.place()) }

func (b *broker) place() int { return b.index % max(b.w.settings.Areas, 1) }

// delayTo is what a message to another broker takes.
func (b *broker) delayTo(o *broker) time.Duration {
	n := max(b.w.settings.Areas, 1)
	apart := (b.place() - o.place() + n) % n
	return b.w.settings.Within + time.Duration(min(apart, n-apart))*b.w.settings.Between
}

// meet sorts the peers by distance: a message to all of them is an event for each distance, not for each peer.
func (b *broker) meet(all []*broker) {
	for _, o := range all {
		if o == b {
			continue
		}
		d := b.delayTo(o)
		i := slices.IndexFunc(b.circles, func(c circle) bool { return c.delay == d })
		if i < 0 {
			i = len(b.circles)
			b.circles = append(b.circles, circle{delay: d})
		}
		b.circles[i].peers = append(b.circles[i].peers, o)
	}
}

// tellPeers brings something to every peer, when it arrives there.
func (b *broker) tellPeers(held time.Duration, arrives func(*broker)) {
	for _, c := range b.circles {
		b.w.after(held+c.delay, func() {
			for _, p := range c.peers {
				arrives(p)
			}
		})
	}
}

func (b *broker) arm(d time.Duration) { b.w.after(d, b.tick) }

func (b *broker) tick() {
	b.expireOffers()
	b.overran()
	b.schedule()
	b.wantWork()
	b.arm(tick)
}

func (b *broker) owner() job.Ownership { return job.Ownership{Journal: b.name} }

// submitted takes a job.
func (b *broker) submitted(id job.ID, spec *job.Spec, length time.Duration) {
	t := &task{job: job.New(id, spec, b.owner(), b.owner(), b.name, b.w.hybrid()), length: length, account: b.w.gauge.account(spec), at: b.w.now, placed: -1}
	b.w.tasks[id] = t
	b.enqueue(t)
	b.schedule()
}

// acts returns the ownership under which this broker acts for a job.
func (b *broker) acts(t *task) (job.Ownership, bool) {
	mine, ok := t.job.Mine(b.name)
	return mine, ok
}

// enqueue puts a job into the queue if this broker acts for it and it wants an attempt, and takes it out otherwise.
func (b *broker) enqueue(t *task) {
	mine, ok := b.acts(t)
	if !ok || t.job.Wanted(mine) == 0 {
		b.dequeue(t)
		return
	}
	if !b.queue.Has(string(t.job.ID)) {
		s := t.job.Spec
		b.w.gauge.waits(t, true)
		b.queue.Add(placement.Waiting{
			ID: string(t.job.ID), Priority: s.Priority, Submitter: s.Submitter, Emergency: s.Emergency != "", Again: t.job.Attempted() > 0, Demand: b.demandOf(t),
		})
	}
}

func (b *broker) dequeue(t *task) {
	if b.queue.Has(string(t.job.ID)) {
		b.queue.Remove(string(t.job.ID))
		b.w.gauge.waits(t, false)
	}
}

// demandOf says what a job asks of an executor.
func (b *broker) demandOf(t *task) placement.Demand {
	s := t.job.Spec
	d := placement.Demand{Memory: s.Needs.Memory, Labels: s.Needs.Labels, Bytes: []placement.Bytes{placement.Module(s.Module.Digest, s.Module.Size)}, Prefer: b.prefers(s)}
	if t.job.Attempted() == 0 {
		return d
	}
	d.Avoid, d.Barred = map[string]bool{}, map[string]bool{}
	for i := range t.job.Tenures {
		for _, a := range t.job.Tenures[i].Attempts {
			d.Avoid[a.Executor] = true
			if a.State.Live() {
				d.Barred[a.Executor] = true
			}
		}
	}
	return d
}

// schedule starts as many waiting jobs as there are places for.
func (b *broker) schedule() {
	if b.queue.Len() == 0 {
		return
	}
	b.queue.Take(func(w placement.Waiting) bool {
		t := b.w.tasks[job.ID(w.ID)]
		d := b.demandOf(t)
		var e *placement.Executor
		if b.pool.Free() {
			e = b.pool.Choose(&d)
		}
		if e == nil {
			b.askAround(t)
			return false
		}
		h := hold{claim: b.pool.Claim(&d, e), account: w.Account(), charged: w.Charge, since: b.w.now}
		b.pool.Reserve(e, h.claim)
		b.w.gauge.waits(t, false)
		t.moved = b.w.now
		t.run = &run{task: t, broker: b, e: b.crew[e.ID], hold: h}
		b.apply(t, job.Deployable{Executor: e.ID, Lease: 1, Incarnation: 1, At: b.w.hybrid()})
		return true
	})
}

// apply brings an event to a job. An event that its record refuses is a mistake of this model.
func (b *broker) apply(t *task, ev job.Event) {
	mine, ok := t.job.Mine(b.name)
	if !ok {
		mine, _ = t.job.Last(b.name)
	}
	next, effects, err := t.job.Apply(mine, ev)
	if err != nil {
		panic(fmt.Sprintf("scale: %s: %v", b.name, err))
	}
	t.job = next
	for _, e := range effects {
		b.perform(t, e)
	}
}

func (b *broker) perform(t *task, e job.Effect) {
	switch e := e.(type) {
	case job.Deploy:
		b.deploy(t.run, e.Attempt)
	case job.Stop:
		b.stop(t, e.Attempt.Name)
	case job.Requeue:
		b.enqueue(t)
	case job.Forward:
		heir := b.w.byName(e.Node)
		b.w.after(b.delayTo(heir), func() { heir.finished(t, e.Result) })
	case job.Finish, job.Answer, job.Arm, job.Supersede:
	}
}

func (w *World) byName(name string) *broker {
	i := slices.IndexFunc(w.brokers, func(b *broker) bool { return b.name == name })
	return w.brokers[i]
}

// deploy sends an attempt to its executor at once.
func (b *broker) deploy(r *run, a job.Attempt) {
	r.name, r.index = a.Name, len(b.live)
	b.live = append(b.live, r)
	b.w.gauge.placed(b, r)
	b.w.after(b.w.settings.Near, r.begin)
}

// begin is an attempt's arrival at its executor.
func (r *run) begin() {
	if r.over {
		return
	}
	w := r.broker.w
	r.begun = true
	r.e.running++
	w.gauge.begins(r)
	w.after(r.task.length, r.end)
	if r.task.length > workbench.StartNotice {
		w.after(workbench.StartNotice+w.settings.Near, r.noticed)
	}
}

func (r *run) noticed() {
	if !r.settled {
		r.broker.apply(r.task, job.Started{Attempt: r.name})
	}
}

func (r *run) end() {
	if r.over {
		return
	}
	w := r.broker.w
	r.leave()
	w.after(w.settings.Near, func() { r.broker.result(r) })
}

// leave frees the executor's slot.
func (r *run) leave() {
	r.over = true
	if r.begun {
		r.e.running--
		r.broker.w.gauge.ends(r)
	}
}

// result takes what an executor brings.
func (b *broker) result(r *run) {
	t := r.task
	b.settle(r)
	r.e.Recent.Add(placement.MarkOf(t.job.Spec.Module.Digest))
	b.finished(t, job.Finished{Attempt: r.name, Executor: r.e.ID, Party: r.e.ID, Signed: true, Result: b.w.result, At: b.w.hybrid()})
	b.schedule()
}

func (b *broker) finished(t *task, ev job.Finished) {
	before, _ := t.job.Decided()
	b.apply(t, ev)
	if v, _ := t.job.Decided(); v != nil && before == nil {
		b.dequeue(t)
		delete(b.w.tasks, t.job.ID)
		b.w.gauge.finished(t)
	}
}

// settle gives back what an attempt held, and settles its account.
func (b *broker) settle(r *run) {
	if r.settled {
		return
	}
	r.settled = true
	last := len(b.live) - 1
	b.live[r.index] = b.live[last]
	b.live[r.index].index = r.index
	b.live[last] = nil
	b.live = b.live[:last]
	b.pool.Release(&r.e.Executor, r.hold.claim)
	took := b.w.now - r.hold.since
	b.queue.Took(r.hold.account, took)
	b.queue.Charge(r.hold.account, took-r.hold.charged)
}

// overran charges for what has held its slot for longer than was charged: as much again each time.
func (b *broker) overran() {
	for _, r := range b.live {
		for h := &r.hold; b.w.now-h.since > h.charged && h.charged > 0; {
			b.queue.Charge(h.account, h.charged)
			h.charged *= 2
		}
	}
}

// stop has an executor end an attempt, once that is written down.
func (b *broker) stop(t *task, n job.Name) {
	r := t.run
	b.w.after(b.w.settings.Sync, func() {
		b.w.after(b.w.settings.Near, func() {
			if r.name == n && !r.over {
				r.leave()
			}
			b.w.gauge.stopped(r.e)
		})
		b.settle(r)
		b.schedule()
	})
}
