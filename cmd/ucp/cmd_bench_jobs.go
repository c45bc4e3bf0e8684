package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

// unknown is more than any durability.
const unknown = 1 << 30

// runCrowd runs count jobs, concurrency of them at a time. Jobs that fail are counted; the error is about the network.
func runCrowd(ctx context.Context, c *client.Client, spec *client.Spec, count, concurrency int) (*crowd, error) {
	var (
		total   = &crowd{durability: unknown}
		mu      sync.Mutex
		next    atomic.Int64
		running sync.WaitGroup
	)
	began := time.Now()
	for range min(concurrency, count) {
		running.Go(func() {
			mine := crowd{durability: unknown}
			for ctx.Err() == nil && next.Add(1) <= int64(count) {
				mine.run(ctx, c, spec)
			}
			mu.Lock()
			defer mu.Unlock()
			total.add(&mine)
		})
	}
	running.Wait()
	total.took = time.Since(began)
	total.durability %= unknown
	total.sort()
	if ctx.Err() != nil {
		return nil, errors.New("interrupted before the measurement was complete")
	}
	return total, nil
}

// run runs one job.
func (c *crowd) run(ctx context.Context, to *client.Client, spec *client.Spec) {
	began := time.Now()
	s, err := to.Submit(ctx, spec)
	if err != nil {
		c.fail(err.Error())
		return
	}
	j, err := s.Wait(ctx)
	switch {
	case err != nil:
		c.fail(err.Error())
	case j.State() != job.StateAccepted:
		c.fail(fmt.Sprintf("job %s is %s: %s", j.ID, j.State(), endOf(j).message))
	default:
		c.times = append(c.times, time.Since(began))
		if d := s.Durability(); d > 0 { // else it is kept in memory, or was over before its acknowledgement came
			c.durability = min(c.durability, d)
		}
	}
}

func (c *crowd) fail(why string) {
	c.failed++
	c.failure = firstOf(c.failure, why)
}

func (c *crowd) add(o *crowd) {
	c.times = append(c.times, o.times...)
	c.failed += o.failed
	c.failure = firstOf(c.failure, o.failure)
	c.durability = min(c.durability, o.durability)
}

// bareWorkers is how many sandboxes the bare measurement has, whatever the machine.
const bareWorkers = 2

// maxBareRuns bounds the bare measurement of each worker; it is precise enough long before.
const maxBareRuns = 20_000

// bareJobsPerSecond is what bareWorkers sandboxes do with a module when nothing is between them.
func bareJobsPerSecond(ctx context.Context, log *slog.Logger, code []byte, count int) (rate float64, err error) {
	dir, err := os.MkdirTemp("", "ucp-bench-*")
	if err != nil {
		return 0, fmt.Errorf("bare workers: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	req := wasm.Request{Module: filepath.Join(dir, "module.wasm"), Digest: sha256.Sum256(code), Args: []string{"bench"}}
	if err := os.WriteFile(req.Module, code, 0o600); err != nil {
		return 0, fmt.Errorf("bare workers: %w", err)
	}
	cache, err := wasm.NewCache(filepath.Join(dir, "cache"), 0)
	if err != nil {
		return 0, err
	}
	var workers [bareWorkers]*wasm.Worker
	for i := range workers {
		if workers[i], err = wasm.NewWorker(wasm.Config{Cache: cache, Log: log}); err != nil {
			return 0, err
		}
		defer workers[i].Close()
	}
	return raceBare(ctx, workers[:], req, min(max(count/bareWorkers, 1), maxBareRuns))
}

// raceBare lets each worker run the request n times, after some to warm up, and returns how many runs a second they did together.
func raceBare(ctx context.Context, workers []*wasm.Worker, req wasm.Request, n int) (float64, error) {
	all := func(n int) error {
		failures := make([]error, len(workers))
		var running sync.WaitGroup
		for i, w := range workers {
			running.Go(func() { failures[i] = runBare(ctx, w, req, n) })
		}
		running.Wait()
		return errors.Join(failures...)
	}
	if err := all(min(n, warmUpJobs/len(workers))); err != nil {
		return 0, err
	}
	began := time.Now()
	err := all(n)
	return float64(n*len(workers)) / time.Since(began).Seconds(), err
}

// runBare runs the request n times, one after the other; each run starts in the callback of the one before.
func runBare(ctx context.Context, w *wasm.Worker, req wasm.Request, n int) error {
	ended := make(chan error, 1)
	var done func(wasm.Outcome)
	done = func(o wasm.Outcome) {
		n--
		switch {
		case !o.Succeeded():
			ended <- fmt.Errorf("the module does not run in a bare sandbox: %s %s", o.Kind, o.Message)
		case n == 0 || ctx.Err() != nil:
			ended <- context.Cause(ctx)
		default:
			w.Run(req, wasm.IO{}, done)
		}
	}
	w.Run(req, wasm.IO{}, done)
	return <-ended
}
