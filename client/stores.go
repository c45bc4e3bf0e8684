package client

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/urbancompute/ucp/messages"
)

// Store is a datastore as the network knows it.
type Store struct {
	Node, Name string
	Home       string // node id of the broker that manages it
	State      string // up, lost, left, or unseen by the broker asked
	Reason     string // why it is not up
	Address    string // where others can dial it; empty: nowhere
	Free, Used uint64 // bytes, coarsely unless the broker asked is its home
	Seen       time.Time
	Replicas   int  // how many datastores should have each blob, of as many as there are
	Paused     bool // copies that are missing wait, but for an emergency's: it needs the bandwidth
}

// Stores returns the datastores of the network, by name.
func (c *Client) Stores(ctx context.Context) ([]Store, error) {
	answer, err := ask[*messages.StoresResponse](ctx, c, &messages.StoresRequest{})
	if err != nil {
		return nil, fmt.Errorf("list of datastores: %w", err)
	}
	all := make([]Store, len(answer.GetStores()))
	for i, s := range answer.GetStores() {
		all[i] = Store{
			Node: s.GetNode(), Name: s.GetName(), Home: s.GetHome(), State: s.GetState(), Reason: s.GetReason(), Address: s.GetAddress(),
			Free: s.GetFree(), Used: s.GetUsed(), Seen: time.UnixMilli(int64(min(s.GetSeenMs(), 1<<52))).UTC(),
			Replicas: int(answer.GetReplicas()), Paused: answer.GetPaused(),
		}
	}
	slices.SortFunc(all, func(a, b Store) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node)) })
	return all, nil
}

// withStores puts datastores among nodes: one that plays nothing else has no record as a node.
func withStores(nodes []Node, stores []Store) []Node {
	for i := range stores {
		s := &stores[i]
		at := slices.IndexFunc(nodes, func(n Node) bool { return n.ID == s.Node })
		if at < 0 {
			at = len(nodes)
			nodes = append(nodes, Node{
				ID: s.Node, Name: s.Name, Home: s.Home, State: s.State, Reason: s.Reason, Address: s.Address, Seen: s.Seen,
			})
		}
		if !slices.Contains(nodes[at].Roles, messages.Datastore) {
			nodes[at].Roles = append(slices.Clone(nodes[at].Roles), messages.Datastore)
		}
		nodes[at].Store = s
	}
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return nodes
}
