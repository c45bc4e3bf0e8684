package messages_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

func life(node string, incarnation uint64) vclock.Key {
	return vclock.Key{Node: node, Incarnation: incarnation}
}

func node(name string) *messages.NodeClock {
	return messages.NewNodeClock(life(name, 1), time.Now)
}

// handset is a wall clock that is moved by hand.
type handset struct {
	mu  sync.Mutex
	now time.Time
}

func (h *handset) read() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *handset) set(ms int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = time.UnixMilli(ms)
}

func notAfter(a, b vclock.Clock) bool {
	order := a.Compare(b)
	return order == vclock.Before || order == vclock.Equal
}

var _ = Describe("The clock of a node", Label("CLK-1"), func() {
	It("counts each send, under the node's key", func() {
		a := node("a")
		Expect(a.Tick().String()).To(Equal("{a:1}"))
		stamp := a.Tick()
		Expect(stamp.Count()).To(BeEquivalentTo(2))
		Expect(stamp.Owner()).To(Equal(a.Self()))
		Expect(stamp.Clock().Get(life("a", 1))).To(BeEquivalentTo(2))
	})

	It("knows after a merge all that the sender knew", func() {
		a, b, c := node("a"), node("b"), node("c")
		b.Merge(c.Tick())
		a.Tick()
		a.Merge(b.Tick())
		Expect(a.Now().String()).To(Equal("{a:1 b:1 c:1}"))
		Expect(a.Tick().String()).To(Equal("{a:2 b:1 c:1}"))
	})

	It("reads without counting", func() {
		a := node("a")
		a.Tick()
		Expect(a.Now().String()).To(Equal("{a:1}"))
		Expect(a.Now().String()).To(Equal("{a:1}"))
	})

	It("merges no stamp as nothing", func() {
		a := node("a")
		a.Tick()
		a.Merge(messages.Stamp{})
		Expect(a.Now().String()).To(Equal("{a:1}"))
	})

	It("takes nobody's word for its own count", func() {
		a, impostor, b := node("a"), node("a"), node("b")
		a.Tick()
		for range 9 {
			b.Merge(impostor.Tick())
		}
		a.Merge(b.Tick())
		a.Merge(impostor.Tick())
		Expect(a.Now().String()).To(Equal("{a:1 b:1}"))
	})

	It("refuses to count under a key that no link would take", func() {
		Expect(func() { messages.NewNodeClock(vclock.Key{Node: "a b"}, time.Now) }).
			To(PanicWith(ContainSubstring(`invalid key "a b"`)))
	})

	It("holds at most as many entries as a link takes, goes on with those it has, and counts the rest", func() {
		a, crowd := node("a"), node("crowd")
		known := node("known")
		a.Merge(known.Tick())
		for i := range vclock.MaxEntries - 2 {
			crowd.Merge(messages.NewNodeClock(life("x", uint64(i)), time.Now).Tick())
		}
		crowd.Merge(known.Tick())
		a.Merge(crowd.Tick())
		Expect(a.Now().Clock().Len()).To(Equal(1))
		Expect(a.Now().Clock().Get(life("known", 1))).To(BeEquivalentTo(2))
		Expect(a.Refused()).To(BeEquivalentTo(1))
	})

	It("allocates nothing to tick, and to merge what it knows", func() {
		a, b := node("a"), node("b")
		for i := range 16 {
			a.Merge(node(fmt.Sprint("n", i)).Tick())
		}
		b.Merge(a.Tick())
		old := a.Tick()
		local, remote := b.Tick(), a.Tick()
		b.Merge(remote)
		Expect(testing.AllocsPerRun(100, func() {
			b.Merge(local)
			b.Merge(remote)
			b.Merge(old)
		})).To(BeZero())
		inVirtualTime(func(g Gomega) { // in which no reading turns stale
			c := node("c")
			c.Tick()
			g.Expect(testing.AllocsPerRun(100, func() { c.Tick() })).To(BeZero())
		})
	})
})

