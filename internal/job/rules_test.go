package job

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func quorum(k uint8) func(*Spec) { return func(s *Spec) { s.Quorum = k } }

// of brings the result of our n-th attempt from an executor of a party.
func of(n uint32, executor, party string, r *Result) Finished {
	return Finished{Attempt: attempt(n), Executor: executor, Party: party, Result: r, At: at(9)}
}

var _ = Describe("A quorum", Label("JOB-12"), func() {
	two := func() Job {
		j, effects := after(newJob(quorum(2)), placedOn("e1"))
		Expect(effects).To(ContainElement(Requeue{}), "two are wanted at once")
		j, _ = after(j, placedOn("e2"))
		Expect(j.Wanted(us)).To(BeZero())
		return j
	}

	It("holds results until enough parties agree, then answers each", func() {
		j, effects := after(two(), of(1, "e1", "p1", printing(1)))
		Expect(effects).To(Equal([]Effect{Answer{Attempt: attempt(1), Executor: "e1", Held: true}}))
		Expect(j.Current().Candidates).To(HaveLen(1))
		again, effects := after(j, of(1, "e1", "p1", printing(1)))
		Expect(effects).To(Equal([]Effect{Answer{Attempt: attempt(1), Executor: "e1", Held: true}}))
		Expect(again.Append(nil)).To(Equal(j.Append(nil)))

		j, effects = after(j, of(2, "e2", "p2", printing(1)))
		Expect(j.State()).To(Equal(StateAccepted))
		Expect(j.Current().Candidates).To(BeEmpty())
		Expect(effects).To(ContainElements(
			Answer{Attempt: attempt(1), Executor: "e1", Accepted: true, Winner: attempt(1)},
			Answer{Attempt: attempt(2), Executor: "e2", Why: EqualDigest, Winner: attempt(1)}))
	})

	It("counts a party once", func() {
		j, effects := after(two(), of(1, "e1", "p1", printing(1)), of(2, "e2", "p1", printing(1)))
		Expect(j.State()).To(Equal(StateQueued))
		Expect(effects).To(ContainElement(Requeue{}))
		Expect(j.Wanted(us)).To(Equal(1))
		Expect(j.Current().Waiting).To(ContainSubstring("1 of 2"))
	})

	It("is not reached by two who differ; a third decides, and who differs is told", func() {
		j, _ := after(two(), of(1, "e1", "p1", printing(1)), of(2, "e2", "p2", printing(2)), placedOn("e3"))
		j, effects := after(j, of(3, "e3", "p3", printing(2)))
		Expect(j.Current().Verdict.Attempt).To(Equal(attempt(2)))
		Expect(effects).To(ContainElement(Answer{Attempt: attempt(1), Executor: "e1", Why: DifferentDigest, Winner: attempt(2)}))
	})

	It("fails a job when as many agree that it fails", func() {
		j, _ := after(two(), of(1, "e1", "p1", result(Exited, 3)), of(2, "e2", "p2", result(Exited, 3)))
		Expect(j.State()).To(Equal(StateFailed))
	})

	It("is given up after 5 attempts for each needed result", Label("JOB-5"), func() {
		j := newJob(quorum(2))
		for n := range byte(10) {
			Expect(j.Wanted(us)).To(BeNumerically(">", 0))
			j, _ = after(j, placedOn("e1"))
			j, _ = after(j, of(uint32(n)+1, "e1", "p1", printing(n)))
		}
		Expect(j.State()).To(Equal(StateFailed))
	})

	It("survives its owner: a taker goes on counting", Label("JOB-6"), func() {
		j, _ := after(two(), of(1, "e1", "p1", printing(1)))
		j, o := takenOver(j, "j2", "b2")
		j, _ = as(o, j, of(2, "e2", "p2", printing(1)))
		Expect(j.State()).To(Equal(StateAccepted))
	})

	It("takes no result under another's attempt", func() {
		_, effects := after(two(), of(1, "e9", "p9", printing(1)))
		Expect(effects).To(ConsistOf(HaveField("Why", UnknownAttempt)))
	})
})

