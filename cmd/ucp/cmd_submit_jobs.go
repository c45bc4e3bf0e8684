package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/plan"
)

// atOnce is how many jobs are handed in at the same time: the broker's fsyncs serve many.
const atOnce = 64

// undoTime bounds the attempt to cancel what was submitted of a plan that cannot be submitted as a whole.
const undoTime = 5 * time.Second

// submission hands in the jobs of a plan, each when those before it are acknowledged: their ids are in its spec.
type submission struct {
	client *client.Client
	plan   plan.Plan
	known  known
	run    string // tells the arrays of this submission from others of their name
	taken  []*client.Submission
	acked  []chan struct{}
}

// submitJobs hands in all jobs of a plan, in the order of the plan. If one of them is refused those that were taken are cancelled.
func (a *app) submitJobs(ctx context.Context, c *client.Client, p plan.Plan, k known) ([]submitted, error) {
	s := &submission{client: c, plan: p, known: k, run: rand.Text(), taken: make([]*client.Submission, len(p.Jobs)), acked: make([]chan struct{}, len(p.Jobs))}
	for i := range s.acked {
		s.acked[i] = make(chan struct{})
	}
	if err := s.submitAll(ctx); err != nil {
		if n := s.undo(ctx); n > 0 {
			a.notice("the %d jobs of the plan that were taken already are cancelled", n)
		}
		return nil, err
	}
	jobs := make([]submitted, len(p.Jobs))
	for i, j := range p.Jobs {
		jobs[i] = submitted{j, s.taken[i]}
	}
	return jobs, nil
}

// submitAll returns the first failure. A job waits only for earlier ones, which have their places already, so none waits for ever.
func (s *submission) submitAll(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	places := make(chan struct{}, atOnce)
	var running sync.WaitGroup
	for i := range s.plan.Jobs {
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
		running.Go(func() {
			defer func() { <-places }()
			if err := s.submitOne(ctx, i); err != nil {
				fail(err)
			}
		})
	}
	running.Wait()
	return context.Cause(ctx)
}

func (s *submission) submitOne(ctx context.Context, i int) error {
	j := &s.plan.Jobs[i]
	for _, k := range j.After {
		select {
		case <-s.acked[k]:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	taken, err := s.client.Submit(ctx, s.spec(j))
	if err != nil {
		return fmt.Errorf("job %s: %w", j.Name, err)
	}
	s.taken[i] = taken
	close(s.acked[i])
	return nil
}

// spec fills in what a plan cannot know: bytes, and the ids of jobs.
func (s *submission) spec(j *plan.Job) *client.Spec {
	spec := j.Spec
	spec.Retention = defaultRetention
	if j.Module != nil {
		spec.Module = s.known.blob(j.Module)
	}
	if j.Stdin != nil {
		spec.Stdin = s.known.blob(j.Stdin)
	}
	for _, f := range j.Files {
		spec.Files = append(spec.Files, s.known.place(f.Path, f.Local)...)
	}
	spec.After = append([]job.Dependency{}, spec.After...)
	for _, k := range j.After {
		spec.After = append(spec.After, job.Dependency{Job: job.ID(s.taken[k].ID()), OnFailure: j.OnFailure})
	}
	if j.Count > 0 {
		spec.Array = j.Base + "/" + s.run
	}
	return &spec
}

// undo cancels what was taken, as far as it can be, and returns how many jobs that were.
func (s *submission) undo(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	n := 0
	for _, taken := range s.taken {
		if taken == nil {
			continue
		}
		if _, err := s.client.Cancel(ctx, taken.ID()); err == nil {
			n++
		}
	}
	return n
}
