package messages_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// wire is a link between two nodes as far as stamps go.
type wire struct {
	encoder messages.StampEncoder
	decoder messages.StampDecoder
	frame   []byte // the last one
}

func (w *wire) carry(s messages.Stamp) messages.Stamp {
	GinkgoHelper()
	w.frame = w.encoder.Append(w.frame[:0], s)
	got, rest, err := w.decoder.Decode(append(w.frame, "rest"...))
	Expect(err).NotTo(HaveOccurred())
	Expect(string(rest)).To(Equal("rest"))
	return got
}

func expectSame(got, want messages.Stamp) {
	GinkgoHelper()
	Expect(got.Owner()).To(Equal(want.Owner()))
	Expect(got.Hybrid()).To(Equal(want.Hybrid()))
	Expect(got.String()).To(Equal(want.String()))
}

// crowd is a node that has heard of others.
func crowd(others int) *messages.NodeClock {
	a := node("a-node-id-of-26-characters")
	for i := range others {
		a.Merge(node(fmt.Sprintf("a-node-id-of-length-26-%03d", i)).Tick())
	}
	return a
}

var _ = Describe("A stamp", Label("CLK-1"), func() {
	It("is nothing as its zero value, which is what clients send", func() {
		var none messages.Stamp
		Expect(none.IsZero()).To(BeTrue())
		Expect(none.Clock().Len()).To(BeZero())
		Expect(none.Owner()).To(Equal(vclock.Key{}))
		Expect(none.Hybrid()).To(Equal(vclock.Hybrid{}))
		Expect(none.String()).To(Equal("{}"))
	})

	It("comes off a message with Unstamp, which leaves others as they are", func() {
		Expect(messages.Unstamp(&messages.Stamped{Message: "hello"})).To(Equal("hello"))
		Expect(messages.Unstamp("hello")).To(Equal("hello"))
		Expect(messages.Unstamp(nil)).To(BeNil())
	})
})

var _ = Describe("Stamps on a link", Label("CLK-3"), func() {
	It("arrive as they were sent", func() {
		a, b := crowd(3), node("b")
		link := &wire{}
		for range 5 {
			stamp := a.Tick()
			expectSame(link.carry(stamp), stamp)
			b.Tick()
			a.Merge(b.Tick())
		}
		now := a.Now()
		expectSame(link.carry(now), now)
	})

	It("teach the receiver what the sender knew", func() {
		a, b := crowd(3), node("b")
		b.Merge((&wire{}).carry(a.Tick()))
		Expect(b.Now().Clock().Without(b.Self()).Compare(a.Now().Clock())).To(Equal(vclock.Equal))
	})

	It("can be none at all, in one byte, since clients count nothing", Label("CLK-5"), func() {
		link := &wire{}
		Expect(link.carry(messages.Stamp{}).IsZero()).To(BeTrue())
		Expect(link.frame).To(HaveLen(1))
		a := crowd(2)
		now := a.Now()
		expectSame(link.carry(now), now)
		Expect(link.carry(messages.Stamp{}).IsZero()).To(BeTrue())
		stamp := a.Tick()
		expectSame(link.carry(stamp), stamp)
	})

	It("take three bytes at most, and no allocation, while the sender learns nothing", func() {
		inVirtualTime(func(g Gomega) {
			a := crowd(63)
			var encoder messages.StampEncoder
			var decoder messages.StampDecoder
			frame := encoder.Append(make([]byte, 0, 4096), a.Tick())
			decoder.Decode(frame)
			for _, others := range []int{0, 10, 1000} {
				for range others {
					a.Tick()
				}
				stamp := a.Tick()
				frame = encoder.Append(frame[:0], stamp)
				g.Expect(len(frame)).To(BeNumerically("<=", 3))
				decoder.Decode(frame)
			}
			g.Expect(testing.AllocsPerRun(100, func() {
				frame = encoder.Append(frame[:0], a.Tick())
				decoder.Decode(frame)
				decoder.Latest()
			})).To(BeZero())
			g.Expect(frame).To(HaveLen(1))
		})
	})

	It("name each node once, and start whole on a new connection", func() {
		a := crowd(63)
		link := &wire{}
		link.carry(a.Tick())
		Expect(len(link.frame)).To(BeNumerically(">", 63*26))
		a.Merge(node("newcomer").Tick())
		link.carry(a.Tick())
		Expect(len(link.frame)).To(BeNumerically("<", 30))
		link = &wire{}
		stamp := a.Tick()
		expectSame(link.carry(stamp), stamp)
	})

	It("start whole again when another node speaks", func() {
		link, a := &wire{}, node("a")
		a.Witness(vclock.Hybrid{Wall: 1 << 45})
		link.carry(a.Tick())
		stamp := crowd(2).Tick()
		expectSame(link.carry(stamp), stamp)
		expectSame(link.decoder.Latest(), stamp)
	})

	It("start whole again before they name more nodes than a peer takes", func() {
		link := &wire{}
		for life := range 3 {
			a := node("a") // as if the clock of a had dropped retired nodes
			for i := range vclock.MaxEntries / 2 {
				a.Merge(messages.NewNodeClock(vclock.Key{Node: fmt.Sprint("n", life), Incarnation: uint64(i)}, time.Now).Tick())
			}
			stamp := a.Tick()
			Expect(notAfter(stamp.Clock(), link.carry(stamp).Clock())).To(BeTrue())
		}
	})

	DescribeTable("take 12 bytes in the mean on a busy link, with 64 nodes in the clock",
		func(t traffic) {
			inVirtualTime(func(g Gomega) {
				mean := t.meanStamp()
				AddReportEntry("mean stamp in bytes", fmt.Sprintf("%.1f", mean))
				g.Expect(mean).To(BeNumerically("<=", 12))
			})
		},
		Entry("when 10,000 messages a second are told", traffic{answers: 100, hears: 100, pause: 100 * time.Microsecond}),
		Entry("when each of 5,000 messages a second is answered", traffic{answers: 1, hears: 40, pause: 200 * time.Microsecond}),
		Entry("when another node is heard of after each eighth", traffic{answers: 1, hears: 8, pause: 200 * time.Microsecond}),
	)
})