var _ = Describe("A straggler", Label("JOB-11"), func() {
	slow := Straggling{Attempt: attempt(1), At: at(5)}

	It("gets one backup, and the first result wins", func() {
		j, effects := after(newJob(func(s *Spec) { s.Speculate = true }), placedOn("e1"), slow)
		Expect(effects).To(Equal([]Effect{Requeue{}}))
		Expect(j.Wanted(us)).To(Equal(1))
		_, effects = after(j, slow)
		Expect(effects).To(BeEmpty())
		j, _ = after(j, placedOn("e2"))
		Expect(j.Wanted(us)).To(BeZero())
		_, effects = after(j, finished(2, "e2", printing(1)))
		Expect(effects[0]).To(HaveField("Attempt.Executor", "e1"))
	})

	It("gets none if the job does not ask for it", func() {
		_, effects := after(newJob(), placedOn("e1"), slow)
		Expect(effects).To(BeEmpty())
	})
})

var _ = Describe("A job that takes executors down", Label("JOB-5"), func() {
	down := func(e string, ms int64) []Event {
		return []Event{Deployable{Executor: e, Lease: 1, Incarnation: 7, At: at(ms)}, ExecutorLost{Executor: e, Lease: 1, Reason: "closed", Down: true, At: at(ms + 1)}}
	}
	run := func(j Job, e string, ms int64) Job {
		d := down(e, ms)
		j, effects := after(j, d[0])
		j, _ = after(j, Started{effects[0].(Deploy).Attempt.Name}, d[1])
		return j
	}

	It("is quarantined after the third, until an operator reprieves it", func() {
		j := run(run(run(newJob(), "e1", 10), "e2", 20), "e3", 30)
		Expect(j.Current().Quarantined).To(BeTrue())
		Expect(j.Current().Waiting).To(Equal("quarantined: it took down e1, e2, e3"))
		_, _, err := j.Apply(us, placedOn("e4"))
		Expect(err).To(MatchError(ErrWaiting))
		_, effects := after(j, Unplaceable{Reason: "full"})
		Expect(effects).To(BeEmpty())

		j, effects = after(j, Reprieved{By: "op", At: at(40)})
		Expect(effects).To(Equal([]Effect{Requeue{}}))
		j = run(j, "e1", 50)
		Expect(j.Current().Quarantined).To(BeFalse())
	})

	It("stays quarantined under a taker", func() {
		j := run(run(run(newJob(), "e1", 10), "e2", 20), "e3", 30)
		j, o := takenOver(j, "j2", "b2")
		Expect(j.tenure(o).Quarantined).To(BeTrue())
		Expect(j.tenure(o).Waiting).To(HavePrefix("quarantined"))
	})

	It("is innocent of executors that fell silent, that ran it not yet, or that came back", func() {
		j := newJob()
		for i, e := range []string{"e1", "e2", "e3"} {
			j, _ = after(j, down(e, int64(10*i+10))...)
		}
		Expect(j.Current().Quarantined).To(BeFalse())
	})
})

var _ = Describe("A module that traps", Label("JOB-5"), func() {
	trap := func(how string) *Result {
		r := &Result{Kind: Trapped, Message: "it trapped", Trap: how}
		r.Seal()
		return r
	}

	DescribeTable("fails in spite of retries if it does so the same way on two executors",
		func(second, how string, state State) {
			j, _ := after(newJob(retries(4)), placedOn("e1"), finished(1, "e1", trap("main.go:7")), RetryDue{})
			j, _ = after(j, placedOn(second), finished(2, second, trap(how)))
			Expect(j.State()).To(Equal(state))
		},
		Entry("the same way, elsewhere", "e2", "main.go:7", StateFailed),
		Entry("another way", "e2", "main.go:8", StateQueued),
		Entry("on the same executor", "e1", "main.go:7", StateQueued),
	)
})

