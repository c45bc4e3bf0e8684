package job

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/vclock"
)

var us = Ownership{Journal: "j1"}

func at(ms int64) vclock.Hybrid { return vclock.Hybrid{Wall: ms} }

func newJob(change ...func(*Spec)) Job {
	s := &Spec{Name: "count", Module: Blob{Digest: [32]byte{1}, Size: 9}}
	for _, c := range change {
		c(s)
	}
	return New("01HX-b1", s, us, us, "b1", at(1))
}

func retries(n uint32) func(*Spec) { return func(s *Spec) { s.Retries = n } }

// attempt names the n-th attempt of the owner.
func attempt(n uint32) Name { return Name{Job: "01HX-b1", Owner: us, Incarnation: 7, N: n} }

func placedOn(executor string) Deployable {
	return Deployable{Executor: executor, Lease: 1, Incarnation: 7, At: at(2)}
}

func result(kind ResultKind, code uint32) *Result {
	r := &Result{Kind: kind, ExitCode: code, Message: "it broke"}
	if kind == Exited {
		r.Message = ""
	}
	r.Seal()
	return r
}

func finished(n uint32, executor string, r *Result) Finished {
	return Finished{Attempt: attempt(n), Executor: executor, Result: r, At: at(9)}
}

var lostE1 = ExecutorLost{Executor: "e1", Lease: 1, Reason: "silent", At: at(5)}

// after applies events, all of which must be taken, and returns the job and the effects of the last one.
func after(j Job, events ...Event) (Job, []Effect) {
	GinkgoHelper()
	var effects []Effect
	for _, ev := range events {
		var err error
		before := j
		snapshot := string(j.Append(nil))
		j, effects, err = j.Apply(us, ev)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(before.Append(nil))).To(Equal(snapshot), "Apply changed the job it was given")
	}
	return j, effects
}

var _ = Describe("A job", Label("JOB-2"), func() {
	It("waits with a reason from its first moment on", Label("JOB-9"), func() {
		j := newJob()
		Expect(j.State()).To(Equal(StateQueued))
		Expect(j.Current().Waiting).NotTo(BeEmpty())
	})

	It("is deployed under a name that no other attempt has", func() {
		j, effects := after(newJob(), placedOn("e1"))
		Expect(j.State()).To(Equal(StateRunning))
		Expect(effects).To(ConsistOf(Deploy{j.Current().Attempts[0]}))
		Expect(j.Current().Attempts[0].Name).To(Equal(attempt(1)))

		j, _ = after(j, lostE1, placedOn("e2"))
		Expect(j.Current().Attempts[1].Name).To(Equal(attempt(2)))
	})

	It("refuses a second attempt while one is under way, and any once it is over", func() {
		j, _ := after(newJob(), placedOn("e1"))
		_, _, err := j.Apply(us, placedOn("e2"))
		Expect(err).To(MatchError(ErrBusy))

		j, _ = after(j, finished(1, "e1", result(Exited, 0)))
		_, _, err = j.Apply(us, placedOn("e2"))
		Expect(err).To(MatchError(ErrOver))
	})

	It("refuses events from who does not own it", func() {
		_, _, err := newJob().Apply(Ownership{Journal: "other"}, RetryDue{})
		Expect(err).To(MatchError(ErrNotOwner))
	})

	DescribeTable("goes back into the queue, at no cost, when it is lost through no fault of its own",
		func(ev Event) {
			j, effects := after(newJob(), placedOn("e1"), ev)
			Expect(j.State()).To(Equal(StateQueued))
			Expect(j.Current().Waiting).NotTo(BeEmpty())
			Expect(j.Current().Failures).To(BeZero())
			Expect(effects).To(ContainElement(Or(Equal(Requeue{}), BeAssignableToTypeOf(Arm{}))))
		},
		Entry("when its executor is lost", lostE1),
		Entry("when its executor declines", Declined{Attempt: attempt(1), Reason: "full", At: at(3)}),
		Entry("when its executor restarted and knows nothing of it", Reported{Executor: "e1", Lease: 2, At: at(3)}),
		Entry("when the sandbox's process died under it", finished(1, "e1", result(Crashed, 0))),
		Entry("when its bytes could not be fetched", finished(1, "e1", result(Unfetched, 0))),
	)

	DescribeTable("takes a failure from an executor that it was told has nothing of it, and does not wait for that attempt again", Label("JOB-3", "LOSS-3"),
		func(kind ResultKind, guess Event) {
			j, _ := after(newJob(retries(2)), placedOn("e1"), guess, RetryDue{At: at(6)}, placedOn("e2"), finished(1, "e1", result(kind, 1)))
			j, _ = after(j, Reported{Executor: "e1", Lease: 2, Running: []Held{{Name: attempt(1)}}, At: at(10)}) // sent before the answer came
			Expect(j.Current().Attempts[0].State).To(Equal(Failed))
			j, _ = after(j, finished(2, "e2", result(kind, 1)))
			Expect(j.State()).To(Equal(StateQueued))
		},
		Entry("a program's, of an attempt that nobody heard of", Exited, Declined{Attempt: attempt(1), Reason: "no broker in reach hears its executor", At: at(5)}),
		Entry("a sandbox's, of an attempt that nobody heard of", Crashed, Declined{Attempt: attempt(1), Reason: "no broker in reach hears its executor", At: at(5)}),
		Entry("a program's, of a lost one", Exited, lostE1),
	)

	It("ignores the loss of an executor under an older lease", Label("JOB-4"), func() {
		j, _ := after(newJob(), Deployable{Executor: "e1", Lease: 2, Incarnation: 7, At: at(2)}, lostE1)
		Expect(j.State()).To(Equal(StateRunning))
	})

	It("is given up after as many attempts as one owner makes", Label("JOB-5"), func() {
		j := newJob()
		for range MaxAttempts {
			Expect(j.State()).To(Equal(StateQueued))
			j, _ = after(j, placedOn("e1"), lostE1)
		}
		Expect(j.State()).To(Equal(StateFailed))
		Expect(j.Current().Verdict.Reason).To(ContainSubstring("5 attempts"))
	})
})

