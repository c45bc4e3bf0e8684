package actors_test

import (
	"fmt"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// BenchmarkStampedTell is the local stamped message of design section 16: tells from one actor to another with a clock
// of 16 nodes, ≥ 1.5 M/s. BenchmarkPlainTell is the same without stamps, to compare.
func BenchmarkStampedTell(b *testing.B) {
	clock := messages.NewNodeClock(vclock.Key{Node: "this-node-id-of-26-letters", Incarnation: 1}, time.Now)
	for i := range 15 {
		other := messages.NewNodeClock(vclock.Key{Node: fmt.Sprintf("node-id-of-26-letters-%03d", i)}, time.Now)
		clock.Merge(other.Tick())
	}
	tell(b, actors.Stamping(clock)...)
}

func BenchmarkPlainTell(b *testing.B) { tell(b) }

// tell has one actor send b.N messages to another, no more than 4096 ahead, and reports messages per second.
func tell(b *testing.B, opts ...actor.PropsOption) {
	b.Helper()
	const window = 4096
	system := newSystem("bench", io.Discard)
	var got atomic.Int64
	done := make(chan struct{})
	total := int64(b.N)
	room := make(chan struct{}, 2)
	room <- struct{}{}
	room <- struct{}{}
	sink := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*ping); !ok {
			return
		}
		n := got.Add(1)
		if n%(window/2) == 0 {
			room <- struct{}{}
		}
		if n == total {
			close(done)
		}
	}, opts...))
	source := system.Root.Spawn(actor.PropsFromFunc(func(ctx actor.Context) {
		if _, ok := ctx.Message().(*pong); !ok {
			return
		}
		m := &ping{}
		for i := range total {
			if i%(window/2) == 0 {
				<-room
			}
			ctx.Send(sink, m)
		}
	}, opts...))
	b.ReportAllocs()
	b.ResetTimer()
	system.Root.Send(source, &pong{})
	<-done
	b.StopTimer()
	b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "msg/s")
	system.Shutdown()
}
