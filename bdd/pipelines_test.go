package bdd_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// after is a program that waits for a job.
func after(id job.ID, rule job.OnFailure, program ...string) *job.Spec {
	s := sim.Program(program...)
	s.After = []job.Dependency{{Job: id, OnFailure: rule}}
	return s
}

var _ = Describe("A job that comes after another", Label("JOB-10"), func() {
	It("says whom it waits for, and runs with the digest of its result", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			first := c.Submit("b1", sim.Program("5s"))
			second := c.Submit("b1", after(first, job.FailJob, "1s"))
			w.Run(2 * time.Second)
			Expect(told(w, "b1", second).GetWaiting()).To(Equal("waits for " + string(first)))
			Expect(runs(w, "e1")).To(Equal(1))
			w.Run(10 * time.Second)
			v := seen(w, "b1", second).Current().Verdict
			Expect(v.Kind).To(Equal(job.Accepted))
			Expect(v.Inputs).To(Equal([][32]byte{seen(w, "b1", first).Current().Verdict.Result.Digest}))
		})
	})

	DescribeTable("whose predecessor fails", func(rule job.OnFailure, end job.State) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			first := c.Submit("b1", sim.Program("1s", "exit=1"))
			second := c.Submit("b1", after(first, rule, "1s"))
			third := c.Submit("b1", after(second, rule, "1s"))
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", second).State()).To(Equal(end))
			Expect(seen(w, "b1", third).State()).To(Equal(end), "and so do those after it")
		})
	},
		Entry("fails with it", job.FailJob, job.StateFailed),
		Entry("is skipped", job.SkipJob, job.StateSkipped),
		Entry("runs all the same", job.RunAnyway, job.StateAccepted),
	)

	It("waits for one that is not here yet, by name", Label("SYNC-3", "JOB-9"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1", "b2")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
			w.Cut("b1", "b2")
			first := one.Submit("b1", sim.Program("1s"))
			second := two.Submit("b2", after(first, job.FailJob, "1s"))
			w.Run(3 * time.Second)
			Expect(told(w, "b2", second).GetWaiting()).To(Equal(string(first) + " is not here yet"))
			w.Heal()
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", second).State()).To(Equal(job.StateAccepted))
		})
	})

	// provisionally has b2 run one job as a taker and its own successor on what came of it, while b1, the owner of the first, is cut off with e1.
	provisionally := func(tell func(w *sim.World, first, second job.ID)) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
			first := one.Submit("b1", sim.Program("20s", "wild"))
			w.Run(time.Second)
			w.Split("b1", "e1", "c1")
			w.Executor("e2", "b2")
			w.Run(time.Second)
			second := two.Submit("b2", after(first, job.FailJob, "1s", "wild"))
			w.Run(40 * time.Second)
			tell(w, first, second)
		})
	}

	It("runs on a provisional result, and is held until that is final", func() {
		provisionally(func(w *sim.World, first, second job.ID) {
			Expect(seen(w, "b2", first).State()).To(Equal(job.StateAccepted))
			j := seen(w, "b2", second)
			Expect(runs(w, "e2")).To(Equal(2))
			Expect(j.State()).To(Equal(job.StateQueued))
			Expect(j.Current().Candidates).To(HaveLen(1))
			Expect(told(w, "b2", second).GetWaiting()).To(Equal("has a result and waits for its inputs to be final"))
		})
	})

	It("runs again when the result that it used is superseded", func() {
		provisionally(func(w *sim.World, first, second job.ID) {
			w.Heal()
			w.Run(20 * time.Second)
			final, by := seen(w, "b2", first).Decided()
			Expect(by.T).To(BeZero())
			v, _ := seen(w, "b2", second).Decided()
			Expect(v).NotTo(BeNil())
			Expect(v.Inputs).To(Equal([][32]byte{final.Result.Digest}))
			Expect(runs(w, "e1", "e2")).To(Equal(4), "each twice")
			Expect(told(w, "b1", second).GetFinal()).To(BeTrue())
		})
	})

	It("may be one of an array that others come after", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 5, nil, "b1")
			c := w.Client("c1")
			join := sim.Program("1s", "join")
			for i := range 5 {
				part := sim.Program("1s", fmt.Sprint("part ", i))
				part.Array = "parts"
				join.After = append(join.After, job.Dependency{Job: c.Submit("b1", part)})
			}
			id := c.Submit("b1", join)
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", id).Current().Verdict.Inputs).To(HaveLen(5))
		})
	})
})

