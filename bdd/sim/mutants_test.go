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
}{
	{mutant.AckBeforeFsync, "S1", 3},
	{mutant.AckTwoOnOne, "S1", 10},
	{mutant.ConfirmBeforeFsync, "S1", 3},
	{mutant.PushBeforeFsync, "S3", 15},
	{mutant.AnswerBeforeFsync, "S4", 3},
	{mutant.FinalOnOneDisk, "S3", 3},
	{mutant.LastArrivalWins, "S9", 3},
	{mutant.VerdictOverwritten, "S9", 3},
	{mutant.DedupeForgotten, "S4", 3},
	{mutant.VectorReset, "S7", 3},
	{mutant.CutStreamAdopted, "S7", 8},
	{mutant.MarksWithoutFrom, "S7", 40},
	{mutant.NamesReused, "S8", 25},
	{mutant.TakerDecidesFinally, "S3", 3},
	{mutant.TakeoverTakesAuthority, "S3", 5},
	{mutant.HeirBeforeFencesMet, "S3", 40},
	{mutant.RolledBackGoesOn, "S7", 15},
	{mutant.SupersededUntold, "S5", 3},
	{mutant.SupersededTwice, "S5", 3},
	{mutant.ForgottenComesBack, "S9", 10},
	{mutant.ForgottenRunsAgain, "S3", 3},
	{mutant.LeaseNeverExpires, "L3", 5},
	{mutant.LostJobDropped, "L2", 3},
}

// elusive are bugs that no checker found in the first 150 seeds when that was last tried: the faults that they need come together too rarely.
var elusive = []mutant.Bug{mutant.HeirWithoutFences, mutant.UnprovenCounts, mutant.HorizonOfOne}

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
func hunt(bug mutant.Bug, check string, within int, options ...sim.Option) uint64 {
	Expect(sim.Mutate(bug.String())).To(BeTrue())
	defer sim.Mutate("")
	c := sim.DefaultCampaign()
	c.Options = options
	for seed := uint64(1); seed <= uint64(within); seed++ {
		if slices.ContainsFunc(c.Run(seed).Violations, func(v sim.Violation) bool { return v.Check == check }) {
			return seed
		}
	}
	return 0
}

var _ = Describe("Mutants", Label("campaign"), Ordered, ContinueOnFailure, func() {
	for _, s := range seeded {
		It(fmt.Sprintf("%s: %s finds within %d seeds that %s", s.bug, s.check, s.within, s.bug.What()), func() {
			seed := hunt(s.bug, s.check, s.within)
			Expect(seed).NotTo(BeZero(), "the bug is not found")
			AddReportEntry("found", fmt.Sprintf("%s: seed %d", s.bug, seed))
			for clean := uint64(1); clean <= seed; clean++ {
				Expect(healthy(clean)).To(BeEmpty(), "seed %d breaks a promise without the bug too", clean)
			}
		})
	}

	It("tells every bug that can be seeded", func() {
		listed := slices.Clone(elusive)
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
		Entry("that the lease never expires", mutant.LeaseNeverExpires, "L3", 5),
		Entry("that clients are told twice", mutant.SupersededTwice, "S5", 3),
		Entry("that nobody is told", mutant.SupersededUntold, "S5", 3),
		Entry("that the acknowledgement said two", mutant.AckTwoOnOne, "S1", 10),
	)
})
