package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/wasm"
)

func newBenchCommand(a *app) *cobra.Command {
	return group("bench", "Measure what this network, or this machine, can do", newBenchJobsCommand(a), newBenchDataCommand(a), newBenchLossCommand(a), newBenchEmergencyCommand(a))
}

// benchOptions say what bench jobs measures.
type benchOptions struct {
	count       int
	concurrency int
	module      string
}

// The bounds of a measurement: what is measured is kept in memory.
const (
	maxBenchJobs        = 10_000_000
	maxBenchConcurrency = 10_000
)

func newBenchJobsCommand(a *app) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "Run many small jobs and tell how many a second, and how long each takes",
		Long: `Run many small jobs, and the same module in two bare sandboxes without any network, in one run: compare within a run, machines are noisy.

jobs_per_second counts jobs from submission to their results, --concurrency of them at a time; p50_ms, p95_ms and p99_ms are how long
single ones of these took. idle_p50_ms and idle_p99_ms are the same with one at a time.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			ctx, stop := untilInterrupted(cmd.Context())
			defer stop()
			return a.benchJobs(ctx, o)
		},
	}
	cmd.Flags().IntVar(&o.count, "count", 10_000, "how many jobs")
	cmd.Flags().IntVar(&o.concurrency, "concurrency", 256, "how many of them at a time")
	cmd.Flags().StringVar(&o.module, "module", "noop", "module to run: noop, or a file")
	return cmd
}

func (o benchOptions) check() error {
	switch {
	case o.count < 1 || o.count > maxBenchJobs:
		return usageError{fmt.Errorf("--count must be from 1 to %d, not %d", maxBenchJobs, o.count)}
	case o.concurrency < 1 || o.concurrency > maxBenchConcurrency:
		return usageError{fmt.Errorf("--concurrency must be from 1 to %d, not %d", maxBenchConcurrency, o.concurrency)}
	}
	return nil
}

func (o benchOptions) code() ([]byte, error) {
	if o.module == "noop" {
		return wasm.Noop(), nil
	}
	return readModule(o.module)
}

// benchOutput is what bench jobs measured, in JSON.
type benchOutput struct {
	Module        string  `json:"module"`
	Network       string  `json:"network"`
	Count         int     `json:"count"`
	Concurrency   int     `json:"concurrency"`
	Durability    int     `json:"durability"`
	JobsPerSecond float64 `json:"jobs_per_second"`
	P50           millis  `json:"p50_ms"`
	P95           millis  `json:"p95_ms"`
	P99           millis  `json:"p99_ms"`
	IdleP50       millis  `json:"idle_p50_ms"`
	IdleP99       millis  `json:"idle_p99_ms"`
	Failed        int     `json:"failed"`
	FirstFailure  string  `json:"first_failure,omitempty"`
	Took          millis  `json:"took_ms"`
	Bare          float64 `json:"bare_wazero_jobs_per_second"`
	Ratio         float64 `json:"ratio"`
	CPUs          int     `json:"cpus"`
}

// Before the measurement, for compiling and connecting; and, for what a single job takes, after it.
const (
	warmUpJobs = 500
	idleJobs   = 200
	benchSlots = 2
)

func (a *app) benchJobs(ctx context.Context, o benchOptions) error {
	code, err := o.code()
	if err != nil {
		return err
	}
	c, err := a.connectOrEmbed(ctx, benchSlots)
	if err != nil {
		return err
	}
	out, err := measureJobs(ctx, c, code, o)
	closing(a, c) // an embedded network must not compete with the bare workers
	if err != nil {
		return err
	}
	if out.Bare, err = bareJobsPerSecond(ctx, a.log, code, o.count); err != nil {
		return err
	}
	out.Ratio = out.JobsPerSecond / out.Bare
	return a.print(out, func(w io.Writer) error { return out.write(w) })
}

func measureJobs(ctx context.Context, c *connection, code []byte, o benchOptions) (*benchOutput, error) {
	module, err := c.PutBytes(ctx, code)
	if err != nil {
		return nil, err
	}
	spec := &client.Spec{Name: "bench", Module: module, Args: []string{"bench"}} // retention 0: nothing of it is kept
	run := func(count, concurrency int) (*crowd, error) { return runCrowd(ctx, c.Client, spec, count, concurrency) }
	if _, err := run(min(warmUpJobs, max(o.count/10, 2*o.concurrency)), o.concurrency); err != nil {
		return nil, err
	}
	crowd, err := run(o.count, o.concurrency)
	if err != nil {
		return nil, err
	}
	idle, err := run(min(idleJobs, o.count), 1)
	if err != nil {
		return nil, err
	}
	network := "embedded"
	if c.embedded == nil {
		network, _ = c.Broker()
	}
	return &benchOutput{
		Module: o.module, Network: network, Count: o.count, Concurrency: o.concurrency, Durability: crowd.durability,
		JobsPerSecond: float64(o.count-crowd.failed) / crowd.took.Seconds(), Took: millis(crowd.took),
		P50: crowd.percentile(50), P95: crowd.percentile(95), P99: crowd.percentile(99),
		IdleP50: idle.percentile(50), IdleP99: idle.percentile(99),
		Failed: crowd.failed, FirstFailure: crowd.failure, CPUs: runtime.NumCPU(),
	}, nil
}

func (b *benchOutput) write(w io.Writer) error {
	rows := [][]string{
		{"jobs", fmt.Sprintf("%d × %s on %s, %d at a time, durability %d", b.Count, b.Module, b.Network, b.Concurrency, b.Durability)},
		{"throughput", fmt.Sprintf("%.0f jobs/s", b.JobsPerSecond)},
		{"two bare workers", fmt.Sprintf("%.0f jobs/s: %.0f %% of that", b.Bare, 100*b.Ratio)},
		{"a job took", fmt.Sprintf("p50 %s, p95 %s, p99 %s", brief(b.P50), brief(b.P95), brief(b.P99))},
		{"one at a time", fmt.Sprintf("p50 %s, p99 %s", brief(b.IdleP50), brief(b.IdleP99))},
		{"failed", fmt.Sprint(b.Failed)},
	}
	if b.Failed > 0 {
		rows = append(rows, []string{"first failure", b.FirstFailure})
	}
	return table(w, rows...)
}

// percentile returns what the fastest p per cent took at most (the nearest rank). The times are sorted.
func percentile(times []time.Duration, p int) millis {
	if len(times) == 0 {
		return 0
	}
	return millis(times[max((len(times)*p+99)/100, 1)-1])
}

func (c *crowd) percentile(p int) millis { return percentile(c.times, p) }

func (c *crowd) sort() { slices.Sort(c.times) }

// crowd is what many jobs took.
type crowd struct {
	took       time.Duration
	times      []time.Duration // of the jobs that did not fail
	failed     int
	failure    string // the first
	durability int    // the least
}
