package wasm

import (
	"io"
)

// read handles what a process says until it ends, and then that end.
func (w *Worker) read(p *process) {
	frames := newFrameReader(p.answers)
	for {
		t, payload, err := frames.next()
		if err != nil {
			break
		}
		if err := w.answer(p, t, payload); err != nil {
			w.cfg.Log.Warn("worker process talks nonsense", "pid", p.pid, "err", err)
			break
		}
	}
	p.kill()
	<-p.exited
	w.bury(p)
	p.close()
}

// bury ends the run that a dead process leaves behind.
func (w *Worker) bury(p *process) {
	w.mu.Lock()
	if w.process == p {
		w.process = nil
	}
	delete(w.alive, p)
	r := w.run
	if r != nil && r.process != p {
		r = nil
	}
	stopped := r != nil && r.stop != 0
	w.mu.Unlock()
	switch {
	case stopped:
		w.finish(r, r.stopped())
	case r != nil:
		w.cfg.Log.Warn("worker process died", "pid", p.pid, "state", p.state.String())
		w.finish(r, Outcome{Kind: Crashed, Message: p.epitaph()})
	}
}

// served returns the run that p is at. A stopped one counts until its process is dead: what it said before is heard.
func (w *Worker) served(p *process) *run {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.run == nil || w.run.process != p {
		return nil
	}
	return w.run
}

// answer handles one frame. Only a run that is over explains a frame without one, and then it is dropped.
func (w *Worker) answer(p *process, t frameType, payload []byte) error {
	p.answered.Store(true)
	r := w.served(p)
	if r == nil {
		return nil
	}
	switch t {
	case frameStdout:
		r.pass(r.io.Stdout, payload)
	case frameStderr:
		r.pass(r.io.Stderr, payload)
	case framePull:
		go feed(p, r)
	case frameNeed:
		w.need(p, r)
	case frameLoaded:
		compiled, err := decodeLoaded(payload)
		if err != nil {
			return err
		}
		w.loaded(r, compiled)
	case frameBegan:
		if r.io.Began != nil {
			r.io.Began()
		}
	case frameDone:
		o, err := decodeOutcome(payload)
		if err != nil {
			return err
		}
		w.finish(r, o)
	default:
		return errFrame
	}
	return nil
}

// pass hands output to its receiver. What a receiver does not want is its own affair: the guest goes on.
func (r *run) pass(to io.Writer, data []byte) {
	if to != nil {
		r.output.use(func() { _, _ = to.Write(data) })
	}
}

// feed answers one pull with one read of the standard input. An input that fails has ended, for the guest.
func feed(p *process, r *run) {
	buf := make([]byte, chunkBytes)
	var n int
	var err error
	r.input.use(func() {
		for n == 0 && err == nil {
			n, err = r.io.Stdin.Read(buf)
		}
	})
	_, _ = p.requests.Write(appendData(nil, r.number, err != nil, buf[:n])) // a dead process needs no input
}

// need gives a process the module it lacks, now or when another slot has loaded it.
func (w *Worker) need(p *process, r *run) {
	w.mu.Lock()
	r.disarm()
	w.mu.Unlock()
	release, wait := w.cfg.Cache.turn(r.req.Digest)
	if wait == nil {
		w.load(p, r, release)
		return
	}
	stop := make(chan struct{})
	if w.await(r, stop) {
		go w.waitToLoad(p, r, wait, stop)
	}
}

// await notes that r waits, unless it is being stopped already.
func (w *Worker) await(r *run, stop chan struct{}) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.stop == 0 {
		r.waiting = stop
	}
	return r.stop == 0
}

func (w *Worker) waitToLoad(p *process, r *run, wait <-chan struct{}, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			_, _ = p.requests.Write(appendEmpty(nil, frameSkip))
			w.finish(r, r.stopped())
			return
		case <-p.exited:
			return // its reader finishes the run
		case <-wait:
		}
		var release func(bool)
		if release, wait = w.cfg.Cache.turn(r.req.Digest); wait == nil {
			w.load(p, r, release)
			return
		}
	}
}

// load sends the module's place. Others that want it wait until release is called.
func (w *Worker) load(p *process, r *run, release func(loaded bool)) {
	w.mu.Lock()
	current := w.run == r && r.stop == 0
	if current {
		r.waiting = nil
		r.release = release
		r.arm(r.req.Limits.CompileTimeout, func() { w.stop(r, TimedOut, LimitCompile) })
	}
	w.mu.Unlock()
	if !current {
		if release != nil {
			release(false)
		}
		_, _ = p.requests.Write(appendEmpty(nil, frameSkip))
		w.finish(r, r.stopped())
		return
	}
	_, _ = p.requests.Write(appendLoad(nil, r.req.Module, w.cfg.Cache.path(r.req.Digest)))
}

// loaded starts the clock of the guest, and lets others load what is on disk now.
func (w *Worker) loaded(r *run, compiled bool) {
	w.mu.Lock()
	release := r.release
	r.release = nil
	if w.run == r {
		r.arm(r.req.Limits.Timeout, func() { w.stop(r, TimedOut, LimitTimeout) })
	}
	w.mu.Unlock()
	if compiled {
		w.cfg.Cache.compiled.Add(1)
	}
	w.cfg.Cache.touch(r.req.Digest, now())
	if release != nil {
		release(true)
	}
}
