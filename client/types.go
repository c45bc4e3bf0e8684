package client

import "github.com/urbancompute/ucp/internal/job"

// What clients say and read of jobs. These are the very types that brokers decide with.
type (
	// Job is the replicated record of one job.
	Job = job.Job
	// Spec is what a client wants done.
	Spec = job.Spec
	// Blob names bytes by their SHA-256.
	Blob = job.Blob
	// File puts the bytes of a blob at a path of the job's directory.
	File = job.File
	// Limits are a job's own limits; 0 means the executor's default.
	Limits = job.Limits
	// Needs constrain where a job may run.
	Needs = job.Needs
	// Result is how a program ended, with everything a client gets back.
	Result = job.Result
	// State is where a job stands.
	State = job.State
	// Attempt is one deployment of a job on an executor.
	Attempt = job.Attempt
	// Rejection is a result that came too late.
	Rejection = job.Rejection
)

// Change is a job as a broker knew it at some time.
type Change struct {
	Job     Job
	Waiting string            // why nothing runs just now, as the broker asked sees it; empty when something does
	Names   map[string]string // node id → name, for nodes in the record; may be incomplete
	// Final says that the end that Job tells never changes; an end that is not final is provisional.
	Final bool
	// Superseded says that an end that was told as provisional did not become final, and that another one did. It is told once.
	Superseded bool
}

// Provisional says why the end that c tells may still be replaced by another; "" if it is final, or there is none.
func (c Change) Provisional() string {
	decided, _ := c.Job.Decided()
	switch {
	case c.Final || !c.Job.State().Terminal():
		return ""
	case decided == nil:
		return "a broker that took the job over decided so; its owner, or whoever inherits from it, has the last word"
	case c.Job.Doubtful():
		return "jobs of its time are forgotten, and it may have ended before"
	}
	return "the broker asked does not know yet that it is on as many disks as promised, or that a broker that decided has lost nothing"
}

// Name returns the name of a node in the record, or else its id.
func (c Change) Name(node string) string {
	if name := c.Names[node]; name != "" {
		return name
	}
	return node
}
