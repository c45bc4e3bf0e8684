package scale

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/vclock"
)

// World is one simulated network. It is used by one goroutine.
type World struct {
	settings  Settings
	now       time.Duration
	agenda    agenda
	brokers   []*broker
	executors []*executor
	tasks     map[job.ID]*task // that are not over
	made      int
	gauge     gauge
	result    *job.Result
}

// New returns a network in which nothing has happened yet.
func New(s Settings) *World {
	w := &World{settings: s, tasks: map[job.ID]*task{}, result: &job.Result{Kind: job.Exited}}
	w.result.Seal()
	w.gauge = newGauge(w)
	for i := range s.Brokers {
		w.brokers = append(w.brokers, newBroker(w, i))
	}
	for i := range s.Executors {
		w.executors = append(w.executors, newExecutor(w, i))
	}
	for _, b := range w.brokers {
		b.meet(w.brokers)
		b.arm(tick * time.Duration(b.index+1) / time.Duration(s.Brokers))
	}
	return w
}

// stream returns the random numbers of one concern: each has its own, so that one more draw here changes nothing there.
func (w *World) stream(concern uint64) *rand.Rand {
	return rand.New(rand.NewPCG(w.settings.Seed, concern))
}

func (w *World) after(d time.Duration, do func()) { w.agenda.add(w.now+d, do) }

// hybrid is now, as records have it.
func (w *World) hybrid() vclock.Hybrid { return vclock.Hybrid{Wall: w.now.Milliseconds()} }

// Run simulates all that the settings ask for until every job is over, and returns what was measured.
func Run(s Settings) *Report {
	w := New(s)
	w.load()
	w.Finish()
	return w.Report()
}

// Submit has a job come in at a broker. Its spec may be shared with other jobs; its program runs for as long as length says.
func (w *World) Submit(at time.Duration, broker int, spec *job.Spec, length time.Duration) {
	w.made++
	n := w.made
	w.gauge.submits(spec)
	w.agenda.add(at, func() {
		w.brokers[broker].submitted(job.ID(fmt.Sprintf("%026d-%s", n, w.brokers[broker].name)), spec, length)
	})
}

// Declare has an emergency declared at a broker, and cleared there after some time.
func (w *World) Declare(at time.Duration, broker int, level emergency.Level, lasts time.Duration) {
	e := emergency.Emergency{ID: fmt.Sprintf("fire-%d", at), Type: fire, Level: level, Area: w.brokers[broker].area(), Broker: w.brokers[broker].name, By: "watch"}
	w.agenda.add(at, func() {
		w.gauge.declared(e)
		w.brokers[broker].put(e)
	})
	w.agenda.add(at+lasts, func() {
		w.gauge.cleared()
		w.brokers[broker].put(e.Cleared(emergency.Over{By: "watch", At: w.hybrid()}))
	})
}

// fire is the type of all emergencies here, and the label of executors that are for it.
const fire = "fire"

// Finish lets time go by until every job is over. It panics when nothing goes on any more.
func (w *World) Finish() {
	for w.gauge.over < w.made {
		if w.now > horizon {
			panic(fmt.Sprintf("scale: %d of %d jobs are not over after %s", w.made-w.gauge.over, w.made, w.now))
		}
		e := w.agenda.take()
		w.gauge.pass(e.at)
		w.now = e.at
		e.do()
	}
}

// horizon is when a network counts as stuck.
const horizon = 24 * time.Hour

// load plans everything that the settings ask for.
func (w *World) load() {
	for i := range w.settings.Work {
		w.work(&w.settings.Work[i], w.stream(uint64(100+i)))
	}
	w.visitors(w.stream(1))
	if f := w.settings.Fire; f != nil {
		w.fire(f, w.stream(2))
	}
}

func (w *World) work(x *Work, rng *rand.Rand) {
	plain := programOf(x.Submitter)
	picky := programOf(x.Submitter)
	picky.Needs.Labels = map[string]string{"sensor": "yes"}
	gates := x.Gates
	if gates == 0 {
		gates = w.settings.Brokers
	}
	for i := range x.Jobs {
		spec := plain
		if rng.Float64() < x.Picky {
			spec = picky
		}
		w.Submit(x.From+time.Duration(int64(x.Within)/int64(x.Jobs)*int64(i)), i%gates, spec, drawn(x.Mean, rng))
	}
}

func (w *World) visitors(rng *rand.Rand) {
	v := w.settings.Visitors
	for i := range v.Parties {
		spec := programOf(fmt.Sprintf("visitor-%d", i))
		at, broker := time.Duration(rng.Int64N(int64(v.Until))), rng.IntN(w.settings.Brokers)
		for range v.Jobs {
			w.Submit(at, broker, spec, drawn(v.Mean, rng))
		}
	}
}

func (w *World) fire(f *Fire, rng *rand.Rand) {
	spec := programOf("fire brigade")
	spec.Emergency = fire
	where := w.settings.Brokers / 2
	w.Declare(f.At, where, f.Level, f.For)
	for i := range f.Jobs {
		w.Submit(f.At+time.Duration(int64(f.Within)/int64(f.Jobs)*int64(i)), where, spec, drawn(f.Mean, rng))
	}
}

// programOf returns the spec that all jobs of a submitter share.
func programOf(submitter string) *job.Spec {
	s := &job.Spec{Name: "program", Submitter: submitter, Module: job.Blob{Size: 8}, Retention: time.Hour}
	copy(s.Module.Digest[:], submitter)
	return s
}

// drawn draws how long a program takes: some always, at most five times the mean.
func drawn(mean time.Duration, rng *rand.Rand) time.Duration {
	return mean/4 + min(time.Duration(rng.ExpFloat64()*float64(mean)*3/4), 5*mean)
}

// executor runs what it is given.
type executor struct {
	placement.Executor
	home    *broker
	running int
}

func newExecutor(w *World, i int) *executor {
	home := w.brokers[i%len(w.brokers)]
	e := &executor{home: home, Executor: placement.Executor{
		ID: fmt.Sprintf("e%05d", i), Name: fmt.Sprintf("e%05d", i), Window: w.settings.Slots, Slots: w.settings.Slots, Memory: 1 << 30,
		Labels: map[string]string{"location": home.area()}, Recent: &placement.Recent{},
	}}
	nth := i / len(w.brokers)
	if nth%10 == 0 {
		e.Labels["sensor"] = "yes"
	}
	if nth%20 == 1 {
		e.Labels[fire] = "yes"
	}
	home.crew[e.ID] = e
	home.pool.Put(&e.Executor)
	return e
}

// task is a job: its one record, and where it is.
type task struct {
	job     job.Job
	length  time.Duration
	account int           // of its submitter, in the gauge
	at      time.Duration // when it came in
	placed  time.Duration // when it was first placed; before that -1
	moved   time.Duration // when it was last placed or released
	run     *run          // nil: none under way
}

// run is one attempt, at its executor and at the broker that deployed it. Of what it holds there everything is given back once.
type run struct {
	task    *task
	broker  *broker
	e       *executor
	name    job.Name
	hold    hold
	begun   bool
	over    bool // its executor is through with it
	settled bool // its slot was given back
	index   int  // among the live ones of its broker
}

// hold is what is reserved for an attempt, and on whose account.
type hold struct {
	claim   placement.Claim
	account placement.Account
	charged time.Duration
	since   time.Duration
}

func sortedByJob(runs []*run) []*run {
	sorted := slices.Clone(runs)
	slices.SortFunc(sorted, func(a, b *run) int {
		if a.name.Job < b.name.Job {
			return -1
		}
		return 1
	})
	return sorted
}
