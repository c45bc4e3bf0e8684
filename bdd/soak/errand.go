package soak

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/urbancompute/ucp/client"
)

// errand is what a client wants done: one job, or a few that are alike.
type errand struct {
	specs  []*client.Spec
	cancel bool          // asked for
	after  time.Duration // the acknowledgement
}

// wares are the modules that errands run, known to every broker.
type wares struct{ noop, sleep, picture client.Blob }

// errands draws what a client wants, one thing after the other: mostly sleeps of up to two seconds, a fifth of them with retries; jobs that do
// nothing; jobs that fail and are run again; jobs that are cancelled; jobs that leave a file; and now and then a small array with backups
// for stragglers.
type errands struct {
	*rand.Rand
	wares     wares
	who       int
	made      int
	retention time.Duration
}

func (e *errands) next() errand {
	switch n := e.IntN(100); {
	case n < 64:
		s := e.sleeps(e.upTo(2 * time.Second))
		if n < 13 {
			s.Retries = 2
		}
		return errand{specs: []*client.Spec{s}}
	case n < 74:
		return errand{specs: []*client.Spec{e.spec(e.wares.noop)}}
	case n < 79:
		s := e.spec(e.wares.sleep, "sleep", noTime)
		s.Retries = 1
		return errand{specs: []*client.Spec{s}}
	case n < 87:
		return errand{specs: []*client.Spec{e.sleeps(time.Second + e.upTo(time.Second))}, cancel: true, after: e.upTo(time.Second)}
	case n < 97:
		return errand{specs: []*client.Spec{e.paints()}}
	}
	return errand{specs: e.array(2 + e.IntN(3))}
}

// noTime is what a job that has to fail is to sleep.
const noTime = "for as long as it takes"

// doomed says whether a job has to fail.
func doomed(s *client.Spec) bool { return slices.Contains(s.Args, noTime) }

func (e *errands) upTo(d time.Duration) time.Duration {
	return time.Duration(e.Int64N(int64(d))).Truncate(time.Millisecond)
}

func (e *errands) spec(module client.Blob, args ...string) *client.Spec {
	e.made++
	return &client.Spec{Name: fmt.Sprintf("c%d-%d", e.who, e.made), Module: module, Args: args, Retention: e.retention}
}

func (e *errands) sleeps(d time.Duration) *client.Spec {
	return e.spec(e.wares.sleep, "sleep", d.String())
}

// painted is the file that painting leaves. It is too large to travel in a record.
const painted = "picture.raw"

func (e *errands) paints() *client.Spec {
	s := e.spec(e.wares.picture, "mandelbrot", "-raw", "-o", "/"+painted, "-width", "200", "-height", "150", "-iterations", fmt.Sprint(20+e.IntN(200)))
	s.Outputs = []string{painted}
	return s
}

func (e *errands) array(n int) (all []*client.Spec) {
	name := fmt.Sprintf("array c%d-%d", e.who, e.made)
	for range n {
		s := e.sleeps(e.upTo(time.Second))
		s.Array, s.Speculate = name, true
		all = append(all, s)
	}
	return all
}
