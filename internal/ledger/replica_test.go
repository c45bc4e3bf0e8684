package ledger

import (
	"fmt"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

// greatest is the simplest state there is: the greater number counts.
type greatest uint64

func (a greatest) Merge(o State) State    { return max(a, o.(greatest)) }
func (a greatest) Append(b []byte) []byte { return canon.AppendUint(b, a) }
func readGreatest(_ Kind, b []byte) (State, error) {
	r := canon.NewReader(b)
	return greatest(r.Uint64()), r.Err()
}

func key(n int) Key                   { return Key{Job, fmt.Sprint("job-", n)} }
func at(ms int) vclock.Hybrid         { return vclock.Hybrid{Wall: int64(ms)} }
func replica(journal string) *Replica { return New(journal, 1) }

// sync brings everything a has to b, the way brokers do.
func sync(a, b *Replica) int {
	delta := a.Delta(b.Vector())
	for _, r := range delta {
		b.Merge(r)
	}
	b.Adopt(a.Vector())
	return len(delta)
}

// dump is everything a replica says, canonically.
func dump(r *Replica) string {
	recs := r.Delta(Vector{})
	var b []byte
	for _, rec := range recs {
		b = rec.Append(b)
	}
	return string(r.Vector().Append(b))
}

var _ = Describe("Two replicas", Label("SYNC-1"), func() {
	It("agree after one exchange each way", func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), greatest(1), at(1))
		b.Put(Normal, key(2), greatest(2), at(2))
		sync(a, b)
		sync(b, a)
		Expect(dump(a)).To(Equal(dump(b)))
		Expect(a.Len()).To(Equal(2))
	})

	It("exchange exactly what is missing", Label("SYNC-2"), func() {
		a, b := replica("a"), replica("b")
		for i := range 100 {
			a.Put(Normal, key(i), greatest(1), at(i))
		}
		Expect(sync(a, b)).To(Equal(100))
		Expect(sync(a, b)).To(BeZero())
		a.Put(Normal, key(7), greatest(2), at(200))
		a.Put(Normal, key(7), greatest(3), at(201))
		Expect(sync(a, b)).To(Equal(1), "a record changed twice travels once, in its newest state")
	})

	It("merge writes made at the same time, and lose none", Label("SYNC-6"), func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), greatest(5), at(1))
		b.Put(Normal, key(1), greatest(9), at(2))
		sync(a, b)
		sync(b, a)
		rec, _ := a.Get(key(1))
		Expect(rec.State).To(Equal(greatest(9)))
		Expect(rec.CreatedAt).To(Equal(at(1)), "the creation that was first stays")
		Expect(rec.Writes.Dots()).To(HaveLen(2))
	})
})

var _ = Describe("A replica", func() {
	It("passes on what it heard from others", Label("SYNC-5"), func() {
		a, b, c := replica("a"), replica("b"), replica("c")
		a.Put(Normal, key(1), greatest(1), at(1))
		sync(a, b)
		sync(b, c)
		_, ok := c.Get(key(1))
		Expect(ok).To(BeTrue())
	})

	It("asks again for what a cut delta left out, because it adopts nothing before all has come", Label("SYNC-3"), func() {
		a, b := replica("a"), replica("b")
		for i := range 10 {
			a.Put(Normal, key(i), greatest(1), at(i))
		}
		for _, r := range a.Delta(b.Vector())[:4] {
			b.Merge(r)
		}
		Expect(b.Vector()).To(Equal(Vector{}))
		sync(a, b)
		Expect(dump(a)).To(Equal(dump(b)))
	})

	It("sends records in the order of their creation, whoever changed them since", Label("SYNC-3"), func() {
		a := replica("a")
		for i := range 5 {
			a.Put(Normal, key(i), greatest(1), at(i))
		}
		a.Put(Normal, key(0), greatest(2), at(99))
		var order []string
		for _, r := range a.Delta(Vector{}) {
			order = append(order, r.Key.ID)
		}
		Expect(order).To(Equal([]string{"job-0", "job-1", "job-2", "job-3", "job-4"}))
	})

	It("does not take back what it forgot", func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), greatest(1), at(1))
		sync(a, b)
		b.Forget(key(1))
		sync(a, b)
		sync(b, a)
		_, ok := b.Get(key(1))
		Expect(ok).To(BeFalse())
		Expect(a.Len()).To(Equal(1), "forgetting is each replica's own")
	})

	It("is filled by its peers when it comes back with an empty disk, under a journal of its own", func() {
		a, b := replica("a"), replica("b")
		a.Put(Normal, key(1), greatest(1), at(1))
		sync(a, b)
		again := replica("a2")
		sync(b, again)
		again.Put(Normal, key(2), greatest(1), at(2))
		sync(again, b)
		Expect(dump(again)).To(Equal(dump(b)))
	})

	It("keeps its logs as long as what is in them, not as what was", func() {
		a := replica("a")
		for i := range 100_000 {
			a.Put(Normal, key(i%10), greatest(i), at(i))
		}
		for i := range 10 {
			a.Forget(key(i))
		}
		origin := a.Vector().Dots()[0].Origin
		Expect(len(a.logs[origin].entries)).To(BeNumerically("<", 2*minCompact))
	})
})

