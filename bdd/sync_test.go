package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("Brokers", func() {
	It("answer for each other's jobs", Label("SYNC-1", "SYNC-5"), func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			executor(n, "e1", "b1")
			c := n.client("c1", "b1", "b2")
			defer c.close()
			id := c.submit("b1", spec("1s"))
			pass(100 * time.Millisecond)
			g.Expect(c.show("b2", id).State()).To(Equal(job.StateRunning), "a write is pushed at once")
			pass(3 * time.Second)
			g.Expect(c.show("b2", id).Append(nil)).To(Equal(c.show("b1", id).Append(nil)))
		})
	})

	It("answer for jobs of a broker they never spoke to", Label("SYNC-5"), func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			broker(n, "b3", "b2")
			executor(n, "e1", "b1")
			c := n.client("c1", "b1", "b3")
			defer c.close()
			id := c.submit("b1", spec("1s"))
			pass(5 * time.Second)
			g.Expect(c.show("b3", id).State()).To(Equal(job.StateAccepted))
		})
	})

	It("go on answering when the broker that took a job is gone for ever", Label("SYNC-5"), func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			executor(n, "e1", "b1")
			c := n.client("c1", "b1", "b2")
			defer c.close()
			id := c.submit("b1", spec("1s"))
			pass(5 * time.Second)
			n.kill("b1")
			pass(time.Minute)
			g.Expect(c.show("b2", id).State()).To(Equal(job.StateAccepted))
		})
	})

	It("fill a peer that comes empty, also with more than one message holds", Label("SYNC-1"), func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			c := n.client("c1", "b1", "b2")
			defer c.close()
			var ids []job.ID
			for range 200 {
				s := spec("1s")
				s.Env = []string{"TEXT=" + longText(4096)}
				ids = append(ids, c.submit("b1", s))
			}
			broker(n, "b2", "b1")
			pass(10 * time.Second)
			for _, id := range ids {
				g.Expect(c.show("b2", id).State()).To(Equal(job.StateQueued))
			}
		})
	})

	It("catch up after a cut that both sides survived", Label("SYNC-1"), func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			c := n.client("c1", "b1", "b2")
			defer c.close()
			n.memory.Cut(idOf("b1"), idOf("b2"))
			n.memory.Cut(idOf("b2"), idOf("b1"))
			one, two := c.submit("b1", spec("1s")), c.submit("b2", spec("1s"))
			pass(10 * time.Minute)
			n.memory.Heal(idOf("b1"), idOf("b2"))
			n.memory.Heal(idOf("b2"), idOf("b1"))
			pass(30 * time.Second)
			g.Expect(c.show("b2", one).ID).To(Equal(one))
			g.Expect(c.show("b1", two).ID).To(Equal(two))
		})
	})

	It("know the executors of the whole network, and which are lost", Label("SYNC-5"), func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			executor(n, "e1", "b1")
			c := n.client("c1", "b2")
			defer c.close()
			stateOf := func() string {
				for _, i := range c.ask("b2", &messages.NodesRequest{}).(*messages.NodesResponse).GetNodes() {
					if i.GetName() == "e1" {
						return i.GetState()
					}
				}
				return "unknown"
			}
			g.Expect(stateOf()).To(Equal("up"))
			n.kill("e1")
			pass(2 * time.Second)
			g.Expect(stateOf()).To(Equal("lost"))
		})
	})
})

var _ = Describe("A client's session", Label("CLK-5"), func() {
	It("lets it read its own writes at another broker, or be told STALE", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			c := n.client("c1", "b1", "b2")
			defer c.close()
			n.memory.Cut(idOf("b1"), idOf("b2"))
			id := "01J00000000000000000000900-" + string(idOf("b1"))
			ack := c.ask("b1", &messages.SubmitJob{Job: id, Spec: spec("1s").Append(nil)}).(*messages.JobSubmitted)
			pass(5 * time.Second)
			stale := c.ask("b2", &messages.JobRequest{Job: id, Session: ack.GetSession()})
			g.Expect(stale.(*messages.Refused).GetCode()).To(Equal(messages.Refused_STALE))
			n.memory.Heal(idOf("b1"), idOf("b2"))
			pass(5 * time.Second)
			g.Expect(c.ask("b2", &messages.JobRequest{Job: id, Session: ack.GetSession()})).To(BeAssignableToTypeOf(&messages.JobChanged{}))
		})
	})

	It("is believed about time only under a broker's seal", func() {
		inNetwork(func(g Gomega, n *network) {
			b := broker(n, "b1")
			c := n.client("c1", "b1")
			defer c.close()
			future := uint64(time.Now().Add(24 * time.Hour).UnixMilli())
			forged, err := proto.Marshal(&messages.Session{Vector: ledger.Vector{}.Append(nil), Wall: future})
			g.Expect(err).NotTo(HaveOccurred())
			c.ask("b1", &messages.NodesRequest{Session: forged})
			g.Expect(uint64(b.clock.Now().Hybrid().Wall)).To(BeNumerically("<", future))
			forged, err = proto.Marshal(&messages.Session{Vector: ledger.Vector{}.Append(nil), Wall: future, Seal: []byte("mine")})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(c.ask("b1", &messages.NodesRequest{Session: forged}).(*messages.Refused).GetReason()).To(ContainSubstring("seal"))

			sealed := c.ask("b1", &messages.SealSession{}).(*messages.SessionSealed).GetSession()
			g.Expect(c.ask("b1", &messages.NodesRequest{Session: sealed})).To(BeAssignableToTypeOf(&messages.NodesResponse{}))
		})
	})
})

