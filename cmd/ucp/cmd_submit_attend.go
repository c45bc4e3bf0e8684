package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

const (
	// settleTime is how long an end may be provisional before it is taken as it is.
	settleTime = 2 * time.Second
	// bringing is how many jobs' results are brought at the same time.
	bringing = 8
)

// attended is a job that is waited for.
type attended struct {
	name  string // of the job in its plan, or its id
	base  string // of its array, or its own
	array int    // jobs of its array, 0 if it is none
	*client.Submission
}

// news is how one of the jobs is now.
type news struct {
	which   int
	change  client.Change
	line    string    // that says it
	since   time.Time // when it came, if that line is not told yet
	over    bool
	results string // the file that they are in, "" for none
	err     error  // why nothing more is known of it, or its results are not here
}

// attend waits for all jobs, shows how they go on, and brings their results. The error is what the process ends with.
func (a *app) attend(ctx context.Context, c *connection, jobs []attended, results string) error {
	w := &waiting{
		client: c.Client, jobs: jobs, results: results, nodes: nodeNames(ctx, c.Client), news: make(chan news), places: make(chan struct{}, bringing),
	}
	return gaveUp(ctx, c, a.showWaiting(ctx, w))
}

// nodeNames returns what nodes are called; what a broker tells of a job has only their ids.
func nodeNames(ctx context.Context, c *client.Client) map[string]string {
	names := map[string]string{}
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return names // ids will do
	}
	for _, n := range nodes {
		names[n.ID] = n.Name
	}
	return names
}

// waiting follows jobs to their ends.
type waiting struct {
	client  *client.Client
	jobs    []attended
	results string // directory, "" for none
	nodes   map[string]string
	news    chan news
	places  chan struct{} // for those that bring results
	running sync.WaitGroup
}

// start follows all jobs until they are over or ctx is. What it tells must be read until the channel is closed.
func (w *waiting) start(ctx context.Context) {
	for i := range w.jobs {
		w.running.Go(func() { w.follow(ctx, i) })
	}
	go func() { w.running.Wait(); close(w.news) }()
}

func (w *waiting) follow(ctx context.Context, i int) {
	s := w.jobs[i].Submission
	for {
		select {
		case c, more := <-s.Changes():
			if !more {
				w.finish(ctx, i)
				return
			}
			if !c.Job.State().Terminal() { // else finish tells
				w.news <- news{which: i, change: c}
			}
		case <-ctx.Done():
			return
		}
	}
}

// finish tells a job's end, once its results are here.
func (w *waiting) finish(ctx context.Context, i int) {
	n := news{which: i, over: true}
	if n.change, n.err = end(ctx, w.client, w.jobs[i].Submission); n.err == nil && w.results != "" {
		select {
		case w.places <- struct{}{}:
			n.results, n.err = w.bring(ctx, i, n.change.Job)
			<-w.places
		case <-ctx.Done():
			return
		}
	}
	if ctx.Err() == nil {
		w.news <- n
	}
}

// end returns a job that is over as it is finally, or after a while as it is for now.
func end(ctx context.Context, c *client.Client, s *client.Submission) (client.Change, error) {
	j, err := s.Wait(ctx)
	if err != nil {
		return client.Change{}, err
	}
	settling, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if final, err := s.Final(settling); err == nil {
		return final, nil
	}
	if found, err := c.Job(settling, s.ID()); err == nil {
		return found, nil
	}
	return client.Change{Job: j}, nil
}

// bring writes a job's results, unless it left nothing, and returns the file's path.
func (w *waiting) bring(ctx context.Context, i int, j client.Job) (string, error) {
	v, _ := j.Winner()
	if v == nil || v.Result == nil || len(entriesOf(j, v.Result)) == 0 {
		return "", nil
	}
	path := filepath.Join(w.results, w.jobs[i].name+".zip")
	return path, writeResults(ctx, w.client, j, path)
}

// succeeded says whether a job is over and did what it was to do.
func succeeded(c client.Change) bool { return c.Job.State() == job.StateAccepted }

// lineOf says how a job is, for a line of its own.
func lineOf(n news) string {
	switch {
	case n.change.Job.Spec == nil && n.err == nil:
		return string(job.StateQueued)
	case n.change.Job.Spec == nil:
		return n.err.Error()
	case n.err != nil:
		return fmt.Sprintf("%s, but %s", n.change.Job.State(), n.err)
	}
	j := jobOutputOf(n.change)
	line := j.State
	switch {
	case !n.change.Job.State().Terminal():
		if on := j.executor(); on != "" && j.State == string(job.StateRunning) {
			line += " on " + on
		} else if strings.HasPrefix(j.Waiting, j.State) {
			line = j.Waiting
		} else if j.Waiting != "" {
			line += ": " + j.Waiting
		}
	case succeeded(n.change):
		line += " from " + firstOf(j.executor(), "nobody")
	default:
		line += ": " + whyNot(n.change)
	}
	if n.over && !n.change.Final {
		line += " (provisional)"
	}
	return line
}

// whyNot says why a job did not succeed.
func whyNot(c client.Change) string {
	e := endOf(c.Job)
	why := e.message
	if why == "" && e.source == fromModule {
		why = fmt.Sprintf("its program ended with %d", e.module)
	}
	if v, _ := c.Job.Winner(); v != nil && v.Reason != "" && (v.Result == nil || why == "") {
		why = v.Reason
	}
	first, _, _ := strings.Cut(firstOf(why, "nobody says why"), "\n") // a stack is for "ucp job show"
	return first
}
