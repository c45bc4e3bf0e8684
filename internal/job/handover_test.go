package job

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("Handing a job over", Label("JOB-13"), func() {
	heir := Ownership{H: 1, Journal: "j2"}
	handOver := HandedOver{Heir: heir, Node: "b2", At: at(6)}

	It("makes the heir the authority, once the record has reached it", func() {
		j, _ := after(newJob(), handOver)
		o, t := j.Authority()
		Expect(o).To(Equal(heir))
		Expect(t).To(BeNil())
		Expect(j.Current().Node).To(Equal("b2"))
		_, _, ok := j.Begin("j3", "b3", will{})
		Expect(ok).To(BeFalse())
		j, o, ok = j.Begin("j2", "b2", will{})
		Expect(ok).To(BeTrue())
		Expect(j.Wanted(o)).To(Equal(1))
		_, _, ok = j.Begin("j2", "b2", will{})
		Expect(ok).To(BeFalse(), "a tenure begins once")
	})

	It("is refused while an attempt runs, and allowed when it was lost: its result is passed on", Label("JOB-3"), func() {
		j, _ := after(newJob(), placedOn("e1"))
		_, _, err := j.Apply(us, handOver)
		Expect(err).To(MatchError(ErrBusy))
		j, _ = after(j, lostE1, handOver)
		late := finished(1, "e1", printing(1))
		_, effects := as(us, j, late)
		Expect(effects).To(Equal([]Effect{Forward{Heir: heir, Node: "b2", Result: late}}))

		j, _, _ = j.Begin("j2", "b2", will{})
		j, _ = as(heir, j, late)
		v, by := j.Decided()
		Expect(by).To(Equal(heir))
		Expect(v.Attempt).To(Equal(attempt(1)))
	})

	It("is done at most 8 times, and only one step at a time", func() {
		j, self := newJob(), us
		for h := uint32(1); h <= MaxHandOvers; h++ {
			next := Ownership{H: h, Journal: "j" + string(rune('a'+h))}
			j, _ = as(self, j, HandedOver{Heir: next, Node: "b", At: at(6)})
			j, self, _ = j.Begin(next.Journal, "b", will{})
		}
		_, _, err := j.Apply(self, HandedOver{Heir: Ownership{H: MaxHandOvers + 1, Journal: "jz"}, At: at(6)})
		Expect(err).To(MatchError(ErrInvalid))
		_, _, err = newJob().Apply(us, HandedOver{Heir: Ownership{H: 2, Journal: "jz"}, At: at(6)})
		Expect(err).To(MatchError(ErrInvalid))
	})

	It("moves only the provisional ownership when a taker does it", func() {
		j, o := takenOver(newJob(), "j2", "b2")
		to := Ownership{T: 1, H: 1, Journal: "j3"}
		j, _ = as(o, j, HandedOver{Heir: to, Node: "b3", At: at(6)})
		end, _ := j.Authority()
		Expect(end).To(Equal(us))
		Expect(j.Owners()).To(Equal([]Ownership{us, to}))
		Expect(j.NodeOf(to)).To(Equal("b3"))
		j, _, ok := j.Begin("j3", "b3", will{})
		Expect(ok).To(BeTrue())
		j = finishedBy(to, j, "e1", printing(1))
		Expect(j.Decided()).To(BeNil())
		Expect(j.State()).To(Equal(StateAccepted))
	})

	It("has one budget of attempts for all owners of a chain", Label("JOB-5"), func() {
		j := newJob()
		for range MaxAttempts - 1 {
			j, _ = after(j, placedOn("e1"), lostE1)
		}
		j, _ = after(j, handOver)
		j, _, _ = j.Begin("j2", "b2", will{})
		for range MaxChainAttempts - MaxAttempts + 1 {
			j, _ = as(heir, j, placedOn("e1"), lostE1)
		}
		Expect(j.State()).To(Equal(StateFailed))
	})
})

