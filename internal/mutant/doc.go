// Package mutant seeds bugs, one at a time, into the code that must not have them, to see that the simulator finds each (docs/track-record.md).
//
// A place that can be broken asks On. Without the build tag mutants On is a constant false, the question costs nothing and nothing can turn it to
// true: the programs that are shipped have no seeded bugs. With the tag Choose says which bug a process has.
package mutant
