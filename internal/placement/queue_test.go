package placement

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

var _ = Describe("The queue", Label("PLACE-2"), func() {
	take := func(q *Queue, can func(Waiting) bool) (taken []string) {
		q.Take(func(w Waiting) bool {
			if can(w) {
				taken = append(taken, w.ID)
				return true
			}
			return false
		})
		return taken
	}
	all := func(Waiting) bool { return true }

	It("is first come, first served within a priority, and greater priorities go first", func() {
		q := NewQueue()
		q.Add(Waiting{ID: "a", Priority: 1})
		q.Add(Waiting{ID: "b", Priority: 9})
		q.Add(Waiting{ID: "c", Priority: 9})
		q.Add(Waiting{ID: "d", Priority: 5, Demand: Demand{Memory: 7}})
		Expect(take(q, all)).To(Equal([]string{"b", "c", "d", "a"}))
		Expect(q.Len()).To(BeZero())
	})

	It("lets a job that nobody can take hold up only its like", func() {
		q := NewQueue()
		q.Add(Waiting{ID: "a", Demand: Demand{Labels: map[string]string{"x": "y"}}})
		q.Add(Waiting{ID: "b"})
		Expect(take(q, func(w Waiting) bool { return w.ID != "a" })).To(Equal([]string{"b"}))
		Expect(q.Has("a")).To(BeTrue())
	})

	It("keeps the place of a job that is added twice, and drops one that was removed", func() {
		q := NewQueue()
		q.Add(Waiting{ID: "a"})
		q.Add(Waiting{ID: "b"})
		q.Add(Waiting{ID: "a"})
		q.Remove("b")
		Expect(take(q, all)).To(Equal([]string{"a"}))
	})

	It("offers a refused line once, not once a job", func() {
		q := NewQueue()
		for i := range 100 {
			q.Add(Waiting{ID: fmt.Sprint(i)})
		}
		offered := 0
		q.Take(func(Waiting) bool { offered++; return false })
		Expect(offered).To(Equal(1))
	})

	It("offers those first that were started before, in the line of their submitter", func() {
		q := NewQueue()
		q.Add(Waiting{ID: "a"})
		q.Add(Waiting{ID: "b", Again: true})
		q.Add(Waiting{ID: "c", Again: true})
		Expect(take(q, all)).To(Equal([]string{"b", "c", "a"}))
	})

	It("offers the jobs of one submitter in the order in which they came, whatever they ask for", func() {
		q := NewQueue()
		for i := range 20 {
			w := Waiting{ID: fmt.Sprintf("%02d", i)}
			if i%3 == 1 {
				w.Demand.Cores = 4
			}
			q.Add(w)
		}
		taken := take(q, all)
		Expect(taken).To(HaveLen(20))
		Expect(slices.IsSorted(taken)).To(BeTrue(), "%v", taken)
	})

	It("gives a job that left and came back a place at the end", func() {
		q := NewQueue()
		q.Add(Waiting{ID: "a"})
		q.Add(Waiting{ID: "b"})
		q.Remove("a")
		q.Add(Waiting{ID: "a"})
		Expect(take(q, all)).To(Equal([]string{"b", "a"}))
	})

	It("keeps no more places than it has jobs, however often they leave and come back", func() {
		q := NewQueue()
		for i := range 100_000 {
			id := fmt.Sprint(i % 10)
			q.Remove(id)
			q.Add(Waiting{ID: id})
		}
		for _, b := range q.open {
			for _, r := range b.byClass {
				for _, l := range r.bySubmitter {
					Expect(l.ways[1].len()).To(BeNumerically("<", 200))
				}
			}
		}
		Expect(take(q, all)).To(HaveLen(10))
		Expect(q.open).To(BeEmpty())
		Expect(q.classes).To(BeEmpty())
	})
})

// takeOne starts the job whose turn it is, if there is one.
func takeOne(q *Queue) (taken []Waiting) {
	q.Take(func(w Waiting) bool {
		if len(taken) > 0 {
			return false
		}
		taken = append(taken, w)
		return true
	})
	return taken
}

// starts has a queue start so many jobs one by one, and returns whose they were, or of which priority.
func starts(q *Queue, n int, of func(Waiting) string) map[string]int {
	count := map[string]int{}
	for range n {
		for _, w := range takeOne(q) {
			count[of(w)]++
		}
	}
	return count
}

func submitter(w Waiting) string { return w.Submitter }

