package job

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func afterJobs(rule OnFailure, ids ...ID) func(*Spec) {
	return func(s *Spec) {
		for _, id := range ids {
			s.After = append(s.After, Dependency{id, rule})
		}
	}
}

var _ = Describe("A job after others", Label("JOB-10"), func() {
	known := func(s State, digest byte, final bool) InputsKnown {
		return InputsKnown{Inputs: []Input{{Job: "01HW-b1", State: s, Digest: [32]byte{digest}, Final: final, Known: true}}, At: at(3)}
	}
	waiting := func(rule OnFailure) Job { return newJob(afterJobs(rule, "01HW-b1")) }

	DescribeTable("says what it waits for",
		func(ev InputsKnown, reason string) {
			j, _ := after(waiting(FailJob), ev)
			Expect(j.Current().Waiting).To(Equal(reason))
			Expect(j.Wanted(us)).To(BeZero())
			_, _, err := j.Apply(us, placedOn("e1"))
			Expect(err).To(MatchError(ErrWaiting))
		},
		Entry("a job that is not here", InputsKnown{At: at(3)}, "01HW-b1 is not here yet"),
		Entry("a job that runs", known(StateRunning, 0, false), "waits for 01HW-b1"),
		Entry("a job that failed, provisionally", known(StateFailed, 3, false), "waits for 01HW-b1 to be final: it is failed"),
	)

	DescribeTable("follows a predecessor that did not succeed, as the plan says",
		func(rule OnFailure, state State, wanted int) {
			j, _ := after(waiting(rule), known(StateFailed, 3, true))
			Expect(j.State()).To(Equal(state))
			Expect(j.Wanted(us)).To(Equal(wanted))
		},
		Entry("fails", FailJob, StateFailed, 0),
		Entry("is skipped", SkipJob, StateSkipped, 0),
		Entry("runs anyway", RunAnyway, StateQueued, 1),
	)

	It("runs on a provisional input, and holds its result until that is final", func() {
		j, effects := after(waiting(FailJob), known(StateAccepted, 1, false))
		Expect(effects).To(Equal([]Effect{Requeue{}}))
		j, effects = after(j, placedOn("e1"))
		Expect(effects[0].(Deploy).Attempt.Inputs).To(Equal([][32]byte{{1}}))
		j, effects = after(j, finished(1, "e1", printing(1)))
		Expect(effects).To(ConsistOf(HaveField("Held", true)))
		Expect(j.State()).To(Equal(StateQueued))
		Expect(j.Current().Waiting).To(Equal(heldForInputs))
		j, effects = after(j, known(StateAccepted, 1, true))
		Expect(j.State()).To(Equal(StateAccepted))
		Expect(j.Current().Verdict.Inputs).To(Equal([][32]byte{{1}}))
		Expect(effects).To(ContainElement(HaveField("Accepted", true)))
	})

	It("runs again when an input it used was superseded", func() {
		j, _ := after(waiting(FailJob), known(StateAccepted, 1, false), placedOn("e1"), finished(1, "e1", printing(1)))
		j, effects := after(j, known(StateAccepted, 2, true))
		Expect(effects).To(ConsistOf(HaveField("Why", Outdated), Requeue{}))
		Expect(j.Wanted(us)).To(Equal(1))
		j, _ = after(j, placedOn("e2"), finished(2, "e2", printing(2)))
		Expect(j.State()).To(Equal(StateAccepted))
	})

	It("stops an attempt whose input was superseded, and takes its result no more", func() {
		j, _ := after(waiting(FailJob), known(StateAccepted, 1, false), placedOn("e1"))
		j, effects := after(j, known(StateAccepted, 2, true))
		Expect(effects).To(ConsistOf(BeAssignableToTypeOf(Stop{}), Requeue{}))
		_, effects = after(j, finished(1, "e1", printing(1)))
		Expect(effects).To(ConsistOf(HaveField("Why", Outdated)))
	})

	It("holds a failure on a provisional input too", func() {
		j, _ := after(waiting(FailJob), known(StateAccepted, 1, false), placedOn("e1"), finished(1, "e1", result(Exited, 3)))
		Expect(j.State()).To(Equal(StateQueued))
		again, _ := after(j, known(StateAccepted, 2, true))
		Expect(again.Current().Failures).To(BeZero())
		Expect(again.Wanted(us)).To(Equal(1))
		j, _ = after(j, known(StateAccepted, 1, true))
		Expect(j.State()).To(Equal(StateFailed))
	})

	It("has its provisional verdict adopted only if its inputs turn out final", func() {
		j, o := takenOver(waiting(FailJob), "j2", "b2")
		j, _ = as(o, j, known(StateAccepted, 1, false))
		j = finishedBy(o, j, "e1", printing(1))
		Expect(j.State()).To(Equal(StateAccepted))
		j, _ = as(us, j, acting)
		Expect(j.Decided()).To(BeNil())
		right, _ := as(us, j, known(StateAccepted, 1, true))
		v, _ := right.Decided()
		Expect(v.Adopted).To(Equal(o))
		wrong, _ := as(us, j, known(StateAccepted, 2, true))
		Expect(wrong.Winner()).To(BeNil())
		Expect(wrong.Wanted(us)).To(Equal(1))
	})
})

