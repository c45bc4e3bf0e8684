package sim

import "github.com/urbancompute/ucp/internal/mutant"

// Mutate puts the seeded bug of that name into this process, instead of the one that it had, and says whether this build has it. No name heals it.
// It is called while no world runs.
func Mutate(name string) bool {
	bug, ok := mutant.Named(name)
	if name != "" && (!ok || !mutant.Built) {
		return false
	}
	mutant.Choose(bug)
	return true
}
