package ledger

import (
	"bytes"
	"math"
	"slices"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

func drawDot(t *rapid.T) Dot {
	o := Origin{
		rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "journal"),
		rapid.Uint64Range(0, 1).Draw(t, "incarnation"),
		rapid.SampledFrom([]Lane{Urgent, Normal}).Draw(t, "lane"),
	}
	return Dot{o, rapid.Uint64Range(1, 5).Draw(t, "seq")}
}

func drawVector(t *rapid.T) (v Vector) {
	for _, d := range rapid.SliceOfN(rapid.Custom(drawDot), 0, 6).Draw(t, "dots") {
		v = v.With(d)
	}
	return v
}

func TestVectorsAreALattice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u, v, w := drawVector(t), drawVector(t), drawVector(t)
		same := func(law string, a, b Vector) {
			if !bytes.Equal(a.Append(nil), b.Append(nil)) || !a.wellFormed() {
				t.Fatalf("%s: %v and %v", law, a, b)
			}
		}
		for name, join := range map[string]func(Vector, Vector) Vector{"merge": Vector.Merge, "meet": Vector.Meet} {
			same(name+" is idempotent", join(v, v), v)
			same(name+" is commutative", join(v, w), join(w, v))
			same(name+" is associative", join(join(u, v), w), join(u, join(v, w)))
		}
		same("absorption", v.Merge(v.Meet(w)), v)
		same("absorption", v.Meet(v.Merge(w)), v)
		same("journals", v.Of("a").Merge(v.Of("b")).Merge(v.Of("c")), v)
		if !v.Merge(w).CoversAll(w) || !v.CoversAll(v.Meet(w)) {
			t.Fatalf("what is joined is covered")
		}
	})
}

func TestMergeOfRecordsIsAJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, false)
		w.run()
		var versions []Record
		for _, r := range w.replicas {
			if rec, ok := r.Get(key(0)); ok {
				versions = append(versions, rec)
			}
		}
		if len(versions) < 3 {
			t.Skip("too few versions")
		}
		a, b, c := versions[0], versions[1], versions[2]
		same := func(law string, x, y Record) {
			if !bytes.Equal(x.Append(nil), y.Append(nil)) {
				t.Fatalf("not %s", law)
			}
		}
		same("idempotent", a.Merge(a), a)
		same("commutative", a.Merge(b), b.Merge(a))
		same("associative", a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
		r := replica("r")
		for _, rec := range versions {
			r.Merge(rec, false)
			a = a.Merge(rec)
		}
		got, _ := r.Get(key(0))
		same("what a replica computes", got, a)
	})
}

func TestSumsAreThoseOfTheRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, true)
		w.run()
		for _, r := range w.replicas {
			root := uint64(0)
			for _, kind := range []Kind{Job, Horizon} {
				for rec := range r.All(kind) {
					root += sum64(0, rec.Append(nil))
				}
			}
			if root != r.Root() {
				t.Fatalf("root %x, want %x", r.Root(), root)
			}
		}
	})
}

var _ = Describe("What comes from outside is refused if it is", func() {
	good := Record{Key: key(1), Created: dot("a", 1), CreatedAt: at(1), Writes: upto(dot("a", 1)), State: blob("x")}
	DescribeTable("a record", func(spoil func(*Record)) {
		rec := good
		spoil(&rec)
		_, err := DecodeRecord(rec.Append(nil), readBlob)
		Expect(err).To(MatchError(canon.ErrMalformed))
		_, err = DecodeRecords(EncodeRecords([]Record{good, rec}), readBlob, 1<<20)
		Expect(err).To(MatchError(canon.ErrMalformed))
	},
		Entry("without its creation", func(r *Record) { r.Writes = upto(dot("b", 1)) }),
		Entry("with writes out of order", func(r *Record) { r.Writes = Vector{[]Dot{dot("b", 1), dot("a", 1)}} }),
		Entry("with a write that is none", func(r *Record) { r.Writes = Vector{[]Dot{dot("a", 1), dot("b", 0)}} }),
		Entry("with a creation that is none", func(r *Record) { r.Created.Seq = 0 }),
		Entry("with a time that does not fit", func(r *Record) { r.CreatedAt = vclock.Hybrid{Wall: 1 << 50} }),
		Entry("with a logical time that does not fit", func(r *Record) { r.CreatedAt.Logical = math.MaxUint32 }),
	)

	DescribeTable("a knowledge", func(k Knowledge) {
		_, err := DecodeKnowledge(k.Append(nil))
		Expect(err).To(MatchError(canon.ErrMalformed))
	},
		Entry("with spans that touch", Knowledge{Extra: []Span{{dot("a", 1).Origin, 1, 2}, {dot("a", 1).Origin, 3, 4}}}),
		Entry("with a span from 0", Knowledge{Extra: []Span{{dot("a", 1).Origin, 0, 2}}}),
		Entry("with origins out of order", Knowledge{Extra: []Span{{dot("b", 1).Origin, 1, 2}, {dot("a", 1).Origin, 1, 2}}}),
		Entry("with numbers that run over", Knowledge{Extra: []Span{{dot("a", 1).Origin, 9, 8}}}),
		Entry("with a vector out of order", Knowledge{Vector: Vector{[]Dot{dot("b", 1), dot("a", 1)}}}),
	)

	It("a vector out of order", func() {
		_, err := DecodeVector(Vector{[]Dot{dot("a", 1), dot("a", 1)}}.Append(nil))
		Expect(err).To(MatchError(canon.ErrMalformed))
	})
})