// traffic on a link from one of 64 nodes to another: the peer answers each answers-th message, the sender hears from
// some other node after each hears-th. For each message two more nodes talk to each other.
type traffic struct {
	answers, hears int
	pause          time.Duration
}

// meanStamp is the mean size of 5,000 stamps.
func (t traffic) meanStamp() float64 {
	random := rand.New(rand.NewPCG(1, 2))
	nodes := make([]*messages.NodeClock, 64)
	for i := range nodes {
		nodes[i] = node(fmt.Sprintf("a-node-id-of-length-26-%03d", i))
	}
	anyone := func() *messages.NodeClock { return nodes[2+random.IntN(62)] }
	a, b := nodes[0], nodes[1]
	for _, n := range nodes {
		a.Merge(n.Tick())
	}
	var encoder messages.StampEncoder
	encoder.Append(nil, a.Tick())
	const total = 5000
	bytes := 0
	for i := range total {
		anyone().Merge(anyone().Tick())
		if i%t.hears == 0 {
			a.Merge(anyone().Tick())
		}
		if i%t.answers == 0 {
			a.Merge(b.Tick())
		}
		stamp := a.Tick()
		bytes += len(encoder.Append(nil, stamp))
		b.Merge(stamp)
		time.Sleep(t.pause)
	}
	return float64(bytes) / total
}

var _ = Describe("Urgent stamps that overtake others", Label("CLK-3"), func() {
	It("keep count and time exact, know no less than they did, and no more than was sent", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			wall := &handset{now: time.UnixMilli(1_000)}
			a := messages.NewNodeClock(life("a", 1), wall.read)
			others := []*messages.NodeClock{node("b"), node("c"), messages.NewNodeClock(life("b", 2), time.Now)}
			var waiting []messages.Stamp
			var soFar vclock.Clock
			var greatest vclock.Hybrid
			link := &wire{}
			t.Repeat(map[string]func(*rapid.T){
				"send":  func(*rapid.T) { waiting = append(waiting, a.Tick()) },
				"learn": func(t *rapid.T) { a.Merge(rapid.SampledFrom(others).Draw(t, "of").Tick()) },
				"time":  func(t *rapid.T) { a.Witness(vclock.Hybrid{Wall: rapid.Int64Range(1_000, 2_000_000).Draw(t, "ms")}) },
				"write": func(t *rapid.T) {
					if len(waiting) == 0 {
						return
					}
					i := rapid.IntRange(0, len(waiting)-1).Draw(t, "which")
					stamp := waiting[i]
					waiting = append(waiting[:i], waiting[i+1:]...)
					soFar = soFar.Merge(stamp.Clock())
					if stamp.Hybrid().Compare(greatest) > 0 {
						greatest = stamp.Hybrid()
					}
					got := link.carry(stamp)
					switch {
					case got.Count() != stamp.Count() || got.Owner() != stamp.Owner() || got.Hybrid() != stamp.Hybrid():
						t.Fatalf("%v at %v became %v at %v", stamp, stamp.Hybrid(), got, got.Hybrid())
					case !notAfter(stamp.Clock(), got.Clock()):
						t.Fatalf("%v lost something and became %v", stamp, got)
					case !notAfter(got.Clock(), soFar):
						t.Fatalf("%v became %v, of which only %v was sent", stamp, got, soFar)
					}
					latest := link.decoder.Latest()
					if latest.Clock().Compare(soFar) != vclock.Equal || latest.Hybrid() != greatest {
						t.Fatalf("the latest is %v at %v, not %v at %v", latest, latest.Hybrid(), soFar, greatest)
					}
				},
			})
		})
	})
})