var _ = Describe("The first result", Label("JOB-3"), func() {
	won := result(Exited, 0)

	It("is accepted, and its executor told", func() {
		j, effects := after(newJob(), placedOn("e1"), finished(1, "e1", won))
		Expect(j.State()).To(Equal(StateAccepted))
		Expect(j.Current().Verdict.Executor).To(Equal("e1"))
		Expect(effects).To(Equal([]Effect{Finish{}, Answer{Attempt: attempt(1), Executor: "e1", Accepted: true, Winner: attempt(1)}}))
	})

	It("is answered the same way when it is sent again, and changes nothing", func() {
		j, _ := after(newJob(), placedOn("e1"), finished(1, "e1", won))
		again, effects := after(j, finished(1, "e1", won))
		Expect(effects).To(Equal([]Effect{Answer{Attempt: attempt(1), Executor: "e1", Accepted: true, Winner: attempt(1)}}))
		Expect(again.Append(nil)).To(Equal(j.Append(nil)))
	})

	It("wins also when it comes from an executor that was lost, and the replacement is stopped", Label("JOB-4"), func() {
		j, effects := after(newJob(), placedOn("e1"), lostE1, placedOn("e2"), finished(1, "e1", won))
		Expect(j.Current().Verdict.Attempt).To(Equal(attempt(1)))
		Expect(effects[0]).To(BeAssignableToTypeOf(Stop{}))
		Expect(effects[0].(Stop).Attempt.Executor).To(Equal("e2"))
	})

	different := result(Exited, 0)
	different.Stdout = Blob{Digest: [32]byte{7}, Size: 1}
	different.Seal()

	DescribeTable("makes every later one a duplicate, told apart",
		func(late Finished, why Lateness) {
			j, _ := after(newJob(), placedOn("e1"), lostE1, placedOn("e2"), finished(2, "e2", won))
			j, effects := after(j, late)
			Expect(effects).To(Equal([]Effect{Answer{Attempt: late.Attempt, Executor: late.Executor, Why: why, Winner: attempt(2)}}))
			Expect(j.Current().Verdict.Executor).To(Equal("e2"))
			Expect(j.Current().Rejected).To(HaveLen(1))
			j, _ = after(j, late)
			Expect(j.Current().Rejected).To(HaveLen(1), "a rejection is told again, and noted once")
		},
		Entry("with an equal digest", finished(1, "e1", won), EqualDigest),
		Entry("with a different digest", finished(1, "e1", different), DifferentDigest),
		Entry("from another executor under the winner's name", finished(2, "e9", won), EqualDigest),
		Entry("from an attempt unknown here", finished(5, "e5", won), UnknownAttempt),
	)

	It("is taken from an attempt that the owner signed and forgot", Label("JOB-2"), func() {
		late := finished(3, "e1", won)
		late.Signed = true
		j, _ := after(newJob(), late)
		Expect(j.State()).To(Equal(StateAccepted))
	})

	It("is not taken once the job was cancelled", Label("JOB-8"), func() {
		j, _ := after(newJob(), placedOn("e1"), CancelAsked{By: "c1", At: at(3)})
		j, effects := after(j, finished(1, "e1", won))
		Expect(j.State()).To(Equal(StateCancelled))
		Expect(effects).To(Equal([]Effect{Answer{Attempt: attempt(1), Executor: "e1", Why: AfterVerdict}}))
	})
})

var _ = Describe("An attempt that was lost and still runs", Label("JOB-4"), func() {
	back := Reported{Executor: "e1", Lease: 2, Running: []Held{{Name: attempt(1)}}, At: at(6)}

	It("goes on, and no further one is started", func() {
		j, _ := after(newJob(), placedOn("e1"), lostE1, back)
		Expect(j.State()).To(Equal(StateRunning))
		_, _, err := j.Apply(us, placedOn("e2"))
		Expect(err).To(MatchError(ErrBusy))
	})

	It("goes on beside its replacement", func() {
		j, _ := after(newJob(), placedOn("e1"), lostE1, placedOn("e2"), back)
		Expect(j.Current().Live()).To(HaveLen(2))
	})

	It("is stopped if the job is over", func() {
		j, _ := after(newJob(), placedOn("e1"), lostE1, placedOn("e2"), finished(2, "e2", result(Exited, 0)))
		_, effects := after(j, back)
		Expect(effects).To(HaveLen(1))
		Expect(effects[0].(Stop).Attempt.Name).To(Equal(attempt(1)))
	})
})

