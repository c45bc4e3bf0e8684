package bdd_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("An executor whose node becomes a broker too", Label("DISC-2"), func() {
	both := []string{messages.Broker, messages.Executor}

	// promote makes a running node a broker, as package cluster does.
	promote := func(g Gomega, nd *node) {
		nd.roles = both
		nd.spawn(g, quiet().With("node", nd.name), messages.Broker)
		self := &messages.PeerUp{Node: string(idOf(nd.name)), Name: nd.name, Roles: both}
		actors.RootContext(nd.system, nd.clock).Send(nd.roots[0], self)
		nd.links.Play(both)
	}
	// about is what a broker tells of a node.
	about := func(c *client, broker, name string) *messages.NodeInfo {
		for _, i := range c.ask(broker, &messages.NodesRequest{}).(*messages.NodesResponse).GetNodes() {
			if i.GetName() == name {
				return i
			}
		}
		return nil
	}

	It("keeps what it runs, is home to itself, and shares all that the others know", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			x := n.startWithin(both, "x", []string{messages.Executor}, "b1")
			c := n.client("c1", "b1", "x")
			defer c.close()
			id := c.submit("b1", spec("20s"))
			pass(2 * time.Second)
			g.Expect(about(c, "b1", "x").GetRoles()).To(Equal([]string{messages.Executor}))
			promote(g, x)
			pass(5 * time.Second)
			for _, at := range []string{"b1", "x"} {
				i := about(c, at, "x")
				g.Expect(i.GetRoles()).To(Equal(both), at)
				g.Expect(i.GetHome()).To(Equal(string(idOf("x"))), at)
				g.Expect(i.GetAddress()).To(Equal("x"), at)
				s := c.ask(at, &messages.StatusRequest{}).(*messages.StatusResponse)
				g.Expect(s.GetBrokers()).To(BeNumerically("==", 2), at)
				g.Expect(s.GetExecutors()).To(BeNumerically("==", 1), at)
			}
			pass(20 * time.Second)
			g.Expect(c.show("x", id).State()).To(Equal(job.StateAccepted))
			g.Expect(x.bench.runs()).To(Equal(1))
		})
	})

	It("takes jobs when the only broker is gone, and merges with it when it is back", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			x := n.startWithin(both, "x", []string{messages.Executor}, "b1")
			c := n.client("c1", "b1", "x")
			defer c.close()
			id := c.submit("b1", spec("1m"))
			pass(2 * time.Second)
			n.freeze("b1")
			pass(time.Second)
			promote(g, x)
			pass(10 * time.Second)
			alone := c.submit("x", spec("1s"))
			pass(5 * time.Second)
			g.Expect(c.show("x", alone).State()).To(Equal(job.StateAccepted))
			n.thaw("b1")
			pass(2 * time.Minute)
			for _, at := range []string{"b1", "x"} {
				g.Expect(c.show(at, id).State()).To(Equal(job.StateAccepted), at)
				g.Expect(c.show(at, alone).State()).To(Equal(job.StateAccepted), at)
			}
		})
	})
})
