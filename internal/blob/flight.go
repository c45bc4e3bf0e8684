package blob

import (
	"context"
	"sync"
)

// flights keeps two from working on the same blob. The zero value is ready.
type flights struct {
	mu   sync.Mutex
	busy map[Digest]chan struct{} // closed when whoever works on this digest is done
}

// exclusively runs work while nobody else works on d, so that of many who want the same bytes the first does the work
// and the others find it done. Waiting ends with ctx.
func (f *flights) exclusively(ctx context.Context, d Digest, work func() error) error {
	for {
		theirs, mine := f.takeOff(d)
		if mine != nil {
			defer f.touchDown(d, mine)
			return work()
		}
		select {
		case <-theirs:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ifIdle runs work unless somebody works on d.
func (f *flights) ifIdle(d Digest, work func()) bool {
	_, mine := f.takeOff(d)
	if mine == nil {
		return false
	}
	defer f.touchDown(d, mine)
	work()
	return true
}

// takeOff returns a channel to close when done, or the one to wait for.
func (f *flights) takeOff(d Digest) (theirs <-chan struct{}, mine chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if flight, busy := f.busy[d]; busy {
		return flight, nil
	}
	if f.busy == nil {
		f.busy = map[Digest]chan struct{}{}
	}
	mine = make(chan struct{})
	f.busy[d] = mine
	return nil, mine
}

// touchDown lets those who wait for d look again.
func (f *flights) touchDown(d Digest, mine chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.busy, d)
	close(mine)
}
