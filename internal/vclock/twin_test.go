package vclock_test

import (
	"fmt"
	"maps"

	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/vclock"
)

// twin is the clock a beginner would write. It is obviously right, and what vclock.Clock is held against.
type twin map[vclock.Key]uint64

func (t twin) with(k vclock.Key, count uint64) twin {
	next := maps.Clone(t)
	if k != (vclock.Key{}) && count > next[k] {
		next[k] = count
	}
	return next
}

func (t twin) merge(other twin) twin {
	next := maps.Clone(t)
	for k, count := range other {
		next[k] = max(next[k], count)
	}
	return next
}

func (t twin) without(keys ...vclock.Key) twin {
	next := maps.Clone(t)
	for _, k := range keys {
		delete(next, k)
	}
	return next
}

func (t twin) knowsAllOf(other twin) bool {
	for k, count := range other {
		if t[k] < count {
			return false
		}
	}
	return true
}

func (t twin) compare(other twin) vclock.Order {
	switch more, less := t.knowsAllOf(other), other.knowsAllOf(t); {
	case more && less:
		return vclock.Equal
	case more:
		return vclock.After
	case less:
		return vclock.Before
	}
	return vclock.Concurrent
}

func twinOf(c vclock.Clock) twin {
	return maps.Collect(c.All())
}

// Few names and small counts, so that clocks often share entries; now and then a count at the bound.
var (
	keys = rapid.Custom(func(t *rapid.T) vclock.Key {
		return vclock.Key{
			Node:        rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "node"),
			Incarnation: rapid.Uint64Range(0, 2).Draw(t, "incarnation"),
		}
	})
	counts = rapid.OneOf(rapid.Uint64Range(0, 4), rapid.Just(uint64(vclock.MaxCount)))
	clocks = rapid.Custom(func(t *rapid.T) vclock.Clock {
		var c vclock.Clock
		for k, count := range rapid.MapOfN(keys, counts, 0, 8).Draw(t, "entries") {
			c = c.With(k, count)
		}
		return c
	})
)

// manyNodes is a clock of n nodes with counts that depend on seed.
func manyNodes(n int, seed uint64) vclock.Clock {
	var c vclock.Clock
	for i := range n {
		key := vclock.Key{Node: fmt.Sprintf("%026d", i), Incarnation: 1<<40 + uint64(i)}
		c = c.With(key, 1+(uint64(i)*7919+seed)%1000)
	}
	return c
}
