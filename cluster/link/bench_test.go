package link_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// benchPair links two nodes over TLS whose clocks know 16 nodes.
func benchPair(b *testing.B) (near, far *actor.ActorSystem, farID string) {
	b.Helper()
	now := time.Now()
	ca, err := identity.NewEphemeralCA("bench", now)
	check(b, err)
	nodes := [2]*actor.ActorSystem{}
	links := [2]*link.Links{}
	var ids [2]string
	for i := range nodes {
		id, err := identity.NewEphemeral(ca, identity.Subject{Name: fmt.Sprint("n", i), Roles: []string{"broker"}}, now)
		check(b, err)
		ids[i] = string(id.ID())
		clock := messages.NewNodeClock(vclock.Key{Node: ids[i], Incarnation: 1}, time.Now)
		for k := range 14 {
			other := messages.NewNodeClock(vclock.Key{Node: fmt.Sprintf("node-%02d-of-the-benchmark-x", k), Incarnation: 1}, time.Now)
			clock.Merge(other.Tick())
		}
		nodes[i] = newSystem()
		cfg := link.Config{
			System: nodes[i], Identity: id, Clock: clock, Codec: numbers{}, Allow: anything, Now: time.Now, Log: slog.New(slog.DiscardHandler),
			Limits: link.Limits{Queue: 16 << 20},
		}
		if i == 1 {
			cfg.Listen = "127.0.0.1:0"
		}
		links[i], err = link.Start(cfg)
		check(b, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_, err = links[0].Connected(ctx, links[1].Addr().String())
	check(b, err)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		links[0].Close(ctx)
		links[1].Close(ctx)
	})
	return nodes[0], nodes[1], ids[1]
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkTell is a flood in one direction, both ends in this process.
func BenchmarkTell(b *testing.B) {
	near, far, id := benchPair(b)
	var got atomic.Int64
	_, err := far.Root.SpawnNamed(actor.PropsFromFunc(func(c actor.Context) {
		if _, ok := messages.Unstamp(c.Message()).(*wrapperspb.Int64Value); ok {
			got.Add(1)
		}
	}), "sink")
	check(b, err)
	pid := actor.NewPID(id, "sink")
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		near.Root.Send(pid, number(int64(i)))
		for int64(i)-got.Load() > 100_000 {
			time.Sleep(50 * time.Microsecond) // stay within the queue
		}
	}
	for got.Load() < int64(b.N) {
		time.Sleep(50 * time.Microsecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkRoundTrip is a request to an actor of the other node, one at a time.
func BenchmarkRoundTrip(b *testing.B) {
	near, far, id := benchPair(b)
	_, err := far.Root.SpawnNamed(actor.PropsFromFunc(func(c actor.Context) {
		if m, ok := messages.Unstamp(c.Message()).(*wrapperspb.Int64Value); ok {
			c.Respond(m)
		}
	}), "echo")
	check(b, err)
	pid := actor.NewPID(id, "echo")
	b.ReportAllocs()
	for b.Loop() {
		_, err := near.Root.RequestFuture(pid, number(1), 5*time.Second).Result()
		check(b, err)
	}
}
