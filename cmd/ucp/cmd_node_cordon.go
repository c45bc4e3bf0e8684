package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// cordonedOutput is what became of a wish about an executor, in JSON.
type cordonedOutput struct {
	Node    string `json:"node"`
	State   string `json:"state"`
	Running int    `json:"running"` // attempts that it still has in hand
}

func newNodeCordonCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "cordon NODE",
		Short: "Give an executor nothing new; what it runs goes on",
		Args:  oneArgument("the name of an executor, or its node id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.wishFor(cmd, args[0], "cordoned", func(ctx context.Context, c *connection) (int, error) { return c.Cordon(ctx, args[0]) })
		},
	}
}

func newNodeUncordonCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "uncordon NODE",
		Short: "Give an executor work again that was cordoned or drained",
		Args:  oneArgument("the name of an executor, or its node id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.wishFor(cmd, args[0], "up", func(ctx context.Context, c *connection) (int, error) { return c.Uncordon(ctx, args[0]) })
		},
	}
}

func newNodeDrainCommand(a *app) *cobra.Command {
	var patience time.Duration
	cmd := &cobra.Command{
		Use:   "drain NODE",
		Short: "Empty an executor, to take it away",
		Long: `Give an executor nothing new, and hand what it runs over to others when its time is up. Nothing is lost by it: a job that is handed over begins anew
elsewhere, at no cost to its retries. It is safe to take the node away when "ucp node list" says that it is drained.

Any broker takes the wish. It holds until "ucp node uncordon", also across restarts and when the executor finds another home.`,
		Example: "  ucp node drain e3 --patience 10m",
		Args:    oneArgument("the name of an executor, or its node id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if patience < 0 {
				return usageError{errors.New("--patience must not be negative")}
			}
			return a.wishFor(cmd, args[0], "draining", func(ctx context.Context, c *connection) (int, error) { return c.Drain(ctx, args[0], patience) })
		},
	}
	cmd.Flags().DurationVar(&patience, "patience", 5*time.Minute, "how long what runs there may go on")
	return cmd
}

// wishFor tells a broker what is to become of an executor, and people what it said.
func (a *app) wishFor(cmd *cobra.Command, node, state string, tell func(context.Context, *connection) (int, error)) error {
	return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
		running, err := tell(ctx, c)
		if err != nil {
			return err
		}
		out := cordonedOutput{node, state, running}
		return a.print(out, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, out.sentence())
			return err
		})
	})
}

func (o cordonedOutput) sentence() string {
	switch {
	case o.State == "up":
		return fmt.Sprintf("Executor %s is given work again.", o.Node)
	case o.Running == 0:
		return fmt.Sprintf("Executor %s is %s.", o.Node, o.State)
	}
	return fmt.Sprintf("Executor %s is %s; it has %d attempts in hand.", o.Node, o.State, o.Running)
}
