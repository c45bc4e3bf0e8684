package actors

import "github.com/urbancompute/ucp/internal/job"

// What specs outside the package need to say to the broker and its supervisors in the gateway's place.

// Told carries an event to a supervisor.
func Told(ev job.Event) any { return &told{event: ev} }

// Submission is a client's job, checked.
func Submission(id job.ID, spec *job.Spec) any { return &submission{id: id, spec: spec} }

// ShowJob asks for a job.
func ShowJob(id job.ID) any { return &showJob{id: string(id)} }

// CancelJob asks for a job to be cancelled.
func CancelJob(id job.ID, by string) any { return &cancelJob{id: string(id), by: by} }
