package ledger

import (
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("The audit", Label("SYNC-8"), func() {
	var a, b *Replica

	BeforeEach(func() {
		a, b = replica("a"), replica("b")
		b.Put(Normal, key(5000), wrote(0), at(0)) // origins get other numbers here than there
		exchange(b, a)
		for i := range 1000 {
			a.Put(Normal, key(i), wrote(1), at(i))
		}
		exchange(a, b)
	})

	// repaired compares the ranges that differ and gives b what the comparison names. It returns how many ranges did.
	repaired := func() (ranges int) {
		for i := range Ranges {
			if a.Range(i) == b.Range(i) {
				continue
			}
			ranges++
			differ, lacking, extra := Compare(b.Sums(i), a.Sums(i))
			Expect(extra).To(BeEmpty())
			for _, k := range slices.Concat(differ, lacking) {
				_, outcome := b.Merge(mustGet(a, k), true)
				Expect(outcome).To(Equal(Taken))
			}
		}
		return ranges
	}

	It("finds nothing where nothing is wrong", func() {
		Expect(a.Root()).To(Equal(b.Root()))
		Expect(repaired()).To(BeZero())
		for i := range Ranges {
			Expect(a.Verify(i)).To(BeEmpty())
		}
	})

	It("finds a hole that no vector shows, and mends it", func() {
		b.Drop(key(7))
		Expect(b.Vector()).To(Equal(a.Vector()))
		Expect(a.Missing(b.Seen()).Empty()).To(BeTrue())
		Expect(b.Hash()).NotTo(Equal(a.Hash()))
		Expect(repaired()).To(Equal(1))
		expectEqual(a, b)
	})

	It("finds a flipped bit, and has it mended", func() {
		b.cell(key(7)).version.state.(history).writes[0] ^= 4
		var damaged []Key
		for i := range Ranges {
			damaged = append(damaged, b.Verify(i)...)
		}
		Expect(damaged).To(Equal([]Key{key(7)}))
		b.Lost(key(7))
		Expect(repaired()).To(Equal(1))
		expectEqual(a, b)
	})

	It("merges what differs without a reason", func() {
		v := *b.cell(key(7)).version
		v.state = wrote(9)
		b.Drop(key(7))
		b.store(&v)
		Expect(repaired()).To(Equal(1))
		Expect(writesOf(b, key(7))).To(Equal([]uint64{1, 9}))
		_, outcome := a.Merge(mustGet(b, key(7)), true)
		Expect(outcome).To(Equal(Taken))
		expectEqual(a, b)
	})

	It("tells the three ways apart in which ranges differ", func() {
		sum := func(i int, s uint64) KeySum { return KeySum{key(i), s} }
		differ, lacking, extra := Compare([]KeySum{sum(1, 1), sum(2, 1), sum(4, 1), sum(6, 1)}, []KeySum{sum(2, 2), sum(3, 1), sum(4, 1), sum(5, 1)})
		Expect(differ).To(Equal([]Key{key(2)}))
		Expect(lacking).To(Equal([]Key{key(3), key(5)}))
		Expect(extra).To(Equal([]Key{key(1), key(6)}))
		_, lacking, _ = Compare(nil, []KeySum{sum(1, 1)})
		Expect(lacking).To(Equal([]Key{key(1)}))
	})

	It("depends on what is held alone, not on the way it came", func() {
		c := replica("c")
		exchange(b, c)
		for i := range Ranges {
			Expect(c.Range(i)).To(Equal(a.Range(i)))
			Expect(c.Sums(i)).To(Equal(a.Sums(i)))
		}
	})
})
