package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/plan"
)

// submitOptions are what the command line of ucp submit says.
type submitOptions struct {
	file    string
	wait    bool
	results string
	timeout time.Duration
}

func newSubmitCommand(a *app) *cobra.Command {
	var o submitOptions
	cmd := &cobra.Command{
		Use:   "submit PLAN",
		Short: "Submit all jobs of a plan",
		Long: `Submit all jobs of an execution plan (TOML, YAML or JSON; docs/plans.md), with the files that it names.

Files that the network has already are not sent again. With --wait, or --results, ucp stays until all jobs are over and shows how they go on;
else it prints their ids, one a line, and leaves: "ucp job wait" and "ucp job result" go on from there, on any day and at any broker. With no network
configured the plan runs on one inside this command, which waits and is gone afterwards.

Exit codes: 0 all succeeded (or were taken), 1 a job did not succeed, 2 the plan has problems, 3 no network in reach, 124 the time was up. Ctrl-C and
--timeout end the waiting; the jobs go on.`,
		Example: "  ucp submit plan.toml\n  ucp submit plan.toml --wait --results out --timeout 10m",
		Args:    oneArgument("a plan"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.file = args[0]
			return a.submit(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.wait, "wait", false, "stay until all jobs are over")
	f.StringVar(&o.results, "results", "", "directory to put each job's results into, as NAME.zip; implies --wait")
	f.Var((*durationFlag)(&o.timeout), "timeout", "longest time to wait (default: for ever)")
	return cmd
}

// errTimeUp ends the waiting for jobs.
var errTimeUp = errors.New("the time is up")

// patient returns a context that ends with Ctrl-C, or when the timeout is over, 0 for never.
func patient(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := untilInterrupted(ctx)
	if timeout <= 0 {
		return ctx, stop
	}
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeUp)
	return ctx, func() { cancel(); stop() }
}

// gaveUp says why the waiting ended early: err, unless ctx is over.
func gaveUp(ctx context.Context, c *connection, err error) error {
	if ctx.Err() == nil {
		return err
	}
	rest := "the jobs that were taken go on, and \"ucp job list\" shows them"
	if c == nil || c.embedded != nil {
		rest = "the network inside this command is gone, and its jobs with it"
	}
	if errors.Is(context.Cause(ctx), errTimeUp) {
		return &exitError{exitTimeout, fmt.Errorf("%w; %s", errTimeUp, rest)}
	}
	return fmt.Errorf("interrupted; %s", rest)
}

// submit carries out a plan.
func (a *app) submit(ctx context.Context, o submitOptions) error {
	p, files, err := a.readPlan(o.file)
	if err != nil {
		return err
	}
	ctx, stop := patient(ctx, o.timeout)
	defer stop()
	c, err := a.connectOrEmbed(ctx, 0)
	if err != nil {
		return gaveUp(ctx, nil, err)
	}
	defer closing(a, c)
	o.wait = o.wait || o.results != "" || c.embedded != nil
	if o.results != "" {
		if err := os.MkdirAll(o.results, 0o750); err != nil {
			return fmt.Errorf("--results: %w", err)
		}
	}
	known, err := a.upload(ctx, c.Client, p, files)
	if err != nil {
		return gaveUp(ctx, c, err)
	}
	jobs, err := a.submitJobs(ctx, c.Client, p, known)
	if err != nil {
		return gaveUp(ctx, c, err)
	}
	if !o.wait {
		return a.printSubmitted(jobs)
	}
	return a.attend(ctx, c, waitingFor(jobs), o.results)
}

// maxPlan is more than any plan that is read.
const maxPlan = 2 << 20

// readPlan returns a plan without problems, and where its files are. All problems are told, in lines that editors can follow.
func (a *app) readPlan(name string) (plan.Plan, localFiles, error) {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return plan.Plan{}, nil, usageError{fmt.Errorf("plan %s cannot be read: %w", name, reason(err))}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPlan))
	if err = errors.Join(err, f.Close()); err != nil {
		return plan.Plan{}, nil, usageError{fmt.Errorf("plan %s cannot be read: %w", name, reason(err))}
	}
	p, problems := plan.Parse(name, text)
	files, missing := findFiles(name, p)
	if problems = append(problems, missing...); len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b plan.Problem) int { return a.At.Compare(b.At) })
		return plan.Plan{}, nil, a.refusePlan(name, problems)
	}
	return p, files, nil
}

// refusePlan tells all problems of a plan.
func (a *app) refusePlan(name string, problems []plan.Problem) error {
	for _, problem := range problems {
		_, _ = fmt.Fprintln(a.stderr, problem) // there is nowhere else to tell it
	}
	what := "a problem"
	if len(problems) > 1 {
		what = fmt.Sprintf("%d problems", len(problems))
	}
	return usageError{fmt.Errorf("plan %s has %s, and nothing was submitted", name, what)}
}

// submitted is a job of a plan that the network has taken.
type submitted struct {
	plan.Job
	*client.Submission
}

// waitingFor lists jobs of a plan for those who wait for them.
func waitingFor(jobs []submitted) []attended {
	list := make([]attended, len(jobs))
	for i, j := range jobs {
		list[i] = attended{j.Name, j.Base, j.Count, j.Submission}
	}
	return list
}

// submittedOutput is a job that was taken, in JSON.
type submittedOutput struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	State      string `json:"state"`
	Durability int    `json:"durability"`
}

func (a *app) printSubmitted(jobs []submitted) error {
	for _, j := range jobs {
		if a.json() {
			if err := a.printLine(submittedOutput{j.ID(), j.Name, string(job.StateQueued), j.Durability()}); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(a.stdout, "%s  %s\n", j.ID(), plain(j.Name)); err != nil {
			return err
		}
	}
	return nil
}
