package messages_test

import (
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("A node that is retired", Label("CLK-6"), func() {
	It("is dropped from the clock, and so are its earlier lives", func() {
		a := node("a")
		for inc := uint64(1); inc <= 3; inc++ {
			b := messages.NewNodeClock(life("b", inc), handsetAt(1).read)
			a.Merge(b.Tick())
		}
		a.Merge(node("c").Tick())
		Expect(a.Now().Clock().Len()).To(Equal(4))
		a.Retire(life("b", 2))
		Expect(a.Now().String()).To(Equal("{b:1 c:1}"))
		Expect(a.Now().Clock().Get(life("b", 3))).To(BeEquivalentTo(1))
	})

	It("is not learned again from those who still count it, or from itself", func() {
		a, b, c := node("a"), node("b"), node("c")
		c.Merge(b.Tick())
		a.Merge(c.Tick())
		a.Retire(b.Self())
		a.Merge(c.Tick())
		a.Merge(b.Tick())
		Expect(a.Now().Clock().Get(b.Self())).To(BeZero())
		Expect(a.Now().Clock().Get(c.Self())).To(BeEquivalentTo(2), "what else they say is learned")
	})

	It("comes back as another life", func() {
		a := node("a")
		a.Retire(life("b", 1))
		again := messages.NewNodeClock(life("b", 2), handsetAt(1).read)
		a.Merge(again.Tick())
		Expect(a.Now().Clock().Get(again.Self())).To(BeEquivalentTo(1))
	})

	It("never is the node itself, only its earlier lives", func() {
		a := messages.NewNodeClock(life("a", 2), handsetAt(1).read)
		a.Tick()
		a.Retire(life("a", 1), life("a", 2), life("a", 3))
		Expect(a.Tick().Count()).To(BeEquivalentTo(2))
		Expect(a.Now().Clock().Get(life("a", 2))).To(BeEquivalentTo(2))
	})

	It("takes nothing from the count and the time of what is sent then", func() {
		a := node("a")
		a.Merge(node("b").Tick())
		before := a.Tick()
		a.Retire(life("b", 1))
		after := a.Tick()
		Expect(after.Count()).To(Equal(before.Count() + 1))
		Expect(after.Hybrid().Compare(before.Hybrid())).To(Equal(1))
	})

	It("leaves the encoded stamps of a link readable", func() {
		a := node("a")
		a.Merge(node("b").Tick())
		a.Merge(node("c").Tick())
		var e messages.StampEncoder
		var d messages.StampDecoder
		for range 3 {
			s := a.Tick()
			got, rest, err := d.Decode(e.Append(nil, s))
			Expect(err).NotTo(HaveOccurred())
			Expect(rest).To(BeEmpty())
			Expect(notAfter(s.Clock(), got.Clock())).To(BeTrue())
			a.Retire(life("b", 1))
		}
	})

	It("costs one entry of memory a node, for so many nodes at most", func() {
		a := node("a")
		for i := range uint64(1000) {
			a.Retire(life("b", i+1))
		}
		for i := range vclock.MaxEntries + 10 {
			a.Retire(life(fmt.Sprint("n", i), 1))
		}
		early := messages.NewNodeClock(life("b", 1), handsetAt(1).read)
		a.Merge(early.Tick())
		Expect(a.Now().Clock().Get(early.Self())).To(BeEquivalentTo(1), "the first was forgotten")
		late := messages.NewNodeClock(life("n100", 1), handsetAt(1).read)
		a.Merge(late.Tick())
		Expect(a.Now().Clock().Get(late.Self())).To(BeZero())
	})
})

func handsetAt(ms int64) *handset {
	h := &handset{}
	h.set(ms)
	return h
}