func FuzzDecodeRecord(f *testing.F) {
	f.Add(replica("a").Put(Normal, key(1), wrote(300), at(1)).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := DecodeRecord(b, readHistory)
		if err == nil && rec.Key.Kind != Horizon && string(rec.Append(nil)) != string(b) {
			t.Fatalf("two encodings of one record")
		}
	})
}

func FuzzDecodeRecords(f *testing.F) {
	a, b := replica("a"), replica("b")
	for i := range 3 {
		a.Put(Normal, longKey(i), jobLike(i, 1), at(i))
		f.Add(EncodeRecords([]Record{mustPlain(a, i)}))
	}
	exchangePlain(a, b)
	b.Put(Urgent, longKey(1), jobLike(1, 2), at(9))
	f.Add(EncodeRecords([]Record{mustPlain(b, 0), mustPlain(b, 1)}))
	f.Fuzz(checkBatch)
}

// FuzzUnpackedRecords is the same beneath the compression, which hides the columns from a fuzzer.
func FuzzUnpackedRecords(f *testing.F) {
	a, b := replica("a"), replica("b")
	for i := range 3 {
		a.Put(Normal, longKey(i), jobLike(i, 1), at(i))
	}
	exchangePlain(a, b)
	b.Put(Urgent, longKey(1), jobLike(1, 2), at(9))
	columns, bodies, err := unpackBatch(EncodeRecords([]Record{mustPlain(b, 0), mustPlain(b, 1), mustPlain(b, 2)}), 1<<16)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(columns, bodies)
	f.Fuzz(func(t *testing.T, columns, bodies []byte) {
		checkBatch(t, slices.Concat([]byte{batchFormat}, canon.AppendUint(nil, 2*uint64(len(columns))), columns,
			canon.AppendUint(nil, 2*uint64(len(bodies))), bodies))
	})
}

// checkBatch checks that what can be decoded is what its own encoding decodes to, and that a replica can live with it.
func checkBatch(t *testing.T, in []byte) {
	recs, err := DecodeRecords(in, readBlob, 1<<16)
	if err != nil {
		return
	}
	again, err := DecodeRecords(EncodeRecords(recs), readBlob, 1<<17)
	if err != nil || len(again) != len(recs) {
		t.Fatalf("%d records came back as %d: %v", len(recs), len(again), err)
	}
	r := replica("c")
	for i, rec := range recs {
		if !bytes.Equal(rec.Append(nil), again[i].Append(nil)) {
			t.Fatalf("record %d changed", i)
		}
		r.Merge(rec, false)
	}
	r.Missing(Knowledge{}).Next(100)
}

func mustPlain(r *Replica, i int) Record {
	rec, _ := r.Get(longKey(i))
	return rec
}

func exchangePlain(a, b *Replica) {
	p, _ := a.Missing(b.Seen()).Next(everything)
	for _, rec := range p.Records {
		b.Merge(rec, false)
	}
}

func FuzzDecodeKnowledge(f *testing.F) {
	f.Add(Knowledge{upto(dot("a", 5)), []Span{{dot("a", 1).Origin, 7, 9}, {dot("a", 1).Origin, 20, 20}, {dot("b", 1).Origin, 1, 1}}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := DecodeKnowledge(b)
		if err != nil {
			return
		}
		if !bytes.Equal(k.Append(nil), b) {
			t.Fatalf("two encodings of one knowledge")
		}
		replica("a").Missing(k)
	})
}

func FuzzDecodeHorizon(f *testing.F) {
	f.Add(HorizonState{Vector: upto(dot("a", 5)), At: at(3)}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := DecodeHorizon(b); err == nil && !bytes.Equal(h.Append(nil), b) {
			t.Fatalf("two encodings of one horizon")
		}
	})
}

func FuzzDecodeVector(f *testing.F) {
	f.Add(upto(dot("a", 5), dot("b", 1)).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := DecodeVector(b); err == nil && !bytes.Equal(v.Append(nil), b) {
			t.Fatalf("two encodings of one vector")
		}
	})
}
