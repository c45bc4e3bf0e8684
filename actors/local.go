package actors

import (
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/vclock"
)

// What the actors of one node tell each other. None of it crosses a link.

// submission is a client's job, checked by the gateway.
type submission struct {
	id   job.ID
	spec *job.Spec
	seen ledger.Vector // the client's session
}

// What the gateway passes on in the name of a client, checked. Seen is the client's session.
type (
	showJob struct {
		id   string
		seen ledger.Vector
	}
	cancelJob struct {
		id, by string
		seen   ledger.Vector
	}
	listJobs struct {
		state, after string
		limit        int
		seen         ledger.Vector
	}
	listNodes   struct{ seen ledger.Vector }
	sealSession struct{}
)

// sessionContent is what a session says of this broker's ledger: what a seal covers.
type sessionContent struct {
	vector ledger.Vector
	at     vclock.Hybrid
}

// moved tells the gateway that a job has a new version.
type moved struct{ job job.Job }

// commit asks the broker to write a job down; the broker answers committed with the effects, which may then be done.
type commit struct {
	job     job.Job
	effects []job.Effect
}

// committed says that the job of a commit is written down.
type committed struct{ effects []job.Effect }

// assign gives a supervisor its next job.
type assign struct {
	job   job.Job
	owner job.Ownership
}

// retire says that a supervisor has nothing more to do after handling so many events.
type retire struct {
	id      job.ID
	handled uint64
}

// unreserve gives back the slot that was held for a job which did not take it.
type unreserve struct{ id job.ID }

// told carries an event to a job's supervisor.
type told struct{ event job.Event }

// expired says that a timer of a job ran out while it was queued, or active.
type expired struct {
	id    job.ID
	timer job.Timer
}

// brokerTick is the broker's heartbeat: it looks at leases and retention.
type brokerTick struct{}

// syncTick starts a round of the sync actor.
type syncTick struct{}

// flushPush ends the moment in which writes are gathered before they are pushed.
type flushPush struct{}

// wrote tells the sync actor of a write of this broker.
type wrote struct {
	record ledger.Record
	dot    ledger.Dot
}

// vectorRequest asks the broker what it knows; peer and hash come back with the answer.
type vectorRequest struct {
	peer   string // empty: all peers
	hash   uint64
	answer bool // the peer is asked for its vector too
}

type vectorResponse struct {
	vectorRequest
	vector ledger.Vector
}

// deltaRequest asks the broker for what a peer lacks.
type deltaRequest struct {
	peer  string
	since ledger.Vector
}

type deltaResponse struct {
	deltaRequest
	records []ledger.Record
	upto    ledger.Vector
}

// merge asks the broker to take in records of a peer, and to adopt upto for every origin in which it is not behind after.
type merge struct {
	records     []ledger.Record
	adopt       bool
	after, upto ledger.Vector
}

// demandOf says what a job asks of an executor.
func demandOf(j job.Job) placement.Demand {
	d := placement.Demand{Memory: max(j.Spec.Needs.Memory, j.Spec.Limits.Memory), Labels: j.Spec.Needs.Labels, Module: j.Spec.Module.Digest}
	for _, a := range j.Current().Attempts {
		if d.Avoid == nil {
			d.Avoid = map[string]bool{}
		}
		d.Avoid[a.Executor] = true
	}
	return d
}
