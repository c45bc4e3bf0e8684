package sim

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report sums up a campaign.
type Report struct {
	Seeds      int
	Virtual    time.Duration
	Real       time.Duration
	Faults     Tally // by kind
	Struck     Tally // seeds in which a kind of fault came
	Rare       Tally // how often
	Reached    Tally // seeds that reached it
	Violations []Violation
	Traces     map[uint64]uint64 // seed → hash over its deliveries

	campaign Campaign
	begun    time.Time
}

func newReport(c Campaign) *Report {
	return &Report{Faults: Tally{}, Struck: Tally{}, Rare: Tally{}, Reached: Tally{}, Traces: map[uint64]uint64{}, campaign: c, begun: time.Now()}
}

func (r *Report) add(o Outcome) {
	r.Seeds++
	r.Virtual += o.Virtual
	r.Traces[o.Seed] = o.Trace
	for k, n := range o.Faults {
		r.Faults[k] += n
		r.Struck[k]++
	}
	for k, n := range o.Rare {
		r.Rare[k] += n
		r.Reached[k]++
	}
	r.Violations = append(r.Violations, o.Violations...)
}

func (r *Report) finish() {
	r.Real = time.Since(r.begun)
	slices.SortStableFunc(r.Violations, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Seed, b.Seed), cmp.Compare(a.At, b.At))
	})
}

// Failed are the seeds with a violation, in order.
func (r *Report) Failed() []uint64 {
	var seeds []uint64
	for _, v := range r.Violations {
		seeds = append(seeds, v.Seed)
	}
	return slices.Compact(seeds)
}

// A campaign of so many seeds counts only if each of these states was reached in one of a hundred: what never happened was not tested.
const enoughToReach = 200

var mustReach = []string{
	"a job was handed over three times", "a job was quarantined", "a provisional verdict was adopted", "a result was held until others agree",
	"an accepted result was sent again", "an acknowledgement stood on one disk", "an owner met a takeover of its job", "fenced", "forgotten elsewhere",
	"heir began", "late result: after the verdict", "late result: late, different digest", "late result: late, equal digest",
	"late result: unknown attempt", "reborn", "refused as perhaps forgotten", "result for a successor",
	"result of an earlier life: accepted", "result of an earlier life: rejected", "resurrection refused", "stream resumed",
	"superseded", "taken over", "two brokers took the same job over", "verdicts of several owners differ",
}

// Unreached are the listed rare states that too few seeds reached; none in a campaign that is too small to tell.
func (r *Report) Unreached() []string {
	if r.Seeds < enoughToReach {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(mustReach), func(state string) bool { return r.Reached[state]*100 >= r.Seeds })
}

// Write prints the report; its last line is the sum.
func (r *Report) Write(out io.Writer) {
	r.table(out, "faults", r.Faults, r.Struck)
	r.table(out, "rare states", r.Rare, r.Reached)
	for _, v := range r.Violations {
		first, _, _ := strings.Cut(v.String(), "\n")
		_, _ = fmt.Fprintln(out, first)
	}
	for _, state := range r.Unreached() {
		_, _ = fmt.Fprintf(out, "reached in less than 1%% of the seeds: %s\n", state)
	}
	for _, seed := range r.Failed() {
		_, _ = fmt.Fprintf(out, "replay: %s\n", r.campaign.replay(seed))
	}
	c := r.campaign
	_, _ = fmt.Fprintf(out, "%d seeds, %d violations, %d brokers, %d executors, %s of virtual time in %s, %.1f seeds/s\n",
		r.Seeds, len(r.Violations), c.Brokers, c.Executors, human(r.Virtual), r.Real.Round(time.Millisecond), float64(r.Seeds)/r.Real.Seconds())
}

// WriteTraces prints the hash over the deliveries of each seed.
func (r *Report) WriteTraces(out io.Writer) {
	for _, seed := range slices.Sorted(maps.Keys(r.Traces)) {
		_, _ = fmt.Fprintf(out, "trace of seed %d: %016x\n", seed, r.Traces[seed])
	}
}

// replay is the command that shows one seed again.
func (c Campaign) replay(seed uint64) string {
	var line strings.Builder
	line.WriteString("go run ")
	if c.Mutant != "" {
		line.WriteString("-tags mutants ")
	}
	fmt.Fprintf(&line, "./bdd/sim/cmd/sim -first %d -seeds 1 -v", seed)
	d := DefaultCampaign()
	for _, f := range []struct {
		name    string
		is, was any
	}{{"brokers", c.Brokers, d.Brokers}, {"executors", c.Executors, d.Executors}, {"clients", c.Clients, d.Clients}, {"jobs", c.Jobs, d.Jobs}, {"for", c.For, d.For}} {
		if f.is != f.was {
			fmt.Fprintf(&line, " -%s %v", f.name, f.is)
		}
	}
	if c.Mutant != "" {
		fmt.Fprintf(&line, " -mutant %s", c.Mutant)
	}
	return line.String()
}

func (r *Report) table(out io.Writer, title string, counts, seeds Tally) {
	_, _ = fmt.Fprintf(out, "%-52s %9s %14s\n", title, "times", "share of seeds")
	for _, k := range counts.Names() {
		_, _ = fmt.Fprintf(out, "  %-50s %9d %13.1f%%\n", k, counts[k], 100*float64(seeds[k])/float64(max(r.Seeds, 1)))
	}
	_, _ = fmt.Fprintln(out)
}

func human(d time.Duration) string {
	if days := d.Hours() / 24; days > 3 {
		return fmt.Sprintf("%.2f years", days/365.25)
	}
	return d.String()
}
