package data_test

import (
	"fmt"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/data"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
)

func at(ms int64) vclock.Hybrid { return vclock.Hybrid{Wall: ms} }

func bytesOf(text string) job.Blob {
	return job.Blob{Digest: [32]byte{text[0]}, Size: uint64(len(text)), Inline: []byte(text)}
}

func put(id string, ms int64) data.Record {
	return data.Record{ID: id, Name: "a/x", Blob: bytesOf(id), At: at(ms), By: "c1", Broker: "b1"}
}

func removal(id string, ms int64) data.Record {
	r := put(id, ms)
	r.Deleted, r.Blob = true, job.Blob{}
	return r
}

// maker is a job that is to make a/x, submitted then.
func maker(id job.ID, created int64, state job.State, ended int64) data.Maker {
	m := data.Maker{Job: id, Created: at(created), State: state, At: at(ended), Final: true, Promised: []job.NamedResult{{Path: "x", Name: "a/x"}}}
	if state == job.StateAccepted {
		m.Made = []job.NamedFile{{Name: "a/x", Blob: bytesOf(string(id))}}
	}
	return m
}

var drawRecord = rapid.Custom(func(t *rapid.T) data.Record {
	r := data.Record{
		ID: "id", Name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"), At: at(rapid.Int64Range(0, 3).Draw(t, "at")),
		By: rapid.SampledFrom([]string{"c1", "c2"}).Draw(t, "by"), Broker: rapid.SampledFrom([]string{"b1", "b2"}).Draw(t, "broker"),
		Zip: rapid.Bool().Draw(t, "zip"), Deleted: rapid.Bool().Draw(t, "deleted"), Gone: rapid.Bool().Draw(t, "gone"),
	}
	if !r.Deleted {
		r.Blob = bytesOf(rapid.SampledFrom([]string{"x", "yy"}).Draw(t, "blob"))
	}
	r.Replaces = slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(rapid.StringMatching("[a-c]"), 0, 3).Draw(t, "replaces"))))
	return r
})

var _ = Describe("A record of named data", Label("DATA-2"), func() {
	encoded := func(r data.Record) string { return string(r.Append(nil)) }

	It("merges alike in any order, any number of times, and never comes back", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			a, b, c := drawRecord.Draw(t, "a"), drawRecord.Draw(t, "b"), drawRecord.Draw(t, "c")
			g := NewWithT(t)
			g.Expect(encoded(a.Merge(b))).To(Equal(encoded(b.Merge(a))))
			g.Expect(encoded(a.Merge(b).Merge(c))).To(Equal(encoded(a.Merge(b.Merge(c)))))
			g.Expect(encoded(a.Merge(a))).To(Equal(encoded(a)))
			g.Expect(a.Merge(b).Gone).To(Equal(a.Gone || b.Gone))
		})
	})

	It("has one encoding, from which it is read again", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			r := drawRecord.Draw(t, "r")
			back, err := data.Decode(r.Append(nil))
			g := NewWithT(t)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(encoded(back)).To(Equal(encoded(r)))
		})
	})

	It("is refused when it is cut, of another format, or in a second encoding", func() {
		r := put("one", 1)
		r.Replaces = []string{"b", "a"}
		for _, b := range [][]byte{r.Append(nil), put("one", 1).Append(nil)[:9], append([]byte{9}, put("one", 1).Append(nil)[1:]...), nil} {
			_, err := data.Decode(b)
			Expect(err).To(MatchError(canon.ErrMalformed))
		}
	})
})

