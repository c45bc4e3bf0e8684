package ledger

import (
	"fmt"
	"runtime"
	"testing"
)

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMergeMillion merges 1,000,000 records, decoded, into an empty replica, and says what they take there beside states and ids.
func BenchmarkMergeMillion(b *testing.B) {
	var parts []Part
	for d, more := million(1_000_000).Missing(Knowledge{}), true; more; {
		var p Part
		p, more = d.Next(256 << 10)
		recs, err := DecodeRecords(EncodeRecords(p.Records), readBlob, 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		p.Records = recs
		parts = append(parts, p)
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		before := heap()
		b.StartTimer()
		r := replica("journal-of-broker-2")
		for _, p := range parts {
			for _, rec := range p.Records {
				r.Merge(rec, false)
			}
			r.TakeMarks(p.From, p.Marks)
		}
		b.StopTimer()
		b.ReportMetric(float64(heap()-before)/float64(r.Len()), "overhead-B/record")
		runtime.KeepAlive(r)
		b.StartTimer()
	}
}

// BenchmarkStreamMillion is the same through encoding and decoding, with the planning at the sender.
func BenchmarkStreamMillion(b *testing.B) {
	a := million(1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		r := replica("journal-of-broker-2")
		for d, more := a.Missing(r.Seen()), true; more; {
			var p Part
			p, more = d.Next(256 << 10)
			recs, err := DecodeRecords(EncodeRecords(p.Records), readBlob, 1<<20)
			if err != nil {
				b.Fatal(err)
			}
			for _, rec := range recs {
				r.Merge(rec, false)
			}
			r.TakeMarks(p.From, p.Marks)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	for _, n := range []int{1_000, 1_000_000} {
		b.Run(fmt.Sprint("over-", n), func(b *testing.B) {
			r := million(n)
			keys := make([]Key, 1000)
			for i := range keys {
				keys[i] = longKey(i * (n / 1000))
			}
			state := jobLike(1, 2)
			heap() // what making them left behind
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				r.Put(Normal, keys[i%1000], state, at(2_000_000_000_000+i))
				i++
			}
		})
	}
}

func BenchmarkMissing(b *testing.B) {
	for _, n := range []int{10, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			r := million(1_000_000)
			k := Knowledge{Vector: Vector{}.With(Dot{Origin{"journal-of-broker-1", 1, Normal}, uint64(1_000_000 - n)})}
			b.ReportAllocs()
			for b.Loop() {
				r.Missing(k)
			}
		})
	}
}

// BenchmarkSeen is what a round costs while very much came above the vector.
func BenchmarkSeen(b *testing.B) {
	a, r := million(200_000), replica("journal-of-broker-2")
	for i := range 200_000 {
		if rec, _ := a.Get(longKey((i * 7919) % 200_000)); i%3 > 0 {
			r.Merge(rec, false)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Seen()
	}
}
