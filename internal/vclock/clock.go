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

// Clock is a vector clock: an immutable map from nodes to counts. The zero value is the empty clock.
type Clock struct {
	// Invariant: as many keys as counts; keys sorted and none twice, no count zero; neither is written to once the
	// clock is made. Clocks that name the same nodes mostly share their keys.
	keys   []Key
	counts []uint64
}

// Get returns the count of key, 0 if the clock has no such entry.
func (c Clock) Get(key Key) uint64 {
	if at, found := c.find(key); found {
		return c.counts[at]
	}
	return 0
}

// With returns c with the entry of key raised to count; c itself when that changes nothing, since a clock never goes
// back.
func (c Clock) With(key Key, count uint64) Clock {
	at, found := c.find(key)
	switch {
	case key == (Key{}) || count == 0 || found && c.counts[at] >= count:
		return c
	case found:
		counts := slices.Clone(c.counts)
		counts[at] = count
		return Clock{c.keys, counts}
	}
	grown := withRoom(len(c.keys) + 1)
	grown.append(c.keys[:at], c.counts[:at])
	grown.append([]Key{key}, []uint64{count})
	grown.append(c.keys[at:], c.counts[at:])
	return grown
}

// Without returns c without the entries of keys, for nodes that are retired; c itself when it has none of them.
func (c Clock) Without(keys ...Key) Clock {
	gone := func(k Key) bool { return slices.Contains(keys, k) }
	if !slices.ContainsFunc(c.keys, gone) {
		return c
	}
	left := withRoom(len(c.keys))
	for i, k := range c.keys {
		if !gone(k) {
			left.append(c.keys[i:i+1], c.counts[i:i+1])
		}
	}
	return left
}

// withRoom is a clock in the making, the only kind that is appended to.
func withRoom(entries int) Clock {
	return Clock{make([]Key, 0, entries), make([]uint64, 0, entries)}
}

func (c *Clock) append(keys []Key, counts []uint64) {
	c.keys = append(c.keys, keys...)
	c.counts = append(c.counts, counts...)
}

// Len is the number of entries.
func (c Clock) Len() int { return len(c.keys) }

// All yields the entries, sorted by key.
func (c Clock) All() iter.Seq2[Key, uint64] {
	return func(yield func(Key, uint64) bool) {
		for i, k := range c.keys {
			if !yield(k, c.counts[i]) {
				return
			}
		}
	}
}

// String prints the entries sorted, {b1:3 b2:7}. The incarnation is shown where a node has several, {b1#1:3 b1#2:1}.
func (c Clock) String() string {
	text := make([]byte, 0, 2+16*len(c.keys))
	text = append(text, '{')
	for i, k := range c.keys {
		if i > 0 {
			text = append(text, ' ')
		}
		text = append(text, k.Node...)
		if c.severalLives(i) {
			text = append(text, '#')
			text = strconv.AppendUint(text, k.Incarnation, 10)
		}
		text = append(text, ':')
		text = strconv.AppendUint(text, c.counts[i], 10)
	}
	return string(append(text, '}'))
}

// severalLives reports whether the node of entry i has another entry; it would be a neighbour.
func (c Clock) severalLives(i int) bool {
	node := c.keys[i].Node
	return i > 0 && c.keys[i-1].Node == node || i+1 < len(c.keys) && c.keys[i+1].Node == node
}

// find returns where the entry of key is, or would be.
func (c Clock) find(key Key) (at int, found bool) {
	return slices.BinarySearchFunc(c.keys, key, Key.Compare)
}
