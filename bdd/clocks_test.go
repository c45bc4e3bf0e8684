package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/vclock"
)

var _ = Describe("The clocks of a network", func() {
	key := func(nd *node) vclock.Key { return vclock.Key{Node: string(idOf(nd.name)), Incarnation: nd.incarnation} }

	It("carry what a node knew to whoever hears from it, also over others", Label("CLK-1"), func() {
		inNetwork(func(g Gomega, n *network) {
			b1 := broker(n, "b1")
			b2 := broker(n, "b2", "b1")
			e := executor(n, "e1", "b2")
			pass(5 * time.Second)
			for _, nd := range []*node{b1, b2, e} {
				for _, other := range []*node{b1, b2, e} {
					g.Expect(nd.clock.Now().Clock().Get(key(other))).NotTo(BeZero(), "%s has not heard of %s", nd.name, other.name)
				}
			}
		})
	})

	It("never go back, and order a message after what its sender knew", Label("CLK-1", "CLK-2"), func() {
		inNetwork(func(g Gomega, n *network) {
			b := broker(n, "b1")
			e := executor(n, "e1", "b1")
			pass(time.Second)
			before, sent := b.clock.Now().Clock(), e.clock.Now().Clock()
			pass(time.Second) // a heartbeat arrives
			after := b.clock.Now().Clock()
			g.Expect(before.Compare(after)).To(Equal(vclock.Before))
			g.Expect(sent.Compare(after)).To(Equal(vclock.Before))
		})
	})

	It("count a node's next life apart from the one before", Label("CLK-4"), func() {
		inNetwork(func(g Gomega, n *network) {
			b := broker(n, "b1")
			first := executor(n, "e1", "b1")
			pass(time.Second)
			n.kill("e1")
			second := executor(n, "e1", "b1")
			pass(5 * time.Second)
			clock := b.clock.Now().Clock()
			g.Expect(clock.Get(key(first))).NotTo(BeZero())
			g.Expect(clock.Get(key(second))).NotTo(BeZero())
		})
	})

	It("have no entry for a client", Label("CLK-5"), func() {
		inNetwork(func(g Gomega, n *network) {
			b := broker(n, "b1")
			c := n.client("c1", "b1")
			defer c.close()
			c.submit("b1", spec("1s"))
			pass(time.Second)
			g.Expect(b.clock.Now().Clock().Len()).To(Equal(1))
		})
	})
})

var _ = Describe("An executor that can only dial out", Label("LINK-1"), func() {
	It("is a full member: it is told what to run, watched, and its results are taken", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			executor(n, "e1", "b1") // nobody dials it: b1 knows no address of it
			c := n.client("c1", "b1")
			defer c.close()
			id := c.submit("b1", spec("1s"))
			pass(3 * time.Second)
			g.Expect(c.show("b1", id).State()).To(Equal(job.StateAccepted))
		})
	})
})

var _ = Describe("A link that is cut for a moment", Label("LINK-5"), func() {
	It("comes back by itself, and the job under way goes on where it is", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			e := executor(n, "e1", "b1")
			c := n.client("c1", "b1")
			defer c.close()
			id := c.submit("b1", spec("10s"))
			pass(time.Second)
			n.memory.Break(idOf("b1"), idOf("e1"))
			pass(15 * time.Second)
			g.Expect(c.show("b1", id).State()).To(Equal(job.StateAccepted))
			g.Expect(e.bench.runs()).To(Equal(1))
		})
	})
})
