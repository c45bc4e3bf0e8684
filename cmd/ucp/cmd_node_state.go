package main

import (
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/metrics"
	"sync"
	"syscall"
	"time"
)

// tellState logs what the process of a node uses whenever it gets SIGUSR1, until the returned function is called. Who operates a node, or lets one
// soak, sees a leak so without a debugger.
func tellState(log *slog.Logger) (stop func()) {
	began := time.Now()
	asked, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(asked, syscall.SIGUSR1)
	var telling sync.WaitGroup
	telling.Go(func() {
		for {
			select {
			case <-asked:
				logState(log, time.Since(began))
			case <-over:
				return
			}
		}
	})
	return func() {
		signal.Stop(asked)
		close(over)
		telling.Wait()
	}
}

// stateLine is the message of the line that tells the state of a process.
const stateLine = "state of the process"

func logState(log *slog.Logger, uptime time.Duration) {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	descriptors, err := openDescriptors()
	if err != nil {
		log.Warn("open descriptors cannot be counted", "err", err)
	}
	log.Info(stateLine, "goroutines", runtime.NumGoroutine(), "heap_bytes", heap[0].Value.Uint64(), "open_descriptors", descriptors,
		"uptime_ms", uptime.Milliseconds(), "pid", os.Getpid())
}

// openDescriptors counts the open descriptors of this process.
func openDescriptors() (int, error) {
	open, err := os.ReadDir("/dev/fd")
	return max(0, len(open)-1), err // one was for looking
}
