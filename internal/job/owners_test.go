package job

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// The broker b1 is first asked, b2 takes over or is handed the job.
var taker2 = Ownership{T: 1, Journal: "j2"}

// will is what a broker knows of forgotten ones in specs.
type will struct {
	closed string
	heirs  []Heir
	ended  bool
}

func (w will) Closed(journal string) bool  { return journal == w.closed }
func (w will) Heirs(_ string, _ ID) []Heir { return w.heirs }
func (w will) MayHaveEnded(ID) bool        { return w.ended }

func takenOver(j Job, journal, node string) (Job, Ownership) {
	GinkgoHelper()
	j, o, err := j.TakeOver(journal, node)
	Expect(err).NotTo(HaveOccurred())
	return j, o
}

// as applies events at an owner.
func as(self Ownership, j Job, events ...Event) (Job, []Effect) {
	GinkgoHelper()
	var effects []Effect
	var err error
	for _, ev := range events {
		j, effects, err = j.Apply(self, ev)
		Expect(err).NotTo(HaveOccurred())
	}
	return j, effects
}

func resultOf(a Name, executor string, r *Result) Finished {
	return Finished{Attempt: a, Executor: executor, Party: "party of " + executor, Result: r, At: at(30)}
}

func printing(out byte) *Result {
	r := &Result{Kind: Exited, Stdout: Blob{Digest: [32]byte{out}, Size: 1}}
	r.Seal()
	return r
}

// finishedBy has an owner run the job to its end and returns it.
func finishedBy(self Ownership, j Job, executor string, r *Result) Job {
	GinkgoHelper()
	j, effects := as(self, j, Deployable{Executor: executor, Lease: 1, Incarnation: 1, At: at(21)})
	j, _ = as(self, j, resultOf(effects[0].(Deploy).Attempt.Name, executor, r))
	return j
}

var acting = Merged{Acting: true, At: at(40)}

var _ = Describe("Taking over a job", Label("JOB-6"), func() {
	It("believes of an attempt who named it, whatever that broker owns the job as by now", func() {
		j, _ := takenOver(newJob(), "j2", "b2")
		j, effects := as(taker2, j, placedOn("e1"))
		begun := effects[0].(Deploy).Attempt
		h2 := Ownership{H: 1, Journal: "j2"}
		j, _ = as(us, j, HandedOver{Heir: h2, Node: "b2", At: at(3)})
		j, _, ok := j.Begin("j2", "b2", will{})
		Expect(ok).To(BeTrue())
		j, _ = as(h2, j, acting)
		h3 := Ownership{H: 2, Journal: "j3"}
		adopted := j
		j, _ = as(h2, j, Declined{Attempt: begun.Name, Reason: "gone", At: at(41)})
		Expect(j.tenure(taker2).Live()).NotTo(BeEmpty(), "it does not act as the taker any more")
		j, _ = as(h2, j, HandedOver{Heir: h3, Node: "b3", At: at(42)})
		j, _, _ = j.Begin("j3", "b3", will{})
		j.tenure(h3).Attempts = adopted.tenure(h2).Attempts // what it heard before
		j, _ = as(h3, j, acting)
		Expect(j.tenure(h3).Live()).To(BeEmpty())
	})

	It("adopts what runs and restarts nothing", func() {
		running, _ := after(newJob(), placedOn("e1"))
		j, o := takenOver(running, "j2", "b2")
		Expect(o).To(Equal(taker2))
		Expect(j.tenure(o).Live()).To(ConsistOf(HaveField("Name", attempt(1))))
		Expect(j.Wanted(o)).To(BeZero())
		Expect(j.Attempted()).To(Equal(1))

		j, effects := as(o, j, resultOf(attempt(1), "e1", printing(1)))
		Expect(effects).To(ContainElement(HaveField("Accepted", true)))
		Expect(j.State()).To(Equal(StateAccepted))
		Expect(j.Decided()).To(BeNil(), "it is provisional")
	})

	It("is done once by a broker, and by nobody when the job is over or its own", func() {
		j, o := takenOver(newJob(), "j2", "b2")
		_, _, err := j.TakeOver("j2", "b2")
		Expect(err).To(MatchError(ErrTaken))
		_, _, err = j.TakeOver("j1", "b1")
		Expect(err).To(MatchError(ErrTaken))
		j = finishedBy(o, j, "e1", printing(1))
		_, _, err = j.TakeOver("j3", "b3")
		Expect(err).To(MatchError(ErrOver))
	})

	It("changes nothing for an owner that comes back in time", func() {
		running, _ := after(newJob(), placedOn("e1"))
		j, o := takenOver(running, "j2", "b2")
		j, _ = as(o, j, ExecutorLost{Executor: "e1", Lease: 1, Reason: "not here", At: at(25)})
		j, effects := as(us, running.Merge(j), acting)
		Expect(effects).To(BeEmpty())
		Expect(j.tenure(us).Live()).To(HaveLen(1), "what the taker says of an attempt that it adopted is a guess")
	})

	It("leaves the job to the least of the owners that meet, who adopts the attempts of the others", func() {
		one, _ := takenOver(newJob(), "j2", "b2")
		two, _ := takenOver(newJob(), "j3", "b3")
		two, _ = as(Ownership{T: 1, Journal: "j3"}, two, placedOn("e3"))
		j := one.Merge(two)
		Expect(j.Owners()).To(Equal([]Ownership{us, taker2, {T: 1, Journal: "j3"}}))
		j, _ = as(Ownership{T: 1, Journal: "j3"}, j, Merged{At: at(41)})
		Expect(j.tenure(Ownership{T: 1, Journal: "j3"}).Live()).To(HaveLen(1), "who stands by stops nothing")
		j, _ = as(taker2, j, acting)
		Expect(j.tenure(taker2).Live()).To(ConsistOf(HaveField("Executor", "e3")))
		Expect(j.Wanted(taker2)).To(BeZero())
	})

	It("lets an adopted attempt end for the acting owner when its own broker says that it ended", func() {
		j, o := takenOver(newJob(), "j2", "b2")
		j, _ = as(o, j, placedOn("e2"))
		j, _ = as(us, j, acting)
		j, _ = as(o, j, ExecutorLost{Executor: "e2", Lease: 1, Reason: "silent", At: at(50)})
		j, effects := as(us, j, acting)
		Expect(effects).To(ContainElement(Requeue{}))
		Expect(j.Wanted(us)).To(Equal(1))
	})

	It("waits for the owner when the taker has made its attempts, so that all together stay few", Label("JOB-5"), func() {
		j, o := takenOver(newJob(), "j2", "b2")
		for range MaxTakerAttempts {
			j, _ = as(o, j, placedOn("e1"), ExecutorLost{Executor: "e1", Lease: 1, Reason: "silent", At: at(5)})
		}
		Expect(j.tenure(o).Verdict).To(BeNil())
		Expect(j.tenure(o).Waiting).To(ContainSubstring("waits for its owner b1"))
		_, _, err := j.Apply(o, placedOn("e1"))
		Expect(err).To(MatchError(ErrWaiting))
	})
})

