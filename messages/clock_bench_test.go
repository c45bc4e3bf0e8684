package messages_test

import (
	"testing"
	"time"

	"github.com/urbancompute/ucp/messages"
)

func BenchmarkTick(b *testing.B) {
	a := crowd(15)
	b.ReportAllocs()
	for b.Loop() {
		a.Tick()
	}
}

func BenchmarkTickParallel(b *testing.B) {
	a := crowd(15)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			a.Tick()
		}
	})
}

func BenchmarkMergeKnown(b *testing.B) {
	a, c := crowd(15), node("c")
	var link wire
	stamp, _, _ := link.decoder.Decode(link.encoder.Append(nil, a.Tick()))
	c.Merge(stamp)
	b.ReportAllocs()
	for b.Loop() {
		c.Merge(stamp)
	}
}

func BenchmarkMergeNew(b *testing.B) {
	a, c := crowd(15), node("c")
	var link wire
	var frame []byte
	b.ReportAllocs()
	for b.Loop() {
		frame = link.encoder.Append(frame[:0], a.Tick())
		stamp, _, _ := link.decoder.Decode(frame)
		c.Merge(stamp)
	}
}

// BenchmarkLink is the cost of stamps alone for a message over a link, both ends, merged once in 64.
func BenchmarkLink(b *testing.B) {
	a, c := crowd(15), messages.NewNodeClock(life("c", 1), time.Now)
	var link wire
	var frame []byte
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		frame = link.encoder.Append(frame[:0], a.Tick())
		link.decoder.Decode(frame)
		if i%64 == 0 {
			c.Merge(link.decoder.Latest())
			a.Merge(c.Tick())
		}
	}
}
