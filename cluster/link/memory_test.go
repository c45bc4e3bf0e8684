package link_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
)

// The network in memory makes the moment of trouble exact.
var _ = Describe("A stalled peer", Label("LINK-3"), func() {
	var (
		w    *memoryWorld
		a, b *node
	)
	BeforeEach(func(ctx SpecContext) {
		w = newMemoryWorld()
		b, a = start(w, "b", true), start(w, "a", false)
		join(ctx, a, b)
	})

	It("lets an urgent message overtake what has not left yet", func(ctx SpecContext) {
		a := start(w, "small", false, func(c *link.Config) { c.Limits.Window = 16 << 10 })
		join(ctx, a, b)
		p, _ := spawn(b, "p")
		w.memory.Cut(a.id, b.id)
		for i := range int64(30_000) {
			a.system.Root.Send(b.pid("p"), number(i))
		}
		a.system.Root.Send(b.pid("p"), number(-1))
		w.memory.Heal(a.id, b.id)
		Eventually(ctx, p.all).Should(HaveLen(30_001))
		var place int
		var normal []any
		for i, v := range p.all() {
			if v == int64(-1) {
				place = i
			} else {
				normal = append(normal, v)
			}
		}
		Expect(place).To(BeNumerically("<", 20_000), "it waited for what was in flight, not for the queue")
		Expect(normal[0]).To(Equal(int64(0)))
		Expect(normal[29_999]).To(Equal(int64(29_999)))
	}, SpecTimeout(patience))

	It("has room for urgent messages when the normal queue is full", func(ctx SpecContext) {
		p, _ := spawn(b, "p")
		asker, pid := spawn(a, "asker")
		w.memory.Cut(a.id, b.id)
		block := wrapperspb.Bytes(make([]byte, 64<<10))
		for range 100 {
			a.system.Root.Send(b.pid("p"), block)
		}
		a.system.Root.Send(pid, &askPlease{b.pid("p"), block})
		Eventually(ctx, asker.all).Should(ContainElement(HaveField("Reason", MatchError(link.ErrBusy))))
		a.system.Root.Send(b.pid("p"), number(-1))
		w.memory.Heal(a.id, b.id)
		Eventually(ctx, p.all).Should(ContainElement(int64(-1)))
	}, SpecTimeout(patience))

	It("gets everything that was queued, in order, when it comes to", func(ctx SpecContext) {
		p, _ := spawn(b, "p")
		w.memory.Cut(a.id, b.id)
		for i := range int64(5000) {
			a.system.Root.Send(b.pid("p"), number(i))
		}
		Expect(p.all()).To(BeEmpty())
		w.memory.Heal(a.id, b.id)
		Eventually(ctx, p.all).Should(HaveLen(5000))
		Expect(a.seen()).To(Equal([]string{"up b"}))
	}, SpecTimeout(patience))

	It("returns what it did not confirm when the link ends: certain or not", func(ctx SpecContext) {
		p, pid := spawn(a, "p")
		w.memory.Cut(a.id, b.id)
		block := wrapperspb.Bytes(make([]byte, 1500))
		for range 20 {
			a.system.Root.Send(pid, &askPlease{b.pid("p"), block})
		}
		future := a.system.Root.RequestFuture(b.pid("p"), number(1), time.Hour)
		Eventually(ctx, func() int { return queued(a, "b") }).Should(BeNumerically(">", 20*1500))
		w.sever(a, b)
		Eventually(ctx, p.all).Should(HaveLen(20), "each is told once")
		var uncertain int
		for _, m := range p.all() {
			u, ok := m.(*link.Undelivered)
			Expect(ok).To(BeTrue())
			Expect(u.Reason).To(MatchError(link.ErrNotConnected))
			Expect(u.Message).To(BeIdenticalTo(block))
			Expect(u.Target.Id).To(Equal("p"))
			if u.Uncertain {
				uncertain++
			}
		}
		Expect(uncertain).To(And(BeNumerically(">", 0), BeNumerically("<=", 6)), "only what had credit to leave")
		Expect(future.Result()).To(HaveField("Reason", ContainSubstring("not connected")))
	}, SpecTimeout(patience))

	It("tells a watcher once, however often it watched before the answer", Label("LINK-4"), func(ctx SpecContext) {
		p, pid := spawn(a, "w")
		w.memory.Cut(b.id, a.id)
		watch(ctx, a, pid, b.pid("nobody"))
		watch(ctx, a, pid, b.pid("nobody"))
		w.memory.Heal(b.id, a.id)
		Eventually(ctx, p.endings).Should(Equal([]string{"nobody NotFound"}))
		synchronise(ctx, a, pid, b)
		Consistently(ctx, p.endings, "20ms").Should(HaveLen(1))
	}, SpecTimeout(patience))

	It("ends the link rather than lose a Terminated", func(ctx SpecContext) {
		small := func(c *link.Config) { c.Limits.Queue = 8 << 10 }
		d := start(w, "d", true, small)
		join(ctx, a, d)
		p, pid := spawn(a, "w")
		var victims []*actor.PID
		for range 400 {
			v := d.system.Root.Spawn(actor.PropsFromFunc(func(actor.Context) {}))
			victims = append(victims, v)
			watch(ctx, a, pid, actor.NewPID(string(d.id), v.Id))
		}
		spawn(d, "last")
		Expect(a.system.Root.RequestFuture(d.pid("last"), number(1), time.Second).Result()).NotTo(BeNil())
		Expect(p.endings()).To(BeEmpty())
		synchronise(ctx, a, pid, d)
		w.memory.Cut(d.id, a.id)
		for _, v := range victims {
			d.system.Root.Stop(v)
		}
		Eventually(ctx, d.seen).Should(ContainElement("down a"), "its queue cannot hold the news")
		w.memory.Heal(d.id, a.id)
		Eventually(ctx, p.endings).Should(HaveLen(400), "so every watcher learns of it, once")
	}, SpecTimeout(patience))
})