var _ = Describe("What a name stands for", Label("DATA-2"), func() {
	type story struct {
		puts     []data.Record
		makers   []data.Maker
		value    string
		siblings []string
		making   job.ID
	}
	DescribeTable("is the last that was put or made", func(s story) {
		stand := data.Known{Name: "a/x", Puts: s.puts, Makers: s.makers}.Stand()
		value, siblings, making := "", []string(nil), job.ID("")
		if stand.Value != nil {
			value = stand.Value.ID
		}
		for _, v := range stand.Siblings {
			siblings = append(siblings, v.ID)
		}
		if stand.Making != nil {
			making = stand.Making.Job
		}
		Expect([]any{value, siblings, making}).To(Equal([]any{s.value, s.siblings, s.making}))
	},
		Entry("nothing, of nothing", story{}),
		Entry("one put", story{puts: []data.Record{put("p", 1)}, value: "p"}),
		Entry("of concurrent puts the later, and the others beside it", story{puts: []data.Record{put("p", 1), put("q", 3), put("r", 2)}, value: "q", siblings: []string{"r", "p"}}),
		Entry("of puts at one time the one with the greater id", story{puts: []data.Record{put("p", 1), put("q", 1)}, value: "q", siblings: []string{"p"}}),
		Entry("nothing, if it was removed last", story{puts: []data.Record{removal("gone", 3), put("p", 2)}, siblings: []string{"p"}}),
		Entry("a put, if it was removed concurrently and before", story{puts: []data.Record{removal("gone", 1), put("p", 2)}, value: "p"}),
		Entry("what a job made", story{makers: []data.Maker{maker("job", 1, job.StateAccepted, 2)}, value: "job"}),
		Entry("what a job made that was submitted after a put", story{puts: []data.Record{put("p", 1)}, makers: []data.Maker{maker("job", 2, job.StateAccepted, 3)}, value: "job"}),
		Entry("what a job made while somebody put it, and that beside it", story{puts: []data.Record{put("p", 2)}, makers: []data.Maker{maker("job", 1, job.StateAccepted, 3)}, value: "job", siblings: []string{"p"}}),
		Entry("a put after a job's end", story{puts: []data.Record{put("p", 4)}, makers: []data.Maker{maker("job", 1, job.StateAccepted, 3)}, value: "p"}),
		Entry("of two jobs that ran at one time the later, and the other beside it", story{
			makers: []data.Maker{maker("one", 1, job.StateAccepted, 3), maker("two", 2, job.StateAccepted, 4)}, value: "two", siblings: []string{"one"},
		}),
		Entry("of two jobs after each other the second", story{makers: []data.Maker{maker("one", 1, job.StateAccepted, 3), maker("two", 4, job.StateAccepted, 5)}, value: "two"}),
		Entry("nothing yet, while a job makes it", story{makers: []data.Maker{maker("job", 1, job.StateQueued, 0)}, making: "job"}),
		Entry("nothing, if its job failed", story{makers: []data.Maker{maker("job", 1, job.StateFailed, 2)}}),
		Entry("once what is in a record and in its job's too", story{
			puts: []data.Record{{ID: "job-0", Name: "a/x", Blob: bytesOf("x"), At: at(2), Job: "job"}}, makers: []data.Maker{maker("job", 1, job.StateAccepted, 2)}, value: "job-0",
		}),
	)

	It("is not what an executor brings unasked, or under a name that none may have", func() {
		j := job.New("01J00000000000000000000001-b1", &job.Spec{Results: []job.NamedResult{{Path: "out/*", Name: "a/*"}, {Path: "x", Name: "x"}}},
			job.Ownership{Journal: "j"}, job.Ownership{Journal: "j"}, "b1", at(1))
		j, _, err := j.Apply(job.Ownership{Journal: "j"}, job.Deployable{Executor: "e1", Lease: 1, Incarnation: 1})
		Expect(err).NotTo(HaveOccurred())
		r := &job.Result{Kind: job.Exited}
		for _, name := range []string{"a/one", "a/../x", "b/one", "x", "a/deep/er"} {
			r.Named = append(r.Named, job.NamedFile{Name: name, Blob: bytesOf("b")})
		}
		r.Seal()
		j, _, err = j.Apply(job.Ownership{Journal: "j"}, job.Finished{Attempt: j.Current().Attempts[0].Name, Executor: "e1", Result: r})
		Expect(err).NotTo(HaveOccurred())
		Expect(data.Keys(j)).To(Equal([]string{"a/*", "a/deep/er", "a/one", "x"}))
	})
})