var _ = Describe("Sharing", Label("PLACE-2"), func() {
	queue := func(q *Queue, n int, w Waiting) {
		for range n {
			w.ID = fmt.Sprint(w.Submitter, "-", q.Len())
			q.Add(w)
		}
	}

	It("starts ten jobs of one among 100,000 of another by turns", func() {
		q := NewQueue()
		queue(q, 100_000, Waiting{Submitter: "greedy"})
		Expect(starts(q, 1000, submitter)).To(Equal(map[string]int{"greedy": 1000}))
		queue(q, 10, Waiting{Submitter: "modest"})
		Expect(starts(q, 20, submitter)).To(Equal(map[string]int{"greedy": 10, "modest": 10}))
	})

	It("is by the service received, not by the number of jobs", func() {
		q := NewQueue()
		queue(q, 1000, Waiting{Submitter: "long"})
		queue(q, 1000, Waiting{Submitter: "short"})
		took := map[string]time.Duration{"long": 10 * time.Second, "short": time.Second}
		received := map[string]time.Duration{}
		for range 330 {
			w := takeOne(q)[0]
			d := took[w.Submitter]
			received[w.Submitter] += d
			q.Charge(w.Account(), d-w.Charge)
			q.Took(w.Account(), d)
		}
		Expect(received["long"].Seconds()).To(BeNumerically("~", received["short"].Seconds(), 20))
	})

	It("is by weight", func() {
		q := NewQueue()
		q.SetWeight("double", 2)
		queue(q, 1000, Waiting{Submitter: "double"})
		queue(q, 1000, Waiting{Submitter: "single"})
		Expect(starts(q, 300, submitter)).To(Equal(map[string]int{"double": 200, "single": 100}))
	})

	It("gives nobody what they did not use while they had nothing to do", func() {
		q := NewQueue()
		queue(q, 1000, Waiting{Submitter: "early"})
		starts(q, 500, submitter)
		queue(q, 1000, Waiting{Submitter: "late"})
		Expect(starts(q, 100, submitter)["early"]).To(BeNumerically("~", 50, 1))
	})

	It("is between submitters also where their constraints differ", func() {
		q := NewQueue()
		for i := range 100 {
			queue(q, 10, Waiting{Submitter: "a", Demand: Demand{Memory: uint64(i)}})
		}
		queue(q, 1000, Waiting{Submitter: "b"})
		Expect(starts(q, 100, submitter)).To(Equal(map[string]int{"a": 50, "b": 50}))
	})

	It("lets no job of a lesser priority wait for more than four starts for each priority between", func() {
		q := NewQueue()
		queue(q, 1000, Waiting{Submitter: "a", Priority: 50})
		queue(q, 10, Waiting{Submitter: "b", Priority: 40})
		Expect(starts(q, 40, submitter)).To(Equal(map[string]int{"a": 40}))
		Expect(starts(q, 1, submitter)).To(Equal(map[string]int{"b": 1}))
		Expect(starts(q, 40, submitter)).To(Equal(map[string]int{"a": 40}))
		Expect(starts(q, 1, submitter)).To(Equal(map[string]int{"b": 1}))
	})
})

var _ = Describe("The queue in an emergency", Label("EMG-2", "PLACE-2"), func() {
	var q *Queue
	order := func(n int) (ids []string) {
		for range n {
			for _, w := range takeOne(q) {
				ids = append(ids, w.ID)
			}
		}
		return ids
	}
	BeforeEach(func() {
		q = NewQueue()
		q.Add(Waiting{ID: "n50", Priority: 50})
		q.Add(Waiting{ID: "n35", Priority: 35})
		q.Add(Waiting{ID: "n30", Priority: 30})
		q.Add(Waiting{ID: "e20", Priority: 20, Emergency: true})
		q.Add(Waiting{ID: "e25", Priority: 25, Emergency: true})
	})

	DescribeTable("starts jobs in the order of its level", func(level uint8, ids ...string) {
		q.SetLevel(level)
		Expect(order(len(ids) + 1)).To(Equal(ids))
	},
		Entry("with none, as always", NoEmergency, "n50", "n35", "n30", "e25", "e20"),
		Entry("low: emergency jobs have a head start of ten, and are ahead of equals", Low, "n50", "e25", "n35", "e20", "n30"),
		Entry("medium: emergency jobs first", Medium, "e25", "e20", "n50", "n35", "n30"),
		Entry("high: nothing else", High, "e25", "e20"),
		Entry("critical: nothing else", Critical, "e25", "e20"),
	)

	It("holds the others, keeps their places, and goes on with them when it is over", func() {
		q.SetLevel(High)
		Expect(q.Held(Waiting{})).To(BeTrue())
		Expect(q.Held(Waiting{Emergency: true})).To(BeFalse())
		Expect(order(9)).To(HaveLen(2))
		Expect(q.Len()).To(Equal(3))
		q.SetLevel(NoEmergency)
		Expect(q.Held(Waiting{})).To(BeFalse())
		Expect(order(3)).To(Equal([]string{"n50", "n35", "n30"}))
	})
})

