package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

// forgetting is an operator's word that a broker is gone for good.
func forgetting(w *sim.World, broker string) *messages.ForgetBroker {
	return &messages.ForgetBroker{Broker: w.Node(broker).ID, Reason: "its disk is gone"}
}

var _ = Describe("Forgetting a broker", Label("JOB-14"), func() {
	// bereft has b1 gone for good with a job that nobody could run yet, and b3 cut off from b2.
	bereft := func(tell func(w *sim.World, c *sim.Client, id job.ID)) {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1s"))
			w.Run(time.Second)
			w.PowerOff("b1")
			w.Cut("b2", "b3")
			w.Run(time.Second)
			tell(w, c, id)
		})
	}
	forget := func(w *sim.World, c *sim.Client, at, broker string) *messages.BrokerForgotten {
		GinkgoHelper()
		answer := c.Ask(at, forgetting(w, broker))
		Expect(answer).To(BeAssignableToTypeOf(&messages.BrokerForgotten{}), "%v", answer)
		return answer.(*messages.BrokerForgotten)
	}

	It("waits, and says so, for the fences of all others", func() {
		bereft(func(w *sim.World, c *sim.Client, id job.ID) {
			Expect(forget(w, c, "b2", "b1").GetWaiting()).To(ConsistOf(w.Journal("b3")))
			w.Run(time.Minute)
			Expect(w.Rare["closed"]).To(BeZero())
			_, tenure := seen(w, "b2", id).Authority()
			Expect(tenure.Owner.Journal).To(Equal(w.Journal("b1")))
		})
	})

	It("then passes the authority to the heir, which decides for good", func() {
		bereft(func(w *sim.World, c *sim.Client, id job.ID) {
			forget(w, c, "b2", "b1")
			w.Run(30 * time.Second)
			w.Heal()
			w.Executor("e1", "b2", "b3")
			w.Run(10 * time.Second)
			same(w, id, "b2", "b3")
			heir := inTurn(w, id, "b2", "b3")[0]
			v, by := seen(w, "b2", id).Decided()
			Expect(v).NotTo(BeNil())
			Expect(by).To(Equal(job.Ownership{H: 1, Journal: w.Journal(heir)}))
			for _, b := range []string{"b2", "b3"} {
				Expect(told(w, b, id).GetFinal()).To(BeTrue())
			}
			Expect(w.Rare["heir began"]).To(Equal(1))
		})
	})

	It("has heirs for what comes after it too, when a newcomer has fenced it", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			c, op := w.Client("c1"), w.Client("op")
			id := c.NewID("b1")
			w.Kill("b1")
			w.LoseDisk("b1")
			forget(w, op, "b2", "b1")
			w.Run(5 * time.Second)
			Expect(w.Rare["closed"]).To(Equal(2))
			heard := map[string]bool{}
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.SyncDelta); ok && a.From == "b1" {
					heard[a.To] = true
				}
			})
			w.Restart("b1")
			w.RunUntil(time.Second, func() bool { return len(heard) == 2 })
			w.Pause("b1") // the newcomer is known, and has not been told so
			w.Run(time.Second)
			c.Ask("b2", c.Submission(id, sim.Program("1s")))
			w.Executor("e1", "b2", "b3")
			w.Run(5 * time.Second)
			Expect(seen(w, "b2", id).State()).To(Equal(job.StateAccepted))
			Expect(told(w, "b2", id).GetFinal()).To(BeFalse())
			w.Resume("b1")
			w.Run(10 * time.Second)
			Expect(told(w, "b2", id).GetFinal()).To(BeTrue())
			Expect(w.Rare["heir began"]).To(Equal(1))
		})
	})

	It("lets a client read what a job waits for", Label("JOB-9"), func() {
		bereft(func(w *sim.World, c *sim.Client, id job.ID) {
			w.Executor("e1", "b2")
			w.Run(20 * time.Second)
			forget(w, c, "b2", "b1")
			w.Run(5 * time.Second)
			Expect(seen(w, "b2", id).State()).To(Equal(job.StateAccepted))
			Expect(told(w, "b2", id).GetWaiting()).To(Equal("waits for the fence of broker b3; then an heir of broker b1 makes its end final"))
		})
	})

	It("has everybody take nothing more from it, and confirm nothing to it", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			op := w.Client("op", "b2")
			w.Isolate("b1")
			w.Run(time.Second)
			forget(w, op, "b2", "b1")
			w.Run(5 * time.Second)
			Expect(w.Rare["fenced"]).To(Equal(2))
			old, confirmed := w.Journal("b1"), 0
			w.OnArrival(func(a sim.Arrival) {
				if m, ok := a.Message.(*messages.SyncTaken); ok && a.To == "b1" {
					held, err := ledger.DecodeVector(m.GetHeld())
					Expect(err).NotTo(HaveOccurred())
					if len(held.Of(old).Dots()) > 0 {
						confirmed++
					}
				}
			})
			w.Heal()
			w.Run(10 * time.Second)
			Expect(confirmed).To(BeZero())
		})
	})

	It("makes one that comes back all the same a new broker, which keeps what it alone had taken", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			one, op := w.Client("c1", "b1"), w.Client("op", "b2", "b3")
			old := w.Journal("b1")
			w.Split("b1", "c1")
			w.Run(10 * time.Second)
			id := one.Submit("b1", sim.Program("1s"))
			forget(w, op, "b2", "b1")
			w.Run(5 * time.Second)
			w.Heal()
			w.Executor("e1", "b1", "b2")
			w.Run(20 * time.Second)
			Expect(w.Rare["reborn"]).To(Equal(1))
			Expect(w.Journal("b1")).NotTo(Equal(old))
			for _, b := range []string{"b1", "b2", "b3"} {
				Expect(seen(w, b, id).State()).To(Equal(job.StateAccepted))
				Expect(told(w, b, id).GetFinal()).To(BeTrue())
			}

			refused := one.Ask("b1", one.Submission(one.NewID("b1"), sim.Program("1s"))).(*messages.Refused)
			Expect(refused.GetCode()).To(Equal(messages.Refused_RENAMED))
			Expect(refused.GetBroker()).To(Equal(w.Node("b1").ID + "-" + w.Journal("b1")))
		})
	})

	It("happens by itself to a broker whose disk was rolled back: a peer shows it writes that it lacks", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			w.Remember("b1")
			before, old := w.Now(), w.Journal("b1")
			id := c.Submit("b1", sim.Program("1s", "wild"))
			w.Run(5 * time.Second)
			final, _ := seen(w, "b2", id).Decided()
			w.PowerOff("b1")
			Expect(w.RollBack("b1", before)).To(BeTrue())
			w.Start("b1")
			w.Run(20 * time.Second)
			Expect(w.Rare["reborn"]).To(Equal(1))
			Expect(w.Journal("b1")).NotTo(Equal(old))
			same(w, id, "b1", "b2", "b3")
			v, _ := seen(w, "b1", id).Decided()
			Expect(v.Result.Digest).To(Equal(final.Result.Digest))
			Expect(runs(w, "e1")).To(Equal(1))
		})
	})

	It("happens by itself to the journal of a disk that was lost", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1s"))
			old := w.Journal("b1")
			w.PowerOff("b1")
			w.LoseDisk("b1")
			w.Start("b1")
			w.Executor("e1", "b1", "b2")
			w.Run(20 * time.Second)
			Expect(w.Journal("b1")).NotTo(Equal(old))
			Expect(w.Rare["heir began"]).To(BeNumerically(">", 0))
			Expect(told(w, "b1", id).GetFinal()).To(BeTrue())
		})
	})
})
