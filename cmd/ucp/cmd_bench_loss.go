package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/config"
)

// lossOptions say what bench loss measures.
type lossOptions struct {
	kind   string
	rounds int
}

// maxLossRounds is a few hours.
const maxLossRounds = 1000

func newBenchLossCommand(a *app) *cobra.Command {
	var o lossOptions
	cmd := &cobra.Command{
		Use:   "loss",
		Short: "Take nodes from a network while they work, and tell how long it takes until the work goes on",
		Long: `Take nodes from a network while they work, and tell how long it takes until the work goes on. The network is made for this: processes
of this binary with real disks, in a directory of their own below TMPDIR, with default timers. Nothing of it is left.

` + lossKindsHelp() + `

In each round a job runs, the fault comes at a random moment of the heartbeats, and what was lost comes back when the result is there.
The next round begins when that job is final and the network is whole: every node up at every broker, executors at home and free, the
module at each broker and compiled at each executor.

running_elsewhere_… is the time from the fault until the submitter is told of an attempt that runs at another executor or, of a broker,
until it is told that another broker has the running attempt: told by a change that it watches for, nobody polls. result_… is the time from the
fault until the submitter has the result, and contains what the job takes, job_ms. Both are times of the rounds that went through; failed
counts the others. redeployments are attempts beyond each job's first, restarted those of them that no lost executor called for.
duplicates_rejected are results that came too late. results_lost are jobs that did not end accepted, or whose end nobody could tell;
the exit code is then 1.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kind, err := o.check()
			if err != nil {
				return err
			}
			ctx, stop := untilInterrupted(cmd.Context())
			defer stop()
			return a.benchLoss(ctx, kind, o.rounds)
		},
	}
	cmd.Flags().StringVar(&o.kind, "kind", lossKinds[0].name, "what is done: "+strings.Join(lossKindNames(), ", "))
	cmd.Flags().IntVar(&o.rounds, "rounds", 10, "how often")
	_ = cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(lossKindNames(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

// lossKindsHelp tells of each kind what happens.
func lossKindsHelp() string {
	lines := make([]string, len(lossKinds))
	for i, k := range lossKinds {
		lines[i] = fmt.Sprintf("  %-7s %s", k.name, k.does)
	}
	return strings.Join(lines, "\n")
}

func lossKindNames() []string {
	names := make([]string, len(lossKinds))
	for i, k := range lossKinds {
		names[i] = k.name
	}
	return names
}

func (o lossOptions) check() (lossKind, error) {
	i := slices.Index(lossKindNames(), o.kind)
	switch {
	case i < 0:
		return lossKind{}, usageError{fmt.Errorf("--kind must be one of %s, not %q", strings.Join(lossKindNames(), ", "), o.kind)}
	case o.rounds < 1 || o.rounds > maxLossRounds:
		return lossKind{}, usageError{fmt.Errorf("--rounds must be from 1 to %d, not %d", maxLossRounds, o.rounds)}
	}
	return lossKinds[i], nil
}

// lossOutput is what bench loss measured, in JSON.
type lossOutput struct {
	Kind          string `json:"kind"`
	Rounds        int    `json:"rounds"`
	Failed        int    `json:"failed"`
	FirstFailure  string `json:"first_failure,omitempty"`
	ElsewhereP50  millis `json:"running_elsewhere_p50_ms"`
	ElsewhereP99  millis `json:"running_elsewhere_p99_ms"`
	ElsewhereMax  millis `json:"running_elsewhere_max_ms"`
	ResultP50     millis `json:"result_p50_ms"`
	ResultP99     millis `json:"result_p99_ms"`
	ResultMax     millis `json:"result_max_ms"`
	Redeployments int    `json:"redeployments"`
	Restarted     int    `json:"restarted"`
	Rejected      int    `json:"duplicates_rejected"`
	Lost          int    `json:"results_lost"`
	Brokers       int    `json:"brokers"`
	Executors     int    `json:"executors"`
	Job           millis `json:"job_ms"`
	Heartbeat     millis `json:"heartbeat_ms"`
	LeaseTimeout  millis `json:"lease_timeout_ms"`
	Reconnect     millis `json:"reconnect_ms"`
	BrokerTimeout millis `json:"broker_timeout_ms"`
	Took          millis `json:"took_ms"`
	CPUs          int    `json:"cpus"`
}

func (a *app) benchLoss(ctx context.Context, kind lossKind, rounds int) error {
	began := time.Now()
	measured, err := a.measureLosses(ctx, kind, rounds)
	if err != nil {
		return err
	}
	out := kind.output(measured)
	out.Took = millis(time.Since(began))
	if err := a.print(out, func(w io.Writer) error { return out.write(w) }); err != nil {
		return err
	}
	return out.verdict()
}

// measureLosses runs the rounds on a network of their own. What goes wrong in one is told, and the next one is tried.
func (a *app) measureLosses(ctx context.Context, kind lossKind, rounds int) (measured []*lossRound, err error) {
	n, err := a.newLossNetwork(ctx, kind)
	if n != nil {
		defer func() { err = errors.Join(err, n.close()) }() //nolint:contextcheck // closing has a bound of its own
	}
	for i := 1; err == nil && i <= rounds; i++ {
		r := n.round(ctx)
		if ctx.Err() == nil {
			measured = append(measured, r)
			a.tellRound(ctx, n, i, r)
		} else {
			err = ctx.Err()
		}
	}
	if ctx.Err() != nil {
		return nil, errors.New("interrupted before the measurement was complete")
	}
	return measured, err
}

// output sums rounds up.
func (k lossKind) output(rounds []*lossRound) *lossOutput {
	timers := config.Defaults()
	out := &lossOutput{
		Kind: k.name, Rounds: len(rounds), Brokers: k.brokers, Executors: lossExecutors, Job: millis(k.work), CPUs: runtime.NumCPU(),
		Heartbeat: millis(timers.Lease.Heartbeat), LeaseTimeout: millis(timers.Lease.Timeout), Reconnect: millis(timers.Lease.Reconnect),
		BrokerTimeout: millis(timers.BrokerTimeout),
	}
	var elsewhere, result []time.Duration
	for _, r := range rounds {
		out.add(r, k.redeploys)
		if len(r.trouble) == 0 {
			elsewhere, result = append(elsewhere, r.elsewhere), append(result, r.result)
		}
	}
	slices.Sort(elsewhere)
	slices.Sort(result)
	out.ElsewhereP50, out.ElsewhereP99, out.ElsewhereMax = percentile(elsewhere, 50), percentile(elsewhere, 99), percentile(elsewhere, 100)
	out.ResultP50, out.ResultP99, out.ResultMax = percentile(result, 50), percentile(result, 99), percentile(result, 100)
	return out
}

// add counts what came of a round, in which that many redeployments were to be expected.
func (l *lossOutput) add(r *lossRound, expected int) {
	redeployed := max(0, r.attempts-1)
	l.Redeployments += redeployed
	l.Restarted += max(0, redeployed-expected)
	l.Rejected += r.rejected
	if r.lost {
		l.Lost++
	}
	if len(r.trouble) > 0 {
		l.Failed++
		l.FirstFailure = firstOf(l.FirstFailure, r.trouble[0].Error())
	}
}

func (l *lossOutput) write(w io.Writer) error {
	rows := [][]string{
		{"rounds", fmt.Sprintf("%d × %s, %s and %s, a job of %s", l.Rounds, l.Kind, counted(l.Brokers, "broker"), counted(l.Executors, "executor"), brief(l.Job))},
		{"running elsewhere after", fmt.Sprintf("p50 %s, p99 %s, max %s", brief(l.ElsewhereP50), brief(l.ElsewhereP99), brief(l.ElsewhereMax))},
		{"result after", fmt.Sprintf("p50 %s, p99 %s, max %s", brief(l.ResultP50), brief(l.ResultP99), brief(l.ResultMax))},
		{"redeployments", fmt.Sprintf("%d, %d of them restarted what still ran", l.Redeployments, l.Restarted)},
		{"duplicates rejected", fmt.Sprint(l.Rejected)},
		{"results lost", fmt.Sprint(l.Lost)},
		{"timers", fmt.Sprintf("heartbeat %s, lease %s, reconnect %s, broker %s", brief(l.Heartbeat), brief(l.LeaseTimeout), brief(l.Reconnect), brief(l.BrokerTimeout))},
		{"failed", fmt.Sprint(l.Failed)},
	}
	if l.Failed > 0 {
		rows = append(rows, []string{"first failure", l.FirstFailure})
	}
	return table(w, rows...)
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// verdict is what fails the command: a lost result, or nothing to tell.
func (l *lossOutput) verdict() error {
	switch {
	case l.Lost > 0:
		return fmt.Errorf("%d of %d results were lost", l.Lost, l.Rounds)
	case l.Failed == l.Rounds:
		return fmt.Errorf("no round went through: %s", l.FirstFailure)
	}
	return nil
}