var _ = Describe("A stamp that no encoder wrote", Label("CLK-3", "LINK-6"), func() {
	whole := func(owner string, count uint64, hybrid string, others vclock.Clock) string {
		frame := []byte{byte((count+1)*4 + 3)}
		frame = life(owner, 1).AppendBinary(frame)
		return string(others.AppendBinary(append(frame, hybrid...)))
	}
	good := whole("a", 1, "\x09", vclock.Clock{}.With(life("b", 1), 3))
	DescribeTable("is refused:",
		func(first, second string) {
			var decoder messages.StampDecoder
			if first != "" {
				_, _, err := decoder.Decode([]byte(first))
				Expect(err).NotTo(HaveOccurred())
			}
			_, _, err := decoder.Decode([]byte(second))
			Expect(err).To(MatchError(messages.ErrBadStamp))
		},
		Entry("nothing", "", ""),
		Entry("a change before anything whole", "", "\x08"),
		Entry("a cut owner", "", good[:2]),
		Entry("an owner without time", "", good[:4]),
		Entry("a cut clock", "", good[:len(good)-1]),
		Entry("an owner without a name", "", whole("", 1, "\x09", vclock.Clock{})),
		Entry("an owner among the others", "", whole("a", 1, "\x09", vclock.Clock{}.With(life("a", 1), 3))),
		Entry("a time beyond bounds", "", whole("a", 1, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", vclock.Clock{})),
		Entry("a count below zero", good, "\x0c"),
		Entry("a count beyond bounds", good, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
		Entry("a cut time", good, "\x09"),
		Entry("a time that goes below zero", good, "\x09\xff\x01"),
		Entry("entries that are none", good, "\x0a\x02\x02\x01\x09"),
		Entry("its owner among the new entries", good, "\x0a\x02\x01\x01\x01a\x01\x01"),
	)

	It("leaves good ones alone", func() {
		var decoder messages.StampDecoder
		stamp, rest, err := decoder.Decode([]byte(good + "\x08"))
		Expect(err).NotTo(HaveOccurred())
		Expect(stamp.String()).To(Equal("{a:1 b:3}"))
		stamp, _, err = decoder.Decode(rest)
		Expect(err).NotTo(HaveOccurred())
		Expect(stamp.String()).To(Equal("{a:2 b:3}"))
	})
})

// FuzzStampDecoder holds that hostile bytes never panic, and that what is accepted keeps within bounds and can be
// encoded again.
func FuzzStampDecoder(f *testing.F) {
	var encoder messages.StampEncoder
	a, b := crowd(2), node("b")
	frames := encoder.Append(nil, a.Tick())
	frames = encoder.Append(frames, a.Tick())
	a.Merge(b.Tick())
	f.Add(encoder.Append(frames, a.Tick()))
	f.Add([]byte{3})
	f.Fuzz(func(t *testing.T, src []byte) {
		var decoder, second messages.StampDecoder
		var again messages.StampEncoder
		clock := node("me")
		for len(src) > 0 {
			stamp, rest, err := decoder.Decode(src)
			if err != nil {
				return
			}
			src = rest
			if stamp.Clock().Len() > vclock.MaxEntries+1 || stamp.Count() > vclock.MaxCount {
				t.Fatalf("%d entries, count %d", stamp.Clock().Len(), stamp.Count())
			}
			back, _, err := second.Decode(again.Append(nil, stamp))
			if err != nil || back.Hybrid() != stamp.Hybrid() || !notAfter(stamp.Clock(), back.Clock()) {
				t.Fatalf("%v became %v: %v", stamp, back, err)
			}
			clock.Merge(stamp)
			if _, _, err := (&messages.StampDecoder{}).Decode((&messages.StampEncoder{}).Append(nil, clock.Tick())); err != nil {
				t.Fatalf("after %v at %v the clock's own stamps are refused: %v", stamp, stamp.Hybrid(), err)
			}
		}
	})
}
