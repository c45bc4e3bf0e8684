package ledger

import "github.com/urbancompute/ucp/internal/mutant"

// line is what a replica knows of the writes of one origin.
type line struct {
	log   log
	known uint64 // up to here no write is missing: the origin's entry in the vector
	top   uint64 // the greatest seq heard of anywhere
	gap   uint64 // up to here writes may be missing that somebody else has; all above it were written here
	wrote uint64 // the last seq written here
}

// next numbers a write made here. Numbers that were heard of are never used again, even if the writes they name are missing here; but over
// such a gap the vector does not follow.
func (l *line) next() uint64 {
	l.top++
	l.wrote = l.top
	l.rise(0)
	return l.wrote
}

// hear notes that a write with this number exists.
func (l *line) hear(seq uint64) {
	if seq > l.top {
		l.top, l.gap = seq, seq
	}
}

// rise notes that no write up to seq is missing, and says whether that is news.
func (l *line) rise(seq uint64) bool {
	l.hear(seq)
	was := l.known
	l.known = max(l.known, seq)
	if l.known >= l.gap {
		l.known = max(l.known, l.wrote)
	}
	return l.known > was
}

// Vector says what this replica knows.
func (r *Replica) Vector() Vector {
	if r.outdated {
		dots := make([]Dot, 0, len(r.lines))
		for _, id := range r.table.order {
			if seq := r.lines[id].known; seq > 0 {
				dots = append(dots, Dot{r.table.names[id], seq})
			}
		}
		r.vector, r.outdated = Vector{dots}, false
	}
	return r.vector
}

// Adopt takes over v, from this broker's own disk, as known.
func (r *Replica) Adopt(v Vector) {
	for _, d := range v.dots {
		r.lines[r.origin(d.Origin)].rise(d.Seq)
	}
	r.outdated = true
}

// TakeMarks raises the vector to the marks of a part whose records were all merged, as were those of the parts before it, and returns the
// entries that rose and whether any did. A mark says that nothing is missing above from: it means nothing to who has not got as far.
//
// Of parts that come twice the marks are no news. Marks that come after a part went missing must not be taken.
func (r *Replica) TakeMarks(from, marks Vector) (adopted Vector, changed bool) {
	r.hearOwn(from)
	r.hearOwn(marks)
	for _, d := range marks.dots {
		l := &r.lines[r.origin(d.Origin)]
		if (l.known >= from.Seq(d.Origin) || mutant.On(mutant.MarksWithoutFrom)) && l.rise(d.Seq) {
			adopted.dots = append(adopted.dots, Dot{d.Origin, l.known})
		}
	}
	changed = len(adopted.dots) > 0
	r.outdated = r.outdated || changed
	return adopted, changed
}

// hearOwn notes the numbers of own writes that somebody knows of.
func (r *Replica) hearOwn(v Vector) {
	for _, lane := range []Lane{Urgent, Normal} {
		own := r.self
		own.Lane = lane
		if seq := v.Seq(own); seq > 0 {
			r.lines[r.origin(own)].hear(seq)
		}
	}
}

// own returns up to where the own writes are known from this origin's gap on.
func (l *line) own() uint64 {
	if l.known < l.gap {
		return l.wrote
	}
	return l.known
}
