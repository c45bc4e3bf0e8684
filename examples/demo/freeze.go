package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/urbancompute/ucp/client"
)

// freeze stops an executor's process while a job of it works, and lets it go on when the job is done elsewhere. Its sandbox is another
// process and goes on, so it comes back with a result that is late. It may hear that its job is over before it has looked at what its
// sandbox left, and then it rightly sends nothing; so there is more than one try.
func (d *demo) freeze(ctx context.Context) error {
	for range tries {
		rejected, err := d.freezeOnce(ctx)
		if rejected || err != nil {
			return err
		}
		d.say("%s was told first that its job is over, and sent no result; once more", d.frozen.executor)
	}
	return errors.New("no frozen executor sent a late result")
}

// freezeOnce reports whether the late result was sent, and rejected.
func (d *demo) freezeOnce(ctx context.Context) (rejected bool, err error) {
	a, err := d.begin(ctx, "frozen job", d.killed.executor, 1)
	if err != nil {
		return false, err
	}
	defer letGo(a.client)
	d.frozen.executor = a.executor
	if err := d.freezeExecutor(ctx, a.watched); err != nil {
		return false, err
	}
	if rejected, err = d.thawExecutor(ctx, a.client, a.ID()); !rejected || err != nil {
		return false, err
	}
	d.say("%s, asked for the job that %s owns:", other(a.broker), a.broker)
	return true, d.command(ctx, "job", "show", "--broker", d.network.node(other(a.broker)).Address, a.ID())
}

// freezeExecutor freezes the executor that the job runs on and sees the job done elsewhere.
func (d *demo) freezeExecutor(ctx context.Context, w *watched) error {
	pid := d.network.node(d.frozen.executor).PID
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("freeze %s: %w", d.frozen.executor, err)
	}
	d.say("SIGSTOP to %s, process %d, in the middle of the job; its sandbox is a process of its own and goes on", d.frozen.executor, pid)
	next, err := d.awaitElsewhere(ctx, w, d.frozen.executor)
	if err != nil {
		return err
	}
	d.frozen.moved = d.sayMoved(w, d.frozen.executor, next, began)
	number, err := d.awaitEnd(ctx, w)
	if err != nil {
		return err
	}
	d.say("the job is accepted, from %s: %s", next, number)
	if number != d.number {
		return fmt.Errorf("the same work ended with %q before", d.number)
	}
	err = eventually(ctx, "the sandbox of "+d.frozen.executor+" is done", func() (bool, error) { return resting(pid), nil })
	if err == nil {
		d.say("the sandbox of %s is at rest, and nobody has heard of its result", d.frozen.executor)
	}
	return err
}

// thawExecutor lets the frozen executor go on and sees its result rejected, unless it sends none.
func (d *demo) thawExecutor(ctx context.Context, c *client.Client, id string) (rejected bool, err error) {
	pid := d.network.node(d.frozen.executor).PID
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		return false, fmt.Errorf("thaw %s: %w", d.frozen.executor, err)
	}
	d.say("SIGCONT to %s", d.frozen.executor)
	var late client.Rejection
	err = eventually(ctx, "the late result of "+d.frozen.executor+" is rejected", func() (bool, error) {
		found, err := c.Job(ctx, id)
		if err != nil {
			return false, err
		}
		if all := found.Job.Current().Rejected; len(all) > 0 {
			rejected, late = true, all[0]
		}
		return rejected || d.logged("attempt stopped", id) != "", nil
	})
	if !rejected || err != nil {
		return false, err
	}
	d.say("after %s a result of %s for attempt %d was rejected: %s", took(time.Since(began)), d.network.name(late.Executor), late.Attempt.N, late.Why)
	return true, d.sayRejection(ctx, id)
}

// sayRejection shows the line in which the executor itself tells that its result was rejected.
func (d *demo) sayRejection(ctx context.Context, id string) error {
	var line string
	err := eventually(ctx, d.frozen.executor+" logs that its result was rejected", func() (bool, error) {
		line = d.logged("result rejected", id)
		return line != "", nil
	})
	if err == nil {
		d.say("the log of %s:", d.frozen.executor)
		d.quote(line)
	}
	return err
}

// logged returns the line of the frozen executor's log with that message about that job, empty if there is none yet.
func (d *demo) logged(message, id string) string {
	for line := range strings.Lines(readFile(d.network.log(d.frozen.executor))) {
		var said struct {
			Msg string `json:"msg"`
			Job string `json:"job"`
		}
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == message && said.Job == id {
			return line
		}
	}
	return ""
}
