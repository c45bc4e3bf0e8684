package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("ucp bench emergency", Label("EMG-2"), func() {
	It("has emergency jobs start in a full network, at high on a free slot and at critical where others make room, and leaves nothing behind",
		Label("real"), func(ctx SpecContext) {
			// On a quiet machine the limits hold for the 99th of 100 tries, see docs/performance.md. Beside other suites everything waits for a processor.
			const slack, tries = 10.0, 5
			u := somebody()
			tmp := filepath.Join(u.dir, "tmp")
			Expect(os.Mkdir(tmp, 0o700)).To(Succeed())
			GinkgoT().Setenv("TMPDIR", tmp)
			a := u.runsWith(ctx, []string{asUCP + "=1"}, "bench", "emergency", "--tries", "5", "--queued", "500", "--output", "json")
			Expect(a.code).To(Equal(0), a.stderr)
			Expect(a.stderr).To(BeEmpty())
			var told map[string]any
			Expect(json.Unmarshal([]byte(a.stdout), &told)).To(Succeed())
			AddReportEntry("measured", a.stdout)
			within := func(ms float64) any {
				return And(HaveKeyWithValue("p50_ms", BeNumerically(">", 0)), HaveKeyWithValue("p95_ms", BeNumerically(">", 0)),
					HaveKeyWithValue("p99_ms", BeNumerically(">", 0)), HaveKeyWithValue("max_ms", BeNumerically("<", ms*slack)))
			}
			Expect(told).To(And(
				HaveKeyWithValue("tries", float64(tries)), HaveKeyWithValue("failed", 0.0), HaveKeyWithValue("slots", 8.0), HaveKeyWithValue("queued", 500.0),
				HaveKeyWithValue("brokers", 3.0), HaveKeyWithValue("executors", 4.0), HaveKeyWithValue("job_ms", 1000.0), HaveKey("cpus"),
				HaveKeyWithValue("high", within(50)), HaveKeyWithValue("critical", within(200)), HaveKeyWithValue("declared", within(200)),
				HaveKeyWithValue("preempted", BeNumerically(">=", tries)),
			))
			Expect(os.ReadDir(tmp)).To(BeEmpty())
		}, SpecTimeout(6*soon))

	It("sums tries up, and does not let one that went wrong count as a time", func() {
		ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
		out := sumUp([]emergencyTry{{submitted: ms(20)}, {submitted: ms(10)}},
			[]emergencyTry{{submitted: ms(30), declared: ms(40)}, {submitted: time.Hour, declared: time.Hour, trouble: errors.New("it did not run")}})
		Expect(out).To(HaveValue(And(
			HaveField("Tries", 2), HaveField("Failed", 1), HaveField("FirstFailure", "it did not run"),
			HaveField("High.Max", millis(ms(20))), HaveField("Critical.Max", millis(ms(30))), HaveField("Declared.Max", millis(ms(40))),
		)))
		Expect(out.verdict()).To(MatchError("1 of 4 tries failed: it did not run"))
		Expect(sumUp([]emergencyTry{{}}, []emergencyTry{{}}).verdict()).To(Succeed())
	})

	DescribeTable("refuses what it cannot measure",
		func(ctx SpecContext, reason string, args ...string) {
			a := somebody().runs(ctx, append([]string{"bench", "emergency"}, args...)...)
			Expect(a.code).To(Equal(exitUsage))
			Expect(a.stderr).To(ContainSubstring(reason))
		},
		Entry("no tries", "--tries must be from 1 to 10000, not 0", "--tries", "0"),
		Entry("less than nothing that waits", "--queued must be from 0 to 100000, not -1", "--queued", "-1"),
	)
})