func longText(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'x'
	}
	return string(b)
}

var _ = Describe("A broker without a place for a job", Label("JOB-13"), func() {
	It("hands it to one that holds a slot, and its client sees the end", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			executor(n, "e1", "b2")
			c := n.client("c1", "b1", "b2")
			defer c.close()
			id := c.submit("b1", spec("1s"))
			pass(5 * time.Second)
			j := c.show("b1", id)
			g.Expect(j.State()).To(Equal(job.StateAccepted))
			g.Expect(j.Current().Node).To(Equal(string(idOf("b2"))))
			g.Expect(n.nodes["e1"].bench.runs()).To(Equal(1))
			g.Expect(c.show("b2", id).Append(nil)).To(Equal(j.Append(nil)))
		})
	})

	It("hands over as many as there are slots, and no more", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			executor(n, "e1", "b2")
			c := n.client("c1", "b1", "b2")
			defer c.close()
			var ids []job.ID
			for range 5 {
				ids = append(ids, c.submit("b1", spec("10s")))
			}
			pass(5 * time.Second)
			owned := 0
			for _, id := range ids {
				if c.show("b1", id).Current().Node == string(idOf("b2")) {
					owned++
				}
			}
			g.Expect(owned).To(Equal(2))
			pass(time.Minute)
			for _, id := range ids {
				g.Expect(c.show("b1", id).State()).To(Equal(job.StateAccepted))
			}
			g.Expect(n.nodes["e1"].bench.runs()).To(Equal(5))
		})
	})

	It("passes a wish to cancel on to the new owner", Label("JOB-8"), func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			executor(n, "e1", "b2")
			c := n.client("c1", "b1")
			defer c.close()
			id := c.submit("b1", spec("1h"))
			pass(5 * time.Second)
			c.ask("b1", &messages.CancelJob{Job: string(id)})
			pass(2 * time.Second)
			g.Expect(c.show("b1", id).State()).To(Equal(job.StateCancelled))
			g.Expect(n.nodes["e1"].bench.stops()).To(Equal(1))
		})
	})
})

var _ = Describe("An executor whose home broker is gone", Label("DISC-3"), func() {
	It("moves to another one within its lease, and runs its jobs", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			executor(n, "e1", "b1")
			pass(time.Second)
			n.nodes["e1"].links.Dial("b2")
			c := n.client("c1", "b2")
			defer c.close()
			pass(time.Second)
			n.kill("b1")
			pass(5 * time.Second)
			id := c.submit("b2", spec("1s"))
			pass(3 * time.Second)
			g.Expect(c.show("b2", id).State()).To(Equal(job.StateAccepted))
			for _, i := range c.ask("b2", &messages.NodesRequest{}).(*messages.NodesResponse).GetNodes() {
				if i.GetName() == "b1" {
					g.Expect(i.GetState()).To(Equal("unseen"))
				}
			}
		})
	})

	It("comes back to it when it is the only one", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			executor(n, "e1", "b1")
			pass(time.Second)
			n.kill("b1")
			pass(time.Minute)
			broker(n, "b1")
			c := n.client("c1", "b1")
			defer c.close()
			pass(10 * time.Second)
			id := c.submit("b1", spec("1s"))
			pass(3 * time.Second)
			g.Expect(c.show("b1", id).State()).To(Equal(job.StateAccepted))
		})
	})
})

var _ = Describe("A result", Label("JOB-4", "DISC-3"), func() {
	It("goes to the broker that owns the job, also when its executor has moved to another one meanwhile", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			e := executor(n, "e1", "b1")
			pass(time.Second)
			e.links.Dial("b2")
			c := n.client("c1", "b1")
			defer c.close()
			id := c.submit("b1", spec("10s"))
			pass(time.Second)
			n.memory.Cut(idOf("b1"), idOf("e1"))
			n.memory.Cut(idOf("e1"), idOf("b1"))
			pass(141 * time.Second)
			j := c.show("b1", id)
			g.Expect(j.State()).To(Equal(job.StateAccepted))
			g.Expect(e.bench.runs()).To(Equal(1))
		})
	})
})
