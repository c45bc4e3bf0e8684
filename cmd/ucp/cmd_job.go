package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

func newJobCommand(a *app) *cobra.Command {
	return group("job", "List, show, await and cancel jobs, and fetch their results",
		newJobListCommand(a), newJobShowCommand(a), newJobWhyCommand(a), newJobWaitCommand(a), newJobResultCommand(a), newJobCancelCommand(a), newJobReprieveCommand(a))
}

// jobStates are the states that a list can be narrowed to.
var jobStates = []string{
	string(job.StateQueued), string(job.StateRunning), string(job.StateAccepted),
	string(job.StateFailed), string(job.StateCancelled), string(job.StateExpired), string(job.StateSkipped),
}

func newJobListCommand(a *app) *cobra.Command {
	var filter struct {
		state, receiver, after string
		limit                  int
	}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List jobs in the order they were made",
		Example: "  ucp job list --state running\n  ucp job list --receiver district",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			state, err := parseState(filter.state)
			if err != nil {
				return err
			}
			if filter.limit < 1 {
				return usageError{fmt.Errorf("--limit must be at least 1, not %d", filter.limit)}
			}
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				jobs, next, err := listJobs(ctx, c.Client, client.Filter{State: state, Receiver: filter.receiver, After: filter.after, Limit: filter.limit})
				if err != nil {
					return err
				}
				return a.printJobs(jobs, next)
			})
		},
	}
	cmd.Flags().StringVar(&filter.state, "state", "", "only jobs in this state: "+strings.Join(jobStates, ", "))
	cmd.Flags().StringVar(&filter.receiver, "receiver", "", "only jobs whose results are meant for this client, as \"results_receiver\" of a plan names it")
	cmd.Flags().StringVar(&filter.after, "after", "", "go on after this job")
	cmd.Flags().IntVar(&filter.limit, "limit", 100, "how many at most")
	return cmd
}

// withNetwork runs a verb that asks the configured network something, until Ctrl-C.
func (a *app) withNetwork(cmd *cobra.Command, ask func(context.Context, *connection) error) error {
	ctx, stop := untilInterrupted(cmd.Context())
	defer stop()
	c, err := a.connect(ctx, fmt.Sprintf("%q", cmd.CommandPath()))
	if err != nil {
		return err
	}
	defer closing(a, c)
	return ask(ctx, c)
}

func parseState(text string) (client.State, error) {
	for _, s := range jobStates {
		if text == s {
			return client.State(s), nil
		}
	}
	if text != "" {
		return "", usageError{fmt.Errorf("--state must be one of %s, not %q", strings.Join(jobStates, ", "), text)}
	}
	return "", nil
}

// listJobs asks page by page until it has as many as the filter wants.
func listJobs(ctx context.Context, c *client.Client, f client.Filter) (jobs []client.Change, next string, err error) {
	want := f.Limit
	for {
		f.Limit = want - len(jobs)
		var page []client.Change
		if page, next, err = c.Jobs(ctx, f); err != nil {
			return nil, "", err
		}
		jobs = append(jobs, page...)
		if next == "" || len(page) == 0 || len(jobs) >= want {
			return jobs, next, nil
		}
		f.After = next
	}
}

func (a *app) printJobs(jobs []client.Change, next string) error {
	list := make([]jobOutput, len(jobs))
	for i, j := range jobs {
		list[i] = jobOutputOf(j)
	}
	all := listOf(list)
	all.Next = next
	return a.print(all, func(w io.Writer) error {
		if err := writeJobs(w, list, time.Now()); err != nil || next == "" {
			return err
		}
		_, err := fmt.Fprintf(w, "There are more: the same with --after %s\n", next)
		return err
	})
}

func writeJobs(w io.Writer, list []jobOutput, now time.Time) error {
	rows := [][]string{{"JOB", "NAME", "STATE", "ATTEMPTS", "EXECUTOR", "AGE", "NOTE"}}
	for _, j := range list {
		rows = append(rows, []string{
			j.short(), firstOf(j.Name, "-"), j.State, fmt.Sprint(len(j.Attempts)), firstOf(j.executor(), "-"), j.Created.age(now), j.note(),
		})
	}
	return table(w, rows...)
}

func newJobShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show JOB",
		Short: "Tell all that is known of a job",
		Long:  "Tell all that is known of a job: where it stands and why, its attempts, its result, and the results that came too late.\nThe beginning of its id is enough.",
		Args:  oneArgument("the id of a job, or its beginning"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				found, err := c.Job(ctx, args[0])
				if err != nil {
					return err
				}
				out := jobOutputOf(found)
				return a.print(out, func(w io.Writer) error { return writeJob(w, out, time.Now()) })
			})
		},
	}
}

func newJobCancelCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel JOB",
		Short: "Ask for a job to be cancelled",
		Args:  oneArgument("the id of a job, or its beginning"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				found, err := c.Cancel(ctx, args[0])
				if err != nil {
					return err
				}
				out := jobOutputOf(found)
				return a.print(out, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "%s\n", cancelled(out))
					return err
				})
			})
		},
	}
}

func newJobReprieveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "reprieve JOB",
		Short: "Let a job out of quarantine: executors went down while it ran, but not because of it",
		Args:  oneArgument("the id of a job, or its beginning"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withNetwork(cmd, func(ctx context.Context, c *connection) error {
				found, err := c.Reprieve(ctx, args[0])
				if err != nil {
					return err
				}
				out := jobOutputOf(found)
				return a.print(out, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "Job %s is %s.\n", out.ID, out.State)
					return err
				})
			})
		},
	}
}

// cancelled says what the wish led to.
func cancelled(j jobOutput) string {
	switch {
	case j.State == string(job.StateCancelled):
		return fmt.Sprintf("Job %s is cancelled.", j.ID)
	case client.State(j.State).Terminal():
		return fmt.Sprintf("Job %s was over already: %s.", j.ID, j.State)
	}
	return fmt.Sprintf("Job %s is being cancelled; it is %s still.", j.ID, j.State)
}
