package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/urbancompute/ucp/client"
)

// freeze stops an executor's process while a job of it works, and lets it go on when the job is done elsewhere. Its sandbox is another
// process and goes on, so it comes back with a result that is late.
func (d *demo) freeze(ctx context.Context) error {
	c, broker, at, err := d.crowded(ctx)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // nothing is under way
	if err := d.warm(ctx, c, at.besides(broker, d.killed.executor)); err != nil {
		return err
	}
	spec, err := d.spin(ctx, c, "frozen job", rounds, steps)
	if err != nil {
		return err
	}
	w, err := d.watch(ctx, c, spec)
	if err != nil {
		return err
	}
	if d.frozen.executor, err = d.awaitWork(ctx, w, 1); err != nil {
		return err
	}
	if err := d.freezeExecutor(ctx, w); err != nil {
		return err
	}
	if err := d.thawExecutor(ctx, c, w.ID()); err != nil {
		return err
	}
	d.say("%s, asked for the job that %s owns:", other(broker), broker)
	return d.command(ctx, "job", "show", "--broker", d.network.node(other(broker)).Address, w.ID())
}

// warm runs a moment's job on an executor, which then has the module, so that the next job of it goes there first.
func (d *demo) warm(ctx context.Context, c *client.Client, executor string) error {
	spec, err := d.spin(ctx, c, "short job", "1", "1")
	if err != nil {
		return err
	}
	spec.Needs.Labels = map[string]string{"name": executor}
	sub, err := c.Submit(ctx, spec)
	if err != nil {
		return err
	}
	d.note(spec.Name, sub.ID())
	if _, _, err := d.await(ctx, spec.Name, sub); err != nil {
		return err
	}
	d.say("a short job that asks for the label name=%s has brought the module there", executor)
	return nil
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

// thawExecutor lets the frozen executor go on and sees its result rejected.
func (d *demo) thawExecutor(ctx context.Context, c *client.Client, id string) error {
	pid := d.network.node(d.frozen.executor).PID
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
		return fmt.Errorf("thaw %s: %w", d.frozen.executor, err)
	}
	d.say("SIGCONT to %s", d.frozen.executor)
	var rejected client.Rejection
	err := eventually(ctx, "the late result of "+d.frozen.executor+" is rejected", func() (bool, error) {
		found, err := c.Job(ctx, id)
		if err != nil || len(found.Job.Current().Rejected) == 0 {
			return false, err
		}
		rejected = found.Job.Current().Rejected[0]
		return true, nil
	})
	if err != nil {
		return err
	}
	d.say("after %s a result of %s for attempt %d was rejected: %s", took(time.Since(began)), d.network.name(rejected.Executor), rejected.Attempt.N, rejected.Why)
	line, err := d.rejectionLogged(ctx, id)
	if err != nil {
		return err
	}
	d.say("the log of %s:", d.frozen.executor)
	d.quote(line)
	return nil
}

// rejectionLogged returns the line in which the frozen executor tells that its result was rejected.
func (d *demo) rejectionLogged(ctx context.Context, id string) (line string, err error) {
	return line, eventually(ctx, d.frozen.executor+" logs that its result was rejected", func() (bool, error) {
		for line = range strings.Lines(readFile(d.network.log(d.frozen.executor))) {
			var said struct {
				Msg string `json:"msg"`
				Job string `json:"job"`
			}
			if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "result rejected" && said.Job == id {
				return true, nil
			}
		}
		return false, nil
	})
}
