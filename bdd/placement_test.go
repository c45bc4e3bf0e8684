package bdd_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/messages"
)

// needing is a program that needs something of its executor.
func needing(takes string, change func(*job.Needs)) *job.Spec {
	s := sim.Program(takes)
	change(&s.Needs)
	return s
}

// gib is a machine with so much memory for jobs.
func gib(n uint64) placement.Capacity {
	return placement.Capacity{Cores: 4, CPU: 400, Memory: n << 30, Disk: 10 << 30, Mains: true}
}

// place returns where a job runs, "" if it runs nowhere.
func place(w *sim.World, broker string, id job.ID) string {
	GinkgoHelper()
	for _, a := range seen(w, broker, id).Current().Attempts {
		if a.State.Live() {
			return a.Executor
		}
	}
	return ""
}

// ask asks a broker in the name of a client and expects this kind of answer.
func ask[A any](c *sim.Client, broker string, m proto.Message) A {
	GinkgoHelper()
	answer := c.Ask(broker, m)
	a, ok := answer.(A)
	Expect(ok).To(BeTrue(), "%v", answer)
	return a
}

// wish tells a broker what is to become of an executor.
func wish(c *sim.Client, broker, executor string, w messages.CordonNode_Wish, patience time.Duration) *messages.NodeCordoned {
	GinkgoHelper()
	return ask[*messages.NodeCordoned](c, broker, &messages.CordonNode{Node: executor, Wish: w, PatienceMs: uint64(patience.Milliseconds())})
}

// listed is a node as a broker lists it.
func listed(w *sim.World, broker, name string) *messages.NodeInfo {
	GinkgoHelper()
	list, ok := w.Look(broker, &messages.NodesRequest{}).(*messages.NodesResponse)
	Expect(ok).To(BeTrue())
	for _, n := range list.GetNodes() {
		if n.GetName() == name {
			return n
		}
	}
	Fail("there is no node " + name)
	return nil
}

