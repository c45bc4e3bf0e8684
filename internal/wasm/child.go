package wasm

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"
)

// workerMark is the first argument of a worker process. The ones after it are numbers: see [workerSettings].
const workerMark = "ucp-wasm-worker"

// The descriptors of a worker, besides the null device on 0 and 1 and its log on 2.
const (
	fdRequests = 3 + iota // frames from the node
	fdAnswers             // frames to the node
	fdLifeline            // never carries a byte; its end is the node's
)

// workerSettings is what a worker is told when it starts.
type workerSettings struct {
	dataBytes  int64 // what the process may allocate, guest included
	openFiles  int64 // descriptors of the process
	cacheBytes int64 // compiled modules kept in memory
}

func (s workerSettings) args() []string {
	format := func(v int64) string { return strconv.FormatInt(v, 10) }
	return []string{workerMark, format(s.dataBytes), format(s.openFiles), format(s.cacheBytes)}
}

func parseSettings(args []string) (workerSettings, error) {
	var v [3]int64
	if len(args) != 1+len(v) {
		return workerSettings{}, fmt.Errorf("%s is started by a node, not by hand", workerMark)
	}
	for i := range v {
		n, err := strconv.ParseInt(args[1+i], 10, 64)
		if err != nil {
			return workerSettings{}, fmt.Errorf("worker setting %d: %w", i, err)
		}
		v[i] = n
	}
	return workerSettings{dataBytes: v[0], openFiles: v[1], cacheBytes: v[2]}, nil
}

// IsWorker reports whether this process was started to be a worker. A binary asks it first thing in main.
func IsWorker() bool { return len(os.Args) > 1 && os.Args[1] == workerMark }

// WorkerMain serves a node until it goes away, and does not return.
func WorkerMain() {
	settings, err := parseSettings(os.Args[1:])
	if err != nil {
		fatal(err)
	}
	if err := confine(settings); err != nil {
		fatal(err)
	}
	debug.SetGCPercent(400)
	go watchLifeline(os.NewFile(fdLifeline, "lifeline"))
	requests := os.NewFile(fdRequests, "requests")
	w := &child{
		requests: requests,
		in:       newFrameReader(requests),
		out:      newOutbox(os.NewFile(fdAnswers, "answers")),
		modules:  newModuleCache(settings.cacheBytes),
	}
	for {
		w.serve()
	}
}

// The exit codes of a worker, for whoever reads its node's log.
const (
	exitNodeGone = 3
	exitBroken   = 4
)

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(exitBroken)
}

// exitOrphan ends a worker whose node is gone.
func exitOrphan() { os.Exit(exitNodeGone) }

func exitConfused(format string, args ...any) { fatal(fmt.Errorf(format, args...)) }

func watchLifeline(f *os.File) {
	var b [1]byte
	_, _ = f.Read(b[:]) // it returns only when the other end is closed
	exitOrphan()
}

// child is the worker's side of the border: one request at a time, on one goroutine, which is also the one that runs the guest.
type child struct {
	requests *os.File
	in       *frameReader
	out      *outbox
	modules  *moduleCache
}

// next waits for a frame; without a node there is nothing to live for.
func (w *child) next() (frameType, []byte) {
	t, payload, err := w.in.next()
	if err != nil {
		exitOrphan()
	}
	return t, payload
}

// readable waits for a frame for so many milliseconds, below 0 without end.
func (w *child) readable(timeoutMillis int32) bool {
	return w.in.buffered() || pollReadable(w.requests, timeoutMillis)
}

// serve handles one frame. Standard input of a run that is over is dropped.
func (w *child) serve() {
	t, payload := w.next()
	switch t {
	case frameRun:
		o, err := decodeOrder(payload)
		if err != nil {
			exitConfused("%v", err)
		}
		w.run(o)
	case frameData:
	default:
		exitConfused("got frame %d while idle", t)
	}
}

func (w *child) run(o *order) {
	m, outcome, ok := w.module(o)
	if !ok {
		return
	}
	if m != nil {
		if o.began {
			w.out.send(func(b []byte) []byte { return appendEmpty(b, frameBegan) })
		}
		w.out.begin(now())
		compile, cached := outcome.Compile, outcome.Cached
		outcome = w.execute(m, o)
		outcome.Compile, outcome.Cached = compile, cached
	}
	w.out.send(func(b []byte) []byte { return appendOutcome(b, outcome) })
}

// module finds what to run, from memory or by asking the node for it. ok is false when the node lost interest; without a module
// the outcome says why.
func (w *child) module(o *order) (m *module, outcome Outcome, ok bool) {
	m = w.modules.get(o.digest)
	if m == nil {
		w.out.send(func(b []byte) []byte { return appendEmpty(b, frameNeed) })
		if m, outcome, ok = w.load(o); m == nil || !ok {
			return nil, outcome, ok
		}
	} else {
		outcome.Cached = true
	}
	if m.size > o.limits.ModuleBytes {
		return nil, refusal(tooLarge(m.size, o.limits.ModuleBytes)), true
	}
	return m, outcome, true
}

// load waits for the node's turn to load, and loads.
func (w *child) load(o *order) (m *module, outcome Outcome, ok bool) {
	t, payload := w.next()
	for t == frameData { // of an earlier run
		t, payload = w.next()
	}
	if t == frameSkip {
		return nil, Outcome{}, false
	}
	path, cacheDir, err := decodeLoad(payload)
	if t != frameLoad || err != nil {
		exitConfused("got frame %d while waiting for a module: %v", t, err)
	}
	begun := now()
	m, cached, err := loadModule(path, cacheDir, o.limits.ModuleBytes)
	if err != nil {
		outcome = refusal(err)
	}
	outcome.Compile, outcome.Cached = max(now().Sub(begun), time.Nanosecond), cached
	if err != nil {
		return nil, outcome, true
	}
	w.modules.add(o.digest, m)
	w.out.send(func(b []byte) []byte { return appendLoaded(b, !cached) })
	return m, outcome, true
}

func refusal(err error) Outcome {
	o := Outcome{Kind: Refused, Message: err.Error()}
	if r, ok := errors.AsType[*RefusedError](err); ok {
		o.Limit = r.Limit
	}
	return o
}
