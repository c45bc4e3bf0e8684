package vclock_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/vclock"
)

var _ = Describe("The binary form of a clock", Label("CLK-3"), func() {
	It("comes back as it was, and leaves what follows", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			c := clocks.Draw(t, "clock")
			back, rest, err := vclock.Decode(append(c.AppendBinary(nil), "more"...))
			if err != nil || string(rest) != "more" || back.Compare(c) != vclock.Equal {
				t.Fatalf("%v became %v, %q, %v", c, back, rest, err)
			}
		})
	})

	It("sends of 64 entries only the one that moved, in three bytes", func() {
		before := manyNodes(64, 1)
		key := vclock.Key{Node: fmt.Sprintf("%026d", 40), Incarnation: 1<<40 + 40}
		after := before.With(key, before.Get(key)+50)
		delta := after.AppendDelta(nil, before)
		Expect(delta).To(HaveLen(3))
		applied, _, err := before.ApplyDelta(delta)
		Expect(err).NotTo(HaveOccurred())
		Expect(applied.Compare(after)).To(Equal(vclock.Equal))
	})

	It("sends entries that moved together in a byte each", func() {
		before, after := manyNodes(64, 1), vclock.Clock{}
		for k, count := range before.All() {
			after = after.With(k, count+20)
		}
		Expect(len(after.AppendDelta(nil, before))).To(BeNumerically("<=", 64+2))
	})

	It("takes a single byte when there is nothing to tell", func() {
		Expect(manyNodes(9, 1).AppendDelta(nil, manyNodes(9, 1))).To(Equal([]byte{0}))
	})

	entry := func(node string, incarnation, count byte) string {
		return string(rune(len(node))) + node + string([]byte{incarnation, count})
	}
	DescribeTable("refuses",
		func(input string) {
			_, _, err := vclock.Clock{}.With(b1, 3).ApplyDelta([]byte(input))
			Expect(err).To(MatchError(vclock.ErrMalformed))
		},
		Entry("nothing", ""),
		Entry("a cut varint", "\x80"),
		Entry("a varint that is not the shortest", "\x80\x00"),
		Entry("a varint beyond 64 bits", strings.Repeat("\xff", 10)+"\x01"),
		Entry("more changes than entries", "\x04\x00\x00"),
		Entry("a cut change", "\x02"),
		Entry("a cut skip", "\x02\x01"),
		Entry("a skip of none", "\x02\x01\x00"),
		Entry("a change beyond the entries", "\x02\x01\x01"),
		Entry("a count beyond bounds", "\x02\x80\x80\x80\x80\x80\x80\x80\x80\x20"),
		Entry("an addition of none", "\x01\x00"),
		Entry("an addition without a number", "\x01"),
		Entry("more additions than bytes", "\x01\xff\x1f"+entry("x", 1, 1)),
		Entry("more entries than the bound", "\x01\x80\x20"+strings.Repeat(entry("x", 1, 1), 4096)),
		Entry("an entry it has", "\x01\x01"+entry("b1", 1, 9)),
		Entry("an entry twice", "\x01\x02"+entry("x", 1, 1)+entry("x", 1, 1)),
		Entry("entries out of order", "\x01\x02"+entry("y", 1, 1)+entry("x", 1, 1)),
		Entry("a count of zero", "\x01\x01"+entry("x", 1, 0)),
		Entry("a name of no length", "\x01\x01\x00\x01\x01\x01"),
		Entry("a name beyond the bound", "\x01\x01"+entry(strings.Repeat("x", 65), 1, 1)),
		Entry("a name with a space", "\x01\x01"+entry("a b", 1, 1)),
		Entry("a cut name", "\x01\x01\x09abcdef"),
		Entry("a cut entry", "\x01\x01\x03abc\x01"),
	)

	It("accepts as many entries as the bound, and keys at theirs", func() {
		c := manyNodes(vclock.MaxEntries-1, 1).
			With(vclock.Key{Node: strings.Repeat("~", vclock.MaxNode), Incarnation: 1<<64 - 1}, vclock.MaxCount)
		back, _, err := vclock.Decode(c.AppendBinary(nil))
		Expect(err).NotTo(HaveOccurred())
		Expect(back.Compare(c)).To(Equal(vclock.Equal))
	})
})

// FuzzApplyDelta holds that hostile bytes never panic, never break an invariant, and that what is accepted is
// canonical.
func FuzzApplyDelta(f *testing.F) {
	base := vclock.Clock{}.With(b1, 3).With(b2, 1<<40)
	f.Add([]byte{})
	f.Add(vclock.Clock{}.With(b1, 4).AppendDelta(nil, base))
	f.Add(manyNodes(5, 1).With(b2, 1<<50).AppendDelta(nil, base))
	f.Fuzz(func(t *testing.T, src []byte) {
		next, rest, err := base.ApplyDelta(src)
		if err != nil {
			return
		}
		taken := src[:len(src)-len(rest)]
		if again := next.AppendDelta(nil, base); !bytes.Equal(again, taken) {
			t.Fatalf("%x is taken for %v, which is written %x", taken, next, again)
		}
		if order := base.Compare(next); order != vclock.Before && order != vclock.Equal {
			t.Fatalf("%v went back to %v", base, next)
		}
	})
}
