package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/urbancompute/ucp/config"
)

// kill ends an executor's process with SIGKILL while a job of it works.
func (d *demo) kill(ctx context.Context) error {
	a, err := d.begin(ctx, "killed job", "", 2)
	if err != nil {
		return err
	}
	defer letGo(a.client)
	d.killed.executor = a.executor
	if err := d.killExecutor(ctx, a.watched); err != nil {
		return err
	}
	if d.number, err = d.awaitEnd(ctx, a.watched); err != nil {
		return err
	}
	d.say("the job is accepted: %s", d.number)
	return d.awaitHomes(ctx, len(executors))
}

// killExecutor kills the executor that the job runs on and sees the job run on another, and the launch start a new process.
func (d *demo) killExecutor(ctx context.Context, w *watched) error {
	victim := d.network.node(d.killed.executor)
	began := time.Now()
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %s: %w", d.killed.executor, err)
	}
	d.say("SIGKILL to %s, process %d, in the middle of the job", d.killed.executor, victim.PID)
	next, err := d.awaitElsewhere(ctx, w, d.killed.executor)
	if err != nil {
		return err
	}
	d.killed.moved = d.sayMoved(w, d.killed.executor, next, began)
	died, err := d.network.await(ctx, "the launch tells of the death", func(e event) bool { return e.Event == "node_died" && e.Node == d.killed.executor })
	if err != nil {
		return err
	}
	d.say("the launch: %s died, %s; it is started again in %s", died.Node, died.Reason, config.FormatDuration(time.Duration(died.RestartMS)*time.Millisecond))
	again, err := d.network.await(ctx, "the launch starts it again", func(e event) bool {
		return e.Event == "node_up" && e.Node == d.killed.executor && e.Starts > victim.Starts
	})
	if err != nil {
		return err
	}
	d.say("the launch: %s is up again as process %d", again.Node, again.PID)
	return nil
}

// sayMoved tells how fast a job went from one executor to another, counted from what was done to the first, and returns it.
func (d *demo) sayMoved(w *watched, from, to string, began time.Time) time.Duration {
	moved := time.Since(began)
	lost, why := d.ended(w, from)
	d.say("%s was declared lost after %s: %s", from, took(lost.Sub(began)), why)
	d.say("the job runs on %s, from its beginning, %s after %s was taken away", to, took(moved), from)
	return moved
}