var _ = Describe("A straggler of an array that speculates", Label("JOB-11"), func() {
	It("gets one backup, and the first result of the two wins", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 5, nil, "b1")
			w.ExecutorWith("e2", 5, nil, "b1")
			c := w.Client("c1")
			like := func(length string) *job.Spec {
				s := sim.Program(length)
				s.Array, s.Speculate = "likes", true
				return s
			}
			for range 9 {
				c.Submit("b1", like("1s"))
			}
			slow := c.Submit("b1", like("20s"))
			w.Run(5 * time.Second)
			attempts := seen(w, "b1", slow).Current().Live()
			Expect(attempts).To(HaveLen(2))
			Expect(attempts[0].Executor).NotTo(Equal(attempts[1].Executor))
			w.Run(18 * time.Second)
			j := seen(w, "b1", slow)
			Expect(j.Current().Verdict.Attempt).To(Equal(attempts[0].Name))
			Expect(j.Current().Attempts[1].State).To(Equal(job.Stopped))
			Expect(runs(w, "e1", "e2")).To(Equal(11))
			Expect(w.Stops("e1") + w.Stops("e2")).To(Equal(1))
		})
	})

	It("gets none when its spec does not ask for it", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 10, nil, "b1")
			c := w.Client("c1")
			for _, length := range []string{"1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "1s", "20s"} {
				s := sim.Program(length)
				s.Array = "likes"
				c.Submit("b1", s)
			}
			w.Run(30 * time.Second)
			Expect(runs(w, "e1")).To(Equal(10))
		})
	})
})

// needing is a program that needs named data, and making one that makes some.
func needing(s *job.Spec, names ...string) *job.Spec {
	for i, n := range names {
		s.Data = append(s.Data, job.DataInput{Name: n, Path: fmt.Sprintf("in/%d", i)})
	}
	return s
}

func making(s *job.Spec, names ...string) *job.Spec {
	for i, n := range names {
		path := fmt.Sprintf("out/%d", i)
		if strings.HasSuffix(n, "/*") {
			path += "/*"
		}
		s.Results = append(s.Results, job.NamedResult{Path: path, Name: n})
	}
	return s
}

// texts are what the n-th run of a job was given, as name is text.
func texts(w *sim.World, id job.ID, n int) (all []string) {
	GinkgoHelper()
	Expect(len(w.Given(id))).To(BeNumerically(">", n), "job %s ran %d times", id, len(w.Given(id)))
	for _, in := range w.Given(id)[n] {
		for _, f := range in.Files {
			all = append(all, fmt.Sprintf("%s is %s", f.Name, f.Blob.Inline))
		}
	}
	return all
}

