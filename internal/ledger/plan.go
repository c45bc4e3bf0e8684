package ledger

import (
	"cmp"
	"slices"
	"sort"
)

// Missing plans what the holder of k lacks.
func (r *Replica) Missing(k Knowledge) *Delta {
	r.hearOwn(k.Vector)
	p := r.planner(r.bounds(k.Vector), k.Extra)
	for id := range r.lines {
		p.limits[id].upto = r.lines[id].known
	}
	return p.plan()
}

// Own says up to where this replica, as the journal and incarnation it has now, knows its own writes: where the next push will begin.
func (r *Replica) Own() Vector { return r.own(Urgent, Normal) }

// OwnUrgent is Own for the urgent lane alone.
func (r *Replica) OwnUrgent() Vector { return r.own(Urgent) }

func (r *Replica) own(lanes ...Lane) Vector {
	var v Vector
	r.eachOwn(lanes, func(_ uint32, o Origin, l *line) {
		v = v.With(Dot{o, l.own()})
	})
	return v
}

// Push plans the writes this replica made above from, an earlier Own, for peers that are known to have all that known covers. It is what
// Missing would give somebody who has from and all writes of others: to anybody else its records are as good, and its marks are void if it
// has not got as far as from. What the records name goes along unless known has it, so that no peer has them first.
func (r *Replica) Push(from, known Vector) *Delta { return r.push(from, known, Urgent, Normal) }

// PushUrgent is Push for what was written in the urgent lane alone, and what that names: it need not wait for the rest, and marks nothing else.
func (r *Replica) PushUrgent(from, known Vector) *Delta { return r.push(from, known, Urgent) }

func (r *Replica) push(from, known Vector, lanes ...Lane) *Delta {
	bounds := make([]uint64, len(r.lines))
	for id := range r.lines {
		bounds[id] = r.lines[id].top
	}
	p := r.planner(bounds, nil)
	p.known = r.bounds(known)
	r.eachOwn(lanes, func(id uint32, o Origin, l *line) {
		// Above a gap everything was written here, below it something may be missing.
		low := from.Seq(o)
		if l.known < l.gap {
			low = max(low, l.gap)
		}
		p.limits[id].from, p.limits[id].upto = low, max(low, l.own())
	})
	return p.plan()
}

func (r *Replica) eachOwn(lanes []Lane, visit func(uint32, Origin, *line)) {
	for _, lane := range lanes {
		own := r.self
		own.Lane = lane
		if id, ok := r.table.lookup(own); ok {
			visit(id, own, &r.lines[id])
		}
	}
}

// planner gathers the records of a delta and brings them into order.
type planner struct {
	*Delta
	replica *Replica
	number  uint64
	extra   [][]Span // by number of the origin
	found   []candidate
	known   []uint64 // by number of the origin; of a push, up to where its receivers are known to have all; else nil
}

// candidate is a record to be sent.
type candidate struct {
	at    uint64
	cell  *cell
	class class
}

// class is what goes first.
type class uint8

const (
	first  class = iota // the horizon
	urgent              // changed in the urgent lane
	normal
)

func (r *Replica) planner(from []uint64, extra []Span) *planner {
	r.plans += 2 // a record to list has the number of the plan, a listed one that and one more
	d := &Delta{names: r.table.names, order: slices.Clone(r.table.order), limits: make([]limit, len(r.lines))}
	p := &planner{Delta: d, replica: r, number: r.plans, extra: make([][]Span, len(r.lines))}
	for id := range r.lines {
		d.limits[id].from = from[id]
	}
	for i, s := range extra {
		if id, ok := r.table.lookup(s.Origin); ok {
			p.extra[id] = append(p.extra[id], extra[i])
		}
	}
	return p
}

func (p *planner) plan() *Delta {
	p.gather(urgent)
	p.gather(normal)
	slices.SortFunc(p.found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.at, b.at), p.tie(a, b))
	})
	p.items = make([]item, 0, len(p.found))
	for _, c := range p.found {
		p.emit(c.cell)
	}
	p.limit(p.lacks)
	return p.Delta
}

// tie orders records created at one time.
func (p *planner) tie(a, b candidate) int {
	v, w := a.cell.version, b.cell.version
	return Dot{p.names[v.creator], v.created}.compare(Dot{p.names[w.creator], w.created})
}

// gather finds the records of a class with writes that are lacking. Who asks for the urgent ones first gets each record once.
func (p *planner) gather(class class) {
	for id := range p.replica.lines {
		if (p.names[id].Lane == Urgent) != (class == urgent) {
			continue
		}
		origin := uint32(id)
		for _, e := range p.replica.lines[id].log.after(p.limits[id].from) {
			if e.cell.plan != p.number && e.live(origin) && p.lacks(mark{e.seq, origin}) {
				p.find(e.cell, class)
			}
		}
	}
}

func (p *planner) find(c *cell, class class) {
	c.plan = p.number
	if c.version.kind == Horizon {
		class = first
	}
	p.found = append(p.found, candidate{c.version.at, c, class})
}

// lacks says whether the receiver lacks a write.
func (p *planner) lacks(m mark) bool {
	if m.seq <= p.limits[m.origin].from {
		return false
	}
	spans := p.extra[m.origin]
	i := sort.Search(len(spans), func(i int) bool { return spans[i].Last >= m.seq })
	return i == len(spans) || spans[i].First > m.seq
}

// emit lists a record after those that its creation named.
func (p *planner) emit(c *cell) {
	if c.plan != p.number && !p.unknown(c) {
		return
	}
	c.plan = p.number + 1
	if n, ok := c.version.state.(namer); ok {
		for _, k := range n.Names() {
			if named := p.replica.cell(k); named != nil {
				p.emit(named)
			}
		}
	}
	p.items = append(p.items, item{version: c.version})
}

// unknown says whether a record that was not found to be sent, and is not listed yet, is to go along all the same.
func (p *planner) unknown(c *cell) bool {
	return p.known != nil && c.plan != p.number+1 &&
		slices.ContainsFunc(c.version.writes, func(m mark) bool { return m.seq > p.known[m.origin] })
}
