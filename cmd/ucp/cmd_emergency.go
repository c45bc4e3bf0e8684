package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/vclock"
)

func newEmergencyCommand(a *app) *cobra.Command {
	return group("emergency", "Declare emergencies, and end them", newEmergencyDeclareCommand(a), newEmergencyListCommand(a), newEmergencyClearCommand(a))
}

// emergencyOutput is an emergency in JSON.
type emergencyOutput struct {
	ID         string  `json:"id"`
	Type       string  `json:"type"`
	Level      string  `json:"level"`
	Area       string  `json:"area"`
	Reason     string  `json:"reason"`
	By         string  `json:"by"` // node id
	ByName     string  `json:"by_name"`
	Broker     string  `json:"broker"` // node id
	BrokerName string  `json:"broker_name"`
	At         instant `json:"declared"`
	Left       millis  `json:"left_ms"` // 0: until it is cleared, or it is over
	Over       bool    `json:"over"`
	OverBy     string  `json:"over_by,omitempty"`
	OverReason string  `json:"over_reason,omitempty"`
	OverAt     instant `json:"ended"`
}

func emergencyOutputOf(e client.Emergency) emergencyOutput {
	return emergencyOutput{
		ID: e.ID, Type: e.Type, Level: e.Level.String(), Area: e.Area, Reason: e.Reason, By: e.By, ByName: e.ByName, Broker: e.Broker, BrokerName: e.BrokerName,
		At: instantOf(e.At), Left: millis(e.Left), Over: e.Over, OverBy: e.OverBy, OverReason: e.OverReason, OverAt: instantOf(e.OverAt),
	}
}

func instantOf(t time.Time) instant {
	if t.IsZero() {
		return instant{}
	}
	return instant(vclock.Hybrid{Wall: t.UnixMilli()})
}

func newEmergencyDeclareCommand(a *app) *cobra.Command {
	d := client.Declaration{}
	var level string
	cmd := &cobra.Command{
		Use:   "declare TYPE --level LEVEL",
		Short: "Declare an emergency, so that its jobs go first everywhere",
		Long: `Declare an emergency, so that its jobs go first at every broker that hears of it.

TYPE is a word, as fire, medical or flood. Jobs belong to an emergency if they are submitted so ("ucp run --emergency fire"). What others do is up to
the level:

  low       emergency jobs have a head start in their class
  medium    emergency jobs come first
  high      only emergency jobs start; others wait, and say why
  critical  others that run make room; they are queued again at no cost

The level that counts is the highest of those in force. Executors with a label that fits the type or the area are preferred. Everybody sees who declared
what, with "ucp emergency list".`,
		Example: `  ucp emergency declare fire --level critical --area north --ttl 2h --reason "depot is burning"`,
		Args:    oneArgument("a type of emergency, as fire"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if d.Level, err = client.ParseLevel(level); err != nil {
				return usageError{fmt.Errorf("--level says how grave it is: low, medium, high or critical, not %q", level)}
			}
			d.Type = strings.ToLower(args[0])
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				e, err := c.Declare(ctx, d)
				if err != nil {
					return err
				}
				return a.print(emergencyOutputOf(e), func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "Emergency %s (%s) is in force%s. Its id is %s.\n", plain(e.Type), e.Level, lasting(e), e.ID)
					return err
				})
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&level, "level", "", "low, medium, high or critical")
	f.StringVar(&d.Area, "area", "", "where it is: executors with the label location or area of that value are preferred")
	f.Var((*durationFlag)(&d.TTL), "ttl", "how long it is in force (default: until it is cleared)")
	f.StringVar(&d.Reason, "reason", "", "why, in a few words; everybody sees it")
	return cmd
}

func lasting(e client.Emergency) string {
	if e.Left == 0 {
		return " until it is cleared"
	}
	return " for " + config.FormatDuration(e.Left.Round(time.Second))
}

func newEmergencyListCommand(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the emergencies in force, in causal order",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				list, level, err := c.Emergencies(ctx)
				if err != nil {
					return err
				}
				if !all {
					list = slices.DeleteFunc(list, func(e client.Emergency) bool { return e.Over })
				}
				out := make([]emergencyOutput, len(list))
				for i, e := range list {
					out[i] = emergencyOutputOf(e)
				}
				return a.print(listOf(out), func(w io.Writer) error { return writeEmergencies(w, list, level, time.Now()) })
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that are over")
	return cmd
}

func writeEmergencies(w io.Writer, list []client.Emergency, level client.Level, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No emergency is in force.")
		return err
	}
	rows := [][]string{{"ID", "TYPE", "LEVEL", "AREA", "DECLARED", "BY", "AT BROKER", "LEFT", "REASON"}}
	for _, e := range list {
		left := "until cleared"
		if e.Left > 0 {
			left = config.FormatDuration(e.Left.Round(time.Second))
		}
		reason := e.Reason
		if e.Over {
			left = "over"
			reason += " (ended by " + firstOf(e.OverBy, "somebody") + ": " + firstOf(e.OverReason, "no reason given") + ")"
		}
		rows = append(rows, []string{
			e.ID[:min(len(e.ID), 26)], e.Type, e.Level.String(), firstOf(e.Area, "-"), roughly(now.Sub(e.At)) + " ago", firstOf(e.ByName, e.By),
			firstOf(e.BrokerName, e.Broker), left, reason,
		})
	}
	if err := table(w, rows...); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "Jobs are held to level %s.\n", level)
	return err
}

func newEmergencyClearCommand(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "clear ID|TYPE",
		Short:   "End an emergency, or all of a type; others stay in force",
		Example: `  ucp emergency clear fire --reason "it is out"`,
		Args:    oneArgument("the id of an emergency, the beginning of one, or a type"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				ids, err := emergenciesNamed(ctx, c, args[0])
				if err != nil {
					return err
				}
				var cleared []client.Emergency
				for _, id := range ids {
					e, err := c.ClearEmergency(ctx, id, reason)
					if err != nil {
						return err
					}
					cleared = append(cleared, e)
				}
				return a.printCleared(cleared)
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, in a few words; everybody sees it")
	return cmd
}

func (a *app) printCleared(cleared []client.Emergency) error {
	out := make([]emergencyOutput, len(cleared))
	for i, e := range cleared {
		out[i] = emergencyOutputOf(e)
	}
	return a.print(listOf(out), func(w io.Writer) error {
		var errs []error
		for _, e := range cleared {
			_, err := fmt.Fprintf(w, "Emergency %s (%s) is over: ended by %s.\n", plain(e.Type), e.Level, plain(firstOf(e.OverBy, "somebody")))
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
}

// emergenciesNamed returns the ids of those in force of a type; what is no type of any is taken for an id.
func emergenciesNamed(ctx context.Context, c *connection, name string) ([]string, error) {
	list, _, err := c.Emergencies(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range list {
		if e.Type == strings.ToLower(name) && !e.Over {
			ids = append(ids, e.ID)
		}
	}
	if len(ids) == 0 {
		ids = []string{name}
	}
	return ids, nil
}

// emergencyText tells of the emergencies in a status.
func emergencyText(s client.Status) string {
	if s.Emergencies == 0 {
		return "none"
	}
	return fmt.Sprintf("%s, %d in force: see \"ucp emergency list\"", s.Emergency, s.Emergencies)
}
