package scale

import (
	"time"

	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/internal/job"
)

// gauge measures. Sums over time are kept up to now whenever something changes, so they are exact.
type gauge struct {
	w        *World
	slots    int
	last     time.Duration // up to when the sums go
	accounts []account
	byName   map[string]int

	busy     [2]int // slots in use: by others, by emergency jobs
	waiting  [2]int
	used     float64 // slots in use, summed over time (s)
	useful   float64 // the same of those that there was work for
	inForce  bool
	over     int
	backlog  backlog
	alarm    alarm
	places   map[string][]time.Duration // time to place by kind of submitter
	samples  []Sample
	before   struct{ used, useful float64 } // at the last sample
	requests int                            // for slots, from broker to broker
	offers   int                            // slots held for peers' jobs
	wanted   int                            // times that a broker said to another that it has idle slots

	handOvers, preempted, overcommitted, wrong int
}

// account is what one submitter has received.
type account struct {
	name    string
	kind    string
	work    bool // it has a backlog from the beginning on
	jobs    int
	running int
	waiting int
	service float64 // s
	since   float64 // service when all were backlogged first
	window  float64 // service at the last sample
}

// backlog is the time in which every submitter with a backlog has jobs that wait.
type backlog struct {
	begun, ended bool
	from, to     time.Duration
	jain         float64
}

// alarm is what an emergency did, and when, counted from its declaration.
type alarm struct {
	at     time.Duration   // when it was declared
	until  time.Duration   // when it was cleared
	heard  []time.Duration // by each broker
	acted  map[*executor]time.Duration
	starts []time.Duration // of its jobs, from their submission
}

// The kinds of submitters.
const (
	kindFlood    = "flood"
	kindParty    = "party"
	kindVisitor  = "visitor"
	kindOfficial = "emergency"
)

var kinds = []string{kindFlood, kindParty, kindVisitor, kindOfficial}

func newGauge(w *World) gauge {
	return gauge{
		w: w, slots: w.settings.Executors * w.settings.Slots, byName: map[string]int{}, places: map[string][]time.Duration{},
		alarm: alarm{acted: map[*executor]time.Duration{}},
	}
}

// account returns the index of a submitter's account.
func (g *gauge) account(s *job.Spec) int {
	if i, ok := g.byName[s.Submitter]; ok {
		return i
	}
	a := account{name: s.Submitter, kind: kindVisitor}
	for i, w := range g.w.settings.Work {
		if w.Submitter == s.Submitter {
			a.work, a.kind = true, kindParty
			if i == 0 {
				a.kind = kindFlood
			}
		}
	}
	if s.Emergency != "" {
		a.kind = kindOfficial
	}
	g.accounts = append(g.accounts, a)
	g.byName[s.Submitter] = len(g.accounts) - 1
	return len(g.accounts) - 1
}

func (g *gauge) submits(s *job.Spec) { g.accounts[g.account(s)].jobs++ }

// every is how far samples are apart.
const every = time.Second

// pass takes samples up to a moment.
func (g *gauge) pass(to time.Duration) {
	for next := every * time.Duration(len(g.samples)+1); next <= to; next += every {
		g.advance(next)
		g.sample(next)
	}
}

// advance brings the sums up to a moment.
func (g *gauge) advance(to time.Duration) {
	d := (to - g.last).Seconds()
	if d == 0 {
		return
	}
	g.last = to
	busy, ready := g.busy[0]+g.busy[1], g.waiting[1]
	if !g.inForce {
		ready += g.waiting[0]
	}
	g.used += float64(busy) * d
	g.useful += float64(min(g.slots, busy+ready)) * d
	for i := range g.accounts {
		if n := g.accounts[i].running; n > 0 {
			g.accounts[i].service += float64(n) * d
		}
	}
}

func class(t *task) int {
	if t.job.Spec.Emergency != "" {
		return 1
	}
	return 0
}

// waits notes that a job waits, or does no more.
func (g *gauge) waits(t *task, waits bool) {
	g.advance(g.w.now)
	n := 1
	if !waits {
		n = -1
	}
	g.waiting[class(t)] += n
	a := &g.accounts[t.account]
	a.waiting += n
	if a.work {
		g.watchBacklog(a)
	}
}