var _ = Describe("A program's failure", Label("JOB-5"), func() {
	DescribeTable("ends the job when no retry is left",
		func(r *Result) {
			j, effects := after(newJob(), placedOn("e1"), finished(1, "e1", r))
			Expect(j.State()).To(Equal(StateFailed))
			Expect(j.Current().Verdict.Result.Digest).To(Equal(r.Digest))
			Expect(effects).To(ContainElement(Answer{Attempt: attempt(1), Executor: "e1", Accepted: true}))
		},
		Entry("after a non-zero exit", result(Exited, 3)),
		Entry("after a trap", result(Trapped, 0)),
		Entry("after a limit", result(LimitHit, 0)),
		Entry("after a timeout", Label("JOB-8"), result(TimedOut, 0)),
	)

	It("is forgiven as often as the spec says, after a growing pause", func() {
		j, effects := after(newJob(retries(1)), placedOn("e1"), finished(1, "e1", result(Exited, 3)))
		Expect(j.State()).To(Equal(StateQueued))
		Expect(j.Current().Waiting).To(ContainSubstring("retry 1 of 1"))
		Expect(effects).To(ContainElement(BeAssignableToTypeOf(Arm{})))
		j, effects = after(j, RetryDue{})
		Expect(effects).To(Equal([]Effect{Requeue{}}))
		j, _ = after(j, placedOn("e2"), finished(2, "e2", result(Exited, 3)))
		Expect(j.State()).To(Equal(StateFailed))
	})

	It("costs one retry, also when it is reported twice", func() {
		j, _ := after(newJob(retries(5)), placedOn("e1"), finished(1, "e1", result(Exited, 3)))
		j, _ = after(j, finished(1, "e1", result(Exited, 3)))
		Expect(j.Current().Failures).To(BeEquivalentTo(1))
	})

	It("ends the job at once when no executor could ever run the module", func() {
		j, _ := after(newJob(retries(5)), placedOn("e1"), finished(1, "e1", result(RefusedModule, 0)))
		Expect(j.State()).To(Equal(StateFailed))
	})

	It("lets a replacement that is under way go on", func() {
		j, _ := after(newJob(), placedOn("e1"), lostE1, placedOn("e2"), finished(1, "e1", result(Exited, 3)))
		Expect(j.State()).To(Equal(StateRunning))
		j, _ = after(j, finished(2, "e2", result(Exited, 0)))
		Expect(j.State()).To(Equal(StateAccepted))
	})

	It("backs off between half and all of 200 ms, doubling up to 30 s", func() {
		for n := 1; n < 40; n++ {
			longest := min(200*time.Millisecond<<min(n-1, 10), 30*time.Second)
			Expect(backoff("01HX-b1", n)).To(And(BeNumerically(">", longest/2-1), BeNumerically("<=", longest)))
		}
	})
})

var _ = Describe("Ending a job from outside", Label("JOB-8"), func() {
	It("cancels one that waits", func() {
		j, effects := after(newJob(), CancelAsked{By: "c1", At: at(3)})
		Expect(j.State()).To(Equal(StateCancelled))
		Expect(effects).To(Equal([]Effect{Finish{}}))
		Expect(j.Current().Verdict.Reason).To(Equal("cancelled by c1"))
	})

	It("cancels one that runs, and stops its attempt", func() {
		_, effects := after(newJob(), placedOn("e1"), CancelAsked{By: "c1", At: at(3)})
		Expect(effects).To(HaveLen(2))
		Expect(effects[0].(Stop).Attempt.Name).To(Equal(attempt(1)))
	})

	It("leaves one alone that is over", func() {
		j, _ := after(newJob(), placedOn("e1"), finished(1, "e1", result(Exited, 0)))
		j, effects := after(j, CancelAsked{By: "c1", At: at(3)})
		Expect(j.State()).To(Equal(StateAccepted))
		Expect(effects).To(BeEmpty())
	})

	It("expires one that waited too long, and spares one that runs", func() {
		overdue := Overdue{Timer: QueueTimer, At: at(9)}
		j, _ := after(newJob(), Unplaceable{Reason: "no executor"}, overdue)
		Expect(j.State()).To(Equal(StateExpired))
		Expect(j.Current().Verdict.Reason).To(ContainSubstring("no executor"))
		j, _ = after(newJob(), placedOn("e1"), overdue)
		Expect(j.State()).To(Equal(StateRunning))
	})

	It("expires one that runs past its deadline, and stops it", func() {
		j, effects := after(newJob(), placedOn("e1"), Overdue{Timer: DeadlineTimer, At: at(9)})
		Expect(j.State()).To(Equal(StateExpired))
		Expect(effects[0]).To(BeAssignableToTypeOf(Stop{}))
	})
})
