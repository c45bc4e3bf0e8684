package placement

import (
	"errors"
	"fmt"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

func idle(id string) Executor {
	return Executor{ID: id, Name: id, Slots: 2, Window: 2, Memory: 1 << 30}
}

func with(e Executor, change func(*Executor)) Executor {
	change(&e)
	return e
}

var _ = Describe("Choosing an executor", Label("PLACE-1"), func() {
	module := [32]byte{1}

	DescribeTable("prefers",
		func(better, worse Executor, d Demand) {
			for _, order := range [][]Executor{{better, worse}, {worse, better}} {
				i, err := Choose(d, order)
				Expect(err).NotTo(HaveOccurred())
				Expect(order[i].ID).To(Equal(better.ID))
			}
		},
		Entry("one that did not have the job before", idle("e2"), idle("e1"), Demand{Avoid: map[string]bool{"e1": true}}),
		Entry("one with a free slot over one with only a queue", idle("e2"), with(idle("e1"), func(e *Executor) { e.Used, e.Window = 2, 9 }), Demand{}),
		Entry("one that has the module", with(idle("e2"), func(e *Executor) { e.Warm = map[[32]byte]bool{module: true} }), idle("e1"), Demand{Module: module}),
		Entry("the less loaded", idle("e2"), with(idle("e1"), func(e *Executor) { e.Used = 1 }), Demand{}),
		Entry("the lesser id, at last", idle("e1"), idle("e2"), Demand{}),
	)

	DescribeTable("says which constraint failed on how many",
		func(d Demand, executors []Executor, sentence string, never bool) {
			_, err := Choose(d, executors)
			var refusal *NoExecutorError
			Expect(errors.As(err, &refusal)).To(BeTrue())
			Expect(refusal).To(MatchError(sentence))
			Expect(refusal.Never()).To(Equal(never))
		},
		Entry("when nobody is there", Demand{}, nil, "no executor has joined this broker", true),
		Entry("when a label is missing", Demand{Labels: map[string]string{"location": "north"}}, []Executor{idle("e1"), idle("e2")},
			"no executor can take it: lacks label location=north (2 of 2)", true),
		Entry("when there is too little memory", Demand{Memory: 2 << 30}, []Executor{idle("e1")},
			"no executor can take it: less than 2048 MiB of memory a job (1 of 1)", true),
		Entry("when those who could are full", Demand{Labels: map[string]string{"a": "b"}},
			[]Executor{with(idle("e1"), func(e *Executor) { e.Used, e.Labels = 2, map[string]string{"a": "b"} }), idle("e2")},
			"waiting for a free slot: lacks label a=b (1 of 2), no free slot (1 of 2)", false),
		Entry("when it is cordoned", Demand{}, []Executor{with(idle("e1"), func(e *Executor) { e.Cordoned = true })},
			"no executor can take it: cordoned (1 of 1)", true),
	)
})

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
})

// An executor is never given more than its window, and a refusal means that nobody could.
func TestChooseNeverOvercommits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		executors := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Executor {
			return Executor{
				ID: fmt.Sprint("e", rapid.IntRange(0, 99).Draw(t, "id")), Slots: rapid.IntRange(1, 3).Draw(t, "slots"), Window: rapid.IntRange(1, 5).Draw(t, "window"),
				Used: rapid.IntRange(0, 5).Draw(t, "used"), Memory: uint64(rapid.IntRange(0, 3).Draw(t, "memory")),
			}
		}), 0, 6).Draw(t, "executors")
		d := Demand{Memory: uint64(rapid.IntRange(0, 3).Draw(t, "demand"))}
		fits := func(e Executor) bool { return e.Used < e.Window && e.Memory >= d.Memory }
		i, err := Choose(d, executors)
		if err == nil && !fits(executors[i]) {
			t.Fatalf("chose %+v for %+v", executors[i], d)
		}
		for _, e := range executors {
			if err != nil && fits(e) {
				t.Fatalf("%v, but %+v fits", err, e)
			}
		}
	})
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
