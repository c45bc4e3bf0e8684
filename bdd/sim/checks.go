package sim

import (
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// fact is something that was seen.
//
//sumtype:decl
type fact interface{ fact() }

type (
	// acked: a broker acknowledged a job to a client.
	acked struct {
		story *story
		ack   ack
	}
	// shown: a broker tells a client of a job.
	shown struct {
		story   *story
		client  *Node
		broker  *Node
		job     job.Job
		message *messages.JobChanged
	}
	// refused: a client was refused something.
	refused struct {
		broker  *Node
		message *messages.Refused
	}
	// deployed: an attempt reached an executor.
	deployed struct {
		story    *story
		attempt  job.Name
		broker   *Node
		executor *Node
	}
	// answered: a broker says what became of a result.
	answered struct {
		broker   *Node
		executor *Node
		attempt  job.Name
		message  *messages.ResultAnswered
	}
	// travels: a message leaves for another node.
	travels struct {
		from, to *Node
		parcel   *parcel
	}
	// wrote: a broker wrote to its disk.
	wrote struct {
		node  *Node
		batch Batch
		jobs  []job.Job // of the records in it
	}
	// harm: a disk lost something durable.
	harm struct{ node *Node }
	// gone: a process ended.
	gone struct {
		node *Node
		life *life
	}
	// sided: a side of a partition was on its own for so long.
	sided struct{ side *side }
	// storm: so much happens within a second that the world was stopped.
	storm struct{ steps int }
	// atRest: all faults are over and there was time enough.
	atRest struct{ views []*view }
)

func (acked) fact()    {}
func (shown) fact()    {}
func (refused) fact()  {}
func (deployed) fact() {}
func (answered) fact() {}
func (travels) fact()  {}
func (wrote) fact()    {}
func (harm) fact()     {}
func (gone) fact()     {}
func (sided) fact()    {}
func (storm) fact()    {}
func (atRest) fact()   {}

// checker watches over one invariant. It is shown every fact, and returns what it saw if the invariant does not hold.
type checker struct {
	name    string
	promise string
	see     func(*Chronicle, fact) string
}

// allCheckers are the invariants of the design, one checker each.
func allCheckers() []checker {
	return []checker{
		{"S1", "an acknowledged job is in the union of surviving disks", checkS1},
		{"S2", "every job was submitted by a client, and every result made by an executor", checkS2},
		{"S3", "a job has at most one final verdict, for everybody and ever", checkS3},
		{"S4", "at one ownership exactly one result is answered accepted, when that is on disk", checkS4},
		{"S5", "verdicts give the same winner everywhere, and a client is told once that its end does not stand", checkS5},
		{"S6", "at rest all ledgers are equal, and what was forgotten stays forgotten", checkS6},
		{"S7", "vectors never go back, and claim what is there", newS7()},
		{"S8", "a job has at most 15 attempts, and no two of one name", checkS8},
		{"S9", "only legal transitions, and one verdict an owner", checkS9},
		{"S10", "every bound holds, and refusals have reasons", checkS10},
		{"S11", "an accepted digest is that of the bytes stored", checkS11},
		{"L1", "no job is stuck: it runs, or says why not", checkL1},
		{"L2", "every job with a holder in reach and a capable executor gets a verdict", checkL2},
		{"L3", "attempts of a lost executor are planned again within a lease, or two where it was not heard regularly", checkL3},
		{"L4", "every side of a partition with a broker keeps working", checkL4},
	}
}

// Checkers are the names of all checkers.
func Checkers() []string {
	var names []string
	for _, c := range allCheckers() {
		names = append(names, c.name)
	}
	return names
}
