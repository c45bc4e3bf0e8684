package soak

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is what a soak found.
type Report struct {
	Settings   Settings
	Submitted  int
	Taken      int // acknowledged
	Ends       ends
	Faults     []Fault // that befell
	Spared     []string
	Redeployed int
	Lost       int // acknowledged jobs that a broker does not know at the end
	Restarted  map[string]int
	Operations int // in the history
	Fetched    int
	Cancelled  int           // quarantined jobs, by the operator
	AtRest     bool          // it came to rest after the end
	Rested     time.Duration // and how long after it the last job was final everywhere
	Begin, End map[string]Reading
	Wrong      []string
	Kept       string // the directory that was kept, "" if it was removed
}

// Clean says that nothing was wrong.
func (r *Report) Clean() bool { return len(r.Wrong) == 0 }

// maxTold bounds how many things that are wrong a report tells.
const maxTold = 30

// Write prints the report as one table, whose last row is the verdict, and after it what is wrong.
func (r *Report) Write(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range slices.Concat(r.load(), r.harm(), r.rest(), r.usage()) {
		_, _ = fmt.Fprintf(t, "%s\t%s\n", row[0], row[1]) // Flush tells
	}
	_, _ = fmt.Fprintf(t, "verdict\t%s\n", r.verdict())
	if err := t.Flush(); err != nil {
		return err
	}
	for _, w := range r.Wrong[:min(len(r.Wrong), maxTold)] {
		if _, err := fmt.Fprintf(out, "  - %s\n", w); err != nil {
			return err
		}
	}
	return nil
}

type row [2]string

func (r *Report) load() []row {
	e := r.Ends
	return []row{
		{"soak", fmt.Sprintf("%s, seed %d, %d brokers, %d executors with %d slots each", r.Settings.For, r.Settings.Seed, brokerCount, executorCount, slots)},
		{"jobs", fmt.Sprintf("%d submitted, %d acknowledged, %d lost", r.Submitted, r.Taken, r.Lost)},
		{"ends", fmt.Sprintf("%d accepted, %d failed as they had to, %d cancelled, %d otherwise, of %d with those of the warm-up",
			e.accepted, e.doomed, e.cancelled, e.otherwise(), e.jobs)},
		{"otherwise", e.reasons()},
	}
}

func (r *Report) harm() []row {
	e := r.Ends
	return []row{
		{"brokers", r.faults("b")},
		{"executors", r.faults("e")},
		{"never killed", strings.Join(r.Spared, ", ")},
		{"attempts", fmt.Sprintf("%d redeployed, %d late results rejected, %d jobs in quarantine let go", r.Redeployed, e.rejected, r.Cancelled)},
		{"owners", fmt.Sprintf("%d takeovers, %d hand-overs, %d superseded", e.takeovers, e.handedOver, e.superseded)},
	}
}

// faults counts what befell nodes whose names begin so.
func (r *Report) faults(prefix string) string {
	var parts []string
	for _, k := range kinds {
		n := count(r.Faults, func(f Fault) bool { return f.Kind == k && strings.HasPrefix(f.Node, prefix) })
		parts = append(parts, fmt.Sprintf("%d times %s", n, k))
	}
	return strings.Join(parts, ", ")
}

func (r *Report) rest() []row {
	rested := fmt.Sprintf("no, not within %s", Settling)
	if r.AtRest {
		rested = fmt.Sprintf("%s after the end: every job final, and the same at every broker", r.Rested.Round(100*time.Millisecond))
	}
	return []row{
		{"at rest", rested},
		{"checked", fmt.Sprintf("%d operations of clients, %d results fetched", r.Operations, r.Fetched)},
	}
}

// usage tells the most that a process of each role uses.
func (r *Report) usage() (rows []row) {
	for _, role := range []struct{ name, prefix string }{{"a broker", "b"}, {"an executor", "e"}} {
		from, to := most(r.Begin, role.prefix), most(r.End, role.prefix)
		rows = append(rows,
			row{role.name + " at most", fmt.Sprintf("%d → %d goroutines, %d → %d descriptors, %d → %d threads, %s → %s resident, %s → %s heap",
				from.Goroutines, to.Goroutines, from.Descriptors, to.Descriptors, from.Threads, to.Threads,
				mib(from.Resident), mib(to.Resident), mib(from.Heap), mib(to.Heap))})
	}
	return rows
}

func most(of map[string]Reading, prefix string) (m Reading) {
	for node, r := range of {
		if strings.HasPrefix(node, prefix) {
			m = m.most(r)
		}
	}
	return m
}

func (r *Report) verdict() string {
	if r.Clean() {
		return "clean"
	}
	more := ""
	if n := len(r.Wrong) - maxTold; n > 0 {
		more = fmt.Sprintf(" (the first %d are told)", maxTold)
	}
	return fmt.Sprintf("NOT CLEAN, for %d reasons%s; faults and logs are kept in %s", len(r.Wrong), more, r.Kept)
}