// A queue loses no job, offers none twice and none that left, and is the same for the same calls.
func TestQueueIsDeterministicAndLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := NewQueue(), NewQueue()
		waits := map[string]bool{}
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			id := fmt.Sprint(rapid.IntRange(0, 30).Draw(t, "job"))
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				a.Remove(id)
				b.Remove(id)
				delete(waits, id)
			case 1:
				refuse := uint64(rapid.IntRange(0, 2).Draw(t, "refused"))
				most := rapid.IntRange(1, 4).Draw(t, "most")
				var ids [2][]string
				for k, q := range []*Queue{a, b} {
					q.Take(func(w Waiting) bool {
						if w.Demand.Memory == refuse || len(ids[k]) == most {
							return false
						}
						ids[k] = append(ids[k], w.ID)
						return true
					})
				}
				if fmt.Sprint(ids[0]) != fmt.Sprint(ids[1]) {
					t.Fatalf("step %d: %v and %v", i, ids[0], ids[1])
				}
				for _, id := range ids[0] {
					if !waits[id] {
						t.Fatalf("step %d: %s is offered and does not wait", i, id)
					}
					delete(waits, id)
				}
			case 2:
				level := uint8(rapid.IntRange(0, 4).Draw(t, "level"))
				a.SetLevel(level)
				b.SetLevel(level)
			default:
				w := Waiting{
					ID: id, Priority: uint8(rapid.IntRange(0, 3).Draw(t, "priority")), Submitter: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "submitter")),
					Emergency: rapid.Bool().Draw(t, "emergency"), Again: rapid.Bool().Draw(t, "again"),
					Demand: Demand{Memory: uint64(rapid.IntRange(0, 2).Draw(t, "memory"))},
				}
				a.Add(w)
				b.Add(w)
				waits[id] = true
			}
			if a.Len() != len(waits) {
				t.Fatalf("step %d: %d wait, it says %d", i, len(waits), a.Len())
			}
		}
		a.SetLevel(NoEmergency)
		n := 0
		a.Take(func(w Waiting) bool { n++; return true })
		if n != len(waits) {
			t.Fatalf("%d of %d are left", n, len(waits))
		}
	})
}

// A queued job costs the queue little beside its record, whose id it shares.
func BenchmarkBytesPerQueuedJob(b *testing.B) {
	const n = 1_000_000
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("01JABCDEFGHJKMNPQRSTVWXY%02d-%d", i%100, i)
	}
	for range b.N {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		q := NewQueue()
		for i, id := range ids {
			q.Add(Waiting{ID: id, Submitter: fmt.Sprint(i % 100)})
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/n, "B/job")
		runtime.KeepAlive(q)
	}
}

func BenchmarkTakeWithManySubmitters(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			q := NewQueue()
			for i := range 1_000_000 {
				q.Add(Waiting{ID: fmt.Sprint(i), Submitter: fmt.Sprint(i % n), Demand: Demand{Memory: uint64(i % 7)}})
			}
			b.ResetTimer()
			for i := range b.N {
				q.Add(Waiting{ID: fmt.Sprint("n", i), Submitter: fmt.Sprint(i % n)})
				taken := false
				q.Take(func(Waiting) bool { taken = !taken; return taken })
			}
		})
	}
}

func BenchmarkAddAndTakeOverMillion(b *testing.B) {
	q := NewQueue()
	for i := range 1_000_000 {
		q.Add(Waiting{ID: fmt.Sprint(i)})
	}
	b.ResetTimer()
	for i := range b.N {
		q.Add(Waiting{ID: fmt.Sprint("n", i)})
		taken := false
		q.Take(func(Waiting) bool { taken = !taken; return taken })
	}
}
