package actors

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/internal/vclock"
)

// weighed is a spec as a client of few words sends it, and as a broker reads it.
func weighed(i int) *job.Spec {
	s := &job.Spec{
		Name: "count", Submitter: "7XKQ2M4N5P6R8S9TAVBWCYDZ", Module: job.Blob{Digest: [32]byte{1}, Size: 1 << 20},
		Args: []string{"count", fmt.Sprintf("part-%07d", i)}, Retries: 2,
	}
	back, err := job.DecodeSpec(s.Append(nil))
	if err != nil {
		panic(err)
	}
	return back
}

func heapNow() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkQueuedJob tells what a job that waits holds on the heap of its broker, its place in the queue included: a spec with a name, two arguments
// and nothing else.
func BenchmarkQueuedJob(b *testing.B) {
	const n = 100_000
	for b.Loop() {
		before := heapNow()
		r := ledger.New("journal-of-26-letters-abcd", 7)
		q := placement.NewQueue()
		owner := job.Ownership{Journal: "journal-of-26-letters-abcd"}
		for i := range n {
			id := job.ID(fmt.Sprintf("01HX%022d-7XKQ2M4N5P6R8S9TAVBWCYDZ", i))
			at := vclock.Hybrid{Wall: int64(i)}
			j := job.New(id, weighed(i), owner, owner, "7XKQ2M4N5P6R8S9TAVBWCYDZ", at)
			r.Put(ledger.Normal, jobKey(id), jobState{j}, at)
			q.Add(placement.Waiting{ID: string(id), Demand: demandOf(j)})
		}
		b.ReportMetric(float64(heapNow()-before)/n, "B/job")
		runtime.KeepAlive(r)
		runtime.KeepAlive(q)
	}
}