var _ = Describe("An executor", Label("PLACE-1"), func() {
	It("is never given more than it has, when 100 jobs arrive at once", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorOn(gib(2), "e1", 8, nil, "b1") // memory for two
			w.ExecutorOn(gib(100), "e2", 3, nil, "b1")
			c := w.Client("c1")
			var ids []job.ID
			for range 100 {
				ids = append(ids, c.Submit("b1", needing("1s", func(n *job.Needs) { n.Memory = 1 << 30 })))
			}
			most := map[string]int{}
			done := w.RunUntil(2*time.Minute, func() bool {
				over := 0
				running := map[string]int{}
				for _, id := range ids {
					j := seen(w, "b1", id)
					if j.State().Terminal() {
						over++
					}
					for _, a := range j.Current().Live() {
						running[a.Executor]++
					}
				}
				for e, n := range running {
					most[e] = max(most[e], n)
				}
				return over == len(ids)
			})
			Expect(done).To(BeTrue())
			Expect(most).To(Equal(map[string]int{w.Node("e1").ID: 2, w.Node("e2").ID: 3}))
			Expect(runs(w, "e1", "e2")).To(Equal(100), "none was declined")
			Expect(w.Status("b1").GetUsed()).To(BeZero())
		})
	})

	It("that meets a job's constraints is found, and the others are told of by name", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.ExecutorOn(placement.Capacity{Cores: 8, CPU: 800, Memory: 8 << 30, Disk: 1 << 40, Battery: true, Charge: 50}, "battery", 1, nil, "b1")
			w.ExecutorOn(placement.Capacity{Cores: 2, CPU: 200, Memory: 8 << 30, Disk: 1 << 40, Mains: true}, "small", 1, nil, "b1")
			w.ExecutorOn(gib(8), "away", 1, nil, "b2")
			c := w.Client("c1")
			w.Run(time.Second)
			id := c.Submit("b1", needing("10s", func(n *job.Needs) { n.Cores, n.Mains, n.Disk = 4, true, 100<<30 }))
			w.Run(time.Second)
			why := ask[*messages.WhyResponse](c, "b1", &messages.WhyRequest{Job: string(id)[:10]})
			Expect(why.GetWaiting()).To(Equal("no executor can take it: fewer than 4 CPU cores (1 of 2), runs on its battery (1 of 2)"))
			var table []string
			for _, e := range why.GetExecutors() {
				table = append(table, fmt.Sprint(e.GetName(), " ", e.GetLacks()))
			}
			Expect(table).To(Equal([]string{
				"away [at home at b2, which has not held a slot for it]", "battery [runs on its battery]", "small [fewer than 4 CPU cores]",
			}))
			w.ExecutorOn(placement.Capacity{Cores: 4, CPU: 400, Memory: 8 << 30, Disk: 1 << 40, Mains: true}, "right", 1, nil, "b1")
			w.Run(time.Second)
			Expect(place(w, "b1", id)).To(Equal(w.Node("right").ID))
		})
	})

	It("whose machine changes says so with a heartbeat, and is judged by that", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorOn(gib(1), "e1", 2, nil, "b1")
			c := w.Client("c1")
			id := c.Submit("b1", needing("10s", func(n *job.Needs) { n.Free = 3 << 30 }))
			w.Run(2 * time.Second)
			Expect(told(w, "b1", id).GetWaiting()).To(Equal("no executor can take it: less than 3072 MiB of memory free (1 of 1)"))
			said := 0
			w.OnArrival(func(a sim.Arrival) {
				if m, ok := a.Message.(*messages.Heartbeat); ok && m.GetCapabilities() != nil {
					said++
				}
			})
			noise := gib(1)
			noise.Memory += 10 << 20
			w.Measure("e1", noise)
			w.Run(2 * time.Second)
			Expect(said).To(BeZero(), "noise costs nothing")
			w.Measure("e1", gib(4))
			w.Run(2 * time.Second)
			Expect(said).To(Equal(1))
			Expect(place(w, "b1", id)).To(Equal(w.Node("e1").ID))
		})
	})

	It("that has a job's module is preferred to one that does not", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			w.Executor("e1", "b1")
			first := c.Submit("b1", sim.Program("1s"))
			w.Run(3 * time.Second)
			Expect(seen(w, "b1", first).State()).To(Equal(job.StateAccepted))
			w.Executor("e0", "b1") // which would be chosen by its id
			w.Run(time.Second)
			second := c.Submit("b1", sim.Program("1s"))
			w.Run(500 * time.Millisecond)
			Expect(place(w, "b1", second)).To(Equal(w.Node("e1").ID))
		})
	})
})

var _ = Describe("A backup of a straggler", Label("JOB-11", "PLACE-1"), func() {
	It("never runs on the executor of the straggler, though that alone has room", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 8, nil, "b1")
			c := w.Client("c1")
			array := func(takes string) *job.Spec {
				s := sim.Program(takes)
				s.Speculate, s.Array = true, "a"
				return s
			}
			for range 20 {
				c.Submit("b1", array("1s"))
			}
			w.Run(6 * time.Second)
			slow := c.Submit("b1", array("1h"))
			w.Run(20 * time.Second)
			j := seen(w, "b1", slow)
			Expect(j.Current().Attempts[0].Straggles).To(BeTrue())
			Expect(j.Attempted()).To(Equal(1))
			Expect(told(w, "b1", slow).GetFinal()).To(BeFalse())
			w.ExecutorWith("e2", 1, nil, "b1")
			w.Run(2 * time.Second)
			j = seen(w, "b1", slow)
			Expect(j.Attempted()).To(Equal(2))
			Expect(j.Current().Attempts[1].Executor).To(Equal(w.Node("e2").ID))
		})
	})
})

