package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
)

func newJobResultCommand(a *app) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "result JOB -o FILE",
		Short: "Fetch what a job left: its outputs, and what it printed, as a zip file",
		Long: `Fetch the results of a job that is over, whoever submitted it, as a zip file: its outputs, and its stdout and stderr. A job is named by its id,
the beginning of that, or its name if no other job has it.

-o names the file, - is stdout, and json tells about the results instead (./json is a file).

Exit codes: 0 here they are, 1 the job is not over, or did not succeed (what it left is fetched all the same), 3 no network in reach.`,
		Args: oneArgument("a job"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return usageError{errors.New("say where the results go: -o FILE, or -o - for stdout")}
			}
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				return a.result(ctx, c.Client, args[0], to)
			})
		},
	}
	cmd.Flags().StringVarP(&to, "output", "o", "", "file to write, - for stdout, or json") // hides the global flag, which means something like it
	return cmd
}

// result fetches what a job left.
func (a *app) result(ctx context.Context, c *client.Client, which, to string) error {
	found, err := findJob(ctx, c, which)
	if err != nil {
		return err
	}
	j := found.Job
	if !j.State().Terminal() {
		return fmt.Errorf("job %s is %s and has no results yet; \"ucp job wait %s\" waits for them", j.ID, j.State(), j.ID)
	}
	v, _ := j.Winner()
	if v == nil || v.Result == nil {
		return fmt.Errorf("job %s has no results: it is %s: %s", j.ID, j.State(), whyNot(found))
	}
	if err := a.deliver(ctx, c, found, to); err != nil {
		return err
	}
	for _, missing := range v.Result.Missing {
		a.notice("not there: %s", missing)
	}
	if !found.Final {
		a.notice("the end of job %s is provisional, and so are its results: %s", j.ID, found.Provisional())
	}
	if !succeeded(found) {
		return fmt.Errorf("job %s is %s: %s", j.ID, j.State(), whyNot(found))
	}
	return nil
}

// deliver writes the results where they are wanted.
func (a *app) deliver(ctx context.Context, c *client.Client, found client.Change, to string) error {
	switch to {
	case "json":
		a.output = to
		v, _ := found.Job.Winner()
		return a.print(resultOutputOf(v.Result), nil)
	case "-":
		return zipResults(ctx, c, found.Job, a.stdout)
	}
	return writeResults(ctx, c, found.Job, to)
}