// world is a few replicas to which anything may happen.
func worlds(t *rapid.T) []*Replica {
	all := []*Replica{replica("a"), replica("b"), replica("c")}
	for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
		r := all[rapid.IntRange(0, 2).Draw(t, "at")]
		switch rapid.IntRange(0, 3).Draw(t, "do") {
		case 0, 1:
			lane := rapid.SampledFrom([]Lane{Urgent, Normal}).Draw(t, "lane")
			r.Put(lane, key(rapid.IntRange(0, 5).Draw(t, "key")), greatest(rapid.IntRange(0, 99).Draw(t, "value")), at(i))
		case 2:
			sync(all[rapid.IntRange(0, 2).Draw(t, "from")], r)
		case 3: // a cut, and out of order
			delta := all[rapid.IntRange(0, 2).Draw(t, "from")].Delta(r.Vector())
			for _, rec := range rapid.Permutation(delta).Draw(t, "order")[:len(delta)/2] {
				r.Merge(rec)
			}
		}
	}
	return all
}

// Whatever happened before, replicas that hear each other out hold the same, and no write is lost.
func TestReplicasConverge(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := worlds(t)
		expected := map[Key]State{}
		for _, r := range all {
			for k, rec := range r.records {
				if s, ok := expected[k]; ok {
					expected[k] = s.Merge(rec.State)
				} else {
					expected[k] = rec.State
				}
			}
		}
		for range 2 {
			for _, from := range all {
				for _, to := range all {
					sync(from, to)
				}
			}
		}
		for _, r := range all {
			if dump(r) != dump(all[0]) {
				t.Fatalf("replicas differ")
			}
			for k, s := range expected {
				if rec, ok := r.Get(k); !ok || rec.State != s {
					t.Fatalf("record %v: %v, want %v", k, rec.State, s)
				}
			}
		}
	})
}

func TestMergeOfRecordsIsAJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var versions []Record
		for _, r := range worlds(t) {
			if rec, ok := r.Get(key(0)); ok {
				versions = append(versions, rec)
			}
		}
		if len(versions) < 3 {
			t.Skip("too few versions")
		}
		a, b, c := versions[0], versions[1], versions[2]
		same := func(law string, x, y Record) {
			if string(x.Append(nil)) != string(y.Append(nil)) {
				t.Fatalf("not %s", law)
			}
		}
		same("idempotent", a.Merge(a), a)
		same("commutative", a.Merge(b), b.Merge(a))
		same("associative", a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
	})
}

func FuzzDecodeRecord(f *testing.F) {
	r := replica("a")
	f.Add(r.Put(Normal, key(1), greatest(300), at(1)).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := DecodeRecord(b, readGreatest)
		if err == nil && string(rec.Append(nil)) != string(b) {
			t.Fatalf("two encodings of one record")
		}
	})
}

func BenchmarkPutOverMillion(b *testing.B) {
	r := replica("a")
	for i := range 1_000_000 {
		r.Put(Normal, key(i), greatest(1), at(i))
	}
	b.ResetTimer()
	for i := range b.N {
		r.Put(Normal, key(i%1000), greatest(i), at(2_000_000+i))
	}
}
