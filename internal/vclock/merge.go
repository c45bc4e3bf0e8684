package vclock

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
	switch diff := weigh(c.entries, other.entries, nil); {
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
	diff := weigh(c.entries, other.entries, accept)
	switch {
	case !diff.theirs:
		return c, false
	case !diff.ours && accept == nil:
		return other, true
	}
	return Clock{join(make([]entry, 0, diff.union), c.entries, other.entries, accept)}, true
}

// difference of two clocks: whether ours has a greater count somewhere, whether theirs has, and the number of keys
// in both together.
type difference struct {
	ours, theirs bool
	union        int
}

// weigh walks both clocks once. Entries of b that accept refuses do not count as theirs.
func weigh(a, b []entry, accept func(Key) bool) (diff difference) {
	if len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0]) {
		return difference{union: len(a)}
	}
	for len(a) > 0 && len(b) > 0 {
		order := compareKeys(&a[0], &b[0])
		switch {
		case order < 0 || order == 0 && a[0].count > b[0].count:
			diff.ours = true
		case order > 0 || a[0].count < b[0].count:
			diff.theirs = diff.theirs || accept == nil || accept(b[0].key)
		}
		if order <= 0 {
			a = a[1:]
		}
		if order >= 0 {
			b = b[1:]
		}
		diff.union++
	}
	diff.union += len(a) + len(b)
	diff.ours = diff.ours || len(a) > 0
	for i := 0; i < len(b) && !diff.theirs; i++ {
		diff.theirs = accept == nil || accept(b[i].key)
	}
	return diff
}

// join appends the greater of both clocks' entries to dst.
func join(dst, a, b []entry, accept func(Key) bool) []entry {
	for len(a) > 0 && len(b) > 0 {
		order := compareKeys(&a[0], &b[0])
		theirs := (order > 0 || order == 0 && a[0].count < b[0].count) && (accept == nil || accept(b[0].key))
		switch {
		case theirs:
			dst = append(dst, b[0])
		case order <= 0:
			dst = append(dst, a[0])
		}
		if order <= 0 {
			a = a[1:]
		}
		if order >= 0 {
			b = b[1:]
		}
	}
	dst = append(dst, a...)
	for i := range b {
		if accept == nil || accept(b[i].key) {
			dst = append(dst, b[i])
		}
	}
	return dst
}

// compareKeys is Key.Compare, quick where both keys are equal, as they mostly are.
func compareKeys(a, b *entry) int {
	if a.key == b.key {
		return 0
	}
	return a.key.Compare(b.key)
}
