package wasm

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Config is what a slot is made of.
type Config struct {
	Cache *Cache       // shared by the slots of a node; required
	Log   *slog.Logger // required
	Exe   string       // the binary to execute; "" is this one, which must call WorkerMain when IsWorker says so
	Caps  Limits       // what a run may ask for at most; zero fields cap nothing
	Spare *Spare       // shared by slots that have all of the above in common; nil: there is none
	// ModuleMemory bounds the compiled modules that the worker keeps in memory, in bytes; 0 means 256 MiB.
	ModuleMemory int64
	// ProcessMemory bounds what a worker process allocates besides the memory of its guest, in bytes; 0 means 2 GiB, enough to
	// compile the largest module of the default limits. A process that needs more dies, and its run with it.
	ProcessMemory int64
}

const (
	defaultModuleMemory  = 256 << 20
	defaultProcessMemory = 2 << 30
	processFiles         = 64 // descriptors of a worker besides those of its guest
)

// Worker is one slot: at most one run at a time, in a worker process that is started with the first run and again after each
// that had to be killed. It is safe for concurrent use.
type Worker struct {
	cfg      Config
	settings workerSettings

	mu      sync.Mutex
	process *process // nil until needed, and after a kill
	run     *run     // nil while idle
	runs    uint64
	closed  bool
	alive   map[*process]struct{} // started, and not yet known to be gone
}

// NewWorker returns an idle slot. Nothing is started before the first run, or [Worker.Warm].
func NewWorker(cfg Config) (*Worker, error) {
	if cfg.Exe == "" {
		exe, err := selfExe()
		if err != nil {
			return nil, fmt.Errorf("worker: %w", err)
		}
		cfg.Exe = exe
	}
	guest := Limits{MemoryBytes: 4 << 30, OpenFiles: 1 << 16}
	if cfg.Caps.MemoryBytes > 0 {
		guest.MemoryBytes = cfg.Caps.MemoryBytes
	}
	if cfg.Caps.OpenFiles > 0 {
		guest.OpenFiles = cfg.Caps.OpenFiles
	}
	return &Worker{cfg: cfg, alive: make(map[*process]struct{}), settings: workerSettings{
		dataBytes:  guest.MemoryBytes + wanted(cfg.ProcessMemory, defaultProcessMemory),
		openFiles:  int64(guest.OpenFiles) + processFiles,
		cacheBytes: wanted(cfg.ModuleMemory, defaultModuleMemory),
	}}, nil
}

// Run starts a request and returns at once. done is called exactly once, from another goroutine, which the worker needs back:
// it must not wait for anything, but may call Run. A slot that is busy or closed refuses.
func (w *Worker) Run(req Request, io IO, done func(Outcome)) {
	req.Limits = req.Limits.Cap(w.cfg.Caps)
	r := &run{req: req, io: io, done: done}
	p, err := w.occupy(r)
	if err != nil {
		go done(refused("%v", err))
		return
	}
	if p != nil && !r.long() {
		w.submit(p, r)
		return
	}
	go w.launch(p, r)
}

// occupy makes r the slot's run, and returns the process that waits for one, if there is one.
func (w *Worker) occupy(r *run) (*process, error) {
	if err := r.valid(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return nil, errClosed
	case w.run != nil:
		return nil, errBusy
	}
	w.runs++
	r.number = w.runs
	w.run = r
	return w.process, nil
}

// Warm starts the worker process, if there is none, so that the next run finds it. It blocks for as long as that takes.
func (w *Worker) Warm() error {
	_, err := w.start()
	return err
}

// PID returns the number of the worker process, 0 if there is none.
func (w *Worker) PID() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.process == nil {
		return 0
	}
	return w.process.pid
}

// launch submits what Run could not without blocking.
func (w *Worker) launch(p *process, r *run) {
	if p == nil {
		var err error
		if p, err = w.start(); err != nil {
			w.finish(r, Outcome{Kind: Crashed, Message: err.Error()})
			return
		}
	}
	w.submit(p, r)
}

