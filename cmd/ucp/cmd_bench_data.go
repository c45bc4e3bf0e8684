package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/config"
)

// dataOptions say what bench data measures.
type dataOptions struct {
	sizes, modules     []string
	rounds             int
	count, concurrency int
	large              string
}

// The bounds of a measurement: what is measured is kept in memory, or on the disk until the end.
const (
	maxBenchPuts     = 1_000_000
	maxDataRounds    = 100
	defaultPuts      = 10_000
	defaultPutters   = 32
	defaultTransfers = 3
	// sizeOfLarge is what --large means by itself.
	sizeOfLarge = "4GiB"
)

func newBenchDataCommand(a *app) *cobra.Command {
	var o dataOptions
	cmd := &cobra.Command{
		Use:   "data",
		Short: "Move bytes, start modules for the first time and put named data, and tell how long each takes",
		Long: `Move bytes, start modules for the first time and put named data, and tell how long each takes. The network is made for this: a broker, two
datastores and two executors, processes of this binary with real disks and mutual TLS, in a directory of their own below TMPDIR, which
holds all that is moved until the end. Nothing of it is left.

transfers: in each round new random bytes go from a store of this process to a datastore (put), from there to the other datastore, which
is told to get them (copy), and from that one back (get): to where they have never been, hashed at both ends, and fsynced where they
arrive, which is within the time. disk is as many bytes written to one file on the same disk, and fsynced, in the same round. MB are 10^6
bytes, and reached says what the slowest of the three medians comes to: 400 MB/s, or at least nine tenths of the disk's speed.

modules: WASM commands of that size, nearly all of it code, are uploaded to the broker and both datastores, and then run twice at each
executor. started_ms is the time from submission until the submitter is told that it runs, finished_ms until the submitter has the
result; compile_ms is how much of that the executor had to wait for machine code.

named: values of 1 KiB are put under names of their own, --concurrency at a time, listed, and got.

--large measures something else, and only that: the resident memory of a datastore while a blob of 4 GiB, or of the size given, is put to
it and read from it, and of an executor that gets it and puts it into the directory of a job, above what they need when idle. It needs
three times the size of disk.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			plan, err := o.check()
			if err != nil {
				return err
			}
			ctx, stop := untilInterrupted(cmd.Context())
			defer stop()
			return a.benchData(ctx, plan)
		},
	}
	cmd.Flags().StringSliceVar(&o.sizes, "sizes", []string{"64MiB", "1GiB"}, "sizes of the blobs that are moved")
	cmd.Flags().IntVar(&o.rounds, "rounds", defaultTransfers, "how often each is moved")
	cmd.Flags().StringSliceVar(&o.modules, "modules", []string{"5MB", "30MB"}, "sizes of the modules that are started")
	cmd.Flags().IntVar(&o.count, "count", defaultPuts, "how many values are put under names")
	cmd.Flags().IntVar(&o.concurrency, "concurrency", defaultPutters, "how many of them at a time")
	cmd.Flags().StringVar(&o.large, "large", "", "measure memory while a blob of this size passes, and nothing else")
	cmd.Flags().Lookup("large").NoOptDefVal = sizeOfLarge
	return cmd
}

// dataPlan is what is to be measured.
type dataPlan struct {
	sizes, modules             []int64
	rounds, count, concurrency int
	large                      int64 // 0: what does not fit into memory is not measured, and all else is
}

func (o dataOptions) check() (dataPlan, error) {
	p := dataPlan{rounds: o.rounds, count: o.count, concurrency: o.concurrency}
	var err error
	if p.sizes, err = sizesOf("sizes", o.sizes); err != nil {
		return p, err
	}
	if p.modules, err = sizesOf("modules", o.modules); err != nil {
		return p, err
	}
	if o.large != "" {
		large, err := sizesOf("large", []string{o.large})
		if err != nil {
			return p, err
		}
		p.large = large[0]
	}
	switch {
	case o.rounds < 1 || o.rounds > maxDataRounds:
		return p, usageError{fmt.Errorf("--rounds must be from 1 to %d, not %d", maxDataRounds, o.rounds)}
	case o.count < 1 || o.count > maxBenchPuts:
		return p, usageError{fmt.Errorf("--count must be from 1 to %d, not %d", maxBenchPuts, o.count)}
	case o.concurrency < 1 || o.concurrency > maxBenchConcurrency:
		return p, usageError{fmt.Errorf("--concurrency must be from 1 to %d, not %d", maxBenchConcurrency, o.concurrency)}
	}
	return p, nil
}

func sizesOf(flag string, texts []string) ([]int64, error) {
	sizes := make([]int64, len(texts))
	for i, text := range texts {
		size, err := config.ParseSize(text)
		if err == nil && size < config.KiB {
			err = errors.New("must be at least 1KiB")
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("--%s: %w", flag, err)}
		}
		sizes[i] = int64(size)
	}
	return sizes, nil
}

// benchDataOutput is what bench data measured, in JSON.
type benchDataOutput struct {
	Transfers []transferOutput `json:"transfers,omitempty"`
	Modules   []moduleOutput   `json:"modules,omitempty"`
	Named     *namedOutput     `json:"named,omitempty"`
	Large     *largeOutput     `json:"large,omitempty"`
	Took      millis           `json:"took_ms"`
	CPUs      int              `json:"cpus"`
}

func (a *app) benchData(ctx context.Context, p dataPlan) error {
	began := time.Now()
	out, err := a.measureData(ctx, p)
	if ctx.Err() != nil {
		return errors.New("interrupted before the measurement was complete")
	}
	if err != nil {
		return err
	}
	out.Took, out.CPUs = millis(time.Since(began)), runtime.NumCPU()
	return a.print(out, func(w io.Writer) error { return out.write(w) })
}

// measureData measures on a network of its own.
func (a *app) measureData(ctx context.Context, p dataPlan) (out *benchDataOutput, err error) {
	n, err := a.newDataNetwork(ctx)
	if n != nil {
		defer func() { err = errors.Join(err, n.close()) }() //nolint:contextcheck // closing has a bound of its own
	}
	if err != nil {
		return nil, err
	}
	if err := n.roomFor(ctx, p); err != nil {
		return nil, err
	}
	out = &benchDataOutput{}
	if p.large > 0 {
		out.Large, err = n.large(ctx, p.large)
		return out, err
	}
	for _, size := range p.sizes {
		a.log.Info("moving bytes", "bytes", size)
		t, err := n.transfers(ctx, size, p.rounds)
		if err != nil {
			return nil, fmt.Errorf("moving %d bytes: %w", size, err)
		}
		out.Transfers = append(out.Transfers, *t)
	}
	for _, size := range p.modules {
		a.log.Info("starting a module", "bytes", size)
		m, err := n.firstStarts(ctx, size)
		if err != nil {
			return nil, fmt.Errorf("a module of %d bytes: %w", size, err)
		}
		out.Modules = append(out.Modules, *m)
	}
	a.log.Info("putting named data", "count", p.count)
	out.Named, err = n.names(ctx, p.count, p.concurrency)
	return out, err
}

func (d *benchDataOutput) write(w io.Writer) error {
	var rows [][]string
	for _, t := range d.Transfers {
		rows = append(rows, t.rows()...)
	}
	for _, m := range d.Modules {
		rows = append(rows, m.rows()...)
	}
	if d.Named != nil {
		rows = append(rows, d.Named.rows()...)
	}
	if d.Large != nil {
		rows = append(rows, d.Large.rows()...)
	}
	return table(w, rows...)
}

// spread is what several measurements of one thing gave.
type spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	return spread{Min: sorted[0], Median: sorted[len(sorted)/2], Max: sorted[len(sorted)-1]}
}

func (s spread) text() string {
	return fmt.Sprintf("%.0f MB/s (%.0f–%.0f)", s.Median, s.Min, s.Max)
}
