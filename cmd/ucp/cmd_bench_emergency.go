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
)

// emergencyOptions say what bench emergency measures.
type emergencyOptions struct{ tries, queued int }

// The bounds of a measurement, of which a try takes seconds and a broker's queue holds so many.
const (
	maxEmergencyTries  = 10_000
	maxEmergencyQueued = 100_000
)

func newBenchEmergencyCommand(a *app) *cobra.Command {
	var o emergencyOptions
	cmd := &cobra.Command{
		Use:   "emergency",
		Short: "Declare emergencies in a full network, and tell how long their jobs take to start",
		Long: `Declare emergencies in a full network, and tell how long their jobs take to start. The network is made for this: three brokers and four
executors of two slots each, processes of this binary with real disks, in a directory of their own below TMPDIR, with default timers.
Nothing of it is left.

Jobs that wait for one second hold all slots, and --queued more of them wait at the brokers: before each try at critical, and before the
tries at high, it is made sure that this is so.

high: an emergency of that level is declared once, what runs comes to its end, and nothing that waits begins. Then --tries jobs of the
emergency are submitted one after the other, to each broker in turn, and each finds a free slot.

critical: in each try an emergency of that level is declared at one broker, and as soon as that is acknowledged its job is submitted to the
next broker: it runs where others made room. The emergency is cleared when its job is over, and the next try is made when all slots have been
taken again for one to two seconds.

A job has started when its submitter is told that its attempt runs, by a change that it watches for: an executor's program has begun, its
broker has heard so and has it on its disk. high_… and critical_… are the times from just before the submission until then. declared_…
are those from just before an emergency is declared at critical until its job has started, which contain them. preempted are the
attempts at jobs that were begun again, which are those that made room.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			ctx, stop := untilInterrupted(cmd.Context())
			defer stop()
			return a.benchEmergency(ctx, o)
		},
	}
	cmd.Flags().IntVar(&o.tries, "tries", 100, "how many emergency jobs at each level")
	cmd.Flags().IntVar(&o.queued, "queued", 10_000, "how many other jobs wait meanwhile")
	return cmd
}

func (o emergencyOptions) check() error {
	switch {
	case o.tries < 1 || o.tries > maxEmergencyTries:
		return usageError{fmt.Errorf("--tries must be from 1 to %d, not %d", maxEmergencyTries, o.tries)}
	case o.queued < 0 || o.queued > maxEmergencyQueued:
		return usageError{fmt.Errorf("--queued must be from 0 to %d, not %d", maxEmergencyQueued, o.queued)}
	}
	return nil
}

// startTimes are what the tries at one level took.
type startTimes struct {
	P50 millis `json:"p50_ms"`
	P95 millis `json:"p95_ms"`
	P99 millis `json:"p99_ms"`
	Max millis `json:"max_ms"`
}

func startTimesOf(times []time.Duration) startTimes {
	slices.Sort(times)
	return startTimes{P50: percentile(times, 50), P95: percentile(times, 95), P99: percentile(times, 99), Max: percentile(times, 100)}
}

func (s startTimes) text() string {
	return fmt.Sprintf("p50 %s, p95 %s, p99 %s, max %s", brief(s.P50), brief(s.P95), brief(s.P99), brief(s.Max))
}

// benchEmergencyOutput is what bench emergency measured, in JSON.
type benchEmergencyOutput struct {
	Tries        int        `json:"tries"`
	High         startTimes `json:"high"`
	Critical     startTimes `json:"critical"`
	Declared     startTimes `json:"declared"`
	Preempted    uint64     `json:"preempted"`
	Failed       int        `json:"failed"`
	FirstFailure string     `json:"first_failure,omitempty"`
	Queued       int        `json:"queued"`
	Brokers      int        `json:"brokers"`
	Executors    int        `json:"executors"`
	Slots        int        `json:"slots"`
	Job          millis     `json:"job_ms"`
	Took         millis     `json:"took_ms"`
	CPUs         int        `json:"cpus"`
}

func (a *app) benchEmergency(ctx context.Context, o emergencyOptions) error {
	began := time.Now()
	out, err := a.measureEmergencies(ctx, o)
	if ctx.Err() != nil {
		return errors.New("interrupted before the measurement was complete")
	}
	if err != nil {
		return err
	}
	out.Took = millis(time.Since(began))
	if err := a.print(out, func(w io.Writer) error { return out.write(w) }); err != nil {
		return err
	}
	return out.verdict()
}

// measureEmergencies tries both levels on a network of their own.
func (a *app) measureEmergencies(ctx context.Context, o emergencyOptions) (out *benchEmergencyOutput, err error) {
	n, err := a.newEmergencyNetwork(ctx, o.queued)
	if n != nil {
		defer func() { err = errors.Join(err, n.close()) }() //nolint:contextcheck // closing has a bound of its own
	}
	if err != nil {
		return nil, err
	}
	high, err := n.tryHigh(ctx, o.tries)
	if err != nil {
		return nil, err
	}
	critical, preempted, err := n.tryCritical(ctx, o.tries)
	if err != nil {
		return nil, err
	}
	for i, t := range slices.Concat(high, critical) {
		if t.trouble != nil {
			a.notice("try %d: %s", i+1, t.trouble)
		}
	}
	out = sumUp(high, critical)
	out.Preempted, out.Queued = preempted, o.queued
	return out, nil
}

// sumUp makes figures of tries. One that went wrong is counted, and is no time.
func sumUp(high, critical []emergencyTry) *benchEmergencyOutput {
	out := &benchEmergencyOutput{
		Tries: len(high), Brokers: emergencyBrokers, Executors: emergencyExecutors, Slots: emergencyExecutors * emergencySlots, Job: millis(ordinaryJob),
		CPUs: runtime.NumCPU(),
	}
	times := func(tries []emergencyTry, of func(emergencyTry) time.Duration) (good []time.Duration) {
		for _, t := range tries {
			if t.trouble == nil {
				good = append(good, of(t))
			}
		}
		return good
	}
	submitted := func(t emergencyTry) time.Duration { return t.submitted }
	out.High, out.Critical = startTimesOf(times(high, submitted)), startTimesOf(times(critical, submitted))
	out.Declared = startTimesOf(times(critical, func(t emergencyTry) time.Duration { return t.declared }))
	for _, t := range slices.Concat(high, critical) {
		if t.trouble != nil {
			out.Failed++
			out.FirstFailure = firstOf(out.FirstFailure, t.trouble.Error())
		}
	}
	return out
}

func (e *benchEmergencyOutput) write(w io.Writer) error {
	rows := [][]string{
		{"network", fmt.Sprintf("%s, %s, %d slots with jobs of %s, %d more waiting", counted(e.Brokers, "broker"), counted(e.Executors, "executor"), e.Slots, brief(e.Job), e.Queued)},
		{"tries", fmt.Sprintf("%d at each level", e.Tries)},
		{"high: started after", e.High.text()},
		{"critical: started after", e.Critical.text()},
		{"from the declaration", e.Declared.text()},
		{"preempted", fmt.Sprint(e.Preempted)},
		{"failed", fmt.Sprint(e.Failed)},
	}
	if e.Failed > 0 {
		rows = append(rows, []string{"first failure", e.FirstFailure})
	}
	return table(w, rows...)
}

// verdict is what fails the command: an emergency job that did not run.
func (e *benchEmergencyOutput) verdict() error {
	if e.Failed > 0 {
		return fmt.Errorf("%d of %d tries failed: %s", e.Failed, 2*e.Tries, e.FirstFailure)
	}
	return nil
}
