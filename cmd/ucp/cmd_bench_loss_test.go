package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

var _ = Describe("ucp bench loss", Label("LOSS-2"), func() {
	It("kills the executor that works, tells how long it took until the job ran at the other, and leaves nothing behind", Label("real"), func(ctx SpecContext) {
		u := somebody()
		tmp := filepath.Join(u.dir, "tmp")
		Expect(os.Mkdir(tmp, 0o700)).To(Succeed())
		GinkgoT().Setenv("TMPDIR", tmp)
		a := u.runsWith(ctx, []string{asUCP + "=1", "UCP_NAME=astray"}, "bench", "loss", "--kind", "kill", "--rounds", "1", "--output", "json")
		Expect(a.code).To(Equal(0), a.stderr)
		Expect(a.stderr).To(BeEmpty())
		var told map[string]any
		Expect(json.Unmarshal([]byte(a.stdout), &told)).To(Succeed())
		Expect(told).To(And(
			HaveKeyWithValue("kind", "kill"), HaveKeyWithValue("rounds", 1.0), HaveKeyWithValue("failed", 0.0),
			HaveKeyWithValue("redeployments", 1.0), HaveKeyWithValue("restarted", 0.0), HaveKeyWithValue("duplicates_rejected", 0.0),
			HaveKeyWithValue("results_lost", 0.0), HaveKeyWithValue("lease_timeout_ms", 3000.0), HaveKeyWithValue("broker_timeout_ms", 10_000.0),
			HaveKey("cpus"),
		))
		elsewhere, result := told["running_elsewhere_p50_ms"].(float64), told["result_p50_ms"].(float64)
		Expect(elsewhere).To(And(BeNumerically(">", 0), Equal(told["running_elsewhere_max_ms"]), Equal(told["running_elsewhere_p99_ms"])))
		Expect(result).To(BeNumerically(">=", elsewhere+1000), "the job began again, and takes 1.5 s")
		Expect(os.ReadDir(tmp)).To(BeEmpty())
	}, SpecTimeout(2*soon))

	It("sums rounds up, and does not let one that went wrong count as a time", func() {
		out := lossKinds[0].output([]*lossRound{
			{elsewhere: 30 * time.Millisecond, result: 2 * time.Second, end: job.StateAccepted, attempts: 2, rejected: 1},
			{elsewhere: 10 * time.Millisecond, result: time.Second, end: job.StateAccepted, attempts: 3},
			{elsewhere: time.Hour, result: time.Hour, attempts: 1, lost: true, trouble: []error{os.ErrDeadlineExceeded, os.ErrClosed}},
			{trouble: []error{os.ErrClosed}}, // before there was a job
		})
		Expect(out).To(HaveValue(And(
			HaveField("Rounds", 4), HaveField("Failed", 2), HaveField("FirstFailure", os.ErrDeadlineExceeded.Error()),
			HaveField("ElsewhereP50", millis(10*time.Millisecond)), HaveField("ElsewhereP99", millis(30*time.Millisecond)), HaveField("ResultMax", millis(2*time.Second)),
			HaveField("Redeployments", 3), HaveField("Restarted", 1), HaveField("Rejected", 1), HaveField("Lost", 1),
		)))
		Expect(out.verdict()).To(MatchError("1 of 4 results were lost"))
		Expect(lossKinds[0].output([]*lossRound{{trouble: []error{os.ErrClosed}}}).verdict()).To(MatchError(ContainSubstring("no round went through")))
	})

	DescribeTable("knows when a job goes on",
		func(seen func(client.Change, string) bool, goesOn bool, tenures ...job.Tenure) {
			Expect(seen(client.Change{Job: client.Job{Tenures: tenures}}, "lost")).To(Equal(goesOn))
		},
		Entry("not while it runs where it was lost", runsElsewhere, false, tenure("b1", "lost")),
		Entry("when it runs at another executor", runsElsewhere, true, tenure("b1", "lost", "other")),
		Entry("not while its owner is the one that was lost", ownedElsewhere, false, tenure("lost", "e1")),
		Entry("not when nothing of it runs for the one who took over", ownedElsewhere, false, tenure("lost", "e1"), tenure("b2")),
		Entry("when it runs for the one who took over", ownedElsewhere, true, tenure("lost", "e1"), tenure("b2", "e1")),
		Entry("not for one that released it before", ownedElsewhere, false,
			job.Tenure{Node: "b2", Verdict: &job.Verdict{Kind: job.Released}, Attempts: tenure("b2", "e1").Attempts}, tenure("lost", "e1")),
	)

	It("completes its kinds", func(ctx SpecContext) {
		a := somebody().runs(ctx, cobra.ShellCompRequestCmd, "bench", "loss", "--kind", "")
		Expect(a.stdout).To(HavePrefix("kill\nfreeze\ncut\nbroker\n"))
	}, SpecTimeout(soon))
})

// tenure is that of a node for which these executors run the job.
func tenure(node string, executors ...string) job.Tenure {
	t := job.Tenure{Node: node}
	for _, e := range executors {
		t.Attempts = append(t.Attempts, job.Attempt{Executor: e, State: job.Running})
	}
	return t
}