func needing(d ...DataInput) func(*Spec) { return func(s *Spec) { s.Data = d } }

// town is named data as somebody put it, final at once, or as a job makes it.
func town(digest byte, change ...func(*Input)) Input {
	in := Input{Name: "maps/town", State: StateAccepted, Final: true, Known: true, Files: []NamedFile{{Name: "maps/town", Blob: Blob{Digest: [32]byte{digest}, Size: 3}}}}
	for _, c := range change {
		c(&in)
	}
	in.Digest = digestOf(in.Files)
	return in
}

// digestOf is one over what a name stands for.
func digestOf(files []NamedFile) (d [32]byte) {
	for _, f := range files {
		d = f.Blob.Digest
	}
	return d
}

func made(by ID, state State, final bool) func(*Input) {
	return func(in *Input) {
		in.Job, in.State, in.Final = by, state, final
		if state != StateAccepted {
			in.Files = nil
		}
	}
}

var _ = Describe("A job that needs named data", Label("JOB-10", "DATA-2"), func() {
	file := DataInput{Name: "maps/town", Path: "in/town.png"}
	with := func(rule OnFailure) Job { d := file; d.OnFailure = rule; return newJob(needing(d)) }
	hears := func(in ...Input) InputsKnown { return InputsKnown{Inputs: in, At: at(3)} }

	DescribeTable("says what it waits for", Label("JOB-9"),
		func(reason string, in ...Input) {
			j, _ := after(newJob(afterJobs(FailJob, "01HW-b1"), needing(file)), hears(append(in, Input{Job: "01HW-b1", Known: true, State: StateAccepted, Final: true})...))
			Expect(j.Current().Waiting).To(Equal(reason))
			Expect(j.Wanted(us)).To(BeZero())
		},
		Entry("what nobody has", "needs data maps/town, which nobody has put and no job here will make"),
		Entry("what a job makes", "waits for 01HV-b2, which makes data maps/town", town(1, made("01HV-b2", StateRunning, false))),
		Entry("what a job has failed to make, provisionally", "waits for 01HV-b2, which makes data maps/town, to be final: it is failed",
			town(1, made("01HV-b2", StateFailed, false))),
	)

	It("waits to hear of all its inputs before it hears of any", func() {
		Expect(with(FailJob).Current().Waiting).To(Equal("waits to hear of its inputs"))
		Expect(with(FailJob).Wanted(us)).To(BeZero())
	})

	It("lists its predecessors and then its data, in the order of its spec, whoever tells them in which", func() {
		other := DataInput{Name: "words/*", Path: "words"}
		j, _ := after(newJob(afterJobs(FailJob, "01HW-b1"), needing(file, other, DataInput{Name: "maps/town", As: AsStdin})),
			hears(Input{Name: "words/*", Job: "01HW-b1"}, town(1, made("01HW-b1", StateRunning, false)), Input{Job: "01HW-b1", Known: true}))
		var told []string
		for _, in := range j.Current().Inputs {
			told = append(told, string(in.Job)+" "+in.Name)
		}
		Expect(told).To(Equal([]string{"01HW-b1 ", "01HW-b1 maps/town", "01HW-b1 words/*", "01HW-b1 maps/town"}))
	})

	DescribeTable("follows a job that failed to make it, as the plan says",
		func(rule OnFailure, state State, wanted int, reason string) {
			j, _ := after(with(rule), hears(town(1, made("01HV-b2", StateFailed, true))))
			Expect(j.State()).To(Equal(state))
			Expect(j.Wanted(us)).To(Equal(wanted))
			if v := j.Current().Verdict; v != nil {
				Expect(v.Reason).To(Equal(reason))
			}
		},
		Entry("fails", FailJob, StateFailed, 0, "its data maps/town will not come: 01HV-b2, which makes it, is failed"),
		Entry("is skipped", SkipJob, StateSkipped, 0, "its data maps/town will not come: 01HV-b2, which makes it, is failed"),
		Entry("runs without it", RunAnyway, StateQueued, 1, ""),
	)

	It("keeps what it saw: a later put under the name changes nothing for it", func() {
		j, _ := after(with(FailJob), hears(town(1)), placedOn("e1"))
		before := j
		j, effects := after(j, hears(town(2)))
		Expect(effects).To(BeEmpty())
		Expect(j.Append(nil)).To(Equal(before.Append(nil)))
		j, _ = after(j, lostE1)
		_, effects = after(j, placedOn("e2"))
		Expect(effects[0].(Deploy).Attempt.Inputs).To(Equal([][32]byte{town(1).Digest}), "the second attempt is given what the first was")
	})

	It("runs on what is provisional, and again when that is superseded", func() {
		j, _ := after(with(FailJob), hears(town(1, made("01HV-b2", StateAccepted, false))), placedOn("e1"), finished(1, "e1", printing(1)))
		Expect(j.State()).To(Equal(StateQueued))
		right, _ := after(j, hears(town(1, made("01HV-b2", StateAccepted, true))))
		Expect(right.State()).To(Equal(StateAccepted))
		again, _ := after(j, hears(town(2, made("01HV-b2", StateAccepted, true))))
		Expect(again.State()).To(Equal(StateQueued))
		Expect(again.Wanted(us)).To(Equal(1))
	})

	It("takes no attempt back that a crash forgot: nobody can tell what it was given", Label("JOB-2"), func() {
		j, _ := after(with(FailJob), hears(town(1)))
		_, effects := after(j, Finished{Attempt: attempt(1), Executor: "e1", Signed: true, Result: printing(1), At: at(4)})
		Expect(effects).To(ConsistOf(HaveField("Why", UnknownAttempt)))
	})

	DescribeTable("keeps the bytes of its files while they are few, else only their names", func(bytes, kept int) {
		heavy := town(1)
		heavy.Files[0].Blob.Inline = make([]byte, bytes)
		j, _ := after(with(FailJob), hears(heavy))
		Expect(j.Current().Inputs[0].Files[0].Blob.Inline).To(HaveLen(kept))
		Expect(j.Current().Inputs[0].Files[0].Blob.Digest).To(Equal(heavy.Files[0].Blob.Digest))
		Expect(heavy.Files[0].Blob.Inline).To(HaveLen(bytes))
	},
		Entry("few", 100, 100),
		Entry("as many as may be", MaxInputInline, MaxInputInline),
		Entry("more", MaxInputInline+1, 0),
	)

	It("fails when a name stands for more files than a record can list", func() {
		many := Input{Name: "words/*", Known: true, Final: true, State: StateAccepted, Digest: [32]byte{1}, Files: make([]NamedFile, 2000)}
		j, _ := after(newJob(needing(DataInput{Name: "words/*", Path: "words"})), hears(many))
		Expect(j.State()).To(Equal(StateFailed))
		Expect(j.Current().Verdict.Reason).To(HavePrefix("its data words/* cannot be given to it: it stands for more files"))
	})

	It("hands on what it saw to whoever owns it next", Label("JOB-13", "JOB-14", "JOB-6"), func() {
		j, _ := after(with(FailJob), hears(town(1)), placedOn("e1"))
		j, o := takenOver(j, "j2", "b2")
		Expect(j.tenure(o).Inputs).To(Equal([]Input{town(1)}), "it need not hear of it first")
		j, effects := as(o, j, hears(town(2)))
		Expect(effects).To(BeEmpty())
		Expect(j.tenure(o).Live()).To(HaveLen(1), "the attempt that it adopted goes on")
		Expect(j.tenure(o).Inputs).To(Equal([]Input{town(1)}))

		h, _ := after(with(FailJob), hears(town(1)), HandedOver{Heir: Ownership{H: 1, Journal: "j2"}, Node: "b2", At: at(6)})
		h, heir, _ := h.Begin("j2", "b2", will{})
		h, _ = as(heir, h, hears(town(2)))
		Expect(h.tenure(heir).Inputs).To(Equal([]Input{town(1)}))
	})

	It("has a provisional verdict adopted that rests on data its owner never saw", Label("JOB-7"), func() {
		j, o := takenOver(with(FailJob), "j2", "b2")
		j, _ = as(o, j, hears(town(1)))
		j = finishedBy(o, j, "e1", printing(1))
		j, _ = as(us, j, acting)
		v, _ := j.Decided()
		Expect(v).NotTo(BeNil())
		Expect(v.Adopted).To(Equal(o))
		Expect(v.Inputs).To(Equal([][32]byte{town(1).Digest}))
	})

	It("is queued by its owner once that learns of the data from a taker", func() {
		j, _ := after(with(FailJob), hears())
		j, o := takenOver(j, "j2", "b2")
		j, _ = as(o, j, hears(town(1)))
		j, effects := as(us, j, acting)
		Expect(effects).To(ContainElement(Requeue{}))
		Expect(j.Wanted(us)).To(Equal(1))
	})

	It("runs again if its owner had seen something else under the name", func() {
		j, _ := after(with(FailJob), hears(town(2)))
		apart, o := takenOver(with(FailJob), "j2", "b2")
		apart, _ = as(o, apart, hears(town(1)))
		apart = finishedBy(o, apart, "e1", printing(1))
		j, _ = as(us, j.Merge(apart), acting)
		Expect(j.Winner()).To(BeNil())
		Expect(j.Wanted(us)).To(Equal(1))
	})
})

