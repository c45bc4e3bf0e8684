package sim

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Campaign is a run of many seeds.
type Campaign struct {
	First     uint64
	Seeds     int
	Workers   int // worlds at a time
	Brokers   int
	Executors int
	Clients   int
	Jobs      int
	For       time.Duration // virtual time of each seed
	Mutant    string        // the seeded bug that the process has, for the line that replays a seed
	Options   []Option
}

// DefaultCampaign is 500 seeds of 5 brokers and 8 executors for a minute each.
func DefaultCampaign() Campaign {
	return Campaign{First: 1, Seeds: 500, Workers: 1, Brokers: 5, Executors: 8, Clients: 4, Jobs: 60, For: time.Minute}
}

// safetyShare of a run is the phase in which things fail. In the rest everything has to come right.
const safetyShare = 0.6

// settling is how long before the end of a run clients change nothing any more, so that all can come to rest.
const settling = 6 * time.Second

// Outcome is what one seed showed.
type Outcome struct {
	Seed       uint64
	Virtual    time.Duration
	Trace      uint64
	Faults     Tally
	Rare       Tally
	Violations []Violation
}

// Run lets one seed happen.
func (c Campaign) Run(seed uint64) Outcome { return c.run(seed, newSmith()) }

func (c Campaign) run(seed uint64, s *smith) (o Outcome) {
	w := New(seed, append(c.Options, With(func(x *Settings) { x.smith = s }))...)
	defer w.Close()
	w.smallParts()
	safety := time.Duration(float64(c.For) * safetyShare)
	w.quiet = max(safety, c.For-settling)
	c.populate(w)
	w.load(c.Jobs, safety*9/10)
	w.loadData(c.Jobs/2, safety*9/10)
	faults := w.misfortune(safety)
	w.Run(safety)
	w.tell("-", "faults are over")
	faults.mend()
	w.Run(c.For - safety)
	w.RunUntil(unrest, w.still)
	found := w.Rest()
	return Outcome{seed, w.now, w.Trace(), w.Faults, w.Rare, found}
}

// A network is at rest when no job has changed for a while: brokers tell each other what they know at least so often. Some never are.
const (
	stillness = 1500 * time.Millisecond
	unrest    = 15 * time.Second
)

// still says whether no job has changed for a while.
func (w *World) still() bool { return w.now-w.chronicle.stirred >= stillness }

// smallParts lets the ledgers of some networks travel in many small parts, so that streams are cut.
func (w *World) smallParts() {
	if w.stream("parts").IntN(4) == 0 {
		w.settings.Broker.PartBytes = 2 << 10
	}
}

// populate builds the network. Every executor knows some of the brokers.
func (c Campaign) populate(w *World) {
	rng := w.stream("population")
	var brokers []string
	for i := range c.Brokers {
		name := fmt.Sprintf("b%d", i+1)
		w.Broker(name)
		brokers = append(brokers, name)
	}
	for i := range c.Executors {
		order := rng.Perm(len(brokers))
		var known []string
		for _, k := range order[:min(len(order), 2+rng.IntN(len(brokers)))] {
			known = append(known, brokers[k])
		}
		w.Executor(fmt.Sprintf("e%d", i+1), known...)
	}
	for i := range c.Clients {
		w.Client(fmt.Sprintf("c%d", i+1))
	}
}

// Go runs all seeds and returns what they showed. Progress, if it is there, gets a line now and then, and each violation at once.
func (c Campaign) Go(progress io.Writer) *Report {
	report := newReport(c)
	seeds := make(chan uint64)
	outcomes := make(chan Outcome)
	var workers sync.WaitGroup
	for range max(c.Workers, 1) {
		workers.Go(func() {
			s := newSmith()
			for seed := range seeds {
				outcomes <- c.run(seed, s)
			}
		})
	}
	go func() {
		for i := range uint64(c.Seeds) {
			seeds <- c.First + i
		}
		close(seeds)
		workers.Wait()
		close(outcomes)
	}()
	for o := range outcomes {
		report.add(o)
		for _, v := range o.Violations {
			tellProgress(progress, "%v", v)
		}
		if report.Seeds%500 == 0 {
			tellProgress(progress, "%d of %d seeds, %d violations", report.Seeds, c.Seeds, len(report.Violations))
		}
	}
	report.finish()
	return report
}

func tellProgress(to io.Writer, format string, args ...any) {
	if to != nil {
		_, _ = fmt.Fprintf(to, format+"\n", args...)
	}
}
