package cluster

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// look is how often a node looks at how much it allocates.
	look = time.Second
	// burst is how much must have been allocated since memory was last given back for another time to be worth it, in bytes.
	burst = 64 << 20
	// quietBytes is what a node with nothing to do allocates between two looks, at most.
	quietBytes = 4 << 20
)

// thrift decides when memory that a burst of work left behind is given back to the machine, which has other uses for it: when the node has
// come to rest. The runtime would keep most of it for minutes.
type thrift struct {
	total   uint64 // allocated ever, at the last look
	settled uint64 // the same when memory was last given back
}

// due says whether to give memory back now, when total bytes have been allocated ever.
func (t *thrift) due(total uint64) bool {
	since := total - t.total
	t.total = total
	if since > quietBytes || total-t.settled < burst {
		return false
	}
	t.settled = total
	return true
}

// giveBackMemory runs until stop is closed.
func giveBackMemory(stop <-chan struct{}) {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	ticks := time.NewTicker(look)
	defer ticks.Stop()
	for t := (thrift{}); ; {
		select {
		case <-ticks.C:
			if metrics.Read(sample); t.due(sample[0].Value.Uint64()) {
				debug.FreeOSMemory()
			}
		case <-stop:
			return
		}
	}
}

// startThrift gives memory back until the returned function is called, which waits for the end of it.
func startThrift() (stop func()) {
	ended := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { giveBackMemory(ended) })
	return sync.OnceFunc(func() { close(ended); running.Wait() })
}