var _ = Describe("Attempts of a quorum", Label("JOB-12", "PLACE-1"), func() {
	It("run at executors of different parties, though others have room", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.ExecutorWith("e1", 4, map[string]string{"party": "red"}, "b1")
			w.ExecutorWith("e2", 4, map[string]string{"party": "red"}, "b1")
			c := w.Client("c1")
			s := sim.Program("5s")
			s.Quorum = 2
			id := c.Submit("b1", s)
			w.Run(2 * time.Second)
			Expect(seen(w, "b1", id).Attempted()).To(Equal(1))
			w.ExecutorWith("e3", 1, map[string]string{"party": "blue"}, "b1")
			w.Run(time.Second)
			Expect(seen(w, "b1", id).Attempted()).To(Equal(2))
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
			Expect(w.Runs("e3")).To(Equal(1))
			Expect(runs(w, "e1", "e2")).To(Equal(1))
		})
	})
})

var _ = Describe("An executor that is cordoned", Label("PLACE-2"), func() {
	It("is given nothing new, at whatever broker that was said, and ends what it runs", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			before := c.Submit("b1", sim.Program("5s"))
			w.Run(time.Second)
			wish(c, "b2", "e1", messages.CordonNode_CORDON, 0)
			w.Run(time.Second)
			after := c.Submit("b1", sim.Program("1s"))
			w.Run(10 * time.Second)
			Expect(seen(w, "b1", before).State()).To(Equal(job.StateAccepted))
			Expect(told(w, "b1", after).GetWaiting()).To(Equal("no executor can take it: cordoned (1 of 1)"))
			Expect(listed(w, "b2", "e1").GetState()).To(Equal("cordoned"))
			wish(c, "b2", "e1", messages.CordonNode_UNCORDON, 0)
			w.Run(3 * time.Second)
			Expect(seen(w, "b1", after).State()).To(Equal(job.StateAccepted))
			Expect(listed(w, "b1", "e1").GetState()).To(Equal("up"))
		})
	})

	It("stays so when it or its broker restarts, and when it finds another home", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1", "b2")
			c := w.Client("c1")
			w.Run(time.Second)
			home, other := "b1", "b2"
			if listed(w, "b1", "e1").GetHome() == w.Node("b2").ID {
				home, other = other, home
			}
			wish(c, home, "e1", messages.CordonNode_CORDON, 0)
			w.Run(time.Second)
			w.Restart("e1")
			w.Restart(home)
			w.Run(10 * time.Second)
			Expect(listed(w, other, "e1").GetState()).To(Equal("cordoned"))
			w.PowerOff(home)
			w.Run(10 * time.Second)
			Expect(listed(w, other, "e1").GetHome()).To(Equal(w.Node(other).ID))
			id := c.Submit(other, sim.Program("1s"))
			w.Run(5 * time.Second)
			Expect(told(w, other, id).GetWaiting()).To(Equal("no executor can take it: cordoned (1 of 1)"))
		})
	})

	It("is named by its id or its name, and nothing else is cordoned", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			w.Run(time.Second)
			ask[*messages.NodeCordoned](c, "b1", &messages.CordonNode{Node: w.Node("e1").ID, Wish: messages.CordonNode_CORDON})
			Expect(ask[*messages.Refused](c, "b1", &messages.CordonNode{Node: "e9", Wish: messages.CordonNode_CORDON}).GetReason()).To(ContainSubstring(`no node "e9"`))
			Expect(ask[*messages.Refused](c, "b1", &messages.CordonNode{Node: "b1", Wish: messages.CordonNode_CORDON}).GetReason()).To(ContainSubstring("is no executor"))
			Expect(ask[*messages.Refused](c, "b1", &messages.CordonNode{Node: "e1"}).GetCode()).To(Equal(messages.Refused_INVALID))
		})
	})
})

