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
