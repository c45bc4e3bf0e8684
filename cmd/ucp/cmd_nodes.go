package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/vclock"
)

// nodeOutput is a node in JSON.
type nodeOutput struct {
	ID       string            `json:"id"`
	Name     string            `json:"name"`
	Roles    []string          `json:"roles"`
	State    string            `json:"state"`
	Reason   string            `json:"reason,omitempty"`
	Home     string            `json:"home,omitempty"`
	HomeName string            `json:"home_name,omitempty"`
	Slots    int               `json:"slots"`
	Used     int               `json:"slots_used"`
	Labels   map[string]string `json:"labels"`
	Address  string            `json:"address,omitempty"`
	Lease    uint64            `json:"lease,omitempty"`
	Changed  instant           `json:"changed"`
	Store    *storeOutput      `json:"datastore,omitempty"`
}

// storeOutput is what a node keeps for others, in JSON.
type storeOutput struct {
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Home   string `json:"home,omitempty"`
	Free   uint64 `json:"free_bytes"`
	Used   uint64 `json:"used_bytes"`
	Paused bool   `json:"copies_paused"`
}

func storeOf(s *client.Store) *storeOutput {
	if s == nil {
		return nil
	}
	return &storeOutput{State: s.State, Reason: s.Reason, Home: s.Home, Free: s.Free, Used: s.Used, Paused: s.Paused}
}

// text says how a datastore is in a few words.
func (s *storeOutput) text() string {
	switch {
	case s == nil:
		return "-"
	case s.State != "up":
		return s.State
	}
	text := fmt.Sprintf("%s used, %s free", bytesText(s.Used), bytesText(s.Free))
	if s.Paused {
		text += "; " + copiesWait
	}
	return text
}

func newNodeListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the nodes of the network",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilInterrupted(cmd.Context())
			defer stop()
			c, err := a.connect(ctx, "ucp node list")
			if err != nil {
				return err
			}
			defer closing(a, c)
			nodes, err := c.Nodes(ctx)
			if err != nil {
				return err
			}
			list := nodesOf(nodes)
			return a.print(listOf(list), func(w io.Writer) error { return writeNodes(w, list, time.Now()) })
		},
	}
}

func nodesOf(nodes []client.Node) []nodeOutput {
	names := map[string]string{}
	for _, n := range nodes {
		names[n.ID] = n.Name
	}
	list := make([]nodeOutput, len(nodes))
	for i, n := range nodes {
		list[i] = nodeOutput{
			ID: n.ID, Name: n.Name, Roles: n.Roles, State: n.State, Reason: n.Reason, Home: n.Home, HomeName: names[n.Home],
			Slots: n.Slots, Used: n.Used, Labels: labelsOf(n.Labels), Address: n.Address, Lease: n.Lease,
			Changed: instant(vclock.Hybrid{Wall: n.Seen.UnixMilli()}), Store: storeOf(n.Store),
		}
	}
	return list
}

func writeNodes(w io.Writer, list []nodeOutput, now time.Time) error {
	rows := [][]string{{"NAME", "ROLES", "STATE", "HOME", "SLOTS", "BYTES", "LABELS", "ADDRESS", "CHANGED", "ID"}}
	for _, n := range list {
		slots := ""
		if n.Slots > 0 {
			slots = fmt.Sprintf("%d/%d", n.Used, n.Slots)
		}
		state := n.State
		if n.Reason != "" {
			state += ": " + n.Reason
		}
		rows = append(rows, []string{
			n.Name, strings.Join(n.Roles, ","), state, firstOf(n.HomeName, n.Home, "-"), firstOf(slots, "-"),
			n.Store.text(), firstOf(labelsText(n.Labels), "-"), firstOf(n.Address, "dials out"), n.Changed.age(now), n.ID,
		})
	}
	return table(w, rows...)
}

func labelsText(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, k+"="+labels[k])
	}
	return strings.Join(pairs, ",")
}
