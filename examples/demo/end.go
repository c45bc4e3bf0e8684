package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// end stops the network and removes everything but the picture. The error says what was still there.
func (d *demo) end(ctx context.Context) error {
	d.scene("The end")
	err := errors.Join(d.endNetwork(ctx), os.RemoveAll(d.dir))
	if err == nil {
		d.say("removed %s", d.dir)
	}
	return err
}

func (d *demo) endNetwork(ctx context.Context) error {
	n := d.network
	if n == nil {
		return nil
	}
	if d.frozen.executor != "" {
		_ = syscall.Kill(n.node(d.frozen.executor).PID, syscall.SIGCONT) // it may be frozen still
	}
	lasted, err := n.stop()
	if err != nil {
		return errors.Join(err, d.noneLeft(ctx))
	}
	d.say("Ctrl-C to the launch: it ended with exit code 0 after %s", took(lasted))
	if err := d.noneLeft(ctx); err != nil {
		return err
	}
	for _, name := range brokers {
		if err := portFree(n.node(name).Address); err != nil {
			return err
		}
	}
	d.say("no process of it is left, and its ports are free")
	return nil
}

// lingering is how long a process that was told to end may still be seen.
const lingering = 5 * time.Second

// noneLeft checks that no ucp process below this one is left; one that is, is killed.
func (d *demo) noneLeft(ctx context.Context) error {
	program, err := filepath.EvalSymlinks(d.ucp)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lingering)
	defer cancel()
	err = eventually(ctx, "no process is left", func() (bool, error) { return len(leftovers(program)) == 0, nil })
	if err == nil {
		return nil
	}
	left := leftovers(program)
	for _, pid := range left {
		_ = syscall.Kill(pid, syscall.SIGKILL) // unless it has just ended
	}
	return fmt.Errorf("the network left processes behind: %v", left)
}

func portFree(address string) error {
	if address == "" {
		return nil // it never listened
	}
	if err := isFree(address); err != nil {
		return fmt.Errorf("the network left a port behind: %w", err)
	}
	return nil
}
