package workbench

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

// StartNotice is how long a program runs before its start is told. That of an emergency's is told at once: somebody waits for it.
const StartNotice = 20 * time.Millisecond

// The sizes up to which outputs travel in the result (DATA-5): each, and all together, so that it fits into a frame with its job.
const (
	maxInline    = 16 << 10
	maxInlineAll = 64 << 10
)

// attempt is one run under way.
type attempt struct {
	Task
	bench *Bench
	ctx   context.Context
	dir   string   // "" until, and unless, the job has files
	room  int64    // for bytes inside the result
	held  []func() // release what was fetched
}

// run takes the attempt through its steps. Whatever fails before the program runs is not the program's fault.
func (a *attempt) run() *job.Result {
	defer a.clean()
	req, err := a.prepare()
	if err != nil {
		return a.unready(err)
	}
	stdin, closeStdin, err := a.stdin()
	if err != nil {
		return a.unready(err)
	}
	defer closeStdin()
	stdout, stderr := &spool{dir: a.bench.cfg.Dir}, &spool{dir: a.bench.cfg.Dir}
	defer stdout.close()
	defer stderr.close()
	outcome, err := a.execute(req, wasm.IO{Stdin: stdin, Stdout: a.tee(1, stdout), Stderr: a.tee(2, stderr)})
	if err != nil {
		return a.unfetched(err)
	}
	r := resultOf(outcome)
	err = errors.Join(a.keepStream(&r.Stdout, stdout), a.keepStream(&r.Stderr, stderr))
	if err == nil {
		err = a.collect(r, stdout, stderr)
	}
	if err != nil {
		return a.unfetched(err)
	}
	return r
}

// fetch returns a local file with the bytes of b. It stays until the attempt is over.
func (a *attempt) fetch(b job.Blob) (string, error) {
	path, release, err := a.bench.cfg.Blobs.Fetch(a.ctx, a.Home, b)
	if err != nil {
		return "", err
	}
	a.held = append(a.held, release)
	return path, nil
}

func (a *attempt) unfetched(err error) *job.Result {
	if cause := context.Cause(a.ctx); cause != nil {
		err = cause
	}
	return &job.Result{Kind: job.Unfetched, Message: err.Error()}
}

// execute runs the module in the first slot that is free and waits for its end, or ends it when the attempt is stopped.
func (a *attempt) execute(req wasm.Request, streams wasm.IO) (wasm.Outcome, error) {
	var worker *wasm.Worker
	select {
	case worker = <-a.bench.free:
		defer func() { a.bench.free <- worker }()
	case <-a.ctx.Done():
		return wasm.Outcome{}, context.Cause(a.ctx)
	}
	switch {
	case a.Started == nil:
	case a.Spec.Emergency != "":
		streams.Began = a.Started
	default:
		defer time.AfterFunc(StartNotice, a.Started).Stop()
	}
	ended := make(chan wasm.Outcome, 1)
	worker.Run(req, streams, func(o wasm.Outcome) { ended <- o })
	select {
	case o := <-ended:
		return o, nil
	case <-a.ctx.Done():
		worker.Stop(wasm.Cancelled)
		return <-ended, nil
	}
}

// tee writes to the spool, and tells the client of a job whose client stays.
func (a *attempt) tee(stream uint32, s *spool) io.Writer {
	if a.Output == nil {
		return s
	}
	return &teller{spool: s, tell: func(offset uint64, data []byte) { a.Output(stream, offset, data) }}
}

// keepStream names the bytes of a stream: inline if they are few, else stored at the job's broker.
func (a *attempt) keepStream(into *job.Blob, s *spool) error {
	if s.err != nil {
		return fmt.Errorf("what the program wrote: %w", s.err)
	}
	if s.size == 0 {
		return nil
	}
	r, err := s.reader()
	if err != nil {
		return err
	}
	*into, err = a.keep(r, s.size)
	return err
}

func (a *attempt) keep(r io.Reader, size int64) (job.Blob, error) {
	if size > min(maxInline, a.room) {
		return a.bench.cfg.Blobs.Keep(a.ctx, a.Home, r)
	}
	a.room -= size
	b, err := io.ReadAll(io.LimitReader(r, maxInline))
	if err != nil {
		return job.Blob{}, err
	}
	return job.Blob{Digest: sha256.Sum256(b), Size: uint64(len(b)), Inline: b}, nil
}

func (a *attempt) clean() {
	for _, release := range a.held {
		release()
	}
	if a.dir == "" {
		return
	}
	if err := os.RemoveAll(a.dir); err != nil {
		a.bench.cfg.Log.Warn("job directory cannot be removed", "dir", a.dir, "err", err)
	}
}
