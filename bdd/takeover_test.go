package bdd_test

import (
	"cmp"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
)

// inTurn sorts brokers by their rank for a job, the first to take it over first.
func inTurn(w *sim.World, id job.ID, brokers ...string) []string {
	slices.SortFunc(brokers, func(a, b string) int {
		return cmp.Compare(job.Weight(id, w.Journal(b)), job.Weight(id, w.Journal(a)))
	})
	return brokers
}

var _ = Describe("A takeover", Label("JOB-6"), func() {
	// orphaned has b1 lose power with a job that runs at e1, which knows all three brokers.
	orphaned := func(length string, tell func(w *sim.World, c *sim.Client, id job.ID, turn []string)) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			w.Run(time.Second)
			w.Link("e1", "b2")
			w.Link("e1", "b3")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program(length))
			w.Run(2 * time.Second)
			w.PowerOff("b1")
			tell(w, c, id, inTurn(w, id, "b2", "b3"))
		})
	}

	It("is made by the broker whose turn it is, and restarts nothing", func() {
		orphaned("30s", func(w *sim.World, _ *sim.Client, id job.ID, turn []string) {
			w.Run(10 * time.Second)
			j := seen(w, turn[0], id)
			Expect(j.Tenures).To(HaveLen(2))
			Expect(j.Tenures[1].Owner).To(Equal(job.Ownership{T: 1, Journal: w.Journal(turn[0])}))
			Expect(j.State()).To(Equal(job.StateRunning))
			w.Run(25 * time.Second)
			Expect(seen(w, turn[1], id).State()).To(Equal(job.StateAccepted))
			Expect(told(w, turn[1], id).GetFinal()).To(BeFalse())
			Expect(runs(w, "e1")).To(Equal(1))
		})
	})

	It("has the job run again on the executor that it ran on, if that is the only one: an owner that is gone says for ever that it runs there", Label("JOB-2"), func() {
		orphaned("20s", func(w *sim.World, _ *sim.Client, id job.ID, turn []string) {
			w.RunUntil(time.Minute, func() bool { return w.Rare["taken over"] > 0 })
			w.Restart("e1")
			w.Run(30 * time.Second)
			Expect(seen(w, turn[0], id).State()).To(Equal(job.StateAccepted))
			Expect(runs(w, "e1")).To(Equal(2))
		})
	})

	It("waits one timeout, and a quarter more for each broker before it that is gone too", func() {
		orphaned("1m", func(w *sim.World, _ *sim.Client, id job.ID, turn []string) {
			since := w.Now()
			w.PowerOff(turn[0])
			w.RunUntil(time.Minute, func() bool { return w.Rare["taken over"] > 0 })
			Expect(w.Now() - since).To(BeNumerically("~", 5*time.Second, 1200*time.Millisecond))
			w.Run(5 * time.Second)
			Expect(seen(w, turn[1], id).Tenures[1].Owner.Journal).To(Equal(w.Journal(turn[1])))
		})
	})

	It("is not made while another broker hears the owner", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1m"))
			w.Cut("b1", "b2") // b3 hears both
			w.Run(30 * time.Second)
			Expect(w.Rare["taken over"]).To(BeZero())
			Expect(seen(w, "b2", id).Tenures).To(HaveLen(1))
		})
	})

	It("does not happen to an owner that is back in time", func() {
		orphaned("10s", func(w *sim.World, _ *sim.Client, id job.ID, _ []string) {
			before := seen(w, "b2", id).Append(nil)
			w.Run(2 * time.Second)
			Expect(seen(w, "b2", id).Append(nil)).To(Equal(before))
			w.Start("b1")
			w.Run(15 * time.Second)
			j := seen(w, "b3", id)
			Expect(j.Tenures).To(HaveLen(1))
			Expect(j.State()).To(Equal(job.StateAccepted))
			Expect(runs(w, "e1")).To(Equal(1))
		})
	})

	It("ends when the owner comes back: that goes on with what runs", func() {
		orphaned("30s", func(w *sim.World, c *sim.Client, id job.ID, turn []string) {
			w.Run(10 * time.Second)
			w.Start("b1")
			w.Run(30 * time.Second)
			same(w, id, "b1", "b2", "b3")
			_, by := seen(w, "b1", id).Decided()
			Expect(by.T).To(BeZero())
			Expect(told(w, turn[0], id).GetFinal()).To(BeTrue())
			Expect(runs(w, "e1")).To(Equal(1))
			Expect(c.Superseded(id)).To(BeZero())
		})
	})

	It("is made at most once by one broker", func() {
		orphaned("3m", func(w *sim.World, _ *sim.Client, id job.ID, turn []string) {
			w.PowerOff(turn[1])
			for range 3 {
				w.Run(10 * time.Second)
				w.Start("b1")
				w.Run(10 * time.Second)
				w.PowerOff("b1")
			}
			w.Run(10 * time.Second)
			Expect(seen(w, turn[0], id).Tenures).To(HaveLen(2))
			Expect(w.Rare["taken over"]).To(Equal(1))
			Expect(seen(w, turn[0], id).State()).To(Equal(job.StateRunning))
			Expect(runs(w, "e1")).To(Equal(1))
		})
	})

	When("two takers meet", func() {
		It("has the least of them go on with the attempts of both", func() {
			inWorld(func(w *sim.World) {
				brokers(w, "b1", "b2", "b3")
				c := w.Client("c1")
				id := c.Submit("b1", sim.Program("1m"))
				w.PowerOff("b1")
				w.Executor("e2", "b2")
				w.Executor("e3", "b3")
				w.Cut("b2", "b3")
				w.Run(20 * time.Second)
				Expect(w.Rare["taken over"]).To(Equal(2))
				first, second := "b2", "b3"
				if w.Journal("b3") < w.Journal("b2") {
					first, second = "b3", "b2"
				}
				w.Heal()
				w.Run(10 * time.Second)
				same(w, id, "b2", "b3")
				j := seen(w, first, id)
				mine, _ := j.Mine(w.Journal(first))
				theirs, _ := j.Mine(w.Journal(second))
				lead, _ := j.Tenure(mine)
				Expect(lead.Live()).To(HaveLen(2), "its own and the other's")
				other, _ := j.Tenure(theirs)
				Expect(other.Verdict).To(BeNil())

				w.Run(time.Minute)
				j = seen(w, second, id)
				_, by := j.Winner()
				Expect(by).To(Equal(mine))
				Expect(runs(w, "e2", "e3")).To(Equal(2))
			})
		})
	})
})