var _ = Describe("A provisional verdict", Label("JOB-7"), func() {
	It("becomes final when an authority without a verdict sees it", func() {
		j, o := takenOver(newJob(), "j2", "b2")
		j = finishedBy(o, j, "e1", printing(1))
		j, effects := as(us, j, acting)
		v, by := j.Decided()
		Expect(v).NotTo(BeNil())
		Expect(by).To(Equal(us))
		Expect(v.Adopted).To(Equal(o))
		Expect(effects).To(ContainElement(Finish{}))
	})

	It("is adopted before anything else, also by a result that comes at the same time", func() {
		j, o := takenOver(newJob(), "j2", "b2")
		running, _ := after(newJob(), placedOn("e9"))
		j = running.Merge(finishedBy(o, j, "e1", printing(1)))
		j, effects := as(us, j, finished(1, "e9", printing(2)))
		v, _ := j.Decided()
		Expect(v.Adopted).To(Equal(o))
		Expect(effects).To(ContainElement(HaveField("Why", DifferentDigest)))
	})

	DescribeTable("has its owner's client told once, if the decision is another",
		func(theirs *Result, told bool) {
			j, o := takenOver(newJob(), "j2", "b2")
			j = finishedBy(o, j, "e1", printing(1)).Merge(finishedBy(us, newJob(), "e2", theirs))
			j, effects := as(o, j, acting)
			Expect(effects).To(Equal(map[bool][]Effect{true: {Supersede{}}, false: nil}[told]))
			_, effects = as(o, j, acting)
			Expect(effects).To(BeEmpty())
			v, by := j.Winner()
			Expect(by).To(Equal(us))
			Expect(v.Result.Digest).To(Equal(theirs.Digest))
		},
		Entry("another digest", printing(2), true),
		Entry("an equal digest is no conflict", printing(1), false),
	)

	It("is the least of several: cancelled before accepted before the rest, then by who made it", func() {
		base := newJob()
		accepted, _ := takenOver(base, "j2", "b2")
		accepted = finishedBy(taker2, accepted, "e1", printing(1))
		later, _ := takenOver(base, "j3", "b3")
		later = finishedBy(Ownership{T: 1, Journal: "j3"}, later, "e3", printing(3))
		expired, _ := takenOver(base, "j0", "b0")
		expired, _ = as(Ownership{T: 1, Journal: "j0"}, expired, Overdue{Timer: DeadlineTimer, At: at(9)})
		cancelled, _ := takenOver(base, "j4", "b4")
		cancelled, _ = as(Ownership{T: 1, Journal: "j4"}, cancelled, CancelAsked{By: "c", Acting: true, At: at(9)})

		_, by := expired.Merge(later).Merge(accepted).Winner()
		Expect(by).To(Equal(taker2))
		v, _ := cancelled.Merge(accepted).Merge(expired).Winner()
		Expect(v.Kind).To(Equal(Cancelled))
	})

	It("of a second spec under the same id does not count beside the first owner's, and its client is told", Label("JOB-1"), func() {
		other := newJob(func(s *Spec) { s.Name = "another" })
		theirs := New(other.ID, other.Spec, taker2, us, "b2", at(2))
		theirs = finishedBy(taker2, theirs, "e1", printing(1))
		j := theirs.Merge(newJob())
		Expect(j.Spec.Name).To(Equal("count"))
		Expect(j.Winner()).To(BeNil())
		Expect(j.Owners()).To(Equal([]Ownership{us}))
		j, effects := as(taker2, j, acting)
		Expect(effects).To(Equal([]Effect{Supersede{}}))
		Expect(j.Wanted(us)).To(Equal(1))
	})

	It("is what its owner goes on answering, also when the decision is another", Label("JOB-3"), func() {
		j, o := takenOver(newJob(), "j2", "b2")
		j = finishedBy(o, j, "e1", printing(1)).Merge(finishedBy(us, newJob(), "e2", printing(2)))
		mine, theirs := j.tenure(o).Verdict.Attempt, j.tenure(us).Verdict.Attempt
		_, effects := as(o, j, resultOf(mine, "e1", printing(1)))
		Expect(effects).To(ConsistOf(HaveField("Accepted", true)))
		_, effects = as(o, j, resultOf(theirs, "e2", printing(2)))
		Expect(effects).To(ConsistOf(HaveField("Why", DifferentDigest)))
	})

	It("stops what a taker runs when another has a result, and answers what comes late", func() {
		mine, _ := takenOver(newJob(), "j2", "b2")
		mine, _ = as(taker2, mine, placedOn("e2"))
		theirs, _ := takenOver(newJob(), "j3", "b3")
		theirs = finishedBy(Ownership{T: 1, Journal: "j3"}, theirs, "e3", printing(3))
		j, effects := as(taker2, mine.Merge(theirs), acting)
		Expect(effects).To(ConsistOf(HaveField("Attempt.Executor", "e2")))
		Expect(j.tenure(taker2).Verdict).To(BeNil())
		_, effects = as(taker2, j, resultOf(Name{Job: j.ID, Owner: taker2, Incarnation: 7, N: 1}, "e2", printing(3)))
		Expect(effects).To(ConsistOf(HaveField("Why", EqualDigest)))
	})
})

