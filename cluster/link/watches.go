package link

import (
	"sync"

	"github.com/asynkron/protoactor-go/actor"
)

// watch is one actor watching another: names, one of them local.
type watch struct{ watcher, watchee string }

const (
	// firstSweep is how many watches there must be before those of watchers
	// that are gone are looked for.
	firstSweep = 1 << 10
	// maxInbound bounds how many watches a peer may hold here.
	maxInbound = 1 << 18
)

// watches are those that cross one connection. A watch that leaves here ends
// exactly once: by the peer's word, by Unwatch, or with the connection.
type watches struct {
	mu     sync.Mutex
	closed bool
	// out are watches of actors over there, in those of actors here.
	out, in map[watch]struct{}
	sweepAt int
}

func newWatches() *watches {
	return &watches{out: map[watch]struct{}{}, in: map[watch]struct{}{}, sweepAt: firstSweep}
}

// begin notes a watch that is about to leave. It reports false when the
// connection is over; the watcher must then be told at once.
func (w *watches) begin(x watch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.out[x] = struct{}{}
	}
	return !w.closed
}

// end forgets a watch and reports whether it was there: whoever gets true tells
// the watcher, and nobody else does.
func (w *watches) end(x watch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.out[x]
	delete(w.out, x)
	return ok
}

// stale returns watches whose watcher is gone, when there are many: protoactor
// does not unwatch what a stopped actor watched.
func (w *watches) stale(gone func(id string) bool) (stale []watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.out) < w.sweepAt {
		return nil
	}
	for x := range w.out {
		if gone(x.watcher) {
			delete(w.out, x)
			stale = append(stale, x)
		}
	}
	w.sweepAt = max(firstSweep, 2*len(w.out))
	return stale
}

// admit notes that the peer watches an actor here, unless it watches too many.
func (w *watches) admit(x watch) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.in) >= maxInbound {
		return false
	}
	w.in[x] = struct{}{}
	return true
}

// release forgets that the peer watches an actor here.
func (w *watches) release(x watch) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.in, x)
}

// close returns all watches, once.
func (w *watches) close() (out, in map[watch]struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	out, in = w.out, w.in
	w.out, w.in = nil, nil
	return out, in
}

// terminated is what a watcher is told.
func terminated(who *actor.PID, why actor.TerminatedReason) *actor.Terminated {
	return &actor.Terminated{Who: who, Why: why}
}
