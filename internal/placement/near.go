package placement

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Mark stands for the digest of some bytes where only a preference rests on it: two that look alike cost a transfer at most.
type Mark uint64

// MarkOf returns the mark of a digest.
func MarkOf(digest [32]byte) Mark { return Mark(binary.BigEndian.Uint64(digest[:])) }

// Bytes is something that a job's program needs, and what it is worth to find it at an executor: as much as moving so many bytes costs.
type Bytes struct {
	Mark  Mark
	Worth uint64
}

const (
	// compileWorth is how many bytes are moved in the time in which one byte of a module is compiled, about: machine code is made at some 1.6 MB/s a core.
	compileWorth = 64
	// maxBytes bounds what is weighed of one job: the rest changes little, and each of them is looked for at every executor.
	maxBytes = 256
)

// Input is bytes that a program reads.
func Input(digest [32]byte, size uint64) Bytes { return Bytes{MarkOf(digest), max(size, 1)} }

// Module is the bytes of a program. Who has them has compiled them too.
func Module(digest [32]byte, size uint64) Bytes {
	return Bytes{MarkOf(digest), compileWorth * min(max(size, 1), 1<<32)}
}

// Weighty returns what is worth most of all that a program needs, and each once.
func Weighty(all []Bytes) []Bytes {
	slices.SortFunc(all, func(a, b Bytes) int { return cmp.Or(cmp.Compare(b.Worth, a.Worth), cmp.Compare(a.Mark, b.Mark)) })
	all = slices.Compact(all)
	return all[:min(len(all), maxBytes)]
}

// Recent remembers what an executor had lately: at least the last maxRecent things, at most twice as many, which takes 100 KiB. Of what an executor
// really has it may remember too much or too little, as caches let go of what is old by size: it costs a transfer, and no job. The zero value is empty, and so is nil.
type Recent struct{ young, old map[Mark]struct{} }

// maxRecent is how many things of one executor are remembered.
const maxRecent = 2048

// Add notes that m was there just now.
func (r *Recent) Add(m Mark) {
	if _, ok := r.young[m]; ok {
		return
	}
	if len(r.young) >= maxRecent {
		r.old, r.young = r.young, nil
	}
	if r.young == nil {
		r.young = map[Mark]struct{}{}
	}
	r.young[m] = struct{}{}
}

// Has says whether m was there lately.
func (r *Recent) Has(m Mark) bool {
	if r == nil {
		return false
	}
	_, young := r.young[m]
	_, old := r.old[m]
	return young || old
}

// near is what it is worth that some of what the program needs is at e already.
func (d *Demand) near(e *Executor) uint64 {
	sum := uint64(0)
	for _, x := range d.Bytes {
		if e.Recent.Has(x.Mark) {
			sum += min(x.Worth, 1<<40) // so that no sum of them overflows
		}
	}
	return sum
}