var _ = Describe("A job that needs named data", Label("JOB-10", "DATA-5", "PLAN-1"), func() {
	It("waits for it at one broker, whoever submits the job that makes it at another, and is given its bytes", Label("JOB-9"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			w.Executor("e2", "b2")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
			consumer := one.Submit("b1", needing(sim.Program("1s"), "maps/town"))
			w.Run(2 * time.Second)
			Expect(told(w, "b1", consumer).GetWaiting()).To(Equal("needs data maps/town, which nobody has put and no job here will make"))
			producer := two.Submit("b2", making(sim.Program("5s", "draw"), "maps/town"))
			w.Run(2 * time.Second)
			Expect(told(w, "b1", consumer).GetWaiting()).To(Equal("waits for " + string(producer) + ", which makes data maps/town"))
			Expect(runs(w, "e1")).To(BeZero())
			w.Run(15 * time.Second)
			Expect(seen(w, "b2", consumer).State()).To(Equal(job.StateAccepted))
			Expect(texts(w, consumer, 0)).To(Equal([]string{"maps/town is output of 5s draw"}))
		})
	})

	It("runs with what was put, and a later put changes nothing for it", Label("JOB-4"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			e1 := w.Executor("e1", "b1")
			c := w.Client("c1")
			c.Put("b1", "words/one", "first")
			id := c.Submit("b1", needing(sim.Program("10s"), "words/one"))
			w.Run(2 * time.Second)
			c.Put("b1", "words/one", "second")
			w.Executor("e2", "b1")
			w.Kill(e1.Name)
			w.Run(20 * time.Second)
			Expect(w.Given(id)).To(HaveLen(2))
			Expect(texts(w, id, 0)).To(Equal([]string{"words/one is first"}))
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
			Expect(texts(w, id, 1)).To(Equal(texts(w, id, 0)), "the second attempt is given what the first was")
		})
	})

	It("takes all that a pattern stands for, of an array too", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.ExecutorWith("e1", 5, nil, "b1", "b2")
			c := w.Client("c1")
			for i := range 5 {
				c.Submit([]string{"b1", "b2"}[i%2], making(sim.Program(fmt.Sprintf("%ds", i+1)), fmt.Sprintf("counts/%d", i)))
			}
			w.Run(500 * time.Millisecond)
			id := c.Submit("b1", making(needing(sim.Program("1s"), "counts/*"), "total"))
			last := c.Submit("b2", needing(sim.Program("1s"), "total"))
			w.Run(20 * time.Second)
			Expect(w.Given(id)).To(HaveLen(1))
			Expect(texts(w, id, 0)).To(Equal([]string{
				"counts/0 is output of 1s", "counts/1 is output of 2s", "counts/2 is output of 3s", "counts/3 is output of 4s", "counts/4 is output of 5s",
			}))
			Expect(texts(w, last, 0)).To(HaveExactElements(HavePrefix("total is output of 1s, counts/0 is output of 1s")))
		})
	})

	DescribeTable("whose maker fails", func(rule job.OnFailure, end job.State, given int) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			c.Submit("b1", making(sim.Program("1s", "exit=1"), "step/1"))
			spec := making(needing(sim.Program("1s"), "step/1"), "step/2")
			spec.Data[0].OnFailure = rule
			second := c.Submit("b1", spec)
			spec = needing(sim.Program("1s"), "step/2")
			spec.Data[0].OnFailure = rule
			third := c.Submit("b1", spec)
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", second).State()).To(Equal(end))
			Expect(seen(w, "b1", third).State()).To(Equal(end), "and so do those after it")
			Expect(w.Given(second)).To(HaveLen(given))
		})
	},
		Entry("fails with it", job.FailJob, job.StateFailed, 0),
		Entry("is skipped", job.SkipJob, job.StateSkipped, 0),
		Entry("runs without it", job.RunAnyway, job.StateAccepted, 1),
	)

	It("runs again when what it was given on one side of a partition is superseded", Label("JOB-7"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
			maker := one.Submit("b1", making(sim.Program("20s", "wild"), "x"))
			w.Run(time.Second)
			w.Split("b1", "e1", "c1")
			w.Executor("e2", "b2")
			w.Run(time.Second)
			id := two.Submit("b2", needing(sim.Program("1s"), "x"))
			w.Run(40 * time.Second)
			Expect(w.Given(id)).To(HaveLen(1))
			Expect(told(w, "b2", id).GetWaiting()).To(Equal("has a result and waits for its inputs to be final"))
			w.Heal()
			w.Run(20 * time.Second)
			final, by := seen(w, "b2", maker).Decided()
			Expect(by.T).To(BeZero())
			v, _ := seen(w, "b2", id).Decided()
			Expect(v).NotTo(BeNil())
			Expect(w.Given(id)).To(HaveLen(2))
			Expect(v.Inputs).To(Equal([][32]byte{final.Result.Named[0].Blob.Digest}))
			Expect(told(w, "b3", id).GetFinal()).To(BeTrue())
		})
	})

	It("goes on with the same data at a broker that takes it over", Label("JOB-6"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b2", "b3")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
			one.Put("b1", "x", "first")
			id := one.Submit("b1", needing(sim.Program("1s"), "x"))
			w.Run(time.Second)
			w.Kill("b1")
			two.Put("b2", "x", "second")
			w.Run(40 * time.Second)
			Expect(seen(w, "b2", id).State()).To(Equal(job.StateAccepted))
			first := sim.TextBlob("first")
			Expect(seen(w, "b2", id).Current().Verdict.Inputs).To(Equal([][32]byte{first.Digest}))
		})
	})

	DescribeTable("is refused when it would wait for itself, and told how",
		func(words string, specs ...*job.Spec) {
			inWorld(func(w *sim.World) {
				brokers(w, "b1", "b2")
				c := w.Client("c1")
				var ids []string
				for i, s := range specs {
					broker := []string{"b1", "b2"}[i%2]
					id := c.NewID(broker)
					ids = append(ids, string(id))
					answer := c.Ask(broker, c.Submission(id, s))
					if i < len(specs)-1 {
						Expect(answer).To(BeAssignableToTypeOf(&messages.JobSubmitted{}))
						w.Run(time.Second)
						continue
					}
					Expect(code(answer)).To(Equal(messages.Refused_INVALID))
					for k, id := range ids {
						words = strings.ReplaceAll(words, string(rune('A'+k)), id)
					}
					Expect(answer.(*messages.Refused).GetReason()).To(Equal(words))
				}
			})
		},
		Entry("through names, also those of a job at another broker", "job B waits for data y, which A makes, which waits for data x, which B makes",
			making(needing(sim.Program("1s"), "x"), "y"), making(needing(sim.Program("1s"), "y"), "x")),
		Entry("through patterns", "job B waits for data y/*, which A makes, which waits for data x/*, which B makes",
			making(needing(sim.Program("1s"), "x/*"), "y/1"), making(needing(sim.Program("1s"), "y/*"), "x/2")),
		Entry("through one of several that make what a pattern stands for", "job C waits for data y/*, which A makes, which waits for data q, which C makes",
			making(needing(sim.Program("1s"), "q"), "y/1"), making(sim.Program("1s"), "y/2"), making(needing(sim.Program("1s"), "y/*"), "q")),
		Entry("through three", "job C waits for data b, which B makes, which waits for data a, which A makes, which waits for data c, which C makes",
			making(needing(sim.Program("1s"), "c"), "a"), making(needing(sim.Program("1s"), "a"), "b"), making(needing(sim.Program("1s"), "b"), "c")),
		Entry("by a name that only it makes", "job A waits for data x, which only it makes", making(needing(sim.Program("1s"), "x"), "x")),
	)

	It("may make anew what it reads, if somebody has put it", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			c.Put("b1", "count", "0")
			id := c.Submit("b1", making(needing(sim.Program("1s"), "count"), "count"))
			w.Run(5 * time.Second)
			Expect(texts(w, id, 0)).To(Equal([]string{"count is 0"}))
			Expect(stands(w, "b1", "count")).To(Equal("output of 1s, count is 0"))
		})
	})

	It("is refused when it comes after one that comes after it", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			first, second := c.NewID("b1"), c.NewID("b1")
			c.Ask("b1", c.Submission(first, after(second, job.FailJob, "1s")))
			answer := c.Ask("b1", c.Submission(second, after(first, job.FailJob, "1s")))
			Expect(code(answer)).To(Equal(messages.Refused_INVALID))
			Expect(answer.(*messages.Refused).GetReason()).To(Equal(fmt.Sprintf("job %s waits for job %s, which waits for job %s", second, first, second)))
		})
	})
})
