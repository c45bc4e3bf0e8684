package ledger

import (
	"cmp"
	"slices"
)

// log lists the writes of one origin by seq, so that a delta costs what is missing and not what is there. Each write is named with the
// record it is in; entries whose record has a newer write of the origin, or is gone, are dead, and cleared away in time.
//
// Writes mostly come in order. Those that do not are sorted in when somebody reads.
type log struct {
	entries []entry // sorted up to the last `late` ones
	late    int
	dead    int // entries that died since the last clearing, or more
}

type entry struct {
	seq  uint64
	cell *cell
}

// live says whether the entry, of the given origin, is still the newest write of that origin to a record that is here.
func (e entry) live(origin uint32) bool {
	return e.cell.version != nil && e.cell.version.seq(origin) == e.seq
}

func (l *log) add(seq uint64, c *cell) {
	if n := len(l.entries); l.late > 0 || (n > 0 && l.entries[n-1].seq >= seq) {
		l.late++
	}
	l.entries = append(l.entries, entry{seq, c})
}

// after returns the entries above seq, in order. It is valid until the next add.
func (l *log) after(seq uint64) []entry {
	l.settle()
	i, _ := slices.BinarySearchFunc(l.entries, seq+1, compareSeq)
	return l.entries[i:]
}

func compareSeq(e entry, seq uint64) int { return cmp.Compare(e.seq, seq) }

// settle sorts the late entries in. It costs no more than what they have to pass.
func (l *log) settle() {
	if l.late == 0 {
		return
	}
	done := len(l.entries) - l.late
	late := slices.Clone(l.entries[done:])
	l.late = 0
	slices.SortStableFunc(late, func(a, b entry) int { return cmp.Compare(a.seq, b.seq) })
	for at := len(l.entries) - 1; len(late) > 0; at-- {
		if last := late[len(late)-1]; done > 0 && l.entries[done-1].seq > last.seq {
			done--
			l.entries[at] = l.entries[done]
		} else {
			late = late[:len(late)-1]
			l.entries[at] = last
		}
	}
}

// minClear keeps small logs from being cleared again and again.
const minClear = 256

// died notes that an entry died. Once the dead are the larger part they are cleared away.
func (l *log) died(origin uint32) {
	l.dead++
	if l.dead < minClear || 2*l.dead < len(l.entries) {
		return
	}
	l.settle()
	l.dead = 0
	l.entries = slices.DeleteFunc(l.entries, func(e entry) bool { return !e.live(origin) })
	if 4*len(l.entries) < cap(l.entries) {
		l.entries = slices.Clone(l.entries)
	}
}