var _ = Describe("An executor that is drained", Label("PLACE-2"), func() {
	It("ends what it can in time, hands the rest over at no cost, and loses nothing", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.ExecutorWith("e1", 2, nil, "b1")
			c := w.Client("c1")
			short, long := c.Submit("b1", sim.Program("5s")), c.Submit("b1", sim.Program("1m"))
			w.Run(time.Second)
			Expect(wish(c, "b1", "e1", messages.CordonNode_DRAIN, 10*time.Second).GetRunning()).To(BeEquivalentTo(2))
			w.ExecutorWith("e2", 2, nil, "b2")
			w.Run(7 * time.Second)
			Expect(seen(w, "b1", short).State()).To(Equal(job.StateAccepted))
			Expect(listed(w, "b1", "e1").GetState()).To(Equal("draining"))
			Expect(listed(w, "b1", "e1").GetReason()).To(Equal("1 attempts are left"))
			Expect(place(w, "b1", long)).To(Equal(w.Node("e1").ID))
			w.Run(6 * time.Second)
			Expect(listed(w, "b1", "e1").GetState()).To(Equal("drained"))
			Expect(w.Stops("e1")).To(Equal(1))
			Expect(place(w, "b1", long)).To(Equal(w.Node("e2").ID), "it was handed over to the broker with room")
			w.Run(70 * time.Second)
			j := seen(w, "b1", long)
			Expect(j.State()).To(Equal(job.StateAccepted))
			Expect(j.Attempted()).To(Equal(2))
			Expect(j.Current().Failures).To(BeZero())
		})
	})

	It("is emptied also of what the broker that was its home deployed there", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.ExecutorWith("e1", 2, nil, "b1", "b2")
			c := w.Client("c1")
			w.Run(time.Second)
			home, other := "b1", "b2"
			if listed(w, "b1", "e1").GetHome() == w.Node("b2").ID {
				home, other = other, home
			}
			id := c.Submit(home, sim.Program("1h"))
			w.Run(time.Second)
			w.Cut("e1", home)
			w.Run(8 * time.Second)
			Expect(listed(w, "b3", "e1").GetHome()).To(Equal(w.Node(other).ID))
			Expect(place(w, "b3", id)).To(Equal(w.Node("e1").ID))
			wish(c, "b3", "e1", messages.CordonNode_DRAIN, 0)
			w.Run(5 * time.Second)
			Expect(place(w, "b3", id)).To(BeEmpty())
			Expect(w.Stops("e1")).To(Equal(1))
		})
	})
})

var _ = Describe("An idle broker", Label("JOB-13"), func() {
	It("says so, and is handed what waits elsewhere and fits", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.ExecutorWith("e1", 1, nil, "b1")
			c := w.Client("c1")
			var ids []job.ID
			for range 9 {
				ids = append(ids, c.Submit("b1", sim.Program("10s")))
			}
			picky := c.Submit("b1", needing("1s", func(n *job.Needs) { n.Cores = 64 }))
			w.Run(2 * time.Second)
			wanted := 0
			w.OnArrival(func(a sim.Arrival) {
				if m, ok := a.Message.(*messages.WorkWanted); ok && a.To == "b1" {
					wanted++
					Expect(m.GetSlots()).To(BeEquivalentTo(8))
				}
			})
			w.ExecutorWith("e2", 8, nil, "b2")
			Expect(w.RunUntil(2*time.Second, func() bool { return wanted > 0 })).To(BeTrue())
			w.Run(500 * time.Millisecond)
			Expect(w.Runs("e2")).To(Equal(8), "all at once, not one by one")
			w.Run(30 * time.Second)
			for _, id := range ids {
				Expect(seen(w, "b1", id).State()).To(Equal(job.StateAccepted))
			}
			Expect(seen(w, "b1", picky).Attempted()).To(BeZero())
			Expect(wanted).To(BeNumerically("<=", 2), "it is said when it begins")
		})
	})

	It("holds no slot for a job that asks for what its executors do not have", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.ExecutorOn(gib(8), "e2", 1, nil, "b2")
			c := w.Client("c1")
			id := c.Submit("b1", needing("1s", func(n *job.Needs) { n.CPU = 500 }))
			w.OnArrival(func(a sim.Arrival) {
				_, held := a.Message.(*messages.SlotReserved)
				Expect(held).To(BeFalse())
			})
			w.Run(5 * time.Second)
			Expect(seen(w, "b1", id).Attempted()).To(BeZero())
		})
	})
})
