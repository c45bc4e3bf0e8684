package sim

import (
	"maps"
	"slices"
)

// Tally counts things by name.
type Tally map[string]int

func (t Tally) add(name string) { t[name]++ }

// Names are those counted, in order.
func (t Tally) Names() []string { return slices.Sorted(maps.Keys(t)) }
