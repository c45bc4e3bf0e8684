//go:build mutants

package sim_test

import (
	"fmt"
	"slices"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/mutant"
)

// seeded are the bugs, the checker that finds each, and within how many seeds it does; docs/track-record.md lists them.
var seeded = []struct {
	bug    mutant.Bug
	check  string
	within int
	from   uint64 // the first seed, if it is not 1
	lost   string // why it is not looked for: nobody knows a seed that shows it any more
}{
	{bug: mutant.AckBeforeFsync, check: "S1", within: 3},
	{bug: mutant.AckTwoOnOne, check: "S1", within: 10},
	{bug: mutant.ConfirmBeforeFsync, check: "S1", within: 3},
	{bug: mutant.PushBeforeFsync, check: "S3", within: 10, from: 15},
	{bug: mutant.AnswerBeforeFsync, check: "S4", within: 3},
	{bug: mutant.FinalOnOneDisk, check: "S3", within: 3},
	{bug: mutant.LastArrivalWins, check: "S9", within: 3},
	{bug: mutant.VerdictOverwritten, check: "S9", within: 3},
	{bug: mutant.DedupeForgotten, check: "S4", within: 8},
	{bug: mutant.VectorReset, check: "S7", within: 3},
	{bug: mutant.CutStreamAdopted, check: "S7", within: 8},
	{bug: mutant.MarksWithoutFrom, check: "S7", within: 5, from: 35},
	{bug: mutant.NamesReused, check: "S8", within: 25},
	{bug: mutant.TakerDecidesFinally, check: "S3", within: 3},
	{bug: mutant.TakeoverTakesAuthority, check: "S3", within: 5},
	{bug: mutant.HeirWithoutFences, check: "S3", within: 5, from: 59},
	{bug: mutant.HeirBeforeFencesMet, check: "S3", within: 5, from: 26},
	{bug: mutant.UnprovenCounts, check: "S3", within: 5, from: 115},
	{bug: mutant.HorizonOfOne, check: "S7", within: 3},
	{bug: mutant.RolledBackGoesOn, check: "S7", within: 15},
	{bug: mutant.SupersededUntold, check: "S5", within: 3},
	{bug: mutant.SupersededTwice, check: "S5", within: 8},
	{bug: mutant.ForgottenComesBack, check: "S9", within: 10},
	{bug: mutant.ForgottenRunsAgain, check: "S3", within: 3},
	{bug: mutant.LeaseNeverExpires, check: "L3", within: 12},
	{bug: mutant.LostJobDropped, check: "L2", within: 3},
	{bug: mutant.PreemptedJobDropped, check: "L2", within: 3},
}

// outcomes are what seeds show without any bug, each run once.
var outcomes sync.Map

// healthy returns what a seed shows without any bug.
func healthy(seed uint64) []sim.Violation {
	if found, ok := outcomes.Load(seed); ok {
		return found.([]sim.Violation)
	}
	sim.Mutate("")
	found := sim.DefaultCampaign().Run(seed).Violations
	outcomes.Store(seed, found)
	return found
}

// hunt runs seeds with a bug until a checker finds it, and returns the seed: 0 if it does not.
func hunt(bug mutant.Bug, check string, from uint64, within int, options ...sim.Option) uint64 {
	Expect(sim.Mutate(bug.String())).To(BeTrue())
	defer sim.Mutate("")
	c := sim.DefaultCampaign()
	c.Options = options
	for seed := from; seed < from+uint64(within); seed++ {
		if slices.ContainsFunc(c.Run(seed).Violations, func(v sim.Violation) bool { return v.Check == check }) {
			return seed
		}
	}
	return 0
}

var _ = Describe("Mutants", Label("campaign"), Ordered, ContinueOnFailure, func() {
	for _, s := range seeded {
		It(fmt.Sprintf("%s: %s finds within %d seeds that %s", s.bug, s.check, s.within, s.bug.What()), func() {
			if s.lost != "" {
				Skip(s.lost)
			}
			from := max(s.from, 1)
			seed := hunt(s.bug, s.check, from, s.within)
			Expect(seed).NotTo(BeZero(), "the bug is not found")
			AddReportEntry("found", fmt.Sprintf("%s: seed %d", s.bug, seed))
			for clean := from; clean <= seed; clean++ {
				Expect(healthy(clean)).To(BeEmpty(), "seed %d breaks a promise without the bug too", clean)
			}
		})
	}

	It("tells every bug that can be seeded", func() {
		var listed []mutant.Bug
		for _, s := range seeded {
			listed = append(listed, s.bug)
		}
		Expect(listed).To(ConsistOf(mutant.All()))
	})

	DescribeTable("without its checker a bug goes unfound", func(bug mutant.Bug, check string, within int) {
		Expect(sim.Mutate(bug.String())).To(BeTrue())
		defer sim.Mutate("")
		c := sim.DefaultCampaign()
		c.Options = []sim.Option{sim.Without(check)}
		for seed := uint64(1); seed <= uint64(within); seed++ {
			Expect(c.Run(seed).Violations).To(BeEmpty())
		}
	},
		Entry("that the lease never expires", mutant.LeaseNeverExpires, "L3", 12),
		Entry("that clients are told twice", mutant.SupersededTwice, "S5", 4),
		Entry("that nobody is told", mutant.SupersededUntold, "S5", 3),
		Entry("that the acknowledgement said two", mutant.AckTwoOnOne, "S1", 10),
	)
})
