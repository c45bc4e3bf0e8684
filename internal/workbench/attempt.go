package workbench

import (
	"bytes"
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

// StartNotice is how long a program runs before its start is told.
const StartNotice = 20 * time.Millisecond

// maxInline is the size up to which outputs travel in the result (DATA-5).
const maxInline = 16 << 10

// attempt is one run under way.
type attempt struct {
	Task
	bench *Bench
	ctx   context.Context
	dir   string   // "" until, and unless, the job has files
	held  []func() // release what was fetched
}

// run takes the attempt through its steps. Whatever fails before the program runs is not the program's fault.
func (a *attempt) run() *job.Result {
	defer a.clean()
	req, err := a.prepare()
	if err != nil {
		return a.unfetched(err)
	}
	stdin, closeStdin, err := a.stdin()
	if err != nil {
		return a.unfetched(err)
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
	if err := errors.Join(a.keepStream(&r.Stdout, stdout), a.keepStream(&r.Stderr, stderr), a.collect(r)); err != nil {
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

// prepare brings everything the run needs.
func (a *attempt) prepare() (wasm.Request, error) {
	s := a.Spec
	module, err := a.fetch(s.Module)
	if err != nil {
		return wasm.Request{}, fmt.Errorf("the module: %w", err)
	}
	if err := a.layOut(); err != nil {
		return wasm.Request{}, err
	}
	return wasm.Request{
		Module: module, Digest: s.Module.Digest, Args: s.Args, Env: s.Env, Dir: a.dir,
		Limits: limitsOf(s.Limits), Deterministic: s.Limits.Deterministic,
	}, nil
}

// layOut makes the job's directory, if it has use for one, and puts its files there.
func (a *attempt) layOut() error {
	if len(a.Spec.Files) == 0 && len(a.Spec.Outputs) == 0 {
		return nil
	}
	var err error
	if a.dir, err = a.bench.scratch(); err != nil {
		return fmt.Errorf("the job's directory: %w", err)
	}
	root, err := os.OpenRoot(a.dir)
	if err != nil {
		return fmt.Errorf("the job's directory: %w", err)
	}
	defer root.Close() //nolint:errcheck // opened for reading
	for _, f := range a.Spec.Files {
		if err := a.putFile(root, f); err != nil {
			return fmt.Errorf("file %s: %w", f.Path, err)
		}
	}
	return nil
}

func (a *attempt) putFile(root *os.Root, f job.File) error {
	src, err := a.open(f.Blob)
	if err != nil {
		return err
	}
	defer src.Close() //nolint:errcheck // opened for reading
	dst, err := place(root, f.Path)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// open returns the bytes of b, which travelled inline or are fetched.
func (a *attempt) open(b job.Blob) (io.ReadCloser, error) {
	if b.Size == uint64(len(b.Inline)) {
		if sha256.Sum256(b.Inline) != b.Digest {
			return nil, errors.New("its bytes are not those that its digest names")
		}
		return io.NopCloser(bytes.NewReader(b.Inline)), nil
	}
	path, err := a.fetch(b)
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

func (a *attempt) stdin() (io.Reader, func(), error) {
	switch {
	case !a.Spec.Stdin.IsZero():
		r, err := a.open(a.Spec.Stdin)
		if err != nil {
			return nil, nil, fmt.Errorf("standard input: %w", err)
		}
		return r, func() { _ = r.Close() }, nil
	case a.Task.Stdin != nil:
		return &puller{pull: a.Task.Stdin}, func() {}, nil
	}
	return nil, func() {}, nil
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
	if a.Started != nil {
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
	if size > maxInline {
		return a.bench.cfg.Blobs.Keep(a.ctx, a.Home, r)
	}
	b, err := io.ReadAll(io.LimitReader(r, maxInline))
	if err != nil {
		return job.Blob{}, err
	}
	return job.Blob{Digest: sha256.Sum256(b), Size: uint64(len(b)), Inline: b}, nil
}

// collect takes the outputs that were asked for. One that is not there is noted, and the others are kept.
func (a *attempt) collect(r *job.Result) error {
	if len(a.Spec.Outputs) == 0 {
		return nil
	}
	root, err := os.OpenRoot(a.dir)
	if err != nil {
		return fmt.Errorf("the job's directory: %w", err)
	}
	defer root.Close() //nolint:errcheck // opened for reading
	for _, path := range a.Spec.Outputs {
		f, err := wasm.OpenOutput(root, path)
		if err != nil {
			r.Missing = append(r.Missing, err.Error())
			continue
		}
		info, err := f.Stat()
		if err == nil {
			var b job.Blob
			if b, err = a.keep(f, info.Size()); err == nil {
				r.Outputs = append(r.Outputs, job.File{Path: path, Blob: b})
			}
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("output %s: %w", path, err)
		}
	}
	return nil
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