var _ = Describe("The spec of a job with data", Label("JOB-10", "PLAN-1"), func() {
	DescribeTable("is refused",
		func(words string, change func(*Spec)) {
			err := newJob(change).Spec.Valid()
			Expect(err).To(And(MatchError(ErrInvalid), MatchError(ContainSubstring(words))))
		},
		Entry("a name that climbs out", `data name "../x"`, needing(DataInput{Name: "../x", Path: "x"})),
		Entry("a path that climbs out", `path "../x"`, needing(DataInput{Name: "x", Path: "../x"})),
		Entry("a file without a path", `path ""`, needing(DataInput{Name: "x"})),
		Entry("a pattern as standard input", "one thing each", needing(DataInput{Name: "x/*", As: AsStdin})),
		Entry("two standard inputs", "standard input is named twice", needing(DataInput{Name: "x", As: AsStdin}, DataInput{Name: "y", As: AsStdin})),
		Entry("standard input from data and from the client", "standard input is named twice", func(s *Spec) { s.Streamed, s.Data = true, []DataInput{{Name: "x", As: AsStdin}} }),
		Entry("two modules", "two modules", needing(DataInput{Name: "x", As: AsModule})),
		Entry("no module", "no module", func(s *Spec) { s.Module = Blob{} }),
		Entry("a module that it runs without", "cannot run without its module", func(s *Spec) { s.Module, s.Data = Blob{}, []DataInput{{Name: "x", As: AsModule, OnFailure: RunAnyway}} }),
		Entry("an unknown use", "it is a file", needing(DataInput{Name: "x", As: 9, Path: "x"})),
		Entry("a path that nobody uses", "only a file has a path", needing(DataInput{Name: "x", As: AsStdin, Path: "x"})),
		Entry("a result that climbs out", `path "../x"`, func(s *Spec) { s.Results = []NamedResult{{"../x", "x"}} }),
		Entry("a result of all files under one name", "goes with a name that ends in /*", func(s *Spec) { s.Results = []NamedResult{{"out/*", "x"}} }),
		Entry("one file as many results", "goes with a name that ends in /*", func(s *Spec) { s.Results = []NamedResult{{"out", "x/*"}} }),
		Entry("two results of one name", "could stand for both", func(s *Spec) { s.Results = []NamedResult{{"a", "x"}, {"b", "x"}} }),
		Entry("two results that may have one name", "could stand for both", func(s *Spec) { s.Results = []NamedResult{{"a", "x/y"}, {"out/*", "x/*"}} }),
		Entry("a directory that climbs out", `path "/etc"`, func(s *Spec) { s.Dirs = []string{"/etc"} }),
		Entry("a copy of standard output that climbs out", `path "../log"`, func(s *Spec) { s.StdoutFile = "../log" }),
		Entry("both copies in one file", "name two files", func(s *Spec) { s.StdoutFile, s.StderrFile = "log", "./log" }),
		Entry("too much data", "257 data inputs: at most 256", func(s *Spec) { s.Data = make([]DataInput, 257) }),
	)

	It("may leave the module to the data", func() {
		Expect(newJob(func(s *Spec) { s.Module, s.Data = Blob{}, []DataInput{{Name: "bin/count", As: AsModule}} }).Spec.Valid()).To(Succeed())
	})

	It("may name everything that a plan can ask for", func() {
		Expect(newJob(func(s *Spec) {
			s.Data = []DataInput{{Name: "words/*", Path: "in"}, {Name: "tree", Path: "tree/"}, {Name: "x", As: AsStdin, OnFailure: SkipJob}}
			s.Results = []NamedResult{{"out/*", "counts/*"}, {"log.txt", "logs/one"}}
			s.Dirs, s.StdoutFile, s.StderrFile, s.Receiver = []string{"out"}, "log.txt", "err.txt", "laptop"
		}).Spec.Valid()).To(Succeed())
	})

	DescribeTable("says which names have one in common", func(a, b string, common bool) {
		Expect(Overlap(a, b)).To(Equal(common))
		Expect(Overlap(b, a)).To(Equal(common))
	},
		Entry("a name with itself", "a/b", "a/b", true),
		Entry("two names", "a/b", "a/c", false),
		Entry("a pattern with what is below it", "a/*", "a/b/c", true),
		Entry("a pattern with what it begins like", "a/*", "ab/c", false),
		Entry("a pattern with its own directory", "a/*", "a", false),
		Entry("a pattern with one below it", "a/*", "a/b/*", true),
		Entry("two patterns", "a/*", "b/*", false),
	)
})
