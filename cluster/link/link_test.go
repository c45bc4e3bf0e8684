package link_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("Over TLS", func() { linkSpecs(func() world { return newTCPWorld() }) })

var _ = Describe("In memory", func() { linkSpecs(func() world { return newMemoryWorld() }) })

const patience = 10 * time.Second

func linkSpecs(newWorld func() world) {
	var w world
	BeforeEach(func() { w = newWorld() })

	pair := func(ctx context.Context, options ...option) (a, b *node) {
		GinkgoHelper()
		b = start(w, "b", true, options...)
		a = start(w, "a", false, options...)
		join(ctx, a, b)
		return a, b
	}

	ask := func(from *node, to *actor.PID, n int64) (any, error) {
		res, err := from.system.Root.RequestFuture(to, number(n), 5*time.Second).Result()
		if v, ok := messages.Unstamp(res).(*wrapperspb.Int64Value); ok {
			return v.Value, err
		}
		return res, err
	}

	Describe("a node that only dials out", Label("LINK-1"), func() {
		It("asks and is asked like any other", func(ctx SpecContext) {
			a, b := pair(ctx)
			spawn(a, "p")
			spawn(b, "p")
			Expect(a.links.Addr()).To(BeNil())
			Expect(ask(a, b.pid("p"), 21)).To(Equal(int64(42)))
			Expect(ask(b, a.pid("p"), 4)).To(Equal(int64(8)))
		}, SpecTimeout(patience))

		It("lets its actors talk to actors there, both ways", func(ctx SpecContext) {
			a, b := pair(ctx)
			pa, pidA := spawn(a, "p")
			pb, _ := spawn(b, "q/with/a/path")
			a.system.Root.Send(pidA, &askPlease{b.pid("q/with/a/path"), number(5)})
			Eventually(ctx, pa.all).Should(ContainElement(int64(10)))
			Expect(pb.all()).To(ContainElement(int64(5)))
		}, SpecTimeout(patience))
	})

	Describe("who speaks", Label("LINK-2"), func() {
		It("is who the certificate says, in events and as sender", func(ctx SpecContext) {
			a, b := pair(ctx)
			Expect(b.links.Peers()).To(ConsistOf(And(HaveField("ID", a.id), HaveField("Name", "a"), HaveField("Roles", []string{"broker"}))))
			senders := make(chan *actor.PID, 1)
			_, err := b.system.Root.SpawnNamed(actor.PropsFromFunc(func(c actor.Context) {
				if c.Sender() != nil {
					senders <- c.Sender()
				}
			}), "x")
			Expect(err).NotTo(HaveOccurred())
			a.system.Root.RequestWithCustomSender(b.pid("x"), number(1), actor.NewPID(string(a.id), "me"))
			Eventually(ctx, senders).Should(Receive(And(HaveField("Address", string(a.id)), HaveField("Id", "me"))))
		}, SpecTimeout(patience))

		It("cannot speak for an actor of a third node", func(ctx SpecContext) {
			a, b := pair(ctx)
			pb, _ := spawn(b, "p")
			dead := deadLetters(a)
			a.system.Root.RequestWithCustomSender(b.pid("p"), number(1), actor.NewPID("another", "victim"))
			Eventually(ctx, dead).Should(Receive(HaveField("Message", BeAssignableToTypeOf(number(1)))))
			Expect(ask(a, b.pid("p"), 2)).To(Equal(int64(4)))
			Expect(pb.all()).To(Equal([]any{int64(2)}))
		}, SpecTimeout(patience))

		It("keeps the request ids of both PIDs", func(ctx SpecContext) {
			a, b := pair(ctx)
			seen := make(chan *actor.PID, 1)
			_, err := b.system.Root.SpawnNamed(actor.PropsFromFunc(func(c actor.Context) {
				if c.Sender() != nil {
					seen <- c.Sender()
				}
			}), "x")
			Expect(err).NotTo(HaveOccurred())
			target := b.pid("x")
			target.RequestId = 7
			a.system.Root.RequestWithCustomSender(target, number(1), &actor.PID{Address: string(a.id), Id: "me", RequestId: 9})
			Eventually(ctx, seen).Should(Receive(HaveField("RequestId", uint32(9))))
		}, SpecTimeout(patience))
	})

	Describe("what cannot be sent", Label("LINK-3"), func() {
		It("fails a request to an actor that is not there, at once", func(ctx SpecContext) {
			a, b := pair(ctx)
			_, err := a.system.Root.RequestFuture(b.pid("nobody"), number(1), time.Minute).Result()
			Expect(err).To(MatchError(actor.ErrDeadLetter))
		}, SpecTimeout(patience))

		It("refuses a request to a node without a link, at once and with the reason", func(SpecContext) {
			a := start(w, "a", false)
			res, err := ask(a, actor.NewPID("far-away", "p"), 1)
			Expect(err).NotTo(HaveOccurred())
			Expect(res).To(And(HaveField("Code", messages.Refused_UNREACHABLE), HaveField("Reason", ContainSubstring("far-away: not connected"))))
		}, SpecTimeout(patience))

		It("tells the actor that sent a message larger than a frame", func(ctx SpecContext) {
			a, b := pair(ctx)
			p, pid := spawn(a, "p")
			spawn(b, "p")
			a.system.Root.Send(pid, &askPlease{b.pid("p"), wrapperspb.Bytes(make([]byte, 257<<10))})
			Eventually(ctx, p.all).Should(ContainElement(HaveField("Reason", MatchError(link.ErrTooLarge))))
			Expect(ask(a, b.pid("p"), 3)).To(Equal(int64(6)), "the link is unharmed")
		}, SpecTimeout(patience))

		It("carries a message of almost a frame", func(ctx SpecContext) {
			a, b := pair(ctx)
			p, _ := spawn(b, "p")
			a.system.Root.Send(b.pid("p"), wrapperspb.Bytes(make([]byte, 255<<10)))
			Eventually(ctx, p.all).Should(ContainElement(HaveField("Value", HaveLen(255<<10))))
		}, SpecTimeout(patience))

		It("tells the actor that sent what is no message of the network", func(ctx SpecContext) {
			a, b := pair(ctx)
			p, pid := spawn(a, "p")
			a.system.Root.Send(pid, &askPlease{b.pid("p"), durationpb.New(1)})
			a.system.Root.Send(pid, &askPlease{b.pid("p"), "plain"})
			Eventually(ctx, p.all).Should(HaveEach(HaveField("Reason", MatchError(link.ErrNotSendable))))
			Eventually(ctx, p.all).Should(HaveLen(2))
		}, SpecTimeout(patience))

		It("keeps the order of a lane through many batches", func(ctx SpecContext) {
			a, b := pair(ctx)
			p, _ := spawn(b, "p")
			for i := range int64(20_000) {
				a.system.Root.Send(b.pid("p"), number(i))
			}
			Eventually(ctx, p.all).Should(HaveLen(20_000))
			for i, v := range p.all() {
				Expect(v).To(Equal(int64(i)))
			}
		}, SpecTimeout(patience))
	})

	Describe("a watch", Label("LINK-4"), func() {
		It("ends when the actor stops", func(ctx SpecContext) {
			a, b := pair(ctx)
			p, watcher := spawn(a, "w")
			_, victim := spawn(b, "v")
			watch(ctx, a, watcher, b.pid("v"))
			Expect(ask(a, b.pid("v"), 1)).To(Equal(int64(2)), "the watch has arrived before")
			b.system.Root.Stop(victim)
			Eventually(ctx, p.all).Should(Equal([]any{"v Stopped"}))
		}, SpecTimeout(patience))

		It("ends at once when there is no such actor", func(ctx SpecContext) {
			a, b := pair(ctx)
			p, watcher := spawn(a, "w")
			watch(ctx, a, watcher, b.pid("nobody"))
			Eventually(ctx, p.all).Should(Equal([]any{"nobody NotFound"}))
		}, SpecTimeout(patience))

		It("ends at once when there is no link to the node", func(ctx SpecContext) {
			a := start(w, "a", false)
			p, watcher := spawn(a, "w")
			watch(ctx, a, watcher, actor.NewPID("far-away", "x"))
			Eventually(ctx, p.all).Should(Equal([]any{"x AddressTerminated"}))
		}, SpecTimeout(patience))

		It("ends exactly once for each watcher when the link does", func(ctx SpecContext) {
			a, b := pair(ctx)
			spawn(b, "v")
			var probes []*probe
			for i := range 20 {
				p, watcher := spawn(a, fmt.Sprint("w", i))
				watch(ctx, a, watcher, b.pid("v"))
				watch(ctx, a, watcher, b.pid("v"))
				probes = append(probes, p)
			}
			Expect(ask(a, b.pid("v"), 1)).To(Equal(int64(2)))
			w.sever(a, b)
			for _, p := range probes {
				Eventually(ctx, p.all).Should(Equal([]any{"v AddressTerminated"}))
			}
			Eventually(ctx, a.seen).Should(Equal([]string{"up b", "down b", "up b"}))
			for _, p := range probes {
				Consistently(ctx, p.all, "5ms").Should(HaveLen(1))
			}
		}, SpecTimeout(patience))

		It("is over after Unwatch", func(ctx SpecContext) {
			a, b := pair(ctx)
			p, watcher := spawn(a, "w")
			_, victim := spawn(b, "v")
			watch(ctx, a, watcher, b.pid("v"))
			unwatch(ctx, a, watcher, b.pid("v"))
			Eventually(ctx, func() any { r, _ := ask(a, b.pid("v"), 1); return r }).Should(Equal(int64(2)))
			b.system.Root.Stop(victim)
			watch(ctx, a, watcher, b.pid("nobody")) // comes after what is not to come
			Eventually(ctx, p.all).Should(Equal([]any{"nobody NotFound"}))
		}, SpecTimeout(patience))

		It("works from the listening side too", func(ctx SpecContext) {
			a, b := pair(ctx)
			p, watcher := spawn(b, "w")
			_, victim := spawn(a, "v")
			watch(ctx, b, watcher, a.pid("v"))
			Expect(ask(b, a.pid("v"), 1)).To(Equal(int64(2)))
			a.system.Root.Stop(victim)
			Eventually(ctx, p.all).Should(Equal([]any{"v Stopped"}))
		}, SpecTimeout(patience))
	})

	Describe("coming and going", Label("LINK-5"), func() {
		It("comes back by itself, and says so", func(ctx SpecContext) {
			a, b := pair(ctx)
			spawn(b, "p")
			for i := range 5 {
				w.sever(a, b)
				Eventually(ctx, func() int { return strings.Count(fmt.Sprint(a.seen()), "up b") }).Should(Equal(i + 2))
			}
			Eventually(ctx, func() any { r, _ := ask(a, b.pid("p"), 1); return r }).Should(Equal(int64(2)))
			Expect(a.seen()).To(HaveLen(11))
		}, SpecTimeout(patience))

		It("says goodbye after everything was confirmed", func(ctx SpecContext) {
			a, b := pair(ctx)
			p, _ := spawn(b, "p")
			for i := range int64(10_000) {
				a.system.Root.Send(b.pid("p"), number(i))
			}
			a.links.Close(ctx)
			Eventually(ctx, p.all).Should(HaveLen(10_000))
			Eventually(ctx, b.lastDown).Should(HaveField("Clean", true))
		}, SpecTimeout(patience))

		It("makes one connection of two, when both dial at once", func(ctx SpecContext) {
			for range 10 {
				a, b := build(w, "a", true), build(w, "b", true)
				spawn(a, "p")
				spawn(b, "p")
				a.links.Dial(b.addr())
				b.links.Dial(a.addr())
				Eventually(ctx, a.peers).Should(ConsistOf("b"))
				Eventually(ctx, b.peers).Should(ConsistOf("a"))
				Expect(ask(a, b.pid("p"), 1)).To(Equal(int64(2)))
				Expect(ask(b, a.pid("p"), 1)).To(Equal(int64(2)))
				Consistently(ctx, a.seen, "30ms").Should(Equal([]string{"up b"}), "no flap")
				Expect(b.seen()).To(Equal([]string{"up a"}))
				a.stop()
				b.stop()
			}
		}, SpecTimeout(2*patience))

		It("knows an address that leads back to itself", func(ctx SpecContext) {
			a := start(w, "a", true)
			_, err := a.links.Connected(ctx, a.addr())
			Expect(err).To(MatchError(ContainSubstring("leads back to this node")))
			Expect(a.links.Peers()).To(BeEmpty())
		}, SpecTimeout(patience))

		It("knows one node at two addresses as one", func(ctx SpecContext) {
			a, b := pair(ctx)
			c := start(w, "c", true)
			join(ctx, a, c)
			a.links.Dial(b.addr())
			c.links.Dial(b.addr())
			Eventually(ctx, b.peers).Should(ConsistOf("a", "c"))
			Expect(a.seen()).To(ConsistOf("up b", "up c"))
		}, SpecTimeout(patience))

		It("replaces the link of an earlier life", func(ctx SpecContext) {
			b := start(w, "b", true)
			first := build(w, "a", false)
			join(ctx, first, b)
			second := start(w, "a", false) // the first has not said goodbye
			second.links.Dial(b.addr())
			Eventually(ctx, b.seen).Should(Equal([]string{"up a", "down a", "up a"}))
			Expect(b.links.Peers()).To(ConsistOf(HaveField("Incarnation", second.clock.Self().Incarnation)))
			Consistently(ctx, b.seen, "100ms").Should(HaveLen(3), "the clone is refused, it does not take turns")
			first.stop()
		}, SpecTimeout(patience))

		It("leaves nothing running when it is closed", func(ctx SpecContext) {
			goroutines, _ := settled(ctx)
			for range 5 {
				a, b := build(w, "a", true), build(w, "b", true)
				a.links.Dial(b.addr())
				b.links.Dial(a.addr())
				a.links.Dial("127.0.0.1:1")
				Eventually(ctx, a.peers).Should(ConsistOf("b"))
				a.stop()
				b.stop()
			}
			Eventually(ctx, runtime.NumGoroutine).Should(BeNumerically("<=", goroutines+2))
		}, SpecTimeout(patience))

		It("hangs up for good", func(ctx SpecContext) {
			a, b := pair(ctx)
			a.links.Hangup(b.addr())
			Eventually(ctx, a.peers).Should(BeEmpty())
			Consistently(ctx, a.peers, "100ms").Should(BeEmpty())
			Expect(b.lastDown()).To(HaveField("Clean", true))
		}, SpecTimeout(patience))

		It("does not take a link that is over for one, not even while its end is told", func(ctx SpecContext) {
			b := start(w, "b", true)
			told := make(chan error, 1)
			var a *node
			a = start(w, "a", false, func(cfg *link.Config) {
				note := cfg.Events
				cfg.Events = func(e any) {
					note(e)
					if _, ok := e.(*messages.PeerDown); !ok {
						return
					}
					now, cancel := context.WithCancel(ctx)
					cancel()
					_, err := a.links.Connected(now, b.addr())
					select {
					case told <- err:
					default: // of a later end
					}
				}
			})
			join(ctx, a, b)
			w.sever(a, b)
			Eventually(ctx, told).Should(Receive(HaveOccurred()))
		}, SpecTimeout(patience))

		It("says within the caller's time why there is no link", func(ctx SpecContext) {
			a := start(w, "a", false)
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			defer cancel()
			_, err := a.links.Connected(short, "127.0.0.1:1")
			var dial *link.DialError
			Expect(errors.As(err, &dial)).To(BeTrue())
			Expect(err).To(MatchError(ContainSubstring("nothing listens there")))
		}, SpecTimeout(patience))
	})

	Describe("what a peer may do", Label("LINK-6"), func() {
		It("is bounded by the policy, and who tries is told", func(ctx SpecContext) {
			policy := func(p identity.Peer, target string, id uint32) error {
				if target == "secret" {
					return fmt.Errorf("%s may not send type %d to %q", p.Name, id, target)
				}
				return nil
			}
			a, b := pair(ctx, func(c *link.Config) { c.Allow = policy })
			p, _ := spawn(b, "secret")
			spawn(b, "open")
			Expect(ask(a, b.pid("secret"), 1)).To(HaveField("Reason", `a may not send type 1 to "secret"`))
			Expect(ask(a, b.pid("open"), 1)).To(Equal(int64(2)), "the link is unharmed")
			Expect(p.all()).To(BeEmpty())
			Eventually(ctx, b.log.text).Should(ContainSubstring("message of a peer refused"))
		}, SpecTimeout(patience))

		It("does not include stopping an actor", func(ctx SpecContext) {
			a, b := pair(ctx)
			spawn(b, "p")
			dead := deadLetters(a)
			a.system.Root.Stop(b.pid("p"))
			Eventually(ctx, dead).Should(Receive(HaveField("Message", BeAssignableToTypeOf(&actor.Stop{}))))
			a.system.Root.Poison(b.pid("p"))
			Eventually(ctx, dead).Should(Receive(HaveField("Message", BeAssignableToTypeOf(&actor.PoisonPill{}))))
			Expect(ask(a, b.pid("p"), 1)).To(Equal(int64(2)))
		}, SpecTimeout(patience))

		It("does not include talking to the machinery of the actor system", func(ctx SpecContext) {
			a, b := pair(ctx)
			spawn(b, "p")
			for _, id := range []string{"deadletter", "eventstream", "guardian$1"} {
				Expect(ask(a, b.pid(id), 1)).To(HaveField("Reason", ContainSubstring("takes no messages")))
			}
			Expect(ask(a, b.pid("p"), 1)).To(Equal(int64(2)))
		}, SpecTimeout(patience))
	})

	Describe("the part a node plays", Label("DISC-2"), func() {
		both := []string{"broker", "executor"}
		as := func(roles ...string) option { return func(c *link.Config) { c.Roles = roles } }
		// played is what b was told of a at each of its links.
		played := func(b *node) func() [][]string {
			return func() (all [][]string) {
				b.mu.Lock()
				defer b.mu.Unlock()
				for _, e := range b.events {
					if up, ok := e.(*messages.PeerUp); ok {
						all = append(all, up.Roles)
					}
				}
				return all
			}
		}

		It("is what it says, within its certificate, and peers hear of a change whoever dialled", func(ctx SpecContext) {
			for _, dials := range []bool{true, false} {
				a, b := buildAs(w, "a", both, true, as("executor", "datastore")), build(w, "b", true)
				if dials {
					a.links.Dial(b.addr())
				} else {
					b.links.Dial(a.addr())
				}
				Eventually(ctx, played(b)).Should(Equal([][]string{{"executor"}}))
				Expect(b.links.Peers()).To(ConsistOf(HaveField("Roles", []string{"executor"})))
				a.links.Play(both)
				Eventually(ctx, played(b)).Should(Equal([][]string{{"executor"}, both}))
				a.stop()
				b.stop()
			}
		}, SpecTimeout(2*patience))

		It("is all that its certificate carries if it says nothing", func(ctx SpecContext) {
			a, b := buildAs(w, "a", both, false), start(w, "b", true)
			defer a.stop()
			join(ctx, a, b)
			Expect(played(b)()).To(Equal([][]string{both}))
		}, SpecTimeout(patience))

		It("is what it may send", func(ctx SpecContext) {
			a := buildAs(w, "a", both, false, as("executor"))
			defer a.stop()
			b := start(w, "b", true, func(c *link.Config) {
				c.Allow = func(p identity.Peer, _ string, _ uint32) error {
					if !p.Has("broker") {
						return errors.New("no broker")
					}
					return nil
				}
			})
			spawn(b, "p")
			join(ctx, a, b)
			Expect(ask(a, b.pid("p"), 1)).To(HaveField("Reason", "no broker"))
			a.links.Play(both)
			Eventually(ctx, func() any { r, _ := ask(a, b.pid("p"), 1); return r }).Should(Equal(int64(2)))
		}, SpecTimeout(patience))
	})

	Describe("clocks", Label("CLK-1"), func() {
		It("are merged by the receiver before it handles a message", func(ctx SpecContext) {
			a, b := pair(ctx)
			behind := make(chan bool, 1)
			_, err := b.system.Root.SpawnNamed(actor.PropsFromFunc(func(c actor.Context) {
				if s, ok := c.Message().(*messages.Stamped); ok {
					behind <- b.clock.Now().Clock().Get(a.clock.Self()) < s.Stamp.Count()
				}
			}), "p")
			Expect(err).NotTo(HaveOccurred())
			a.system.Root.Send(b.pid("p"), number(1))
			Eventually(ctx, behind).Should(Receive(BeFalse()))
		}, SpecTimeout(patience))

		It("count each message once, with the stamp its sender gave it", func(ctx SpecContext) {
			a, b := pair(ctx)
			p, _ := spawn(b, "p")
			given := a.clock.Tick()
			a.system.Root.Send(b.pid("p"), &messages.Stamped{Stamp: given, Message: number(1)})
			a.system.Root.Send(b.pid("p"), number(2))
			Eventually(ctx, p.allStamps).Should(HaveLen(2))
			Expect(p.allStamps()[0].Count()).To(Equal(given.Count()))
			Expect(p.allStamps()[0].Hybrid()).To(Equal(given.Hybrid()))
			Expect(p.allStamps()[1].Count()).To(Equal(given.Count() + 1))
			Expect(p.allStamps()[0].Owner()).To(Equal(a.clock.Self()))
		}, SpecTimeout(patience))

		It("learn from watches too", func(ctx SpecContext) {
			a, b := pair(ctx)
			_, watcher := spawn(a, "w")
			spawn(b, "v")
			before := b.clock.Now().Clock().Get(a.clock.Self())
			watch(ctx, a, watcher, b.pid("v"))
			Eventually(ctx, func() uint64 { return b.clock.Now().Clock().Get(a.clock.Self()) }).Should(BeNumerically(">", before))
		}, SpecTimeout(patience))

		It("stay out of clients, whose messages carry no stamp", func(ctx SpecContext) {
			b := start(w, "b", true)
			client := start(w, "client", false, func(c *link.Config) { c.Clock = nil })
			join(ctx, client, b)
			got := make(chan any, 8)
			_, err := client.system.Root.SpawnNamed(actor.PropsFromFunc(func(c actor.Context) {
				if _, ok := c.Message().(proto.Message); ok {
					got <- c.Message()
				}
			}), "client")
			Expect(err).NotTo(HaveOccurred())
			p, _ := spawn(b, "p")
			client.system.Root.RequestWithCustomSender(b.pid("p"), number(3), actor.NewPID(string(client.id), "client"))
			Eventually(ctx, got).Should(Receive(HaveField("Value", int64(6))), "as it is, not in an envelope")
			Expect(p.allStamps()[0].IsZero()).To(BeTrue())
			Expect(b.clock.Now().Clock().Len()).To(Equal(1))
		}, SpecTimeout(patience))
	})

	It("takes at most 12 bytes for a stamp on a busy link with 64 nodes in the clock", Label("CLK-3"), func(ctx SpecContext) {
		var bytes [2]atomic.Uint64
		measure := func(stamped bool) {
			b := start(w, fmt.Sprint("to", stamped), true)
			a := start(w, fmt.Sprint("from", stamped), false, func(c *link.Config) {
				if !stamped {
					c.Clock = nil
				}
			})
			join(ctx, a, b)
			p, _ := spawn(b, "p")
			others := clocks(62)
			for i := range 20_000 {
				if i%10 == 0 {
					o := others[i/10%len(others)]
					a.clock.Merge(o.Tick()) // every tenth message comes with news of others
				}
				a.system.Root.Send(b.pid("p"), number(int64(i)))
				if i%5000 == 4999 {
					Eventually(ctx, p.all).Should(HaveLen(i + 1))
				}
			}
			if stamped {
				Expect(b.clock.Now().Clock().Len()).To(BeNumerically(">=", 63))
			}
			at := 0
			if stamped {
				at = 1
			}
			bytes[at].Store(sentBytes(a))
		}
		measure(false)
		measure(true)
		mean := float64(bytes[1].Load()-bytes[0].Load()) / 20_000
		AddReportEntry("bytes a stamp", mean)
		Expect(mean).To(BeNumerically("<=", 12))
		Expect(mean).To(BeNumerically(">", 0.5), "something was measured")
	}, SpecTimeout(2*patience))
}