var _ = Describe("An emergency", Label("EMG-2", "JOB-5"), func() {
	It("preempts an attempt at no cost", func() {
		j := newJob()
		for n := range uint32(MaxAttempts + 1) {
			var effects []Effect
			j, effects = after(j, placedOn("e1"))
			j, effects = after(j, Preempted{Attempt: effects[0].(Deploy).Attempt.Name, Reason: "fire", At: at(4)})
			Expect(effects).To(ConsistOf(BeAssignableToTypeOf(Stop{}), Requeue{}), "preemption %d", n)
		}
		Expect(j.Current().Failures).To(BeZero())
		Expect(j.Current().Waiting).To(ContainSubstring("fire"))
	})
})

var _ = Describe("What an executor reports", Label("JOB-4"), func() {
	It("brings back an attempt of ours that a crash forgot", Label("JOB-2"), func() {
		report := Reported{Executor: "e1", Lease: 2, Running: []Held{{Name: attempt(1), Signed: true}}, At: at(6)}
		j, _ := after(newJob(), report)
		Expect(j.State()).To(Equal(StateRunning))
		Expect(j.Wanted(us)).To(BeZero())
		again, _ := after(j, report)
		Expect(again.Append(nil)).To(Equal(j.Append(nil)))
		j, effects := after(j, Preempted{Attempt: attempt(1), Reason: "fire", At: at(7)}, report)
		Expect(effects).To(ConsistOf(HaveField("Reason", "fire")))
		Expect(j.State()).To(Equal(StateQueued))
	})

	It("is not believed about attempts that nobody signed", func() {
		j, effects := after(newJob(), Reported{Executor: "e1", Lease: 2, Running: []Held{{Name: attempt(1)}}, At: at(6)})
		Expect(j.State()).To(Equal(StateQueued))
		Expect(effects).To(BeEmpty())
	})

	It("lets an attempt of another owner go on here", Label("DISC-3"), func() {
		j, _ := after(newJob(), placedOn("e1"))
		j, o := takenOver(j, "j2", "b2")
		j, _ = as(o, j, Reported{Executor: "e1", Lease: 2, Running: []Held{{Name: attempt(1)}}, At: at(6)})
		Expect(j.tenure(o).Attempts).To(HaveLen(1))
		Expect(j.tenure(o).Attempts[0].Lease).To(BeEquivalentTo(2))
	})
})

var _ = Describe("What a client was promised", Label("JOB-1", "JOB-7"), func() {
	DescribeTable("is the most that was ever acknowledged",
		func(single bool, disks ...int) {
			j := newJob()
			for _, d := range disks {
				j, _ = after(j, Acknowledged{Disks: d})
			}
			Expect(j.Current().Single).To(Equal(single))
		},
		Entry("nothing yet", false),
		Entry("one disk", true, 1),
		Entry("two disks", false, 2),
		Entry("two, then one", false, 2, 1),
		Entry("one, then two", false, 1, 2),
		Entry("one, twice", true, 1, 1),
	)

	It("binds an heir too", func() {
		j, _ := after(newJob(), Acknowledged{Disks: 1}, HandedOver{Heir: Ownership{H: 1, Journal: "j2"}, Node: "b2", At: at(6)})
		j, o, _ := j.Begin("j2", "b2", will{})
		Expect(j.tenure(o).Single).To(BeTrue())
	})
})

var _ = Describe("An id", Label("JOB-1"), func() {
	DescribeTable("names who was first asked", func(id ID, node, journal string) {
		Expect(id.FirstAsked()).To(Equal(node))
		Expect(id.FirstJournal()).To(Equal(journal))
	},
		Entry("in its first journal", ID("01HX-b1"), "b1", ""),
		Entry("in a later one", ID("01HX-b1-j7"), "b1", "j7"),
	)
})
