package scale

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// Report is what was measured in one run. Times are seconds.
type Report struct {
	Seed                              uint64
	Brokers, Executors, Slots, Jobs   int
	Finished                          int
	Makespan                          float64
	Busy                              float64 // slot seconds in use
	Utilisation                       float64 // of the slots there was work for
	Jain                              float64 // over the service received while all submitters were backlogged
	Backlogged                        [2]float64
	Service                           map[string]float64 `json:",omitempty"` // of each submitter with a backlog, slot seconds
	Place                             map[string]Spread  // time to place, by kind of submitter
	HandOvers, Requests, Offers, Told int                // between brokers: hand-overs, questions for a slot, slots held, words of idle slots
	Overcommitted                     int                // attempts that reached an executor without a free slot
	Fire                              *FireReport        `json:",omitempty"`
	Samples                           []Sample           `json:",omitempty"`
}

// FireReport is what an emergency did, in seconds since its declaration.
type FireReport struct {
	Declared, Cleared float64 // s since the beginning
	Heard             Spread  // by brokers
	Acted             Spread  // by executors: the last program that had to make room was ended
	Executors         int     // that had something to end
	Preempted         int
	Starts            Spread // of its jobs, from their submission
	Wrong             int    // other jobs that were placed while it was in force
}

// Mark is a point of a curve.
type Mark struct{ X, Y float64 }

// Spread is a distribution.
type Spread struct {
	N                        int
	Mean, P50, P90, P99, Max float64
	Curve                    []Mark `json:",omitempty"` // share of those at most so large
}

func spreadOf(all []time.Duration, curve int) Spread {
	if len(all) == 0 {
		return Spread{}
	}
	all = slices.Sorted(slices.Values(all))
	sum := 0.0
	for _, d := range all {
		sum += d.Seconds()
	}
	at := func(share float64) float64 { return all[min(len(all)-1, int(share*float64(len(all))))].Seconds() }
	s := Spread{N: len(all), Mean: sum / float64(len(all)), P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: at(1)}
	for i := range curve {
		share := float64(i) / float64(curve-1)
		s.Curve = append(s.Curve, Mark{at(share), share})
	}
	return s
}

// points is of how many points a curve is made.
const points = 200

// Brief returns the report without curves and samples.
func (r *Report) Brief() *Report {
	b := *r
	b.Samples, b.Place = nil, map[string]Spread{}
	for kind, s := range r.Place {
		b.Place[kind] = s.brief()
	}
	if f := r.Fire; f != nil {
		brief := *f
		brief.Heard, brief.Acted, brief.Starts = f.Heard.brief(), f.Acted.brief(), f.Starts.brief()
		b.Fire = &brief
	}
	return &b
}

func (s Spread) brief() Spread {
	s.Curve = nil
	return s
}

// Report returns what was measured.
func (w *World) Report() *Report {
	g := &w.gauge
	g.advance(w.now)
	r := &Report{
		Seed: w.settings.Seed, Brokers: len(w.brokers), Executors: len(w.executors), Slots: g.slots, Jobs: w.made, Finished: g.over, Makespan: w.now.Seconds(),
		Busy: g.used, Utilisation: g.used / max(g.useful, 1e-9), Jain: g.backlog.jain, Backlogged: [2]float64{g.backlog.from.Seconds(), g.backlog.to.Seconds()},
		Service: map[string]float64{}, Place: map[string]Spread{}, HandOvers: g.handOvers, Requests: g.requests, Offers: g.offers, Told: g.wanted,
		Overcommitted: g.overcommitted, Samples: g.samples,
	}
	for _, a := range g.accounts {
		if a.work {
			r.Service[a.name] = a.service
		}
	}
	for kind, all := range g.places {
		r.Place[kind] = spreadOf(all, points)
	}
	if len(g.alarm.heard) > 0 {
		r.Fire = g.fire()
	}
	return r
}

func (g *gauge) fire() *FireReport {
	var acted []time.Duration
	for _, d := range g.alarm.acted {
		acted = append(acted, d)
	}
	return &FireReport{
		Declared: g.alarm.at.Seconds(), Cleared: g.alarm.until.Seconds(),
		Heard: spreadOf(g.alarm.heard, 0), Acted: spreadOf(acted, points), Executors: len(acted), Preempted: g.preempted,
		Starts: spreadOf(g.alarm.starts, points), Wrong: g.wrong,
	}
}

// Write prints the report as a table.
func (r *Report) Write(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(what, format string, args ...any) {
		_, _ = fmt.Fprintf(t, "%s\t%s\n", what, fmt.Sprintf(format, args...)) // Flush tells
	}
	row("network", "%d brokers, %d executors, %d slots, seed %d", r.Brokers, r.Executors, r.Slots, r.Seed)
	row("jobs", "%d, finished %d in %.1f s of virtual time", r.Jobs, r.Finished, r.Makespan)
	row("utilisation", "%.2f %% of the slots that there was work for", 100*r.Utilisation)
	row("fairness", "Jain's index %.4f over the service received from %.1f to %.1f s", r.Jain, r.Backlogged[0], r.Backlogged[1])
	for _, kind := range kinds {
		if s, ok := r.Place[kind]; ok {
			row("time to place, "+kind, "%s", s)
		}
	}
	row("between brokers", "%d hand-overs, %d questions for a slot, %d slots held, %d times told of idle slots", r.HandOvers, r.Requests, r.Offers, r.Told)
	row("overcommitted", "%d", r.Overcommitted)
	if f := r.Fire; f != nil {
		row("fire heard by brokers", "%s", f.Heard)
		row("fire acted on by executors", "%s (%d attempts made room)", f.Acted, f.Preempted)
		row("fire jobs start after", "%s", f.Starts)
		row("others placed in it", "%d", f.Wrong)
	}
	return t.Flush()
}

// String tells a distribution in seconds.
func (s Spread) String() string {
	return fmt.Sprintf("mean %.4f s, p50 %.4f, p90 %.4f, p99 %.4f, max %.4f of %d", s.Mean, s.P50, s.P90, s.P99, s.Max, s.N)
}