// start returns the slot's process, starting one if there is none.
func (w *Worker) start() (*process, error) {
	if p, err := w.current(); p != nil || err != nil {
		return p, err
	}
	p := w.cfg.Spare.take()
	if p == nil {
		var err error
		if p, err = startProcess(w.cfg.Exe, w.settings); err != nil {
			return nil, err
		}
	}
	winner, err := w.adopt(p)
	if winner != p {
		p.kill()
		<-p.exited
		p.close()
		return winner, err
	}
	w.cfg.Log.Debug("worker process started", "pid", p.pid)
	go w.read(p)
	return p, nil
}

func (w *Worker) current() (*process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, errClosed
	}
	return w.process, nil
}

// adopt makes p the slot's process unless it has one by now, or is closed.
func (w *Worker) adopt(p *process) (*process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
		return nil, errClosed
	case w.process != nil:
		return w.process, nil
	}
	w.process = p
	w.alive[p] = struct{}{}
	return p, nil
}

// submit sends a run to its process, unless it was stopped before.
func (w *Worker) submit(p *process, r *run) {
	w.mu.Lock()
	stopped := r.stop != 0
	if !stopped {
		r.process = p
		w.armFirst(p, r)
	}
	w.mu.Unlock()
	if stopped {
		w.finish(r, r.stopped())
		return
	}
	// A failed write means a dead process, and its reader notices that.
	_, _ = p.requests.Write(r.frame())
}

// armFirst sets the clock of a run that is about to be sent. A process that is coming up has no module yet, and a busy machine
// must not be taken for a slow guest.
func (w *Worker) armFirst(p *process, r *run) {
	limit, d := LimitCompile, r.req.Limits.CompileTimeout
	if p.answered.Load() {
		limit, d = LimitTimeout, r.req.Limits.Timeout
	}
	r.arm(d, func() { w.stop(r, TimedOut, limit) })
}

// Stop ends the current run, if there is one: its outcome is told within 100 ms. Stopping again changes nothing.
func (w *Worker) Stop(reason StopReason) {
	w.mu.Lock()
	r := w.run
	w.mu.Unlock()
	if r != nil {
		w.stop(r, reason, "")
	}
}

// lastWords is how long a killed process has to hand over what is in its pipe; only a blocked receiver needs longer.
const lastWords = 50 * time.Millisecond

// stop ends a run: one that waits for its turn to load is told so, anything else is killed with its process.
func (w *Worker) stop(r *run, reason StopReason, limit string) {
	w.mu.Lock()
	if w.run != r || r.stop != 0 {
		w.mu.Unlock()
		return
	}
	r.stop, r.stopLimit = reason, limit
	p, waiting := r.process, r.waiting
	if p != nil && waiting == nil && w.process == p {
		w.process = nil
	}
	w.mu.Unlock()
	switch {
	case waiting != nil:
		close(waiting) // the goroutine that waits finishes the run
	case p != nil:
		p.kill() // the reader sees the end, and finishes the run
	}
	time.AfterFunc(lastWords, func() { w.finish(r, r.stopped()) }) // where one of them, or the start of a process, takes too long
}

// finish tells the outcome of r, once.
func (w *Worker) finish(r *run, o Outcome) {
	w.mu.Lock()
	if w.run != r {
		w.mu.Unlock()
		return
	}
	w.run = nil
	r.disarm()
	release := r.release
	r.release = nil
	w.mu.Unlock()
	if release != nil {
		release(false)
	}
	r.output.shut()
	r.input.shut()
	r.done(o)
	w.cfg.Spare.refill(w)
}

// Close stops the current run and ends the worker process; it returns when that is gone. It does not wait for a receiver of output
// that blocks, nor for the callback of the run.
func (w *Worker) Close() {
	w.mu.Lock()
	w.closed = true
	r, alive := w.run, slices.Collect(maps.Keys(w.alive))
	w.mu.Unlock()
	if r != nil {
		w.stop(r, Closing, "")
	}
	for _, p := range alive {
		p.kill()
	}
	for _, p := range alive {
		<-p.exited
	}
}
