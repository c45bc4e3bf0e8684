//go:build mutants

package mutant

import "sync/atomic"

// Built says whether this build can have seeded bugs.
const Built = true

var chosen atomic.Int64

// On says whether the process has a seeded bug.
func On(b Bug) bool { return chosen.Load() == int64(b) }

// Choose gives the process a seeded bug, instead of the one that it had; None heals it. It is called while nothing runs.
func Choose(b Bug) { chosen.Store(int64(b)) }
