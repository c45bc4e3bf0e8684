package bdd_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("Every message between nodes", Label("CLK-1"), func() {
	It("carries its sender's clock, which its receiver knows before it does anything", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			type receipt struct {
				at    time.Duration
				clock vclock.Clock
			}
			received, known := map[string][]receipt{}, map[string]vclock.Clock{}
			stamped := 0
			w.OnArrival(func(a sim.Arrival) {
				if a.From == "c1" || a.To == "c1" {
					return
				}
				for r := received[a.From]; len(r) > 0 && r[0].at < a.At-10*time.Millisecond; r = received[a.From] { // it has been handled since
					known[a.From] = known[a.From].Merge(r[0].clock)
					received[a.From] = r[1:]
				}
				clock := a.Stamp.Clock()
				Expect(known[a.From].Compare(clock)).To(Equal(vclock.Before), "what %s was told before it sent a %T", a.From, a.Message)
				received[a.To] = append(received[a.To], receipt{a.At, clock})
				stamped++
			})
			c := w.Client("c1")
			c.Submit("b1", sim.Program("1s"))
			w.Run(5 * time.Second)
			Expect(stamped).To(BeNumerically(">", 30))
		})
	})

	It("carries none from a client", Label("CLK-5"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.OnArrival(func(a sim.Arrival) {
				if a.From == "c1" {
					Expect(a.Stamp.IsZero()).To(BeTrue())
				}
			})
			w.Client("c1").Submit("b1", sim.Program("1s"))
			Expect(w.Clock("b1").Len()).To(Equal(1))
		})
	})
})

var _ = Describe("The clocks of two sides of a partition", Label("CLK-2"), func() {
	It("are concurrent, and ordered again after the heal", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			w.Executor("e2", "b2")
			w.Split("b1", "e1")
			w.Run(5 * time.Second)
			one, two := w.Clock("b1"), w.Clock("b2")
			Expect(one.Compare(two)).To(Equal(vclock.Concurrent))
			Expect(one.Merge(two)).To(Equal(two.Merge(one)))
			w.Heal()
			w.Run(5 * time.Second)
			for _, n := range []string{"b1", "b2"} {
				Expect(one.Merge(two).Compare(w.Clock(n))).To(Equal(vclock.Before))
			}
		})
	})
})

var _ = Describe("The stamps of a busy link", Label("CLK-3"), func() {
	It("take 12 bytes on average at most, with 64 nodes in the clock", func() {
		inWorld(func(w *sim.World) {
			w.Broker("b1")
			for i := range 63 {
				w.ExecutorWith(fmt.Sprintf("e%02d", i), 2, nil, "b1")
			}
			w.Run(2 * time.Second)
			Expect(w.Clock("b1").Len()).To(Equal(64))
			encoders, size, count := map[string]*messages.StampEncoder{}, 0, 0
			w.OnArrival(func(a sim.Arrival) {
				if a.From != "b1" || a.Stamp.IsZero() {
					return
				}
				if encoders[a.To] == nil {
					encoders[a.To] = &messages.StampEncoder{}
					encoders[a.To].Append(nil, a.Stamp) // the first of a connection is in full
					return
				}
				if a.To == "e00" {
					size += len(encoders[a.To].Append(nil, a.Stamp))
					count++
				}
			})
			c := w.Client("c1")
			for range 300 {
				s := sim.Program("1ms")
				s.Needs.Labels = map[string]string{"name": "e00"}
				c.Ask("b1", c.Submission(c.NewID("b1"), s))
			}
			w.Run(time.Second)
			Expect(count).To(BeNumerically(">", 300))
			AddReportEntry("bytes a stamp", float64(size)/float64(count))
			Expect(float64(size) / float64(count)).To(BeNumerically("<=", 12))
		})
	})
})

var _ = Describe("A counter of a node's clock", Label("CLK-4"), func() {
	It("is used once, whatever becomes of the node and its disk", func() {
		inWorld(func(w *sim.World) {
			used := map[string]string{}
			w.OnArrival(func(a sim.Arrival) {
				if a.Stamp.IsZero() {
					return
				}
				name := fmt.Sprint(a.Stamp.Owner(), ":", a.Stamp.Count())
				message := fmt.Sprintf("%s %s %T %s", a.To, a.Target, a.Message, a.Message)
				Expect(used).NotTo(HaveKey(name), "%s and %s", used[name], message)
				used[name] = message
			})
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1", "b2")
			c := w.Client("c1")
			c.Submit("b1", sim.Program("1s"))
			w.Run(2 * time.Second)
			w.Remember("b1")
			now := w.Now()
			for _, harm := range []func(){
				func() {},
				func() { w.RollBack("b1", now) },
				func() { w.LoseDisk("b1") },
			} {
				w.Run(3 * time.Second)
				w.PowerOff("b1")
				w.Kill("e1")
				harm()
				w.Start("b1")
				w.Start("e1")
			}
			w.Run(3 * time.Second)
			Expect(len(used)).To(BeNumerically(">", 300))
		})
	})
})

var _ = Describe("The entry of a life that is over", Label("CLK-6"), func() {
	entries := func(w *sim.World, at, node string) int {
		n := 0
		for k := range w.Clock(at).All() {
			if k.Node == w.Node(node).ID {
				n++
			}
		}
		return n
	}
	// forgotten lets something end and be forgotten: brokers agree then on what all of them know.
	forgotten := func(w *sim.World, c *sim.Client, at string) {
		s := sim.Program("100ms")
		s.Retention = time.Second
		ask := c.Submission(c.NewID(at), s)
		ask.Session = nil
		c.Ask(at, ask)
		w.Run(30 * time.Second)
	}

	It("is dropped by the brokers once every one knows of the next life", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			w.Run(time.Second)
			for range 5 {
				w.Restart("e1")
				w.Run(2 * time.Second)
			}
			Expect(entries(w, "b1", "e1")).To(Equal(6))
			forgotten(w, c, "b1")
			Expect(entries(w, "b1", "e1")).To(Equal(1))
			Expect(entries(w, "b2", "e1")).To(Equal(1))
			w.Run(10 * time.Second)
			Expect(entries(w, "b2", "e1")).To(Equal(1), "and not learned again")
		})
	})

	It("stays while a broker is away that may not know", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1")
			w.Run(time.Second)
			w.Isolate("b3")
			w.Restart("e1")
			w.Run(10 * time.Second)
			Expect(entries(w, "b1", "e1")).To(Equal(2))
		})
	})

	It("goes with a broker that was given up", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			w.Executor("e1", "b1", "b2")
			c := w.Client("c1", "b2", "b3")
			w.PowerOff("b1")
			w.Run(time.Second)
			Expect(entries(w, "b2", "b1")).To(Equal(1))
			c.Ask("b2", forgetting(w, "b1"))
			w.Run(5 * time.Second)
			forgotten(w, c, "b2")
			Expect(entries(w, "b2", "b1")).To(BeZero())
			Expect(entries(w, "b3", "b1")).To(BeZero())
		})
	})
})
