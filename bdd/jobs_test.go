package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("A job", func() {
	// story runs a broker b1, two executors and a client.
	story := func(tell func(g Gomega, n *network, c *client)) {
		GinkgoHelper()
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			executor(n, "e1", "b1")
			executor(n, "e2", "b1")
			c := n.client("c1", "b1")
			defer c.close()
			tell(g, n, c)
		})
	}
	// runner returns the executor that runs the job, and the other one.
	runner := func(n *network, j job.Job) (this, other string) {
		live := j.Current().Live()
		n.g.Expect(live).To(HaveLen(1))
		if live[0].Executor == string(idOf("e1")) {
			return "e1", "e2"
		}
		return "e2", "e1"
	}

	It("runs once, on one executor, and is accepted", Label("JOB-2", "JOB-3"), func() {
		story(func(g Gomega, n *network, c *client) {
			id := c.submit("b1", spec("1s"))
			pass(100 * time.Millisecond)
			g.Expect(c.show("b1", id).State()).To(Equal(job.StateRunning))
			pass(2 * time.Second)
			j := c.show("b1", id)
			g.Expect(j.State()).To(Equal(job.StateAccepted))
			g.Expect(j.Current().Attempts).To(HaveLen(1))
			g.Expect(n.nodes["e1"].bench.runs() + n.nodes["e2"].bench.runs()).To(Equal(1))
		})
	})

	It("submitted twice is one job, and with another spec it is refused", Label("JOB-1"), func() {
		story(func(g Gomega, n *network, c *client) {
			id := c.submit("b1", spec("1s"))
			again := c.ask("b1", &messages.SubmitJob{Job: string(id), Spec: spec("1s").Append(nil)})
			g.Expect(again).To(BeAssignableToTypeOf(&messages.JobSubmitted{}))
			other := c.ask("b1", &messages.SubmitJob{Job: string(id), Spec: spec("2s").Append(nil)})
			g.Expect(other.(*messages.Refused).GetCode()).To(Equal(messages.Refused_CONFLICT))
			pass(5 * time.Second)
			g.Expect(n.nodes["e1"].bench.runs() + n.nodes["e2"].bench.runs()).To(Equal(1))
		})
	})

	When("the executor that runs it is killed", Label("JOB-2"), func() {
		It("is deployed again elsewhere within a second", func() {
			story(func(g Gomega, n *network, c *client) {
				id := c.submit("b1", spec("10s"))
				pass(time.Second)
				this, other := runner(n, c.show("b1", id))
				n.kill(this)
				pass(time.Second)
				g.Expect(n.nodes[other].bench.runs()).To(Equal(1))
				pass(15 * time.Second)
				j := c.show("b1", id)
				g.Expect(j.State()).To(Equal(job.StateAccepted))
				g.Expect(j.Current().Attempts).To(HaveLen(2))
				g.Expect(j.Current().Attempts[0].State).To(Equal(job.Lost))
			})
		})
	})

	When("the executor that runs it falls silent", Label("JOB-3", "JOB-4"), func() {
		It("is deployed again, and the late result is rejected as a duplicate", func() {
			story(func(g Gomega, n *network, c *client) {
				id := c.submit("b1", spec("10s"))
				pass(time.Second)
				this, other := runner(n, c.show("b1", id))
				n.freeze(this)
				pass(4 * time.Second)
				g.Expect(n.nodes[other].bench.runs()).To(Equal(1))
				pass(11 * time.Second)
				g.Expect(c.show("b1", id).State()).To(Equal(job.StateAccepted))
				n.thaw(this)
				pass(5 * time.Second)
				j := c.show("b1", id)
				g.Expect(j.Current().Verdict.Executor).To(Equal(string(idOf(other))))
				g.Expect(j.Current().Rejected).To(HaveLen(1))
				g.Expect(j.Current().Rejected[0].Executor).To(Equal(string(idOf(this))))
				g.Expect(j.Current().Rejected[0].Why).To(Equal(job.EqualDigest))
			})
		})

		It("takes its result if that is first, and stops the replacement", func() {
			story(func(g Gomega, n *network, c *client) {
				id := c.submit("b1", spec("10s"))
				pass(time.Second)
				this, other := runner(n, c.show("b1", id))
				n.freeze(this)
				pass(10 * time.Second) // it finishes while it is away
				n.thaw(this)
				pass(time.Second)
				j := c.show("b1", id)
				g.Expect(j.State()).To(Equal(job.StateAccepted))
				g.Expect(j.Current().Verdict.Executor).To(Equal(string(idOf(this))))
				g.Expect(n.nodes[other].bench.stops()).To(Equal(1))
			})
		})

		It("lets the attempt go on when it comes back in time, and starts no third one", func() {
			story(func(g Gomega, n *network, c *client) {
				id := c.submit("b1", spec("20s"))
				pass(time.Second)
				this, _ := runner(n, c.show("b1", id))
				n.freeze(this)
				pass(5 * time.Second)
				n.thaw(this)
				pass(20 * time.Second)
				g.Expect(n.nodes["e1"].bench.runs() + n.nodes["e2"].bench.runs()).To(Equal(2))
				g.Expect(c.show("b1", id).State()).To(Equal(job.StateAccepted))
			})
		})
	})

	When("its executor restarts at once under the same name", Label("JOB-2"), func() {
		It("is deployed again", func() {
			story(func(g Gomega, n *network, c *client) {
				id := c.submit("b1", spec("10s"))
				pass(time.Second)
				this, _ := runner(n, c.show("b1", id))
				n.kill(this)
				executor(n, this, "b1")
				pass(15 * time.Second)
				j := c.show("b1", id)
				g.Expect(j.State()).To(Equal(job.StateAccepted))
				g.Expect(j.Current().Attempts).To(HaveLen(2))
			})
		})
	})

	It("waits with a reason that names the constraint when no executor can ever take it", Label("JOB-9"), func() {
		story(func(g Gomega, _ *network, c *client) {
			s := spec("1s")
			s.Needs.Labels = map[string]string{"medical": "yes"}
			id := c.submit("b1", s)
			pass(time.Minute)
			g.Expect(c.show("b1", id).State()).To(Equal(job.StateQueued))
			g.Expect(c.waiting("b1", id)).To(Equal("no executor can take it: lacks label medical=yes (2 of 2)"))
		})
	})

	It("holds up only its like while it waits", Label("JOB-9"), func() {
		story(func(g Gomega, _ *network, c *client) {
			s := spec("1s")
			s.Needs.Labels = map[string]string{"medical": "yes"}
			c.submit("b1", s)
			id := c.submit("b1", spec("1s"))
			pass(5 * time.Second)
			g.Expect(c.show("b1", id).State()).To(Equal(job.StateAccepted))
		})
	})

	It("says that it waits for a free slot", Label("JOB-9"), func() {
		story(func(g Gomega, _ *network, c *client) {
			for range 4 {
				c.submit("b1", spec("1h"))
			}
			id := c.submit("b1", spec("1s"))
			pass(time.Second)
			g.Expect(c.waiting("b1", id)).To(Equal("waiting for a free slot: no free slot (2 of 2)"))
		})
	})

	Describe("ended from outside", Label("JOB-8"), func() {
		It("is cancelled while it runs, and its attempt is stopped", func() {
			story(func(g Gomega, n *network, c *client) {
				id := c.submit("b1", spec("1h"))
				pass(time.Second)
				this, _ := runner(n, c.show("b1", id))
				c.ask("b1", &messages.CancelJob{Job: string(id)})
				pass(time.Second)
				g.Expect(c.show("b1", id).State()).To(Equal(job.StateCancelled))
				g.Expect(n.nodes[this].bench.stops()).To(Equal(1))
			})
		})

		It("expires in the queue after its queue timeout", func() {
			story(func(g Gomega, _ *network, c *client) {
				s := spec("1s")
				s.Needs.Labels, s.QueueTimeout = map[string]string{"medical": "yes"}, time.Minute
				id := c.submit("b1", s)
				pass(59 * time.Second)
				g.Expect(c.show("b1", id).State()).To(Equal(job.StateQueued))
				pass(2 * time.Second)
				g.Expect(c.show("b1", id).State()).To(Equal(job.StateExpired))
			})
		})

		It("expires at its deadline although it runs", func() {
			story(func(g Gomega, _ *network, c *client) {
				s := spec("1h")
				s.Deadline = time.Minute
				id := c.submit("b1", s)
				pass(61 * time.Second)
				g.Expect(c.show("b1", id).State()).To(Equal(job.StateExpired))
			})
		})
	})

	It("that fails is tried as often as its retries say", Label("JOB-5"), func() {
		story(func(g Gomega, n *network, c *client) {
			s := spec("1s", "3")
			s.Retries = 2
			id := c.submit("b1", s)
			pass(time.Minute)
			j := c.show("b1", id)
			g.Expect(j.State()).To(Equal(job.StateFailed))
			g.Expect(j.Current().Verdict.Result.ExitCode).To(BeEquivalentTo(3))
			g.Expect(n.nodes["e1"].bench.runs() + n.nodes["e2"].bench.runs()).To(Equal(3))
		})
	})

	It("is forgotten after its retention", func() {
		story(func(g Gomega, _ *network, c *client) {
			s := spec("1s")
			s.Retention = 10 * time.Second
			id := c.submit("b1", s)
			pass(5 * time.Second)
			g.Expect(c.show("b1", id).State()).To(Equal(job.StateAccepted))
			pass(15 * time.Second)
			g.Expect(c.ask("b1", &messages.JobRequest{Job: string(id)}).(*messages.Refused).GetCode()).To(Equal(messages.Refused_NOT_FOUND))
		})
	})
})

