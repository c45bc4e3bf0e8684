package link_test

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// deadLetters is what a node's actor system could not deliver.
func deadLetters(n *node) <-chan *actor.DeadLetterEvent {
	ch := make(chan *actor.DeadLetterEvent, 1000)
	n.system.EventStream.Subscribe(func(e any) {
		if d, ok := e.(*actor.DeadLetterEvent); ok {
			select {
			case ch <- d:
			default:
			}
		}
	})
	return ch
}

// clocks are those of some other nodes.
func clocks(n int) (all []*messages.NodeClock) {
	for i := range n {
		key := vclock.Key{Node: fmt.Sprintf("otherotherotherother%06d", i), Incarnation: 29_000_000_000_000_000 + uint64(i)}
		all = append(all, messages.NewNodeClock(key, time.Now))
	}
	return all
}

// metric sums a counter of a node's links over the label value given, if any.
func metric(n *node, name, label string) (sum float64) {
	GinkgoHelper()
	reg := prometheus.NewPedanticRegistry()
	Expect(reg.Register(n.links)).To(Succeed())
	families, err := reg.Gather()
	Expect(err).NotTo(HaveOccurred())
	for _, f := range families {
		for _, m := range f.Metric {
			if f.GetName() == name && (label == "" || m.Label[0].GetValue() == label) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func sentBytes(n *node) uint64 { return uint64(metric(n, "ucp_link_bytes_total", "out")) }

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }
