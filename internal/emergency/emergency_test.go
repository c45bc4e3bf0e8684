package emergency_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/internal/vclock"
)

// versions draws versions of one record, as different brokers may hold it. Few values, so that they meet often.
func versions() *rapid.Generator[emergency.Emergency] {
	return rapid.Custom(func(t *rapid.T) emergency.Emergency {
		at := func(what string) vclock.Hybrid { return vclock.Hybrid{Wall: int64(rapid.IntRange(1, 3).Draw(t, what))} }
		e := emergency.Emergency{
			ID: "01-b1", Type: rapid.SampledFrom([]string{"fire", "flood"}).Draw(t, "type"), Level: emergency.Level(rapid.IntRange(1, 4).Draw(t, "level")),
			Area: "north", By: "c1", ByName: "anna", Broker: rapid.SampledFrom([]string{"b1", "b2"}).Draw(t, "broker"), At: at("declared"), TTL: time.Minute,
		}
		if rapid.Bool().Draw(t, "over") {
			e.Over = &emergency.Over{By: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "by"), Reason: rapid.SampledFrom([]string{"", "out"}).Draw(t, "reason"), At: at("ended")}
			e.Ended = rapid.Bool().Draw(t, "ended")
		}
		return e
	})
}

func TestMergeIsALaw(t *testing.T) {
	same := func(t *rapid.T, a, b emergency.Emergency, law string) {
		if string(a.Append(nil)) != string(b.Append(nil)) {
			t.Fatalf("%s: %+v is not %+v", law, a, b)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := versions().Draw(t, "a"), versions().Draw(t, "b"), versions().Draw(t, "c")
		same(t, a.Merge(b), b.Merge(a), "commutative")
		same(t, a.Merge(b).Merge(c), a.Merge(b.Merge(c)), "associative")
		same(t, a.Merge(a), a, "idempotent")
		same(t, a.Merge(b).Merge(b), a.Merge(b), "nothing is new twice")
		if m := a.Merge(b); a.Over != nil && m.Active() {
			t.Fatal("what is over is in force again")
		}
		back, err := emergency.Decode(a.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		same(t, back, a, "encoding")
	})
}

var _ = Describe("The record of an emergency", Label("EMG-1"), func() {
	declared := emergency.Emergency{ID: "01-b1", Type: "fire", Level: emergency.High, At: vclock.Hybrid{Wall: 5}}

	It("ends when that is said first, whoever says it again", func() {
		early := declared.Cleared(emergency.Over{By: "x", At: vclock.Hybrid{Wall: 7}})
		late := declared.Cleared(emergency.Over{By: "a", At: vclock.Hybrid{Wall: 9}})
		Expect(late.Merge(early).Over.By).To(Equal("x"))
		Expect(early.Cleared(emergency.Over{By: "y"}).Over.By).To(Equal("x"))
	})

	It("of another format, or a level that is none, is refused", func() {
		b := declared.Append(nil)
		b[0] = 9
		_, err := emergency.Decode(b)
		Expect(err).To(MatchError(canon.ErrMalformed))
		declared := declared
		declared.Level = 7
		_, err = emergency.Decode(declared.Append(nil))
		Expect(err).To(MatchError(canon.ErrMalformed))
	})

	It("torn anywhere is refused", func() {
		whole := declared.Cleared(emergency.Over{By: "x", At: vclock.Hybrid{Wall: 7}}).Append(nil)
		for n := range len(whole) {
			_, err := emergency.Decode(whole[:n])
			Expect(err).To(HaveOccurred(), "%d bytes", n)
		}
	})

	DescribeTable("knows its level by a word", func(word string, level emergency.Level) {
		Expect(emergency.ParseLevel(word)).To(Equal(level))
		Expect(level.String()).To(BeEquivalentTo(word))
	},
		Entry(nil, "low", emergency.Low), Entry(nil, "medium", emergency.Medium), Entry(nil, "high", emergency.High), Entry(nil, "critical", emergency.Critical),
	)

	It("knows no other words", func() {
		for _, word := range []string{"", "none", "grave", "5"} {
			_, err := emergency.ParseLevel(word)
			Expect(err).To(MatchError(emergency.ErrInvalid), word)
		}
	})
})

var _ = Describe("A board", Label("EMG-1"), func() {
	var b emergency.Board
	put := func(id string, kind string, level emergency.Level, at int64) emergency.Emergency {
		e := emergency.Emergency{ID: id, Type: kind, Level: level, At: vclock.Hybrid{Wall: at}}
		b.Set(e)
		return e
	}
	BeforeEach(func() { b = emergency.Board{} })

	It("is of no level when it is empty", func() {
		Expect(b.Level()).To(Equal(emergency.None))
		_, any := b.Highest()
		Expect(any).To(BeFalse())
	})

	It("has the highest level of those in force, told by the first of them", func() {
		put("01AA-b", "flood", emergency.High, 3)
		put("01AB-b", "fire", emergency.Critical, 2)
		put("01AC-b", "fire", emergency.Critical, 1)
		Expect(b.Level()).To(Equal(emergency.Critical))
		highest, _ := b.Highest()
		Expect(highest.ID).To(Equal("01AC-b"))
		for _, e := range b.OfType("fire") {
			b.Set(e.Cleared(emergency.Over{At: vclock.Hybrid{Wall: 9}}))
		}
		Expect(b.Level()).To(Equal(emergency.High))
		Expect(b.Active()).To(HaveLen(1))
		Expect(b.Past()).To(HaveLen(2))
	})

	It("lists in causal order, and forgets what need not be kept", func() {
		put("01AA-b", "flood", emergency.High, 3)
		fire := put("01AB-b", "fire", emergency.Low, 2)
		Expect(b.All()[0].Type).To(Equal("fire"))
		b.Set(fire.Cleared(emergency.Over{}).End())
		Expect(b.All()).To(HaveLen(1))
	})

	It("finds by an id or the beginning of one, but not by a letter or two", func() {
		for i := range 3 {
			put(fmt.Sprintf("01AA%d-b", i), "fire", emergency.Low, 1)
		}
		Expect(b.Find("01AA1-b")).To(HaveLen(1))
		Expect(b.Find("01AA1")).To(HaveLen(1))
		Expect(b.Find("01AA")).To(HaveLen(3))
		Expect(b.Find("01A")).To(BeEmpty())
	})
})