var _ = Describe("A wish to cancel", Label("JOB-8"), func() {
	It("is granted by the authority as soon as it sees it", func() {
		j, _ := newJob().AskCancel("c", at(4))
		j, _ = as(us, j, Merged{At: at(5)})
		v, _ := j.Decided()
		Expect(v.Reason).To(Equal("cancelled by c"))
	})

	It("stops what a taker runs, and is its verdict only if it acts", func() {
		j, o := takenOver(newJob(), "j2", "b2")
		j, _ = as(o, j, placedOn("e1"))
		j, effects := as(o, j, CancelAsked{By: "c", At: at(4)})
		Expect(effects).To(ConsistOf(BeAssignableToTypeOf(Stop{})))
		Expect(j.State()).To(Equal(StateQueued))
		Expect(j.tenure(o).Waiting).To(Equal("cancelling"))
		j, _ = as(o, j, acting)
		Expect(j.State()).To(Equal(StateCancelled))
		Expect(j.Decided()).To(BeNil())
	})

	It("comes too late for a result that another owner has accepted", func() {
		j, o := takenOver(newJob(), "j2", "b2")
		wished, _ := newJob().AskCancel("c", at(4))
		j, _ = as(us, wished.Merge(finishedBy(o, j, "e1", printing(1))), acting)
		v, _ := j.Decided()
		Expect(v.Kind).To(Equal(Accepted))
	})
})
