package link

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
)

// BenchmarkCarrier is a round trip of 40 bytes over TLS and gRPC alone: what a
// link cannot be faster than. Compare it with BenchmarkRoundTrip of the same run.
func BenchmarkCarrier(b *testing.B) {
	ca, err := identity.NewEphemeralCA("bench", time.Now())
	if err != nil {
		b.Fatal(err)
	}
	var ends [2]*tcp
	for i := range ends {
		id, err := identity.NewEphemeral(ca, identity.Subject{Name: "n", Roles: []string{"broker"}}, time.Now())
		if err != nil {
			b.Fatal(err)
		}
		ends[i] = newTCP(id, time.Now, slog.New(slog.DiscardHandler), Limits{}.normal())
		defer ends[i].close()
	}
	addr, err := ends[0].listen("127.0.0.1:0", func(c carrier) error {
		for {
			frame, err := c.Recv()
			if err != nil {
				return err
			}
			echo := append([]byte(nil), frame...)
			if err := c.Send(&echo); err != nil {
				return err
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	c, err := ends[1].dial(context.Background(), addr.String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(errClosed)
	for b.Loop() {
		frame := make([]byte, 40)
		if err := c.Send(&frame); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Recv(); err != nil {
			b.Fatal(err)
		}
	}
}
