package actors

import (
	"fmt"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/roster"
)

// jobState is a job as the ledger keeps it.
type jobState struct{ job.Job }

// Merge implements ledger.State.
func (s jobState) Merge(o ledger.State) ledger.State { return jobState{s.Job.Merge(o.(jobState).Job)} }

// nodeState is a node as the ledger keeps it.
type nodeState struct{ roster.Node }

// Merge implements ledger.State.
func (s nodeState) Merge(o ledger.State) ledger.State {
	return nodeState{s.Node.Merge(o.(nodeState).Node)}
}

// decodeState is the ledger.Decoder of this version's records.
func decodeState(kind ledger.Kind, b []byte) (ledger.State, error) {
	switch kind {
	case ledger.Job:
		j, err := job.Decode(b)
		return jobState{j}, err
	case ledger.Node:
		n, err := roster.Decode(b)
		return nodeState{n}, err
	}
	return nil, fmt.Errorf("record of kind %d: %w", kind, canon.ErrMalformed)
}

func jobKey(id job.ID) ledger.Key  { return ledger.Key{Kind: ledger.Job, ID: string(id)} }
func nodeKey(id string) ledger.Key { return ledger.Key{Kind: ledger.Node, ID: id} }