var _ = Describe("Named data that a job needs", Label("DATA-2", "JOB-10"), func() {
	consumer := job.Job{ID: "consumer", Created: at(100)}
	type story struct {
		puts   []data.Record
		makers []data.Maker
		want   job.Input
	}
	provisional := maker("job", 1, job.StateAccepted, 2)
	provisional.Final = false
	lazy := maker("job", 1, job.StateAccepted, 2)
	lazy.Made = nil

	DescribeTable("stands as its makers and puts do", func(s story) {
		in := data.Need(consumer, "a/x", []data.Known{{Name: "a/x", Puts: s.puts, Makers: s.makers}})
		files := in.Files
		in.Files = nil
		s.want.Name = "a/x"
		Expect(in).To(Equal(s.want))
		want := 0
		if in.State == job.StateAccepted {
			want = 1
		}
		Expect(files).To(HaveLen(want))
	},
		Entry("unknown, as nobody makes it", story{want: job.Input{}}),
		Entry("there, when it was put", story{puts: []data.Record{put("p", 1)}, want: job.Input{Known: true, State: job.StateAccepted, Final: true, Digest: [32]byte{'p'}}}),
		Entry("there, when it was put later", story{puts: []data.Record{put("p", 200)}, want: job.Input{Known: true, State: job.StateAccepted, Final: true, Digest: [32]byte{'p'}}}),
		Entry("there for good, when a job made it whose end is final", story{
			makers: []data.Maker{maker("job", 1, job.StateAccepted, 2)}, want: job.Input{Job: "job", Known: true, State: job.StateAccepted, Final: true, Digest: [32]byte{'j'}},
		}),
		Entry("there provisionally, as the job's end is", story{
			makers: []data.Maker{provisional}, want: job.Input{Job: "job", Known: true, State: job.StateAccepted, Digest: [32]byte{'j'}},
		}),
		Entry("waited for, while a job submitted before is to make it anew", story{
			puts: []data.Record{put("p", 1)}, makers: []data.Maker{maker("job", 2, job.StateRunning, 0)}, want: job.Input{Job: "job", Known: true, State: job.StateRunning},
		}),
		Entry("waited for, of several jobs by the last one before", story{
			makers: []data.Maker{maker("one", 1, job.StateQueued, 0), maker("two", 2, job.StateQueued, 0), maker("later", 101, job.StateQueued, 0)},
			want:   job.Input{Job: "two", Known: true, State: job.StateQueued},
		}),
		Entry("there, though a job submitted later makes it anew", story{
			puts: []data.Record{put("p", 1)}, makers: []data.Maker{maker("later", 101, job.StateRunning, 0)},
			want: job.Input{Known: true, State: job.StateAccepted, Final: true, Digest: [32]byte{'p'}},
		}),
		Entry("waited for by a later job, if there is nothing else", story{
			makers: []data.Maker{maker("later", 101, job.StateQueued, 0)}, want: job.Input{Job: "later", Known: true, State: job.StateQueued},
		}),
		Entry("failed, as the job that was to make it", story{
			makers: []data.Maker{maker("job", 1, job.StateCancelled, 2)}, want: job.Input{Job: "job", Known: true, State: job.StateCancelled, Final: true},
		}),
		Entry("failed, when its job ended well and did not leave it", story{makers: []data.Maker{lazy}, want: job.Input{Job: "job", Known: true, State: job.StateFailed, Final: true}}),
		Entry("failed, when the job failed that was to make it anew", story{
			puts: []data.Record{put("p", 1)}, makers: []data.Maker{maker("job", 2, job.StateFailed, 3)}, want: job.Input{Job: "job", Known: true, State: job.StateFailed, Final: true},
		}),
		Entry("there, when it was put after its job failed", story{
			puts: []data.Record{put("p", 4)}, makers: []data.Maker{maker("job", 2, job.StateFailed, 3)}, want: job.Input{Known: true, State: job.StateAccepted, Final: true, Digest: [32]byte{'p'}},
		}),
		Entry("unknown, when it was removed", story{puts: []data.Record{put("p", 1), removal("gone", 2)}, want: job.Input{}}),
		Entry("unknown, when only the job itself makes it", story{makers: []data.Maker{maker("consumer", 100, job.StateQueued, 0)}, want: job.Input{}}),
	)

	below := func(names ...string) (known []data.Known) {
		for _, n := range names {
			known = append(known, data.Known{Name: n, Puts: []data.Record{{ID: "p" + n, Name: n, Blob: bytesOf(n), At: at(1)}}})
		}
		return known
	}

	It("is, of a pattern, all that there is below it, by name, with a digest that says which", func() {
		in := data.Need(consumer, "a/*", below("a/y", "a/x"))
		Expect(in).To(And(HaveField("State", job.StateAccepted), HaveField("Final", true)))
		Expect(in.Files).To(HaveExactElements(HaveField("Name", "a/x"), HaveField("Name", "a/y")))
		Expect(in.Digest).To(Equal(data.Need(consumer, "a/*", below("a/x", "a/y")).Digest))
		Expect(in.Digest).NotTo(Equal(data.Need(consumer, "a/*", below("a/x")).Digest))
	})

	It("is, of a pattern, waited for while a job submitted before makes any of it", func() {
		known := append(below("a/x"), data.Known{Name: "a/b/*", Makers: []data.Maker{
			{Job: "job", Created: at(1), State: job.StateRunning, Promised: []job.NamedResult{{Path: "o/*", Name: "a/b/*"}}},
		}})
		Expect(data.Need(consumer, "a/*", known)).To(Equal(job.Input{Name: "a/*", Job: "job", Known: true, State: job.StateRunning}))
	})

	It("is, of a pattern, nothing when a job that was to make some made none, and unknown without such a job", func() {
		all := data.Maker{Job: "job", Created: at(1), State: job.StateAccepted, At: at(2), Final: true, Promised: []job.NamedResult{{Path: "o/*", Name: "a/*"}}}
		Expect(data.Need(consumer, "a/*", []data.Known{{Name: "a/*", Makers: []data.Maker{all}}})).To(And(HaveField("State", job.StateAccepted), HaveField("Files", BeEmpty())))
		Expect(data.Need(consumer, "a/*", nil)).To(Equal(job.Input{Name: "a/*"}))
	})

	It("is, of a pattern, failed when it stands for more than 4096 names", func() {
		var names []string
		for i := range data.MaxFiles + 1 {
			names = append(names, fmt.Sprintf("a/%05d", i))
		}
		Expect(data.Need(consumer, "a/*", below(names[1:]...))).To(HaveField("State", job.StateAccepted))
		Expect(data.Need(consumer, "a/*", below(names...))).To(Equal(job.Input{Name: "a/*", Known: true, State: job.StateFailed, Final: true}))
	})
})

var _ = Describe("Patterns", Label("DATA-2"), func() {
	It("cover what lies below them", func() {
		Expect(data.Covers("a/*", "a/b/c")).To(BeTrue())
		Expect(data.Covers("a/*", "ab")).To(BeFalse())
		Expect(data.Covers("a", "a")).To(BeTrue())
		Expect(data.Patterns("a/b/c")).To(Equal([]string{"a/b/*", "a/*"}))
		Expect(data.Patterns("a/b/*")).To(Equal([]string{"a/*"}))
		Expect(data.Patterns("a")).To(BeEmpty())
	})
})
