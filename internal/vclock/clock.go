package vclock

import (
	"cmp"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a clock that comes from or goes to the outside. Decoding enforces them.
const (
	// MaxEntries is the greatest number of entries in an encoded clock.
	MaxEntries = 4096
	// MaxNode is the greatest length of a node's name in bytes.
	MaxNode = 64
	// MaxCount is the greatest count of an entry: a million messages a second for thirty thousand years.
	MaxCount = 1 << 60
)

// Key names one life of one node. The zero Key names nothing and is in no clock.
type Key struct {
	// Node is the node's id: 1 to MaxNode printable ASCII characters without space.
	Node string
	// Incarnation tells the node's lives apart. It is never used twice.
	Incarnation uint64
}

// Valid reports whether k can be encoded.
func (k Key) Valid() bool {
	return k.Node != "" && len(k.Node) <= MaxNode && !strings.ContainsFunc(k.Node, unprintable)
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// Compare orders keys by node, then by incarnation.
func (k Key) Compare(other Key) int {
	if order := strings.Compare(k.Node, other.Node); order != 0 {
		return order
	}
	return cmp.Compare(k.Incarnation, other.Incarnation)
}

// String is the node's name and its incarnation: b1#7.
func (k Key) String() string {
	return k.Node + "#" + strconv.FormatUint(k.Incarnation, 10)
}

type entry struct {
	key   Key
	count uint64
}

// Clock is a vector clock: an immutable map from nodes to counts. The zero value is the empty clock.
type Clock struct {
	// Invariant: sorted by key, no key twice, no zero count, never written to once the clock is made.
	entries []entry
}

// Get returns the count of key, 0 if the clock has no such entry.
func (c Clock) Get(key Key) uint64 {
	if at, found := c.find(key); found {
		return c.entries[at].count
	}
	return 0
}

// With returns c with the entry of key raised to count; c itself when that changes nothing, since a clock never goes
// back.
func (c Clock) With(key Key, count uint64) Clock {
	at, found := c.find(key)
	switch {
	case key == (Key{}) || count == 0 || found && c.entries[at].count >= count:
		return c
	case found:
		entries := slices.Clone(c.entries)
		entries[at].count = count
		return Clock{entries}
	}
	entries := make([]entry, 0, len(c.entries)+1)
	entries = append(entries, c.entries[:at]...)
	entries = append(entries, entry{key, count})
	return Clock{append(entries, c.entries[at:]...)}
}

// Without returns c without the entries of keys, for nodes that are retired; c itself when it has none of them.
func (c Clock) Without(keys ...Key) Clock {
	gone := func(e entry) bool { return slices.Contains(keys, e.key) }
	if !slices.ContainsFunc(c.entries, gone) {
		return c
	}
	return Clock{slices.DeleteFunc(slices.Clone(c.entries), gone)}
}

// Len is the number of entries.
func (c Clock) Len() int { return len(c.entries) }

// All yields the entries, sorted by key.
func (c Clock) All() iter.Seq2[Key, uint64] {
	return func(yield func(Key, uint64) bool) {
		for i := range c.entries {
			if !yield(c.entries[i].key, c.entries[i].count) {
				return
			}
		}
	}
}

// String prints the entries sorted, {b1:3 b2:7}. The incarnation is shown where a node has several, {b1#1:3 b1#2:1}.
func (c Clock) String() string {
	text := make([]byte, 0, 2+16*len(c.entries))
	text = append(text, '{')
	for i, e := range c.entries {
		if i > 0 {
			text = append(text, ' ')
		}
		text = append(text, e.key.Node...)
		if c.severalLives(i) {
			text = append(text, '#')
			text = strconv.AppendUint(text, e.key.Incarnation, 10)
		}
		text = append(text, ':')
		text = strconv.AppendUint(text, e.count, 10)
	}
	return string(append(text, '}'))
}

// severalLives reports whether the node of entry i has another entry; it would be a neighbour.
func (c Clock) severalLives(i int) bool {
	node := c.entries[i].key.Node
	return i > 0 && c.entries[i-1].key.Node == node ||
		i+1 < len(c.entries) && c.entries[i+1].key.Node == node
}

// find returns where the entry of key is, or would be.
func (c Clock) find(key Key) (at int, found bool) {
	low, high := 0, len(c.entries)
	for low < high {
		middle := int(uint(low+high) >> 1)
		switch order := c.entries[middle].key.Compare(key); {
		case order == 0:
			return middle, true
		case order < 0:
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, false
}
