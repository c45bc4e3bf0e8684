package vclock

import "math/bits"

// Order is how two clocks stand to each other.
type Order int

// The four orders of two clocks a and b, as a.Compare(b) tells them.
const (
	Equal      Order = iota // both know the same
	Before                  // b knows all that a knows, and more
	After                   // a knows all that b knows, and more
	Concurrent              // each knows something that the other does not
)

// String is the order's name in lower case.
func (o Order) String() string {
	switch o {
	case Equal:
		return "equal"
	case Before:
		return "before"
	case After:
		return "after"
	case Concurrent:
		return "concurrent"
	}
	return "unknown order"
}

// Compare tells how c stands to other. It allocates nothing.
func (c Clock) Compare(other Clock) Order {
	switch diff := weigh(c, other, nil); {
	case diff.ours && diff.theirs:
		return Concurrent
	case diff.ours:
		return After
	case diff.theirs:
		return Before
	}
	return Equal
}

// Merge returns the least clock that knows all that c and other know. It is commutative, associative and idempotent.
// When one of the two knows it all, that one is the result and nothing is allocated.
func (c Clock) Merge(other Clock) Clock {
	merged, _ := c.MergeIf(other, nil)
	return merged
}

// MergeIf merges those entries of other that accept agrees to, and reports whether that changed anything. Accept is
// asked only about entries that would; nil agrees to all.
func (c Clock) MergeIf(other Clock, accept func(Key) bool) (merged Clock, changed bool) {
	diff := weigh(c, other, accept)
	switch {
	case !diff.theirs:
		return c, false
	case !diff.ours && accept == nil:
		return other, true
	case diff.added == 0 && diff.common == len(c.keys) && diff.common == len(other.keys):
		return c.raiseEach(other, accept), true
	}
	return c.join(other, len(c.keys)+diff.added, accept), true
}

// difference of two clocks: whether ours has a greater count somewhere, whether theirs has, how many keys are in both
// and how many accepted ones only in theirs.
type difference struct {
	ours, theirs  bool
	common, added int
}

// weigh walks both clocks once. Entries of b that accept refuses do not count as theirs.
func weigh(a, b Clock, accept func(Key) bool) (diff difference) {
	i, j := 0, 0
	for i < len(a.keys) && j < len(b.keys) {
		if same := sameKeys(a.keys[i:], b.keys[j:]); same > 0 {
			diff.weighCounts(a.counts[i:i+same], b.counts[j:j+same], b.keys[j:], accept)
			i += same
			j += same
		} else if a.keys[i].Compare(b.keys[j]) < 0 {
			diff.ours = true
			i++
		} else {
			diff.weighAdded(b.keys[j], accept)
			j++
		}
	}
	diff.ours = diff.ours || i < len(a.keys)
	for ; j < len(b.keys); j++ {
		diff.weighAdded(b.keys[j], accept)
	}
	return diff
}

// sameKeys is how many keys a and b begin with in common: mostly all, often in the same place of memory.
func sameKeys(a, b []Key) int {
	n := min(len(a), len(b))
	if n > 0 && &a[0] == &b[0] {
		return n
	}
	for i := range n {
		if a[i].Incarnation != b[i].Incarnation || a[i].Node != b[i].Node {
			return i
		}
	}
	return n
}

// weighCounts compares counts of the same keys. It does without branches, which would be mispredicted half the time.
func (diff *difference) weighCounts(ours, theirs []uint64, keys []Key, accept func(Key) bool) {
	var more, fewer uint64
	for i, count := range theirs[:len(ours)] {
		_, less := bits.Sub64(ours[i], count, 0)
		_, greater := bits.Sub64(count, ours[i], 0)
		fewer |= less
		more |= greater
	}
	diff.common += len(ours)
	diff.ours = diff.ours || more > 0
	for i := 0; i < len(ours) && fewer > 0 && !diff.theirs; i++ {
		diff.theirs = accept == nil || ours[i] < theirs[i] && accept(keys[i])
	}
}

func (diff *difference) weighAdded(key Key, accept func(Key) bool) {
	if accept == nil || accept(key) {
		diff.theirs = true
		diff.added++
	}
}

// raiseEach is the merge of two clocks with the same keys.
func (c Clock) raiseEach(other Clock, accept func(Key) bool) Clock {
	counts := make([]uint64, len(c.counts))
	for i, count := range other.counts[:len(counts)] {
		counts[i] = max(c.counts[i], count)
		if accept != nil && counts[i] != c.counts[i] && !accept(other.keys[i]) {
			counts[i] = c.counts[i]
		}
	}
	return Clock{c.keys, counts}
}

// join is the merge of any two clocks, to the given number of entries.
func (c Clock) join(other Clock, entries int, accept func(Key) bool) Clock {
	merged := withRoom(entries)
	for i, k := range other.keys {
		at := 0
		for at < len(c.keys) && c.keys[at] != k && c.keys[at].Compare(k) < 0 {
			at++
		}
		merged.append(c.keys[:at], c.counts[:at])
		c = Clock{c.keys[at:], c.counts[at:]}
		ours := uint64(0)
		if len(c.keys) > 0 && c.keys[0] == k {
			ours = c.counts[0]
			c = Clock{c.keys[1:], c.counts[1:]}
		}
		if ours < other.counts[i] && (accept == nil || accept(k)) {
			ours = other.counts[i]
		}
		if ours > 0 {
			merged.append(other.keys[i:i+1], []uint64{ours})
		}
	}
	merged.append(c.keys, c.counts)
	return merged
}
