package sim

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// scheduler decides which actor goes on, among those that have a message: one at a time, in an order drawn from the seed. The choice depends on
// who is runnable and not on the order in which they became so.
type scheduler struct {
	w        *World
	rng      *rand.Rand
	runnable []turn
	loose    *loose // instead, if actors run under their default dispatcher
}

// turn is one actor's chance to handle a message.
type turn struct {
	life *life
	key  uint64 // of the actor
	run  func()
}

func newScheduler(w *World, byDefault bool) scheduler {
	s := scheduler{w: w, rng: w.stream("scheduler")}
	if byDefault {
		s.loose = newLoose()
	}
	return s
}

// ready makes an actor runnable. On a slow machine it may take its time.
func (s *scheduler) ready(t turn) {
	if s.loose != nil {
		s.loose.ready(t)
		return
	}
	if l := t.life; l.node.sloth > 0 && s.rng.Float64() < l.node.sloth {
		s.w.plan(l, time.Duration(s.rng.ExpFloat64()*float64(300*time.Microsecond)), func() { s.runnable = append(s.runnable, t) })
		return
	}
	s.runnable = append(s.runnable, t)
}

// drain runs actors until none has anything to do.
func (s *scheduler) drain() {
	if s.loose != nil {
		s.loose.drain()
		return
	}
	for len(s.runnable) > 0 && s.w.strides() {
		s.step()
	}
}

func (s *scheduler) step() {
	i := s.choose()
	t := s.runnable[i]
	last := len(s.runnable) - 1
	s.runnable[i] = s.runnable[last]
	s.runnable[last] = turn{}
	s.runnable = s.runnable[:last]
	switch {
	case t.life.dead:
	case t.life.paused:
		t.life.backlog = append(t.life.backlog, &event{life: t.life, do: func() { s.runnable = append(s.runnable, t) }})
	default:
		t.run()
	}
}

func (s *scheduler) choose() int {
	if len(s.runnable) == 1 {
		return 0
	}
	salt := s.rng.Uint64()
	best, least := 0, ^uint64(0)
	for i := range s.runnable {
		if v := mix(s.runnable[i].key ^ salt); v < least {
			best, least = i, v
		}
	}
	return best
}

// dispatcher schedules the actors of one life whose mailboxes are the engine's own.
type dispatcher struct {
	life *life
	key  uint64
}

var _ actor.Dispatcher = dispatcher{}

// Schedule implements actor.Dispatcher.
func (d dispatcher) Schedule(run func()) { d.life.node.w.crew.ready(turn{d.life, d.key, run}) }

// Throughput implements actor.Dispatcher.
func (d dispatcher) Throughput() int { return 1 }

// loose runs actors as the engine does by default, each on a goroutine of its own, and waits until all have come to rest. It is there to
// show what that does to determinism.
type loose struct {
	mu      sync.Mutex
	idle    *sync.Cond
	running int
	open    bool // actors run just now: who becomes runnable joins them
	waiting []turn
}

func newLoose() *loose {
	l := &loose{}
	l.idle = sync.NewCond(&l.mu)
	return l
}

func (l *loose) ready(t turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open {
		l.launch(t)
		return
	}
	l.waiting = append(l.waiting, t)
}

func (l *loose) launch(t turn) {
	l.running++
	go func() {
		if !t.life.dead {
			t.run()
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.running--; l.running == 0 {
			l.idle.Signal()
		}
	}()
}

func (l *loose) drain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
	for _, t := range l.waiting {
		l.launch(t)
	}
	l.waiting = nil
	for l.running > 0 {
		l.idle.Wait()
	}
	l.open = false
}
