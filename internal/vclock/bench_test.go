package vclock_test

import (
	"testing"

	"github.com/urbancompute/ucp/internal/vclock"
)

// Two clocks of 64 nodes, as they come off links, compared and merged: ≤ 1 µs each.

func received(b *testing.B, seed uint64) vclock.Clock {
	b.Helper()
	c, _, err := vclock.Decode(manyNodes(64, seed).AppendBinary(nil))
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func BenchmarkCompare(b *testing.B) {
	x, y := received(b, 1), received(b, 500)
	b.ReportAllocs()
	for b.Loop() {
		x.Compare(y)
	}
}

func BenchmarkMergeNothingNew(b *testing.B) {
	x := received(b, 1)
	y := received(b, 1).With(vclock.Key{Node: "x"}, 1)
	b.ReportAllocs()
	for b.Loop() {
		y.Merge(x)
	}
}

func BenchmarkMergeConcurrent(b *testing.B) {
	x, y := received(b, 1), received(b, 500)
	b.ReportAllocs()
	for b.Loop() {
		x.Merge(y)
	}
}

func BenchmarkDelta(b *testing.B) {
	before := received(b, 1)
	after := received(b, 1)
	for k, count := range before.All() {
		if count%8 == 0 {
			after = after.With(k, count+5)
		}
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = after.AppendDelta(dst[:0], before)
	}
	b.ReportMetric(float64(len(dst)), "bytes")
}
