package wasm_test

import (
	"crypto/sha256"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/urbancompute/ucp/internal/wasm"
)

// BenchmarkNoop measures what a run costs besides its guest, with one run in flight a worker.
func BenchmarkNoop(b *testing.B) {
	for name, workers := range map[string]int{"1 worker": 1, "2 workers": 2} {
		b.Run(name, func(b *testing.B) { benchmarkNoop(b, workers) })
	}
}

func benchmarkNoop(b *testing.B, workers int) {
	dir := b.TempDir()
	path := filepath.Join(dir, "noop.wasm")
	if err := os.WriteFile(path, wasm.Noop(), 0o600); err != nil {
		b.Fatal(err)
	}
	cache, err := wasm.NewCache(filepath.Join(dir, "cache"), 0)
	if err != nil {
		b.Fatal(err)
	}
	req := wasm.Request{Module: path, Digest: sha256.Sum256(wasm.Noop())}
	var slots []*wasm.Worker
	for range workers {
		w, err := wasm.NewWorker(wasm.Config{Cache: cache, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			b.Fatal(err)
		}
		defer w.Close()
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