var _ = Describe("A clock under use by many goroutines", Label("CLK-2"), func() {
	It("never goes back: stamps are ordered by count, by time and by what they know, all alike", func() {
		wall := &handset{now: time.UnixMilli(5_000)}
		a := messages.NewNodeClock(life("a", 1), wall.read)
		peers := []*messages.NodeClock{node("b"), node("c"), node("d")}
		var (
			mu   sync.Mutex
			all  []messages.Stamp
			busy sync.WaitGroup
		)
		for worker := range 6 {
			busy.Go(func() {
				var mine []messages.Stamp
				for i := range 4000 {
					mine = append(mine, a.Tick(), a.Tick())
					switch {
					case worker < len(peers):
						a.Merge(peers[worker].Tick())
					case i%50 == 0:
						wall.set(5_000 + int64(i)*37%200)
						a.Now()
					}
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, mine...)
			})
		}
		busy.Wait()

		slices.SortFunc(all, func(x, y messages.Stamp) int { return int(x.Count()) - int(y.Count()) })
		for i := 1; i < len(all); i++ {
			if all[i].Count() != uint64(i)+1 || all[i-1].Hybrid().Compare(all[i].Hybrid()) >= 0 ||
				all[i-1].Clock().Compare(all[i].Clock()) != vclock.Before {
				Fail(fmt.Sprintf("%v at %v is followed by %v at %v", all[i-1], all[i-1].Hybrid(), all[i], all[i].Hybrid()))
			}
		}
		Expect(a.Now().String()).To(Equal(fmt.Sprintf("{a:%d b:4000 c:4000 d:4000}", len(all))))
	})

	It("agrees with vector clocks as the book has them, whatever is sent and received when", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			const nodes = 4
			var (
				clocks [nodes]*messages.NodeClock
				book   [nodes]vclock.Clock
				sent   []messages.Stamp
				right  []vclock.Clock
			)
			for i := range clocks {
				clocks[i] = node(fmt.Sprint("n", i))
			}
			t.Repeat(map[string]func(*rapid.T){
				"send": func(t *rapid.T) {
					i := rapid.IntRange(0, nodes-1).Draw(t, "node")
					key := clocks[i].Self()
					book[i] = book[i].With(key, book[i].Get(key)+1)
					sent, right = append(sent, clocks[i].Tick()), append(right, book[i])
				},
				"receive": func(t *rapid.T) {
					if len(sent) == 0 {
						return
					}
					i, m := rapid.IntRange(0, nodes-1).Draw(t, "node"), rapid.IntRange(0, len(sent)-1).Draw(t, "message")
					clocks[i].Merge(sent[m])
					book[i] = book[i].Merge(right[m])
					if clocks[i].Now().Hybrid().Compare(sent[m].Hybrid()) < 0 {
						t.Fatal("the time of the message is ahead of its receiver's")
					}
				},
				"": func(t *rapid.T) {
					for i := range clocks {
						if got := clocks[i].Now().Clock(); got.Compare(book[i]) != vclock.Equal {
							t.Fatalf("node %d is at %v, not %v", i, got, book[i])
						}
					}
					for m := range sent {
						if sent[m].Clock().Compare(right[m]) != vclock.Equal {
							t.Fatalf("stamp %d is %v, not %v", m, sent[m], right[m])
						}
					}
				},
			})
		})
	})
})

var _ = Describe("A restarted node", Label("CLK-4"), func() {
	It("counts from 1 under a new incarnation and is not taken for its former self", func() {
		b := node("b")
		before := messages.NewNodeClock(life("a", 1), time.Now)
		last := before.Tick()
		b.Merge(last)
		after := messages.NewNodeClock(life("a", 2), time.Now)
		first := after.Tick()
		Expect(first.Clock().Compare(last.Clock())).To(Equal(vclock.Concurrent))
		b.Merge(first)
		Expect(b.Now().String()).To(Equal("{a#1:1 a#2:1}"))
	})

	It("is told of its former life by others and keeps both", func() {
		b, after := node("b"), messages.NewNodeClock(life("a", 2), time.Now)
		b.Merge(node("a").Tick())
		after.Merge(b.Tick())
		Expect(after.Tick().String()).To(Equal("{a#1:1 a#2:1 b:1}"))
	})
})

var _ = Describe("The hybrid time of a node", Label("CLK-2"), func() {
	at := func(ms int64) vclock.Hybrid { return vclock.Hybrid{Wall: ms} }

	It("follows the wall clock within a millisecond, and reads it no oftener", func() {
		inVirtualTime(func(g Gomega) {
			reads := 0
			a := messages.NewNodeClock(life("a", 1), func() time.Time { reads++; return time.Now() })
			for range 1000 {
				g.Expect(a.Tick().Hybrid().Time()).To(BeTemporally("~", time.Now(), time.Millisecond))
				time.Sleep(100*time.Microsecond + time.Nanosecond)
			}
			g.Expect(reads).To(BeNumerically("~", 100, 2))
			time.Sleep(time.Hour)
			g.Expect(a.Tick().Hybrid().Time()).To(BeTemporally("~", time.Now(), time.Millisecond))
		})
	})

	It("leaves no timer behind when the node falls silent", func() {
		inVirtualTime(func(Gomega) {
			node("a").Tick()
			time.Sleep(time.Second)
			synctest.Wait()
		})
	})

	It("goes on when the wall clock goes back", func() {
		wall := &handset{now: time.UnixMilli(9_000)}
		a := messages.NewNodeClock(life("a", 1), wall.read)
		before := a.Tick().Hybrid()
		wall.set(1_000)
		Expect(a.Now().Hybrid()).To(Equal(before))
		Expect(a.Tick().Hybrid()).To(Equal(before.Next(1_000)))
	})

	It("is later than all it heard of, and than what it is told at the start", func() {
		wall := &handset{now: time.UnixMilli(1_000)}
		a, b := messages.NewNodeClock(life("a", 1), wall.read), messages.NewNodeClock(life("b", 1), wall.read)
		b.Witness(at(7_000))
		Expect(b.Now().Hybrid()).To(Equal(at(7_000)))
		b.Witness(at(5_000))
		Expect(b.Now().Hybrid()).To(Equal(at(7_000)))
		heard := b.Tick()
		a.Merge(heard)
		Expect(a.Tick().Hybrid()).To(Equal(heard.Hybrid().Next(0)))
		b.Witness(at(8_000)) // and nothing else is new
		a.Merge(b.Now())
		Expect(a.Now().Hybrid()).To(Equal(at(8_000)))
	})

	It("is not carried off beyond what links accept", func() {
		a := node("a")
		a.Witness(at(1 << 47))
		for range 3 {
			a.Tick()
		}
		Expect(a.Tick().Hybrid().Time().Year()).To(Equal(4199))
	})
})
