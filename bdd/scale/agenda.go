package scale

import "time"

// event is something that happens at a moment. Of two of one moment the one that was planned first comes first.
type event struct {
	at  time.Duration
	seq uint64
	do  func()
}

func (e *event) before(o *event) bool { return e.at < o.at || (e.at == o.at && e.seq < o.seq) }

// agenda is a heap of events, the next one first.
type agenda struct {
	events []event
	seq    uint64
}

func (a *agenda) add(at time.Duration, do func()) {
	a.seq++
	e := event{at, a.seq, do}
	a.events = append(a.events, e)
	i := len(a.events) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !e.before(&a.events[up]) {
			break
		}
		a.events[i] = a.events[up]
		i = up
	}
	a.events[i] = e
}

// take removes the next event.
func (a *agenda) take() event {
	first := a.events[0]
	last := len(a.events) - 1
	e := a.events[last]
	a.events[last] = event{}
	a.events = a.events[:last]
	if last > 0 {
		a.sink(e)
	}
	return first
}

// sink finds the place of e, beginning at the top.
func (a *agenda) sink(e event) {
	i := 0
	for {
		down := 2*i + 1
		if down >= len(a.events) {
			break
		}
		if right := down + 1; right < len(a.events) && a.events[right].before(&a.events[down]) {
			down = right
		}
		if !a.events[down].before(&e) {
			break
		}
		a.events[i] = a.events[down]
		i = down
	}
	a.events[i] = e
}
