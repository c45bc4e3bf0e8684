package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/config"
)

// statusOutput is a broker's status in JSON.
type statusOutput struct {
	Network    string `json:"network"`
	Broker     string `json:"broker"`
	BrokerID   string `json:"broker_id"`
	Version    string `json:"version"`
	Uptime     millis `json:"uptime_ms"`
	Brokers    int    `json:"brokers"`
	Executors  int    `json:"executors"`
	Slots      int    `json:"slots"`
	Used       int    `json:"slots_used"`
	Queued     uint64 `json:"jobs_queued"`
	Running    uint64 `json:"jobs_running"`
	Finished   uint64 `json:"jobs_finished"`
	Records    uint64 `json:"records"`
	Accepted   uint64 `json:"results_accepted"`
	Rejected   uint64 `json:"results_rejected"`
	Redeployed uint64 `json:"attempts_redeployed"`
	Clock      string `json:"clock"`
	Datastores int    `json:"datastores"` // that are up
	Free       uint64 `json:"bytes_free"` // at those
	Kept       uint64 `json:"bytes_used"`
	Replicas   int    `json:"copies_wanted"`   // of each blob, if there are so many datastores
	Paused     bool   `json:"copies_paused"`   // an emergency needs the bandwidth
	Emergency  string `json:"emergency_level"` // none, low, medium, high or critical
	InForce    int    `json:"emergencies"`
}

// withStores adds up the datastores that are up.
func (s statusOutput) withStores(stores []client.Store) statusOutput {
	for _, x := range stores {
		if x.State == "up" {
			s.Datastores, s.Free, s.Kept = s.Datastores+1, s.Free+x.Free, s.Kept+x.Used
		}
		s.Replicas, s.Paused = x.Replicas, x.Paused
	}
	return s
}

// storesText says how the datastores are.
func (s statusOutput) storesText() string {
	text := fmt.Sprintf("%d, %s used, %s free", s.Datastores, bytesText(s.Kept), bytesText(s.Free))
	if s.Paused {
		text += "; " + copiesWait
	}
	return text
}

// copiesWait tells of a pause (EMG-5).
const copiesWait = "copies wait until the emergency is over"

func newStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Tell how the network is, as one broker sees it",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilInterrupted(cmd.Context())
			defer stop()
			c, err := a.connect(ctx, "ucp status")
			if err != nil {
				return err
			}
			defer closing(a, c)
			s, err := c.Status(ctx)
			if err != nil {
				return err
			}
			stores, err := c.Stores(ctx)
			if err != nil {
				return err
			}
			out := statusOf(s).withStores(stores)
			return a.print(out, func(w io.Writer) error { return writeStatus(w, s, out) })
		},
	}
}

// closing ends a connection that nothing more is wanted of.
func closing(a *app, c io.Closer) {
	if err := c.Close(); err != nil {
		a.log.Warn("connection did not close cleanly", "err", err)
	}
}

func statusOf(s client.Status) statusOutput {
	return statusOutput{
		Network: s.Network, Broker: s.Name, BrokerID: s.Node, Version: s.Version, Uptime: millis(s.Uptime),
		Brokers: s.Brokers, Executors: s.Executors, Slots: s.Slots, Used: s.Used,
		Queued: s.Queued, Running: s.Running, Finished: s.Finished, Records: s.Records,
		Accepted: s.Accepted, Rejected: s.Rejected, Redeployed: s.Redeployed, Clock: s.Clock,
		Emergency: s.Emergency.String(), InForce: s.Emergencies,
	}
}

func writeStatus(w io.Writer, s client.Status, out statusOutput) error {
	return table(
		w,
		[]string{"network", s.Network},
		[]string{"asked", fmt.Sprintf("broker %s, version %s, up %s", s.Name, s.Version, config.FormatDuration(s.Uptime.Round(1e9)))},
		[]string{"nodes", fmt.Sprintf("%d brokers, %d executors with %d slots, %d of them in use", s.Brokers, s.Executors, s.Slots, s.Used)},
		[]string{"datastores", out.storesText()},
		[]string{"jobs", fmt.Sprintf("%d queued, %d running, %d finished, %d records", s.Queued, s.Running, s.Finished, s.Records)},
		[]string{"results", fmt.Sprintf("%d accepted, %d rejected, %d attempts redeployed", s.Accepted, s.Rejected, s.Redeployed)},
		[]string{"emergency", emergencyText(s)},
		[]string{"clock", s.Clock},
	)
}
