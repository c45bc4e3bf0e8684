package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
)

// whyOutput is why a job does not run, in JSON.
type whyOutput struct {
	Job       string           `json:"job"`
	State     string           `json:"state"`
	Waiting   string           `json:"waiting,omitempty"`
	Executors []suitableOutput `json:"executors"`
}

// suitableOutput is how an executor would do for a job.
type suitableOutput struct {
	Node     string   `json:"node"`
	Name     string   `json:"name"`
	Home     string   `json:"home"`
	HomeName string   `json:"home_name,omitempty"`
	Slots    int      `json:"slots"`
	Used     int      `json:"slots_used"`
	Lacks    []string `json:"lacks"`
	Chosen   bool     `json:"chosen"`
}

func newJobWhyCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "why JOB",
		Short: "Tell why a job does not run, and what each executor lacks for it",
		Long: `Tell why a job does not run: what it waits for, and of every executor which of the job's constraints it does not meet, or what other jobs have taken.
Of executors at home at another broker it says what is known of them at the broker asked.`,
		Args: oneArgument("the id of a job, or its beginning"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				found, err := c.Job(ctx, args[0])
				if err != nil {
					return err
				}
				why, err := c.Why(ctx, string(found.Job.ID))
				if err != nil {
					return err
				}
				nodes, err := c.Nodes(ctx)
				if err != nil {
					return err
				}
				out := whyOf(why, nodes, string(found.Job.State()))
				return a.print(out, func(w io.Writer) error { return out.write(w) })
			})
		},
	}
}

func whyOf(why client.Why, nodes []client.Node, state string) whyOutput {
	names := map[string]string{}
	for _, n := range nodes {
		names[n.ID] = n.Name
	}
	out := whyOutput{Job: why.Job, State: state, Waiting: why.Waiting, Executors: []suitableOutput{}}
	for _, e := range why.Executors {
		out.Executors = append(out.Executors, suitableOutput{
			Node: e.Node, Name: e.Name, Home: e.Home, HomeName: names[e.Home], Slots: e.Slots, Used: e.Used, Lacks: append([]string{}, e.Lacks...), Chosen: e.Chosen,
		})
	}
	return out
}

func (o whyOutput) write(w io.Writer) error {
	sentence := fmt.Sprintf("Job %s is %s.", o.Job, o.State)
	if o.Waiting != "" {
		sentence = fmt.Sprintf("Job %s is %s: %s.", o.Job, o.State, o.Waiting)
	}
	if _, err := fmt.Fprintln(w, sentence); err != nil || client.State(o.State).Terminal() || len(o.Executors) == 0 {
		return err
	}
	rows := [][]string{{"EXECUTOR", "HOME", "SLOTS", "LACKS"}}
	for _, e := range o.Executors {
		lacks := strings.Join(e.Lacks, "; ")
		switch {
		case e.Chosen:
			lacks = "nothing: it suits best"
		case lacks == "":
			lacks = "nothing: another one suits better"
		}
		rows = append(rows, []string{firstOf(e.Name, e.Node), firstOf(e.HomeName, e.Home, "-"), fmt.Sprintf("%d/%d", e.Used, e.Slots), lacks})
	}
	return section(w, rows)
}
