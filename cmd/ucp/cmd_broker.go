package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
)

func newBrokerCommand(a *app) *cobra.Command {
	return group("broker", "Look after brokers", newBrokerForgetCommand(a))
}

// forgottenOutput is what became of the wish to forget a broker, in JSON.
type forgottenOutput struct {
	Broker  string   `json:"broker"`
	Waiting []string `json:"waiting"` // journals of brokers whose fences are not known yet
}

func newBrokerForgetCommand(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "forget BROKER --reason TEXT",
		Short: "Give a broker up for good, so that others inherit its jobs",
		Long: `Give a broker up for good, so that others inherit its jobs and their ends become final.

It cannot be taken back: the broker comes back only as a new one. Do it when its machine or its disk is gone, not when it is away. The others take nothing
more from it; when all of them have written that down, heirs have the last word about its jobs. BROKER is a name, a node's id, or a journal.`,
		Example: `  ucp broker forget b2 --reason "its disk is broken"`,
		Args:    oneArgument("the name of a broker, or its node id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return usageError{errors.New("--reason must say why, for those who wonder later")}
			}
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				node, err := brokerNamed(ctx, c, args[0])
				if err != nil {
					return err
				}
				waiting, err := c.ForgetBroker(ctx, node, reason)
				if err != nil {
					return err
				}
				out := forgottenOutput{args[0], append([]string{}, waiting...)}
				return a.print(out, func(w io.Writer) error {
					_, err := fmt.Fprintln(w, out.sentence())
					return err
				})
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in a few words; everybody sees it")
	return cmd
}

func (o forgottenOutput) sentence() string {
	switch n := len(o.Waiting); n {
	case 0:
		return fmt.Sprintf("Broker %s is given up; its jobs have heirs.", o.Broker)
	case 1:
		return fmt.Sprintf("Broker %s is given up; its jobs have heirs as soon as another broker has heard of it.", o.Broker)
	default:
		return fmt.Sprintf("Broker %s is given up; its jobs have heirs as soon as %d other brokers have heard of it.", o.Broker, n)
	}
}

// brokerNamed returns the id of the node that people call so; what is no name of a node is taken for an id or a journal.
func brokerNamed(ctx context.Context, c *connection, name string) (string, error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return "", err
	}
	var found []client.Node
	for _, n := range nodes {
		if n.Name == name {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return name, nil
	case 1:
		return found[0].ID, nil
	}
	return "", usageError{fmt.Errorf("%d nodes are called %s: give the id of one, see \"ucp node list\"", len(found), name)}
}
