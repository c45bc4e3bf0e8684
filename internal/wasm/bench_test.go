package wasm_test

import (
	"crypto/sha256"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/urbancompute/ucp/internal/wasm"
	"github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

// BenchmarkNoop measures what a run costs besides its guest, with one run in flight a worker.
func BenchmarkNoop(b *testing.B) {
	for name, workers := range map[string]int{"1 worker": 1, "2 workers": 2} {
		b.Run(name, func(b *testing.B) { benchmarkNoop(b, workers) })
	}
}

func benchmarkNoop(b *testing.B, workers int) {
	req := stored(b, wasm.Noop())
	cache := newCache(b)
	var slots []*wasm.Worker
	for range workers {
		w := newSlot(b, cache)
		runMany(b, w, req, 1)
		slots = append(slots, w)
	}
	b.ResetTimer()
	var all sync.WaitGroup
	for _, w := range slots {
		all.Go(func() { runMany(b, w, req, b.N/workers) })
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

func runMany(b *testing.B, w *wasm.Worker, req wasm.Request, n int) {
	ended := make(chan struct{})
	var next func(wasm.Outcome)
	next = func(o wasm.Outcome) {
		if o.Kind != 0 && !o.Succeeded() {
			b.Errorf("%s: %s", o.Kind, o.Message)
		}
		if n--; n < 0 {
			close(ended)
			return
		}
		w.Run(req, wasm.IO{}, next)
	}
	next(wasm.Outcome{})
	<-ended
}

// BenchmarkCompute runs a module that only computes, here and in the bare runtime by turns, and compares the shortest times. The
// module takes some hundredths of a second, so that on a busy machine some of its runs are undisturbed: what the sandbox adds is
// the same for a longer one, and so a smaller share.
func BenchmarkCompute(b *testing.B) {
	code := wasmtest.Script([]wasmtest.Step{wasmtest.Times(20_000_000)})
	req, w := stored(b, code), newSlot(b, newCache(b))
	bareRun := bare(b, code)
	runMany(b, w, req, 1)
	bareRun()
	least := func(least, d time.Duration) time.Duration {
		if least == 0 {
			return d
		}
		return min(least, d)
	}
	var here, there time.Duration
	for b.Loop() {
		begun := time.Now()
		runMany(b, w, req, 1)
		here = least(here, time.Since(begun))
		begun = time.Now()
		bareRun()
		there = least(there, time.Since(begun))
	}
	b.ReportMetric(here.Seconds(), "sandbox-s")
	b.ReportMetric(there.Seconds(), "bare-s")
	b.ReportMetric(float64(here)/float64(there), "ratio")
}

// bare returns a func that runs a module in this process.
func bare(b *testing.B, code []byte) func() {
	ctx := b.Context()
	r := wazero.NewRuntime(ctx)
	b.Cleanup(func() { _ = r.Close(ctx) })
	wasi_snapshot_preview1.MustInstantiate(ctx, r)
	m, err := r.CompileModule(ctx, code)
	if err != nil {
		b.Fatal(err)
	}
	return func() {
		if _, err := r.InstantiateModule(ctx, m, wazero.NewModuleConfig().WithName("")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkColdStart compiles a hello written in Go and runs it, in a new process with an empty cache each time.
func BenchmarkColdStart(b *testing.B) {
	req := stored(b, goHello(b))
	var compile time.Duration
	for b.Loop() {
		w := newSlot(b, newCache(b))
		ended := make(chan wasm.Outcome)
		w.Run(req, wasm.IO{Stdout: io.Discard}, func(o wasm.Outcome) { ended <- o })
		o := <-ended
		if !o.Succeeded() {
			b.Fatal(o.Message)
		}
		compile += o.Compile
		w.Close()
	}
	b.ReportMetric(float64(compile.Milliseconds())/float64(b.N), "compile-ms")
}

func goHello(b *testing.B) []byte {
	dir := b.TempDir()
	for name, text := range map[string]string{
		"main.go": "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello\") }\n",
		"go.mod":  "module hello\n\ngo 1.26\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	build := exec.CommandContext(b.Context(), "go", "build", "-o", "hello.wasm", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		b.Skipf("no Go guest can be built here: %v: %s", err, out)
	}
	code, err := os.ReadFile(filepath.Join(dir, "hello.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	return code
}

func stored(b *testing.B, code []byte) wasm.Request {
	path := filepath.Join(b.TempDir(), "module.wasm")
	if err := os.WriteFile(path, code, 0o600); err != nil {
		b.Fatal(err)
	}
	return wasm.Request{Module: path, Digest: sha256.Sum256(code)}
}

func newCache(b *testing.B) *wasm.Cache {
	cache, err := wasm.NewCache(b.TempDir(), 0)
	if err != nil {
		b.Fatal(err)
	}
	return cache
}

func newSlot(b *testing.B, cache *wasm.Cache) *wasm.Worker {
	w, err := wasm.NewWorker(wasm.Config{Cache: cache, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(w.Close)
	return w
}
