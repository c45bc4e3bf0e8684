// Package plan reads execution plans: files that say which jobs to run, on which data, in which order (PLAN-1).
//
//	p, problems := plan.Parse("wordcount.toml", text)
//	for _, job := range p.Jobs { … }
//
// # Model
//
// A plan is TOML, YAML or JSON of one shape; the ending of its name says which. [named_data] and each job's [jobs.data] give names to files
// of this machine. A job's [jobs.metadata] says by name which module it runs and what it reads and writes, as plans for REC do; what is ours
// (name, after, count, …) stands beside it.
//
// A job with a count is unfolded into as many jobs, in whose texts {index} and {count} are replaced. Each name that a job uses is then looked
// for in the plan: a name of a file of this machine stands for its bytes; a name that another job makes is named data of the network, and
// that job comes first; any other name is named data of the network, which somebody else puts. x/* stands for all names below x/ that the
// plan itself knows, and only if there are none for those of the network.
//
// # Guarantees
//
// [Parse] is a function of its arguments. It reads no file: whether the files that a plan names are there is for the caller to see, and where
// each of them is named is in [Local]. All problems are told at once, in the order of the lines, each with its place. A plan without
// problems has no two jobs that write one name and no circle, and its jobs are in an order in which each comes after those it waits for.
// What a plan unfolds into is bounded.
package plan

import "github.com/urbancompute/ucp/internal/job"

// Plan is a plan that can be carried out.
type Plan struct {
	Data []*Local // what it gives names to, in the order of the file
	Jobs []Job    // each after those it waits for, otherwise in the order of the file
}

// Local is a name for a file or directory of this machine.
type Local struct {
	At   Position
	Name string
	Path string // as it is written: relative to the plan
}

// Job is one job to submit. What its spec lacks is known only when bytes are named by their hash and jobs have ids: the module, input and files that
// are local, and the jobs of the plan that come first.
type Job struct {
	At        Position
	Name      string // unique in the plan
	Base      string // what it is called in the file: that of an array names all of it
	Index     int    // in its array
	Count     int    // of its array, 0 if it is none
	Spec      job.Spec
	Module    *Local // nil: the spec's Data says
	Stdin     *Local // nil: the spec's Data says, or there is none
	Files     []File
	After     []int // jobs of the plan, by their index there
	OnFailure job.OnFailure
}

// File puts a local file, or all of a directory, at a path of the job directory.
type File struct {
	Path string
	*Local
}
