package sim

// mutants are bugs that can be put into the actors on purpose, by name.
var mutants = map[string]func(){}

// Mutate puts a seeded bug into this process for good, and says whether this build has it.
func Mutate(name string) bool {
	mutate, ok := mutants[name]
	if ok {
		mutate()
	}
	return ok
}
