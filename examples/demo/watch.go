package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/job"
)

// watched is a job that is followed while it runs, with what its program prints.
type watched struct {
	*client.Submission
	name    string
	changes <-chan client.Change
	lines   *progress
	output  *bytes.Buffer
	printed int           // lines so far
	now     client.Change // as it was last heard of
}

// progress takes what a program prints and passes it on by lines. Those that nobody reads in time are lost.
type progress struct {
	lines chan string
	rest  []byte
}

// Write implements io.Writer; it never blocks.
func (p *progress) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		line, rest, whole := bytes.Cut(p.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		p.rest = rest
		p.pass(string(line))
	}
}

func (p *progress) pass(line string) {
	select {
	case p.lines <- line:
	default:
	}
}

// watch submits a job whose client stays with it.
func (d *demo) watch(ctx context.Context, c *client.Client, spec *client.Spec) (*watched, error) {
	w := &watched{name: spec.Name, lines: &progress{lines: make(chan string, 64)}, output: &bytes.Buffer{}}
	var err error
	w.Submission, err = c.SubmitStreamed(ctx, spec, client.Streams{Stdout: w.output, Stderr: w.lines, Notice: w.lines.pass})
	if err != nil {
		return nil, err
	}
	w.changes = w.Changes()
	d.note(w.name, w.ID())
	return w, nil
}

// until follows the job until ok accepts what is known of it, and tells each line that its program prints.
func (w *watched) until(ctx context.Context, what string, tell func(string), ok func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s: %s, not within %s", w.name, what, config.FormatDuration(patience)))
	defer cancel()
	for !ok() {
		select {
		case change, open := <-w.changes:
			if !open {
				return fmt.Errorf("%s: %s, not before it was over", w.name, what)
			}
			w.now = change
		case line := <-w.lines.lines:
			w.printed++
			tell(line)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// running returns the attempt whose program runs, if there is one.
func (w *watched) running() (client.Attempt, bool) {
	if w.now.Job.Spec == nil {
		return client.Attempt{}, false
	}
	for _, a := range w.now.Job.Current().Attempts {
		if a.State == job.Running {
			return a, true
		}
	}
	return client.Attempt{}, false
}

// awaitWork waits until the program has printed that many lines, and returns the name of the executor that it runs on.
func (d *demo) awaitWork(ctx context.Context, w *watched, lines int) (executor string, err error) {
	var at client.Attempt
	err = w.until(ctx, "its program works", d.quote, func() bool {
		var runs bool
		at, runs = w.running()
		return runs && w.printed >= lines
	})
	return d.network.name(at.Executor), err
}

// awaitElsewhere waits until the job runs on an executor that is not name.
func (d *demo) awaitElsewhere(ctx context.Context, w *watched, name string) (executor string, err error) {
	var at client.Attempt
	err = w.until(ctx, "it runs elsewhere", d.quote, func() bool {
		var runs bool
		at, runs = w.running()
		return runs && d.network.name(at.Executor) != name
	})
	return d.network.name(at.Executor), err
}

// awaitEnd waits until the job is accepted, and returns what its program printed on stdout.
func (d *demo) awaitEnd(ctx context.Context, w *watched) (string, error) {
	if err := w.until(ctx, "it is over", d.quote, func() bool { return w.now.Job.Spec != nil && w.now.Job.State().Terminal() }); err != nil {
		return "", err
	}
	_, _, err := d.await(ctx, w.name, w.Submission)
	for len(w.lines.lines) > 0 {
		d.quote(<-w.lines.lines)
	}
	return strings.TrimSpace(w.output.String()), err
}

// await waits for a job, which is to be accepted, and returns who made its result, and the result.
func (d *demo) await(ctx context.Context, name string, sub *client.Submission) (executor string, result *client.Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	j, err := sub.Wait(ctx)
	if err != nil {
		return "", nil, err
	}
	if err := accepted(name, j); err != nil {
		return "", nil, err
	}
	v, _ := j.Winner()
	return d.network.name(v.Executor), v.Result, nil
}

// accepted checks that a job ended as it should.
func accepted(name string, j client.Job) error {
	if j.State() == job.StateAccepted {
		return nil
	}
	if v, _ := j.Winner(); v != nil {
		return fmt.Errorf("job %q is %s: %s", name, j.State(), v.Reason)
	}
	return fmt.Errorf("job %q is %s", name, j.State())
}

// ended returns when the attempt on that executor ended for its owner, and why.
func (d *demo) ended(w *watched, executor string) (at time.Time, why string) {
	for _, a := range w.now.Job.Current().Attempts {
		if d.network.name(a.Executor) == executor {
			return time.UnixMilli(a.Ended.Wall), a.Note
		}
	}
	return time.Time{}, ""
}
