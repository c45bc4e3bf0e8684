package placement

import (
	"cmp"
	"slices"
)

// Pool is the executors of one broker and what is reserved there. Choosing looks only at those with room, so that a full pool costs nothing, and
// no more than once at each. Invariant: what is reserved at an executor is never more than it said to have when it was reserved, as Demand.suits and
// Demand.taken count it. The zero value is empty.
type Pool struct {
	all  map[string]*Executor
	room []*Executor // in no order: the choice does not depend on it
}

// Put adds an executor, or takes note that one changed: whoever changes its window or slots says so.
func (p *Pool) Put(e *Executor) {
	if p.all == nil {
		p.all = map[string]*Executor{}
	}
	if old := p.all[e.ID]; old != nil && old != e {
		p.leave(old)
	}
	p.all[e.ID] = e
	p.settle(e)
}

// Remove forgets an executor.
func (p *Pool) Remove(id string) {
	if e := p.all[id]; e != nil {
		p.leave(e)
		delete(p.all, id)
	}
}

// Len returns how many executors there are.
func (p *Pool) Len() int { return len(p.all) }

// Free says whether any executor takes one more attempt.
func (p *Pool) Free() bool { return len(p.room) > 0 }

// Idle counts the slots without an attempt.
func (p *Pool) Idle() int {
	n := 0
	for _, e := range p.room {
		if !e.Cordoned && !e.Cut {
			n += max(0, e.Slots-e.Used)
		}
	}
	return n
}

// Choose returns the executor that suits d best, nil if none can take it now: Refusal says why.
func (p *Pool) Choose(d *Demand) *Executor {
	var best *Executor
	var its standing
	for _, e := range p.room {
		s := d.standing(e)
		if (best == nil || prefers(e, s, best, its)) && d.suits(e) && d.roomFor(e) {
			best, its = e, s
		}
	}
	return best
}

// Refusal says why no executor can take a job with this demand now.
func (p *Pool) Refusal(d *Demand) *NoExecutorError {
	refusal := &NoExecutorError{}
	for _, e := range p.all {
		refusal.count(d, e)
	}
	return refusal
}

// Look returns what each executor lacks for a job with this demand, by name.
func (p *Pool) Look(d *Demand) []View {
	best := p.Choose(d)
	views := make([]View, 0, len(p.all))
	for _, e := range p.all {
		views = append(views, View{Executor: e, Lacks: d.taken(e, d.Lacks(e)), Chosen: e == best})
	}
	slices.SortFunc(views, func(a, b View) int {
		return cmp.Or(cmp.Compare(a.Executor.Name, b.Executor.Name), cmp.Compare(a.Executor.ID, b.Executor.ID))
	})
	return views
}

// View is an executor with a job's eyes.
type View struct {
	Executor *Executor
	Lacks    []string // all that it lacks, and what is taken
	Chosen   bool     // of those that could take it now it suits best
}

// Claim returns what an attempt with this demand reserves at e.
func (*Pool) Claim(d *Demand, e *Executor) Claim { return d.claim(e) }

// Reserve holds a place at e, before anybody is told (PLACE-1).
func (p *Pool) Reserve(e *Executor, c Claim) {
	e.Used++
	e.memory.add(c.Memory)
	e.cpu.add(c.CPU)
	e.disk.add(c.Disk)
	p.settle(e)
}

// Release gives back what was reserved.
func (p *Pool) Release(e *Executor, c Claim) {
	e.Used--
	e.memory.remove(c.Memory)
	e.cpu.remove(c.CPU)
	e.disk.remove(c.Disk)
	p.settle(e)
}

// settle has e stand among those with room if it has any.
func (p *Pool) settle(e *Executor) {
	switch {
	case p.all[e.ID] != e:
	case e.Used >= e.Window:
		p.leave(e)
	case e.room == 0:
		p.room = append(p.room, e)
		e.room = len(p.room)
	}
}

func (p *Pool) leave(e *Executor) {
	if e.room == 0 {
		return
	}
	last := len(p.room) - 1
	p.room[e.room-1] = p.room[last]
	p.room[e.room-1].room = e.room
	p.room[last] = nil
	p.room = p.room[:last]
	e.room = 0
}
