package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

func newRunCommand(a *app) *cobra.Command {
	o := runOptions{retention: defaultRetention}
	cmd := &cobra.Command{
		Use:   runVerb + " [flags] MODULE.wasm [args…]",
		Short: "Run one job and pass on its input, output and exit code",
		Long: `Run one WebAssembly module (a WASI preview 1 command) as a job, with your own stdin, stdout and stderr.

Flags come before the module; what follows it are the module's arguments. With no network configured the job runs on one inside this
command, which is gone afterwards. Ctrl-C cancels the job; a second Ctrl-C leaves at once.

The exit code is the module's. 124 means that a time limit ended the job, 125 that ucp itself failed, that the module was refused or trapped,
or that the job was cancelled. With --output json the program's output and the exit_source (module, ucp or timeout) are in one object.`,
		Example: "  ucp run hello.wasm\n  ucp run --file in/book.txt=book.txt wordcount.wasm in/book.txt\n  ucp run --out tile.png=tile.png --timeout 30s mandelbrot.wasm 0 0",
		Args:    atLeastAModule,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.module, o.args = args[0], args[1:]
			return a.run(cmd.Context(), o)
		},
	}
	o.addFlags(cmd)
	return cmd
}

func atLeastAModule(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{fmt.Errorf("name the module to run: %s", cmd.UseLine())}
	}
	return nil
}

// run runs a job to its end and returns how the process is to end.
func (a *app) run(ctx context.Context, o runOptions) error {
	began := time.Now()
	ended, err := a.runJob(ctx, o)
	if ended == nil {
		ended = &runEnd{source: fromUCP, code: exitRun, message: errorText(err)}
	}
	ended.took = time.Since(began)
	if a.json() {
		if printErr := a.print(ended.output(o), nil); printErr != nil {
			return printErr
		}
	}
	if err != nil {
		return &exitError{exitRun, err}
	}
	if ended.message != "" {
		err = errors.New(ended.message)
	}
	if ended.code == exitOK && err == nil {
		return nil
	}
	return &exitError{ended.code, err}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// runJob returns how the job ended, nil if it did not get that far.
func (a *app) runJob(ctx context.Context, o runOptions) (ended *runEnd, err error) {
	first, second, stop := interrupts(ctx)
	defer stop()
	code, err := readModule(o.module)
	if err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	c, err := a.connectOrEmbed(first, 1)
	if err != nil {
		return nil, interrupted(first, err)
	}
	defer closing(a, c)
	spec, err := o.spec(first, c.Client, code)
	if err != nil {
		return nil, interrupted(first, err)
	}
	if o.detach {
		return a.detach(first, c, spec)
	}
	return a.follow(first, second, c, spec, o)
}

var (
	errInterrupted = errors.New("interrupted before the job was submitted")
	errLeft        = errors.New("left at once; the job may still run, \"ucp job list\" shows it")
)

// interrupted prefers the user's wish over what it broke.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// interrupts returns two contexts: one ends with the first Ctrl-C (or SIGTERM, SIGHUP), the other with the second. A third one ends the
// process as if nobody listened.
func interrupts(ctx context.Context) (first, second context.Context, stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	second, leave := context.WithCancelCause(ctx)
	first, cancel := context.WithCancelCause(second)
	go func() {
		defer signal.Stop(signals)
		for _, end := range []func(){func() { cancel(errInterrupted) }, func() { leave(errLeft) }} {
			select {
			case <-signals:
				end()
			case <-second.Done():
				return
			}
		}
	}()
	return first, second, func() { leave(nil) }
}

// follow submits the job and stays with it to its end.
func (a *app) follow(first, second context.Context, c *connection, spec *client.Spec, o runOptions) (*runEnd, error) {
	streams, captured := a.streams(o)
	s, err := c.SubmitStreamed(first, spec, streams)
	if err != nil {
		return nil, interrupted(first, err)
	}
	defer a.accompany(first, second, c, s)()
	j, err := s.Wait(second)
	if err != nil {
		return nil, err
	}
	ended := endOf(j)
	ended.captured, ended.durability = captured, s.Durability()
	if found, err := c.Job(second, s.ID()); err == nil { // names make it readable; it is over without them
		ended.change = found
	}
	return ended, o.bringOutputs(second, c.Client, j)
}

// accompany does what may have to be done while the job is waited for. The returned function ends that: nothing is told after it.
func (a *app) accompany(first, second context.Context, c *connection, s *client.Submission) (end func()) {
	ctx, cancel := context.WithCancel(second)
	var beside sync.WaitGroup
	beside.Go(func() { a.cancelRun(ctx, first, c, s) })
	beside.Go(func() { a.tellWaiting(ctx, c, s) })
	return func() { cancel(); beside.Wait() }
}

// cancelRun cancels the job at the first Ctrl-C.
func (a *app) cancelRun(ctx, first context.Context, c *connection, s *client.Submission) {
	select {
	case <-ctx.Done():
	case <-first.Done():
	}
	if ctx.Err() != nil {
		return // over, or left at once
	}
	a.notice("cancelling job %s; Ctrl-C again leaves at once", s.ID())
	if _, err := c.Cancel(ctx, s.ID()); err != nil && ctx.Err() == nil {
		a.notice("the job could not be cancelled: %v", err)
	}
}

// waitingPatience is how long a job may wait before its user is told why.
const waitingPatience = 2 * time.Second

// tellWaiting tells once why the job waits, if it does after a while.
func (a *app) tellWaiting(ctx context.Context, c *connection, s *client.Submission) {
	select {
	case <-ctx.Done():
		return
	case <-time.After(waitingPatience):
	}
	if found, err := c.Job(ctx, s.ID()); err == nil && found.Job.State() == job.StateQueued {
		a.notice("job %s waits: %s", s.ID(), firstOf(found.Waiting, found.Job.Current().Waiting, "for a free executor"))
	}
}

// detach submits the job and leaves it to the network.
func (a *app) detach(ctx context.Context, c *connection, spec *client.Spec) (*runEnd, error) {
	if c.embedded != nil {
		return nil, errors.New("--detach needs a network that stays: name one with --broker or --context, or start one with \"ucp dev\"")
	}
	s, err := c.Submit(ctx, spec)
	if err != nil {
		return nil, interrupted(ctx, err)
	}
	ended := &runEnd{job: s.ID(), state: string(job.StateQueued), source: fromUCP, durability: s.Durability()}
	if !a.json() {
		_, err = fmt.Fprintln(a.stdout, s.ID())
	}
	return ended, err
}

// bringOutputs writes the files that --out asked for.
func (o runOptions) bringOutputs(ctx context.Context, c *client.Client, j client.Job) error {
	v, _ := j.Winner()
	if v == nil || v.Result == nil {
		return nil
	}
	var errs []error
	for _, f := range v.Result.Outputs {
		if host, ok := o.out.get(f.Path); ok {
			errs = append(errs, bring(ctx, c, f.Blob, host))
		}
	}
	if !v.Result.Success() {
		return errors.Join(errs...) // what a program that failed did not write is no surprise
	}
	for _, missing := range v.Result.Missing {
		errs = append(errs, fmt.Errorf("an output that --out asks for is not there: %s", missing))
	}
	return errors.Join(errs...)
}

// bring writes a file whole or not at all.
func bring(ctx context.Context, c *client.Client, b client.Blob, path string) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".ucp-*")
	if err != nil {
		return fmt.Errorf("output %s cannot be written: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("output %s cannot be written: %w", path, err), os.Remove(f.Name()))
		}
	}()
	err = errors.Join(c.Get(ctx, b, f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