// synchronise returns when what pid sent to d before has arrived.
func synchronise(ctx SpecContext, a *node, pid *actor.PID, d *node) {
	GinkgoHelper()
	p, _ := spawn(d, "mark")
	a.system.Root.Send(pid, &askPlease{d.pid("mark"), wrapperspb.Bytes(nil)})
	Eventually(ctx, p.all).Should(HaveLen(1))
}

var _ = Describe("Two halves of a network", Label("LINK-5"), func() {
	It("notice nothing but silence, and go on when it is over", func(ctx SpecContext) {
		w := newMemoryWorld()
		b, a := start(w, "b", true), start(w, "a", false)
		join(ctx, a, b)
		spawn(b, "p")
		w.memory.Cut(b.id, a.id) // the answer does not come back
		future := a.system.Root.RequestFuture(b.pid("p"), number(1), time.Minute)
		w.memory.Heal(b.id, a.id)
		Expect(future.Result()).To(HaveField("Value", int64(2)))
	}, SpecTimeout(patience))
})

// TestVirtualTime says that links in memory live in bubbles: a day passes in an
// instant, and one order of events comes out of one order of deliveries.
func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		network := link.NewMemory()
		network.Deliver = func(from, to identity.NodeID, _ int, deliver func()) {
			time.AfterFunc(20*time.Millisecond+time.Duration(len(from)), deliver)
		}
		var mu sync.Mutex
		var events []any
		systems := map[string]*actor.ActorSystem{}
		all := map[string]*link.Links{}
		for _, name := range []string{"a", "b"} {
			systems[name] = newSystem()
			links, err := link.Start(link.Config{
				System: systems[name], Endpoint: network.Endpoint(identity.Peer{ID: identity.NodeID(name), Name: name}), Listen: name,
				Codec: numbers{}, Allow: anything, Now: time.Now, Log: discard(), Coalesce: 1,
				Events: func(e any) { mu.Lock(); defer mu.Unlock(); events = append(events, e) },
			})
			g.Expect(err).NotTo(HaveOccurred())
			all[name] = links
		}
		p := &probe{}
		_, err := systems["b"].Root.SpawnNamed(actor.PropsFromProducer(func() actor.Actor { return p }), "p")
		g.Expect(err).NotTo(HaveOccurred())
		all["a"].Dial("b")
		all["b"].Dial("a")
		told := func() int { mu.Lock(); defer mu.Unlock(); return len(events) }
		time.Sleep(time.Second)
		g.Expect(told()).To(Equal(2), "one link of two dials")

		began := time.Now()
		res, err := systems["a"].Root.RequestFuture(actor.NewPID("b", "p"), number(1), time.Minute).Result()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(res).To(HaveField("Value", int64(2)))
		g.Expect(time.Since(began)).To(BeNumerically("~", 40*time.Millisecond, time.Millisecond))

		time.Sleep(24 * time.Hour)
		g.Expect(told()).To(Equal(2), "an idle link does not flap")
		network.Break("a", "b")
		time.Sleep(time.Minute)
		g.Expect(told()).To(Equal(6), "down and up again on both sides")
		for _, l := range all {
			l.Close(t.Context())
		}
		for _, s := range systems {
			s.Shutdown()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
	})
}
