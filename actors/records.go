package actors

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/data"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/roster"
)

// jobState is a job as the ledger keeps it.
type jobState struct{ job.Job }

// Merge implements ledger.State.
func (s jobState) Merge(o ledger.State) ledger.State { return jobState{s.Job.Merge(o.(jobState).Job)} }

// Ended says that the job may be forgotten once everybody knows it.
func (s jobState) Ended() bool { return s.Job.Ended }

// Names returns the jobs that this one was said to follow.
func (s jobState) Names() []ledger.Key {
	var keys []ledger.Key
	for _, d := range s.Spec.After {
		keys = append(keys, jobKey(d.Job))
	}
	return keys
}

// nodeState is a node as the ledger keeps it.
type nodeState struct{ roster.Node }

// Merge implements ledger.State.
func (s nodeState) Merge(o ledger.State) ledger.State {
	return nodeState{s.Node.Merge(o.(nodeState).Node)}
}

// brokerState is a broker as the ledger keeps it.
type brokerState struct{ roster.Broker }

// Merge implements ledger.State.
func (s brokerState) Merge(o ledger.State) ledger.State {
	return brokerState{s.Broker.Merge(o.(brokerState).Broker)}
}

// forgetState is a broker's end as the ledger keeps it.
type forgetState struct{ roster.Forget }

// Merge implements ledger.State.
func (s forgetState) Merge(o ledger.State) ledger.State {
	return forgetState{s.Forget.Merge(o.(forgetState).Forget)}
}

// Names returns the broker that is given up.
func (s forgetState) Names() []ledger.Key { return []ledger.Key{brokerKey(s.Journal)} }

// dataState is one put of a name, or its removal, as the ledger keeps it.
type dataState struct{ data.Record }

// Merge implements ledger.State.
func (s dataState) Merge(o ledger.State) ledger.State {
	return dataState{s.Record.Merge(o.(dataState).Record)}
}

// Ended says that it was replaced, and may be forgotten once everybody knows it.
func (s dataState) Ended() bool { return s.Gone }

// Names returns what it replaces: so nobody sees both.
func (s dataState) Names() []ledger.Key {
	var keys []ledger.Key
	for _, id := range s.Replaces {
		keys = append(keys, dataKey(id))
	}
	return keys
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
	case ledger.Broker:
		r, err := roster.DecodeBroker(b)
		return brokerState{r}, err
	case ledger.Forget:
		f, err := roster.DecodeForget(b)
		return forgetState{f}, err
	case ledger.Horizon:
		return ledger.DecodeHorizon(b)
	case ledger.Data:
		d, err := data.Decode(b)
		return dataState{d}, err
	case ledger.Store, ledger.Emergency: // nobody writes them yet
	}
	return nil, fmt.Errorf("record of kind %d: %w", kind, canon.ErrMalformed)
}

func jobKey(id job.ID) ledger.Key         { return ledger.Key{Kind: ledger.Job, ID: string(id)} }
func nodeKey(id string) ledger.Key        { return ledger.Key{Kind: ledger.Node, ID: id} }
func brokerKey(journal string) ledger.Key { return ledger.Key{Kind: ledger.Broker, ID: journal} }
func dataKey(id string) ledger.Key        { return ledger.Key{Kind: ledger.Data, ID: id} }
func forgetKey(journal string) ledger.Key { return ledger.Key{Kind: ledger.Forget, ID: journal} }

// What follows puts into a fixed order what is kept in none, so that the same messages lead to the same deeds.

func sortedRecords(r *ledger.Replica, kind ledger.Kind) []ledger.Record {
	return slices.SortedFunc(r.All(kind), func(a, b ledger.Record) int { return cmp.Compare(a.Key.ID, b.Key.ID) })
}

func sortedNames[V any](m map[job.Name]V) []job.Name {
	return slices.SortedFunc(maps.Keys(m), job.Name.Compare)
}

func sortedOrigins[V any](m map[ledger.Origin]V) []ledger.Origin {
	return slices.SortedFunc(maps.Keys(m), ledger.Origin.Compare)
}

func sortedPeers(m map[string]*peerBroker) []*peerBroker {
	peers := make([]*peerBroker, 0, len(m))
	for _, node := range slices.Sorted(maps.Keys(m)) {
		peers = append(peers, m[node])
	}
	return peers
}
