package actors

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/data"
	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
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
		state, receiver, after string
		limit                  int
		seen                   ledger.Vector
	}
	listNodes   struct{ seen ledger.Vector }
	reprieveJob struct {
		id, by string
		seen   ledger.Vector
	}
	forgetBroker struct{ broker, reason, by string }
	// putData puts bytes under a name, or removes it.
	putData struct {
		put  data.Record // without what the broker adds
		seen ledger.Vector
	}
	showData struct {
		name string
		seen ledger.Vector
	}
	listData struct {
		prefix, after string
		limit         int
		seen          ledger.Vector
	}
	cordonNode struct {
		node, by string
		wish     cordonWish
		patience time.Duration
		seen     ledger.Vector
	}
	whyJob struct {
		id   string
		seen ledger.Vector
	}
	sealSession struct{ client *actor.PID }
)

// What the gateway passes on of emergencies, of somebody who may.
type (
	declaration struct {
		emergency emergency.Emergency
		seen      ledger.Vector
	}
	clearance struct {
		id   string
		over emergency.Over
		seen ledger.Vector
	}
	listEmergencies struct{ seen ledger.Vector }
)

// sessionContent is what a session says of this broker's ledger: what a seal covers.
type sessionContent struct {
	client *actor.PID
	vector ledger.Vector
	at     vclock.Hybrid
}

// moved tells the gateway that a job has a new version.
type moved struct {
	job        job.Job
	final      bool // it is over for good
	superseded bool // a provisional end of this broker did not become the final one
	owed       bool // that will be told yet
}

// commit asks the broker to write a job down; the broker answers committed with the effects, which may then be done.
type commit struct {
	job     job.Job
	owner   job.Ownership
	news    bool // there is something to write down
	effects []job.Effect
}

// committed says that the job of a commit is written down.
type committed struct{ effects []job.Effect }

// assign gives a supervisor its next job.
type assign struct {
	job   job.Job
	owner job.Ownership
	mac   mac
}

// retire says that a supervisor has nothing more to do after handling so many events.
type retire struct {
	id      job.ID
	handled uint64
}

// unreserve gives back the slot that was held for a job which did not take it.
type unreserve struct{ id job.ID }

// told carries an event to a job's supervisor, and the job as the broker knows it.
type told struct {
	event  job.Event
	job    job.Job
	inline map[[32]byte][]byte // with Deployable: bytes of its named data that travel with the deployment
}

// expired says that a timer of a job ran out while it was queued, or active.
type expired struct {
	id    job.ID
	timer job.Timer
}

// dataStirred tells the broker that named data has moved which jobs of its own wait for.
type dataStirred struct{}

// brokerTick is the broker's heartbeat: it looks at leases and retention.
type brokerTick struct{}

// syncTick starts a round of the sync actor.
type syncTick struct{}

// flushPush ends the moment in which writes are gathered before they are pushed.
type flushPush struct{}

// wrote tells the sync actor that there are writes of this broker on disk which peers were not sent yet.
type wrote struct{ urgent bool }

// What sync asks of the broker or tells it. A peer is named by its node.
type (
	summaryRequest struct{}
	pinged         struct {
		peer   string
		hash   uint64
		behind bool
	}
	vectorRequest struct {
		peer   string
		answer bool // the peer is asked for what it knows too
	}
	pushRequest struct {
		peer   string
		from   ledger.Vector // of this broker's writes: what was sent last
		urgent bool          // those of the urgent lane alone
	}
	vectorTold struct {
		peer        string
		journal     string
		incarnation uint64
		knows       ledger.Knowledge
		root        uint64
		answer      bool
	}
	// merge is a part of a delta, or a repair. With adopt, every part before it was merged.
	merge struct {
		peer, journal string
		life          uint64 // of this broker, whose question is answered; 0: a push or repair
		round         uint64
		part          uint32
		records       []ledger.Record
		from, marks   ledger.Vector
		adopt, repair bool
		urgent        bool // it is a part of what the urgent lane alone brought
	}
	partTaken struct {
		journal string
		holds   ledger.Vector
	}
	forgottenThere struct {
		peer    string
		keys    []ledger.Key
		horizon ledger.Vector
	}
	audited struct {
		peer   string
		ranges []uint64
	}
	summed struct {
		peer  string
		index int
		sums  []ledger.KeySum
	}
	wanted struct {
		peer string
		keys []ledger.Key
	}
)

// What the broker has sync send, when everything it rests on is on disk.
type (
	summary struct {
		hash   uint64
		behind bool
	}
	vectorReady struct {
		peer string
		tell *messages.SyncVector
	}
	deltaReady struct {
		peer, journal string
		life          uint64 // of the peer
		delta         *ledger.Delta
		own           ledger.Vector // of this broker's writes: what was there when it was planned
		urgent        bool          // it is of the urgent lane alone
	}
	merged struct {
		peer    string
		round   uint64
		part    uint32
		repair  bool
		urgent  bool
		journal string
		holds   ledger.Vector // of the peer's writes
		refused []ledger.Key
		horizon ledger.Vector
	}
	auditReady struct {
		peer string
		sums []uint64
	}
	sumsReady struct {
		peer  string
		index int
		sums  []ledger.KeySum
	}
	wantReady struct {
		peer string
		keys []ledger.Key
	}
	repairReady struct {
		peer    string
		records []ledger.Record
		journal string
		behind  bool
	}
	// reborn says that this broker has a new journal: what was to be sent for the old one is not sent any more.
	reborn struct{}
)
