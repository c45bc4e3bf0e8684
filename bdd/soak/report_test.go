package soak_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/soak"
)

var _ = Describe("The table of a soak", func() {
	report := func() *soak.Report {
		return &soak.Report{
			Settings: soak.Settings{For: 10 * time.Minute, Seed: 42}, Submitted: 100, Taken: 98,
			Faults: []soak.Fault{{Node: "b1", Kind: soak.Kill}, {Node: "e1", Kind: soak.Freeze}, {Node: "e2", Kind: soak.Freeze}, {Node: "e3", Kind: soak.Cut}},
			Spared: []string{"b2", "e4"}, Redeployed: 7, AtRest: true, Rested: 2340 * time.Millisecond, Operations: 1234, Fetched: 25,
			Begin: map[string]soak.Reading{"b1": {Goroutines: 50, Descriptors: 33, Threads: 9, Resident: 40 << 20, Heap: 9 << 20}, "b2": {Goroutines: 60}, "e1": {Threads: 5}},
			End:   map[string]soak.Reading{"b1": {Goroutines: 70, Descriptors: 34, Threads: 9, Resident: 50 << 20, Heap: 12 << 20}, "b2": {Goroutines: 61}, "e1": {Threads: 6}},
			Kept:  "/tmp/kept",
		}
	}
	written := func(r *soak.Report) string {
		GinkgoHelper()
		var out strings.Builder
		Expect(r.Write(&out)).To(Succeed())
		return out.String()
	}

	It("tells what happened, what each role used at most, and that nothing was wrong", func() {
		Expect(written(report())).To(Equal(`soak                 10m0s, seed 42, 3 brokers, 5 executors with 2 slots each
jobs                 100 submitted, 98 acknowledged, 0 lost
ends                 0 accepted, 0 failed as they had to, 0 cancelled, 0 otherwise, of 0 with those of the warm-up
otherwise            none
brokers              1 times killed, 0 times frozen, 0 times cut off
executors            0 times killed, 2 times frozen, 1 times cut off
never killed         b2, e4
attempts             7 redeployed, 0 late results rejected, 0 jobs in quarantine let go
owners               0 takeovers, 0 hand-overs, 0 superseded
at rest              2.3s after the end: every job final, and the same at every broker
checked              1234 operations of clients, 25 results fetched
a broker at most     60 → 70 goroutines, 33 → 34 descriptors, 9 → 9 threads, 40.0 MiB → 50.0 MiB resident, 9.0 MiB → 12.0 MiB heap
an executor at most  0 → 0 goroutines, 0 → 0 descriptors, 5 → 6 threads, 0.0 MiB → 0.0 MiB resident, 0.0 MiB → 0.0 MiB heap
verdict              clean
`))
	})

	It("gives the reasons when something was, the first of many, and says where to look", func() {
		r := report()
		r.AtRest = false
		for i := range 40 {
			r.Wrong = append(r.Wrong, fmt.Sprintf("reason %d", i+1))
		}
		Expect(r.Clean()).To(BeFalse())
		Expect(written(r)).To(HaveSuffix("  - reason 30\n"))
		Expect(written(r)).To(And(
			MatchRegexp(`verdict +NOT CLEAN, for 40 reasons \(the first 30 are told\); faults and logs are kept in /tmp/kept\n  - reason 1\n`),
			MatchRegexp(`at rest +no, not within 1m30s`),
		))
	})
})
