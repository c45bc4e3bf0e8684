package sim

import (
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// epoch is when every world begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// World is one simulated network. It is used by one goroutine.
type World struct {
	Seed     uint64
	Faults   Tally // what went wrong, by kind
	Rare     Tally // states worth reaching, by name
	settings Settings

	// mu guards the world against its own actors. They compete for it only under the default dispatcher.
	mu     sync.Mutex
	now    time.Duration
	agenda agenda
	crew   scheduler
	smith  *smith
	net    *network
	trace  trace

	nodes     []*Node // in the order of their making
	byName    map[string]*Node
	byID      map[string]*Node
	clients   []*Client
	questions questions
	chronicle *Chronicle
	jobs      int      // ids made
	returns   []func() // give back what dead lives borrowed
	heals     []func() // end the cuts made by name
	script    script
	alarmed   bool // emergencies are declared in it
	pace      pace
	quiet     time.Duration // from then on clients change nothing any more, they only ask; 0: never
}

// pace counts what happens within a second of virtual time.
type pace struct {
	second time.Duration
	steps  int
	storm  bool // it was too much: the world stands still
}

// strides counts one more step, and says whether the world goes on.
func (w *World) strides() bool {
	p := &w.pace
	if second := w.now.Truncate(time.Second); second != p.second {
		p.second, p.steps = second, 0
	}
	p.steps++
	if p.steps > w.settings.MaxPace && !p.storm {
		p.storm = true
		w.chronicle.show(storm{p.steps})
	}
	return !p.storm
}

// silent says whether clients only ask by now.
func (w *World) silent() bool { return w.quiet > 0 && w.now >= w.quiet }

// Option alters the settings of a world.
type Option func(*Settings)

// New returns a world without nodes, in which everything is drawn from seed.
func New(seed uint64, options ...Option) *World {
	s := DefaultSettings()
	for _, o := range options {
		o(&s)
	}
	w := &World{
		Seed: seed, settings: s, byName: map[string]*Node{}, byID: map[string]*Node{},
		Faults: Tally{}, Rare: Tally{}, smith: s.smith,
	}
	if w.smith == nil {
		w.smith = newSmith()
	}
	w.trace = newTrace(s.Verbose)
	w.crew = newScheduler(w, s.DefaultDispatcher)
	w.net = newNetwork(w)
	w.chronicle = newChronicle(w, s.Without)
	return w
}

// Close gives back what the world borrowed. The world is not used any more.
func (w *World) Close() {
	for _, n := range w.nodes {
		if n.life != nil {
			n.life.end()
		}
	}
	for _, give := range w.returns {
		give()
	}
	w.returns = nil
}

// Now is the virtual time since the beginning.
func (w *World) Now() time.Duration { return w.now }

// Trace is a hash over every delivery so far: when, from whom, to whom, what.
func (w *World) Trace() uint64 { return w.trace.sum }

// Violations are what the checkers found so far.
func (w *World) Violations() []Violation { return w.chronicle.violations }

// Run lets d go by.
func (w *World) Run(d time.Duration) {
	end := w.now + d
	w.runWhile(end, func() bool { return true })
	w.now = max(w.now, end)
}

// RunUntil lets time go by until done, at most d, and says whether it was.
func (w *World) RunUntil(d time.Duration, done func() bool) bool {
	w.settle()
	w.runWhile(w.now+d, func() bool { return !done() })
	return done()
}

// runWhile lets events happen up to end as long as more says so.
func (w *World) runWhile(end time.Duration, more func() bool) {
	for w.settle(); more(); w.settle() {
		e := w.agenda.next()
		if e == nil || e.at > end || !w.strides() {
			return
		}
		w.agenda.take()
		w.now = max(w.now, e.at)
		w.happen(e)
	}
}

// happen lets an event take place, unless whose it was is gone or cannot notice just now.
func (w *World) happen(e *event) {
	switch {
	case e.do == nil || (e.life != nil && e.life.dead):
	case e.life != nil && e.life.paused:
		e.life.backlog = append(e.life.backlog, e)
	default:
		do := e.do
		e.do = nil
		do()
	}
}

// settle lets every actor do what it has to do now.
func (w *World) settle() { w.crew.drain() }

// after plans do in d; of a life only as long as that lives. Handlers of actors call it, so it locks.
func (w *World) after(l *life, d time.Duration, do func()) *event {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.plan(l, d, do)
}

// plan is after for those who hold the lock, or are alone.
func (w *World) plan(l *life, d time.Duration, do func()) *event {
	e := &event{at: w.now + max(d, 0), life: l, do: do}
	w.agenda.add(e)
	return e
}

// stream returns the random numbers of one concern: each has its own, so that one more draw here changes nothing there.
func (w *World) stream(concern string) *rand.Rand {
	return rand.New(rand.NewPCG(w.Seed, hashString(concern)))
}

// tell writes a line into the readable trace, if somebody reads it.
func (w *World) tell(who, format string, args ...any) {
	if w.trace.out != nil {
		w.trace.line(w.now, who, fmt.Sprintf(format, args...))
	}
}

// trace is the hash over what happened, and the readable story of it.
type trace struct {
	out io.Writer // nil: nobody reads
	sum uint64
}

func newTrace(out io.Writer) trace { return trace{out: out, sum: 14695981039346656037} }

func (t *trace) line(now time.Duration, who, what string) {
	_, _ = fmt.Fprintf(t.out, "%12.6f  %-6s %s\n", now.Seconds(), who, what)
}

// add brings words and numbers into the hash (FNV-1a over words).
func (t *trace) add(words ...uint64) {
	for _, w := range words {
		t.sum = (t.sum ^ w) * 1099511628211
		t.sum ^= t.sum >> 29
	}
}

// hashString is FNV-1a, the same in every process.
func hashString(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// mix spreads a word over all its bits (the finalizer of SplitMix64).
func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}