var _ = Describe("A broker first asked that never got the job", Label("JOB-7"), func() {
	It("claims it when another's record of it arrives, and decides", func() {
		j := New("01HX-b1", newJob().Spec, taker2, us, "b2", at(2))
		Expect(j.Current().Owner).To(Equal(taker2))
		Expect(j.NodeOf(us)).To(Equal("b1"))
		j = finishedBy(taker2, j, "e1", printing(1))
		j, o, ok := j.Begin("j1", "b1", will{})
		Expect(ok).To(BeTrue())
		Expect(o).To(Equal(us))
		j, _ = as(us, j, acting)
		v, _ := j.Decided()
		Expect(v.Adopted).To(Equal(taker2))
	})
})

var _ = Describe("The heir of a forgotten broker", Label("JOB-14"), func() {
	closed := will{closed: "j1", heirs: []Heir{{"j2", "b2"}, {"j3", "b3"}}}
	heir := Ownership{H: 1, Journal: "j2"}

	It("begins only when all fences are known, and only if it is the first", func() {
		_, _, ok := newJob().Begin("j2", "b2", will{heirs: closed.heirs})
		Expect(ok).To(BeFalse())
		_, _, ok = newJob().Begin("j3", "b3", closed)
		Expect(ok).To(BeFalse())
		j, o, ok := newJob().Begin("j2", "b2", closed)
		Expect(ok).To(BeTrue())
		Expect(o).To(Equal(heir))
		end, _ := j.Authority()
		Expect(end).To(Equal(heir))
		Expect(j.tenure(heir).Inherited).To(Equal("j1"))
	})

	It("inherits nothing that was decided, or released", func() {
		_, _, ok := finishedBy(us, newJob(), "e1", printing(1)).Begin("j2", "b2", closed)
		Expect(ok).To(BeFalse())
		j, _ := after(newJob(), HandedOver{Heir: Ownership{H: 1, Journal: "j3"}, Node: "b3", At: at(6)})
		_, _, ok = j.Begin("j2", "b2", closed)
		Expect(ok).To(BeFalse())
	})

	It("inherits also what was named and never begun", func() {
		j, _ := after(newJob(), HandedOver{Heir: Ownership{H: 1, Journal: "j9"}, Node: "b9", At: at(6)})
		j, o, ok := j.Begin("j2", "b2", will{closed: "j9", heirs: closed.heirs})
		Expect(ok).To(BeTrue())
		Expect(o).To(Equal(Ownership{H: 2, Journal: "j2"}))
		end, _ := j.Authority()
		Expect(end).To(Equal(o))
	})

	It("counts instead of a verdict that the forgotten one made and nobody had", func() {
		j, _, _ := newJob().Begin("j2", "b2", closed)
		late := finishedBy(us, newJob(), "e1", printing(1))
		v, by := j.Merge(late).Winner()
		Expect(by).To(Equal(us), "as a provisional one it may be adopted")
		Expect(j.Merge(late).Decided()).To(BeNil())
		Expect(v.Result.Digest).To(Equal(printing(1).Digest))
		decided := finishedBy(heir, j, "e2", printing(2)).Merge(late)
		_, by = decided.Decided()
		Expect(by).To(Equal(heir))
	})

	It("is, of several, the one that came last in their order: those before it were forgotten", func() {
		order := []Heir{{"j2", "b2"}, {"j3", "b3"}, {"j4", "b4"}}
		SortHeirs("01HX-b1", order)
		j := newJob()
		for i := range order {
			k, _, ok := newJob().Begin(order[i].Journal, order[i].Node, will{closed: "j1", heirs: order[i:]})
			Expect(ok).To(BeTrue())
			j = k.Merge(j)
			end, _ := j.Authority()
			Expect(end.Journal).To(Equal(order[i].Journal))
		}
	})

	It("adopts the attempts that go on", func() {
		running, _ := after(newJob(), placedOn("e1"))
		j, o, _ := running.Begin("j2", "b2", closed)
		j, _ = as(o, j, acting)
		Expect(j.tenure(o).Live()).To(HaveLen(1))
		Expect(j.Wanted(o)).To(BeZero())
	})
})
