package soak

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/urbancompute/ucp/cluster/lab"
)

// harm lets the faults of a plan befall a network.
type harm struct {
	net    *network
	logs   *logs
	diary  *diary
	length time.Duration

	mu       sync.Mutex
	befallen []Fault
	wrong    []string
}

// startTime is how long a node may take to come up on a busy machine.
const startTime = 30 * time.Second

// run lets all befall whom it is to befall, and returns when every node is well again. Brokers have their turn one after the other, executors
// each by itself.
func (h *harm) run(ctx context.Context, p Plan) {
	ofBrokers := slices.DeleteFunc(slices.Clone(p.Faults), func(f Fault) bool { return !h.net.isBroker(f.Node) })
	var running sync.WaitGroup
	running.Go(func() { h.oneByOne(ctx, ofBrokers, Rest) })
	for _, e := range h.net.executors {
		own := slices.DeleteFunc(slices.Clone(p.Faults), func(f Fault) bool { return f.Node != e.Name })
		running.Go(func() { h.oneByOne(ctx, own, 0) })
	}
	running.Wait()
}

// oneByOne keeps to the plan's times as far as the machine does: what comes before has ended, and has been over for as long as a rest lasts.
func (h *harm) oneByOne(ctx context.Context, faults []Fault, rest time.Duration) {
	var free time.Duration
	for _, f := range faults {
		at, inTime := f.startable(free, h.length)
		if !inTime {
			h.diary.note("%s: left out, it would not end in time", f)
			continue
		}
		if !until(ctx, h.diary.began.Add(at)) {
			return
		}
		if err := h.befall(ctx, f); err != nil {
			h.isWrong(err.Error())
		}
		free = time.Since(h.diary.began) + rest
	}
}

// startable says when a fault can begin if nothing may before free, and whether it then ends in time.
func (f Fault) startable(free, length time.Duration) (at time.Duration, inTime bool) {
	at = max(f.At, free)
	return at, at+f.For <= length
}

// befall does the harm and, when its time is over or ctx ends, undoes it.
func (h *harm) befall(ctx context.Context, f Fault) error {
	n := h.net.lab.Node(f.Node)
	if !n.Running() {
		h.isWrong(fmt.Sprintf("%s ended by itself before %s, with exit code %d", f.Node, time.Since(h.diary.began).Round(time.Second), n.ExitCode()))
		return h.start(ctx, n)
	}
	h.mu.Lock()
	h.befallen = append(h.befallen, f)
	h.mu.Unlock()
	h.diary.note("%s", f)
	do, undo := h.ways(ctx, n, f.Kind)
	err := do()
	until(ctx, time.Now().Add(f.For))
	err = errors.Join(err, undo())
	h.diary.note("%s was %s", f.Node, f.Kind)
	return err
}

// ways are how to harm a node, and how to undo that.
func (h *harm) ways(ctx context.Context, n *lab.Node, k Kind) (do, undo func() error) {
	switch k {
	case Kill:
		return func() error { n.Kill(); return h.logs.take(n) }, func() error { return h.start(ctx, n) }
	case Freeze:
		return n.Freeze, n.Thaw
	case Cut:
		return func() error { return h.net.cut(n.Name) }, func() error { return h.net.heal(context.WithoutCancel(ctx), n.Name) }
	}
	panic(fmt.Sprintf("soak: nobody knows how a node is %v", k))
}

// start starts a node, also when ctx has ended.
func (h *harm) start(ctx context.Context, n *lab.Node) error {
	patient, enough := context.WithTimeout(context.WithoutCancel(ctx), startTime)
	defer enough()
	return n.Start(patient)
}

func (h *harm) isWrong(what string) {
	h.diary.note("WRONG: %s", what)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wrong = append(h.wrong, what)
}

// until waits for a time and says whether it came before the end of ctx.
func until(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
