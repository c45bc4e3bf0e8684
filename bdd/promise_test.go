package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("A submission", Label("JOB-1"), func() {
	submit := func(c *sim.Client, broker string, id job.ID, spec *job.Spec) *messages.JobSubmitted {
		GinkgoHelper()
		answer := c.Ask(broker, c.Submission(id, spec))
		Expect(answer).To(BeAssignableToTypeOf(&messages.JobSubmitted{}), "%v", answer)
		return answer.(*messages.JobSubmitted)
	}

	It("is acknowledged with durability 2 once it is on the disks of its owner and of one more broker", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			id := c.NewID("b1")
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.JobSubmitted); ok {
					for _, b := range []string{"b1", "b2"} {
						_, saved := w.Saved(b, id)
						Expect(saved).To(BeTrue(), "it is not on the disk of %s", b)
					}
				}
			})
			Expect(submit(c, "b1", id, sim.Program("1s")).GetDurability()).To(BeEquivalentTo(2))
		})
	})

	It("is acknowledged with durability 1 when no other broker is in reach, and with 2 when asked again after a heal", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			w.Cut("b1", "b2")
			w.Run(10 * time.Second)
			id := c.NewID("b1")
			Expect(submit(c, "b1", id, sim.Program("1s")).GetDurability()).To(BeEquivalentTo(1))
			_, saved := w.Saved("b1", id)
			Expect(saved).To(BeTrue())
			w.Heal()
			w.Run(5 * time.Second)
			Expect(submit(c, "b1", id, sim.Program("1s")).GetDurability()).To(BeEquivalentTo(2))
		})
	})

	It("to a broker that is alone becomes final on its one disk, also when the job is done before its acknowledgement is written", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			w.SlowDisk("b1", 100)
			c := w.Client("c1")
			w.Run(time.Second)
			id := c.NewID("b1")
			spec := sim.Program("1ms")
			spec.Retention = time.Second
			Expect(submit(c, "b1", id, spec).GetDurability()).To(BeEquivalentTo(1))
			w.Run(500 * time.Millisecond)
			Expect(c.Final("b1", id)).To(BeTrue())
			w.Run(20 * time.Second)
			_, kept := w.Saved("b1", id)
			Expect(kept).To(BeFalse())
		})
	})

	It("waits for the disk of a broker in reach no longer than a second", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.SlowDisk("b2", 20_000) // ten seconds
			c := w.Client("c1")
			w.Run(time.Second)
			since := w.Now()
			Expect(submit(c, "b1", c.NewID("b1"), sim.Program("1s")).GetDurability()).To(BeEquivalentTo(1))
			Expect(w.Now() - since).To(BeNumerically("<", 1500*time.Millisecond))
		})
	})

	It("to a broker whose disk is full is refused at once in a sentence, also the first one, and taken when there is room", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			w.FullDisk("b1", true)
			first, second := c.NewID("b1"), c.NewID("b1")
			for _, id := range []job.ID{first, second, first} {
				since := w.Now()
				Expect(c.Ask("b1", c.Submission(id, sim.Program("1s")))).To(And(
					HaveField("Code", messages.Refused_BUSY), HaveField("Reason", HavePrefix("this broker's disk is full;"))))
				Expect(w.Now() - since).To(BeNumerically("<", 100*time.Millisecond))
			}
			w.FullDisk("b1", false)
			w.Run(2 * time.Second)
			for _, id := range []job.ID{first, second} {
				Expect(submit(c, "b1", id, sim.Program("1s")).GetDurability()).To(BeEquivalentTo(1))
			}
		})
	})

	It("to a broker whose disk is full is refused once each time that it is made, however long that lasts", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			w.FullDisk("b1", true)
			id, refusals := c.NewID("b1"), 0
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.Refused); ok {
					refusals++
				}
			})
			for range 20 {
				c.Ask("b1", c.Submission(id, sim.Program("1s")))
				w.Run(time.Second)
			}
			Expect(refusals).To(Equal(20))
		})
	})

	It("is told of by a broker whose disk is full as that disk has it, and goes on from there when there is room", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			w.Executor("e2", "b1")
			c := w.Client("c1")
			done, running, refused := c.Submit("b1", sim.Program("10ms")), c.Submit("b1", sim.Program("4s")), c.NewID("b1")
			w.Run(2 * time.Second)
			w.FullDisk("b1", true)
			Expect(c.Ask("b1", c.Submission(refused, sim.Program("1s")))).To(HaveField("Code", messages.Refused_BUSY))
			w.Run(10 * time.Second) // the running one ends meanwhile
			Expect(told(w, "b1", done).GetFinal()).To(BeTrue())
			Expect(seen(w, "b1", running).State()).To(Equal(job.StateRunning))
			Expect(w.Look("b1", &messages.JobRequest{Job: string(refused)})).To(HaveField("Code", messages.Refused_NOT_FOUND))
			Expect(w.Look("b1", &messages.JobsRequest{Limit: 10}).(*messages.JobsResponse).GetJobs()).To(HaveLen(2))
			Expect(w.Look("b1", &messages.NodesRequest{}).(*messages.NodesResponse).GetNodes()).To(HaveLen(3))
			Expect(c.Ask("b1", &messages.CancelJob{Job: string(running)})).To(HaveField("Code", messages.Refused_BUSY))
			w.FullDisk("b1", false)
			w.Run(5 * time.Second)
			Expect(seen(w, "b1", running).State()).To(Equal(job.StateAccepted))
			Expect(seen(w, "b1", running).Attempted()).To(Equal(1))
		})
	})

	It("made twice, also at two brokers, is one job that runs once", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.NewID("b1")
			submit(c, "b1", id, sim.Program("1s"))
			submit(c, "b1", id, sim.Program("1s"))
			submit(c, "b2", id, sim.Program("1s"))
			w.Run(5 * time.Second)
			Expect(runs(w, "e1")).To(Equal(1))
			Expect(seen(w, "b1", id).Tenures).To(HaveLen(1))
		})
	})

	It("with another spec under the same id is refused by whoever knows the first", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1h"))
			w.Run(time.Second)
			for _, b := range []string{"b1", "b2"} {
				refused := c.Ask(b, &messages.SubmitJob{Job: string(id), Spec: sim.Program("2h").Append(nil)}).(*messages.Refused)
				Expect(refused.GetCode()).To(Equal(messages.Refused_CONFLICT))
			}
		})
	})

	When("another broker gets it than the one that its id names", func() {
		It("is a takeover: what that broker decides is provisional until the first owner is there", func() {
			inWorld(func(w *sim.World) {
				brokers(w, "b1", "b2", "b3")
				w.Executor("e1", "b2")
				w.Isolate("b1")
				c := w.Client("c1")
				w.Run(10 * time.Second)
				id := c.NewID("b1")
				submit(c, "b2", id, sim.Program("1s"))
				w.Run(5 * time.Second)
				j := seen(w, "b2", id)
				Expect(j.First).To(Equal(job.Ownership{Journal: w.Journal("b1")}))
				Expect(j.Tenures).To(HaveLen(1))
				Expect(j.Tenures[0].Owner).To(Equal(job.Ownership{T: 1, Journal: w.Journal("b2")}))
				Expect(j.State()).To(Equal(job.StateAccepted))
				Expect(told(w, "b2", id).GetFinal()).To(BeFalse())

				w.Heal()
				w.Run(10 * time.Second)
				v, by := seen(w, "b3", id).Decided()
				Expect(v).NotTo(BeNil())
				Expect(by).To(Equal(j.First))
				Expect(v.Adopted).To(Equal(j.Tenures[0].Owner))
				Expect(told(w, "b3", id).GetFinal()).To(BeTrue())
				Expect(runs(w, "e1")).To(Equal(1))
			})
		})
	})

	When("two sides of a partition took two specs under one id", func() {
		It("counts with the spec of its first owner alone, and the other's client is told so once", func() {
			inWorld(func(w *sim.World) {
				brokers(w, "b1", "b2")
				w.Executor("e1", "b1")
				w.Executor("e2", "b2")
				one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
				w.Split("b1", "e1", "c1")
				w.Run(10 * time.Second)
				id := one.NewID("b1")
				submit(two, "b2", id, sim.Program("1s", "second"))
				w.Run(5 * time.Second)
				Expect(seen(w, "b2", id).State()).To(Equal(job.StateAccepted))
				submit(one, "b1", id, sim.Program("2s", "first"))
				w.Heal()
				w.Run(20 * time.Second)
				same(w, id, "b1", "b2")
				j := seen(w, "b2", id)
				Expect(j.Spec.Args).To(Equal([]string{"2s", "first"}))
				v, by := j.Decided()
				Expect(by).To(Equal(j.First))
				Expect(string(v.Result.Stdout.Inline)).To(ContainSubstring("first"))
				Expect(two.Superseded(id)).To(Equal(1))
				Expect(one.Superseded(id)).To(BeZero())
			}, sim.Without("S9")) // the end of a spec that does not count is taken back
		})
	})
})