// watchBacklog notes when all submitters have a backlog for the first time, and when one of them has none any more.
func (g *gauge) watchBacklog(a *account) {
	b := &g.backlog
	switch {
	case b.ended || (b.begun && a.waiting > 0):
	case b.begun:
		b.ended, b.to, b.jain = true, g.w.now, g.jain(func(a *account) float64 { return a.service - a.since })
	case g.w.now >= g.w.settings.settled() && g.allWait():
		b.begun, b.from = true, g.w.now
		for i := range g.accounts {
			g.accounts[i].since = g.accounts[i].service
		}
	}
}

// settled is when every submitter with a backlog has submitted all of it.
func (s *Settings) settled() (at time.Duration) {
	for _, w := range s.Work {
		at = max(at, w.From+w.Within)
	}
	return at
}

func (g *gauge) allWait() bool {
	for i := range g.accounts {
		if g.accounts[i].work && g.accounts[i].waiting == 0 {
			return false
		}
	}
	return true
}

// jain is Jain's index of fairness over those with a backlog: 1 if all received the same, 1/n if one of n received everything.
func (g *gauge) jain(received func(*account) float64) float64 {
	sum, squares, n := 0.0, 0.0, 0.0
	for i := range g.accounts {
		if a := &g.accounts[i]; a.work {
			x := received(a)
			sum, squares, n = sum+x, squares+x*x, n+1
		}
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (n * squares)
}

func (g *gauge) placed(b *broker, r *run) {
	t := r.task
	if t.placed < 0 {
		t.placed = g.w.now
		kind := g.accounts[t.account].kind
		g.places[kind] = append(g.places[kind], t.placed-t.at)
	}
	if b.level >= emergency.High && class(t) == 0 {
		g.wrong++
	}
}

func (g *gauge) begins(r *run) {
	g.advance(g.w.now)
	g.busy[class(r.task)]++
	g.accounts[r.task.account].running++
	if r.e.running > r.e.Slots {
		g.overcommitted++
	}
	if class(r.task) == 1 {
		g.alarm.starts = append(g.alarm.starts, g.w.now-r.task.at)
	}
}

func (g *gauge) ends(r *run) {
	g.advance(g.w.now)
	g.busy[class(r.task)]--
	g.accounts[r.task.account].running--
}

func (g *gauge) finished(*task) { g.over++ }

func (g *gauge) declared(emergency.Emergency) {
	g.advance(g.w.now)
	g.inForce, g.alarm.at = true, g.w.now
}

func (g *gauge) cleared() {
	g.advance(g.w.now)
	g.inForce, g.alarm.until = false, g.w.now
}

func (g *gauge) heard(b *broker) {
	if b.level > emergency.None {
		g.alarm.heard = append(g.alarm.heard, g.w.now-g.alarm.at)
	}
}

func (g *gauge) stopped(e *executor) {
	if g.inForce {
		g.alarm.acted[e] = g.w.now - g.alarm.at
	}
}

// Sample is how a network stands at a moment.
type Sample struct {
	At        float64 // s
	Others    int     // slots in use by jobs that belong to no emergency
	Emergency int     // and by those that do
	Waiting   int
	Used      float64 // share of the slots there was work for that was in use since the last sample
	Jain      float64 // over the service received since the last sample, while all submitters are backlogged; else 0
}

func (g *gauge) sample(at time.Duration) {
	s := Sample{At: at.Seconds(), Others: g.busy[0], Emergency: g.busy[1], Waiting: g.waiting[0] + g.waiting[1], Used: 1}
	if useful := g.useful - g.before.useful; useful > 0 {
		s.Used = (g.used - g.before.used) / useful
	}
	g.before.used, g.before.useful = g.used, g.useful
	if g.backlog.begun && !g.backlog.ended {
		s.Jain = g.jain(func(a *account) float64 { return a.service - a.window })
	}
	for i := range g.accounts {
		g.accounts[i].window = g.accounts[i].service
	}
	g.samples = append(g.samples, s)
}
