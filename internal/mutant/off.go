//go:build !mutants

package mutant

// Built says whether this build can have seeded bugs.
const Built = false

// On says whether the process has a seeded bug: this build has none.
func On(Bug) bool { return false }

// Choose does nothing in this build.
func Choose(Bug) {}
