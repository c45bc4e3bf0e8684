package ledger

import "github.com/urbancompute/ucp/internal/mutant"

// Delta is what the holder of some Knowledge lacks of a replica: records in the order in which they travel, given out in parts. What it gives
// was so when it was planned, whatever the replica does meanwhile; it may be read beside it.
//
// First comes the horizon, so that its receiver knows in time if it is behind; then what the urgent lane changed; then the rest; each by the
// hybrid time of creation, but never before a record that its creation named.
type Delta struct {
	names  []Origin
	items  []item
	sent   int
	limits []limit // by number of the origin
	order  []uint32
}

// item is a record to send. Items that limit the mark of the origin which created them are chained.
type item struct {
	version *version
	least   uint64 // of this item and those after it in the chain: the least seq of a creation; 0: not in a chain
	next    int32  // in the chain; none: 0
}

// limit says how far the mark of an origin may go. Places in the plan are counted from 1; 0 is none.
type limit struct {
	from, upto uint64
	blocked    int32 // the last item that keeps the mark at from
	chain      int32 // the next item that was created by the origin above from
}

// Part is some records of a delta, and how far they take their receiver.
type Part struct {
	Records []Record
	From    Vector // for whom the marks are true: the entries of the Knowledge asked with, for the origins in Marks
	Marks   Vector // up to here a holder of From misses nothing if it has got every part so far
}

// Len returns the number of records not given out yet.
func (d *Delta) Len() int { return len(d.items) - d.sent }

// Empty says whether there is nothing to tell, not even marks.
func (d *Delta) Empty() bool {
	for i := range d.limits {
		if d.limits[i].upto > d.limits[i].from {
			return false
		}
	}
	return d.Len() == 0
}

// Next gives out the next part, of about maxBytes at most but at least one record, and says whether there are more. The last part, which may
// have no records, brings the receiver as far as the replica was.
func (d *Delta) Next(maxBytes int) (Part, bool) {
	var p Part
	for size := 0; d.sent < len(d.items); d.sent++ {
		it := d.items[d.sent]
		if size += int(it.version.size); size > maxBytes && len(p.Records) > 0 {
			break
		}
		p.Records = append(p.Records, it.version.record(d.names))
		if it.least > 0 {
			d.limits[it.version.creator].chain = it.next
		}
	}
	p.From, p.Marks = d.marks()
	return p, d.sent < len(d.items)
}

// marks returns how far a receiver may go that was at From and got all that was sent.
//
// Let w = o:s be a write to record R, with from < s <= mark <= upto, of a sender whose vector is sound. Then R was forgotten, and nothing is
// missing; or the sender has R with a newest write o:e of o, e >= s. If the receiver said it has o:e, it has w: newest includes older. Else R
// is in the plan. If it was sent, the receiver has w, or more, or refused it as forgotten. If not, either o created R, at o:c: then o:c is the
// first write of o to R ever, so c <= s, but the mark is below c. Or the first write of o to R is not known, and the mark is from, below s.
// So w is not missing. Which of several creations R goes by at the sender does not matter: each was the first write of its own origin.
func (d *Delta) marks() (from, marks Vector) {
	for _, id := range d.order {
		l := d.limits[id]
		mark := l.upto
		switch {
		case mutant.On(mutant.CutStreamAdopted):
		case int(l.blocked) > d.sent:
			continue
		case l.chain > 0:
			mark = min(mark, d.items[l.chain-1].least-1)
		}
		if mark <= l.from {
			continue
		}
		marks.dots = append(marks.dots, Dot{d.names[id], mark})
		if l.from > 0 {
			from.dots = append(from.dots, Dot{d.names[id], l.from})
		}
	}
	return from, marks
}

// limit computes from the last item to the first how the items limit the marks. Only writes that the receiver lacks do.
func (d *Delta) limit(lacks func(mark) bool) {
	for i := len(d.items) - 1; i >= 0; i-- {
		it, place := &d.items[i], int32(i+1) //nolint:gosec // a replica holds fewer records
		for _, m := range it.version.writes {
			l := &d.limits[m.origin]
			switch {
			case l.upto <= l.from || !lacks(m):
			case m.origin == it.version.creator:
				it.next, it.least = l.chain, it.version.created
				if l.chain > 0 {
					it.least = min(it.least, d.items[l.chain-1].least)
				}
				l.chain = place
			case l.blocked == 0:
				l.blocked = place
			}
		}
	}
}
