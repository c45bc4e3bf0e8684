package wasm

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

var (
	errBusy   = errors.New("the slot is running something else")
	errClosed = errors.New("the slot is closed")
)

// run is a request under way. The second group of fields belongs to the worker's lock.
type run struct {
	req    Request
	io     IO
	done   func(Outcome)
	number uint64

	process   *process
	stop      StopReason
	stopLimit string
	waiting   chan struct{}     // not nil while it waits for its turn to load; closed to stop it
	release   func(loaded bool) // not nil while others wait for it
	timer     *time.Timer

	output, input gate // of the streams in io
}

// gate lets one goroutine at a time use something until it is shut, without making who shuts it wait.
type gate struct{ state atomic.Int32 }

const (
	gateOpen = iota
	gateUsed
	gateShut
)

// use calls f unless the gate is shut.
func (g *gate) use(f func()) {
	if g.state.CompareAndSwap(gateOpen, gateUsed) {
		f()
		g.state.CompareAndSwap(gateUsed, gateOpen)
	}
}

func (g *gate) shut() { g.state.Store(gateShut) }

// valid refuses what no guest can be given.
func (r *run) valid() error {
	size := len(r.req.Dir)
	for _, s := range slices.Concat(r.req.Args, r.req.Env) {
		if strings.ContainsRune(s, 0) {
			return refuse("an argument or environment value contains a NUL byte")
		}
		size += len(s) + 4
	}
	for _, kv := range r.req.Env {
		if strings.Index(kv, "=") <= 0 {
			return refuse("the environment entry %q is not of the form NAME=VALUE", kv)
		}
	}
	if size > maxArgBytes {
		return refuse("arguments and environment have %d bytes, more than %d", size, maxArgBytes)
	}
	return nil
}

// long reports whether sending the request could block, a pipe holding 64 KiB.
func (r *run) long() bool {
	size := len(r.req.Dir)
	for _, s := range r.req.Args {
		size += len(s) + 4
	}
	for _, s := range r.req.Env {
		size += len(s) + 4
	}
	return size > chunkBytes/2
}

func (r *run) frame() []byte {
	return appendOrder(nil, &order{
		run: r.number, digest: r.req.Digest, args: r.req.Args, env: r.req.Env, dir: r.req.Dir,
		limits: r.req.Limits, deterministic: r.req.Deterministic, stdin: r.io.Stdin != nil, began: r.io.Began != nil,
	})
}

func (r *run) stopped() Outcome {
	o := Outcome{Kind: Stopped, Stop: r.stop, Limit: r.stopLimit, Message: "the run was stopped: " + r.stop.String()}
	switch r.stopLimit {
	case LimitTimeout:
		o.Message = "the run took longer than its limit of " + r.req.Limits.Timeout.String()
	case LimitCompile:
		o.Message = "compiling the module took longer than its limit of " + r.req.Limits.CompileTimeout.String()
	}
	return o
}

// arm sets the one clock of the run anew.
func (r *run) arm(d time.Duration, expired func()) {
	r.disarm()
	r.timer = time.AfterFunc(d, expired)
}

func (r *run) disarm() {
	if r.timer != nil {
		r.timer.Stop()
	}
}
