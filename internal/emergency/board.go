package emergency

import (
	"cmp"
	"slices"
	"strings"
)

// MaxActive bounds the emergencies in force at a time, and MaxPast those that are over and still kept.
const (
	MaxActive = 256
	MaxPast   = 1024
)

// Board is all emergencies that are known. The zero value is empty.
type Board struct{ all map[string]Emergency }

// Set notes an emergency, or a newer version of it. One that need not be kept any longer is left out.
func (b *Board) Set(e Emergency) {
	if e.Ended {
		b.Remove(e.ID)
		return
	}
	if b.all == nil {
		b.all = map[string]Emergency{}
	}
	b.all[e.ID] = e
}

// Remove forgets an emergency.
func (b *Board) Remove(id string) { delete(b.all, id) }

// Get returns the emergency of that id.
func (b *Board) Get(id string) (Emergency, bool) {
	e, ok := b.all[id]
	return e, ok
}

// All returns all emergencies in causal order: hybrid time never goes against it.
func (b *Board) All() []Emergency {
	all := make([]Emergency, 0, len(b.all))
	for _, e := range b.all {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b Emergency) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Active returns those in force, in causal order.
func (b *Board) Active() []Emergency {
	return slices.DeleteFunc(b.All(), func(e Emergency) bool { return !e.Active() })
}

// Past returns those that are over, the first to end first.
func (b *Board) Past() []Emergency {
	past := slices.DeleteFunc(b.All(), Emergency.Active)
	slices.SortStableFunc(past, func(a, b Emergency) int { return a.Over.At.Compare(b.Over.At) })
	return past
}

// Level returns the effective level: the highest of those in force.
func (b *Board) Level() Level {
	level := None
	for _, e := range b.all {
		if e.Active() {
			level = max(level, e.Level)
		}
	}
	return level
}

// Highest returns the emergency that makes the effective level, the first of several.
func (b *Board) Highest() (Emergency, bool) {
	active := b.Active()
	if len(active) == 0 {
		return Emergency{}, false
	}
	return slices.MaxFunc(active, func(a, b Emergency) int { return cmp.Compare(a.Level, b.Level) }), true
}

// OfType returns those in force of a type, in causal order.
func (b *Board) OfType(kind string) []Emergency {
	return slices.DeleteFunc(b.Active(), func(e Emergency) bool { return e.Type != kind })
}

// Find returns the emergency whose id is, or those whose ids begin with, what a person wrote.
func (b *Board) Find(id string) []Emergency {
	if e, ok := b.all[id]; ok {
		return []Emergency{e}
	}
	if len(id) < minPrefix {
		return nil
	}
	return slices.DeleteFunc(b.All(), func(e Emergency) bool { return !strings.HasPrefix(e.ID, id) })
}

// minPrefix keeps a letter or two from meaning any emergency.
const minPrefix = 4
