package scale

import (
	"fmt"
	"time"

	"github.com/urbancompute/ucp/internal/placement"
)

// Cost is what one placement takes of a broker's time: a job is queued, its turn comes, an executor is chosen among so many, its slot is reserved.
type Cost struct {
	Executors    int
	Free         string // which of them have a free slot
	Microseconds float64
}

// Costs measures placements by brokers of different sizes. Of many rounds the quickest counts, for the machine has other things to do.
func Costs() (all []Cost) {
	for _, n := range []int{100, 300, 1000, 3000, 10_000} {
		for _, free := range []struct {
			name string
			of   func(i int) bool
		}{
			{"all are free", func(int) bool { return true }},
			{"one in ten is", func(i int) bool { return i%10 == 0 }},
			{"one is", func(i int) bool { return i == n/2 }},
		} {
			all = append(all, Cost{n, free.name, costOf(n, free.of)})
		}
	}
	return all
}

const costRounds = 50

// program is what half of the executors have run before.
var program = placement.Module([32]byte{1}, 1<<20)

func costOf(executors int, free func(int) bool) float64 {
	pool, queue := &placement.Pool{}, placement.NewQueue()
	for i := range executors {
		e := &placement.Executor{
			ID: fmt.Sprintf("e%05d", i), Window: 2, Slots: 2, Memory: 1 << 30, Recent: &placement.Recent{},
			Capacity: placement.Capacity{Cores: 2, CPU: 200, Memory: 8 << 30, Disk: 64 << 30, Mains: true},
		}
		if i%2 == 0 {
			e.Recent.Add(program.Mark)
		}
		if !free(i) {
			e.Used = 2
		}
		pool.Put(e)
	}
	for i := range 1000 { // jobs that wait for something that nobody has
		queue.Add(placement.Waiting{ID: fmt.Sprint("waits", i), Submitter: fmt.Sprint(i % 50), Demand: placement.Demand{Labels: map[string]string{"no": "where"}}})
	}
	best := time.Duration(1 << 62)
	each := max(5, 20_000/executors)
	for range costRounds {
		begin := time.Now()
		for i := range each {
			placeOne(pool, queue, fmt.Sprint(i))
		}
		best = min(best, time.Since(begin))
	}
	return float64(best.Nanoseconds()) / float64(each) / 1000
}

func placeOne(pool *placement.Pool, queue *placement.Queue, id string) {
	queue.Add(placement.Waiting{ID: id, Submitter: "somebody", Demand: placement.Demand{Memory: 1 << 20}})
	queue.Take(func(w placement.Waiting) bool {
		if w.ID != id {
			return false
		}
		d := w.Demand
		d.Bytes = []placement.Bytes{program}
		e := pool.Choose(&d)
		claim := pool.Claim(&d, e)
		pool.Reserve(e, claim)
		pool.Release(e, claim) // for the next round
		return true
	})
}