var _ = Describe("A slot that becomes free", Label("PLACE-1"), func() {
	It("takes the next job at once", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			executor(n, "e1", "b1")
			c := n.client("c1", "b1")
			defer c.close()
			for range 20 {
				c.submit("b1", spec("10ms"))
			}
			pass(150 * time.Millisecond)
			g.Expect(n.nodes["e1"].bench.runs()).To(Equal(20), "20 jobs of 10 ms on 2 slots take 100 ms")
		})
	})
})

var _ = Describe("The input of a streamed job", func() {
	echoed := func(g Gomega, n *network, at string) {
		c := n.client("c1", "b1")
		defer c.close()
		id := c.typist("what the client types").submit("b1")
		pass(5 * time.Second)
		j := c.show("b1", id)
		g.Expect(j.State()).To(Equal(job.StateAccepted))
		g.Expect(j.Current().Node).To(Equal(string(idOf(at))))
		g.Expect(string(j.Current().Verdict.Result.Stdout.Inline)).To(Equal("what the client types"))
	}

	It("comes from the client as the program asks for it, over the broker", Label("JOB-2"), func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			executor(n, "e1", "b1")
			echoed(g, n, "b1")
		})
	})

	It("finds its way also when the job was handed to another broker", Label("JOB-13"), func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			executor(n, "e1", "b2")
			echoed(g, n, "b2")
		})
	})
})
