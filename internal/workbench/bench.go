package workbench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

// Blobs moves bytes between this node and the job's broker.
type Blobs interface {
	// Fetch returns the path of a verified local file with the bytes of b, bringing it from node from if it is neither here nor inline.
	// The file stays until release is called.
	Fetch(ctx context.Context, from string, b job.Blob) (path string, release func(), err error)
	// Keep stores the bytes of r at node to and returns their name.
	Keep(ctx context.Context, to string, r io.Reader) (job.Blob, error)
}

// Task is one attempt.
type Task struct {
	Attempt job.Name
	Spec    *job.Spec
	Inputs  []job.Input // what the spec's named data stands for, one for each of Data
	Home    string      // node id of the broker that serves its blobs and takes its outputs
	// Started is called once the program has run for StartNotice, for short ones are over before anybody could want to know; of an emergency's job, as
	// soon as the program begins. It must not block. Nil: nobody is told.
	Started func()
	// Stdin reads at most max bytes of the client's input at offset; nil if the job is not streamed. It blocks; io.EOF ends the input.
	Stdin func(offset uint64, maxBytes int) ([]byte, error)
	// Output is told what the program writes, as it comes; nil if the job is not streamed. Stream is 1 or 2. It does not block.
	Output func(stream uint32, offset uint64, data []byte)
}

// Config is what a bench is made of.
type Config struct {
	Dir        string // scratch space; swept at Open
	CacheDir   string // compiled modules
	CacheBytes int64  // bound of CacheDir; 0: the sandbox's default
	Slots      int
	Caps       wasm.Limits // what a job may ask for at most
	Blobs      Blobs
	Exe        string // of the worker processes; "": this program
	Log        *slog.Logger
}

// Bench has the slots of one executor.
type Bench struct {
	cfg    Config
	slots  []*wasm.Worker
	free   chan *wasm.Worker // those that run nothing
	cache  *wasm.Cache
	spare  wasm.Spare
	ctx    context.Context
	cancel context.CancelFunc
	runs   sync.WaitGroup
}

// Open makes a bench with idle slots, and sweeps what an earlier one left behind.
func Open(cfg Config) (*Bench, error) {
	if err := os.RemoveAll(cfg.Dir); err != nil {
		return nil, fmt.Errorf("sweep %s: %w", cfg.Dir, err)
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("scratch directory: %w", err)
	}
	cache, err := wasm.NewCache(cfg.CacheDir, cfg.CacheBytes)
	if err != nil {
		return nil, err
	}
	b := &Bench{cfg: cfg, free: make(chan *wasm.Worker, cfg.Slots), cache: cache}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	for range cfg.Slots {
		w, err := wasm.NewWorker(wasm.Config{Cache: cache, Log: cfg.Log, Exe: cfg.Exe, Caps: cfg.Caps, Spare: &b.spare})
		if err != nil {
			b.Close()
			return nil, err
		}
		b.slots = append(b.slots, w)
		b.free <- w
	}
	b.runs.Go(b.warm)
	return b, nil
}

// warm starts the slots' processes ahead of the first job. One that does not start is tried again with the first job, which then says why.
func (b *Bench) warm() {
	for _, w := range b.slots {
		if err := w.Warm(); err != nil {
			b.cfg.Log.Debug("worker process did not start ahead of its first job", "err", err)
		}
	}
}

// Compiled returns how often a module was compiled since the bench was opened.
func (b *Bench) Compiled() uint64 { return b.cache.Compiled() }

// Close ends what runs, and the worker processes.
func (b *Bench) Close() {
	b.cancel()
	for _, w := range b.slots {
		w.Close()
	}
	b.spare.Close()
	b.runs.Wait()
}

// Run starts a task and returns at once: it is made ready, and runs in the first slot that is free. Done is called exactly once, from
// another goroutine, also after stop, which ends the task within 100 ms.
func (b *Bench) Run(task Task, done func(*job.Result)) (stop func(reason string)) {
	ctx, cancel := context.WithCancelCause(b.ctx)
	a := &attempt{Task: task, bench: b, ctx: ctx, room: maxInlineAll}
	b.runs.Go(func() {
		defer cancel(nil)
		r := a.run()
		r.Seal()
		done(r)
	})
	return func(reason string) { cancel(stopped(reason)) }
}

// stopped is why an attempt was ended from outside.
type stopped string

// Error implements error.
func (s stopped) Error() string { return string(s) }

// scratch makes a new directory for an attempt.
func (b *Bench) scratch() (string, error) {
	return os.MkdirTemp(b.cfg.Dir, "job-")
}

// place is where a job's file lies in its directory. Paths were checked at submission; they are checked again here, where they count.
func place(root *os.Root, path string) (*os.File, error) {
	if dir := filepath.Dir(path); dir != "." {
		if err := root.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	return root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}
