package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
)

func newJobWaitCommand(a *app) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "wait JOB…",
		Short: "Wait until jobs are over",
		Long: `Wait until jobs are over, whoever submitted them, and tell how they go on. A job is named by its id, the beginning of that, or its name if
no other job has it.

Exit codes: 0 all succeeded, 1 one did not, 3 no network in reach, 124 the time was up.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return oneArgument("a job")(cmd, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := patient(cmd.Context(), timeout)
			defer stop()
			c, err := a.connect(ctx, fmt.Sprintf("%q", cmd.CommandPath()))
			if err != nil {
				return err
			}
			defer closing(a, c)
			jobs, err := watchAll(ctx, c.Client, args)
			if err != nil {
				return gaveUp(ctx, c, err)
			}
			return a.attend(ctx, c, jobs, "")
		},
	}
	cmd.Flags().Var((*durationFlag)(&timeout), "timeout", "longest time to wait (default: for ever)")
	return cmd
}

// watchAll follows jobs that are named somehow. Each is followed once, however often it is named.
func watchAll(ctx context.Context, c *client.Client, names []string) ([]attended, error) {
	var list []attended
	seen := map[string]bool{}
	for _, name := range names {
		found, err := findJob(ctx, c, name)
		if err != nil {
			return nil, err
		}
		id := string(found.Job.ID)
		if seen[id] {
			continue
		}
		seen[id] = true
		s, err := c.Watch(ctx, id)
		if err != nil {
			return nil, err
		}
		called := firstOf(found.Job.Spec.Name, id)
		list = append(list, attended{called, called, 0, s})
	}
	return list, nil
}

// findJob returns the job with that id, or with an id that begins so, or else the only one with that name.
func findJob(ctx context.Context, c *client.Client, which string) (client.Change, error) {
	found, err := c.Job(ctx, which)
	if err == nil || !errors.Is(err, client.ErrNotFound) && !errors.Is(err, client.ErrInvalid) {
		return found, err
	}
	named := 0
	for after := ""; ; {
		jobs, next, listErr := c.Jobs(ctx, client.Filter{After: after})
		if listErr != nil {
			return client.Change{}, listErr
		}
		for _, j := range jobs {
			if j.Job.Spec.Name == which {
				found, named = j, named+1
			}
		}
		if next == "" || len(jobs) == 0 {
			break
		}
		after = next
	}
	switch named {
	case 0:
		return client.Change{}, err
	case 1:
		return found, nil
	}
	return client.Change{}, fmt.Errorf("%d jobs are called %q; name one by its id, such as %s, the last of them", named, which, found.Job.ID)
}
