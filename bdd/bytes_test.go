package bdd_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/internal/job"
)

// meter counts the bytes of all frames between brokers, stamps and all. Set it up before the first link.
func (n *network) meter(brokers ...string) *atomic.Int64 {
	var total atomic.Int64
	between := map[identity.NodeID]bool{}
	for _, b := range brokers {
		between[idOf(b)] = true
	}
	n.memory.Deliver = func(from, to identity.NodeID, size int, deliver func()) {
		if between[from] && between[to] {
			total.Add(int64(size))
		}
		deliver()
	}
	return &total
}

var _ = Describe("What sync costs", Label("SYNC-2"), func() {
	It("is at most 64 bytes per peer and round between equal brokers, counted in frames of their links", func() {
		inNetwork(func(g Gomega, n *network) {
			total := n.meter("b1", "b2", "b3")
			broker(n, "b1")
			broker(n, "b2", "b1")
			broker(n, "b3", "b1", "b2")
			pass(10 * time.Second)
			before := total.Load()
			pass(100 * time.Second)
			const conversations = 100 * 3 * 2 // each of three brokers has two peers
			perRound := float64(total.Load()-before) / conversations
			AddReportEntry("bytes per peer and round", perRound)
			g.Expect(perRound).To(BeNumerically("<=", 64))
		})
	})

	It("is the records that are missing, compressed, and at most 5 % or 4 KiB more", func() {
		inNetwork(func(g Gomega, n *network) {
			total := n.meter("b1", "b2")
			broker(n, "b1")
			c := n.client("c1", "b1", "b2")
			defer c.close()
			var payload bytes.Buffer
			z, err := flate.NewWriter(&payload, flate.DefaultCompression)
			g.Expect(err).NotTo(HaveOccurred())
			rng := rand.New(rand.NewPCG(1, 1))
			var ids []job.ID
			for range 300 {
				s := spec("1s")
				noise := make([]byte, 1024)
				for i := range noise {
					noise[i] = byte(rng.Uint32())
				}
				s.Env = []string{fmt.Sprintf("NOISE=%x", noise)}
				ids = append(ids, c.submit("b1", s))
			}
			for _, id := range ids {
				_, err = z.Write(c.show("b1", id).Append(nil))
				g.Expect(err).NotTo(HaveOccurred())
			}
			g.Expect(z.Close()).To(Succeed())
			broker(n, "b2", "b1")
			pass(2 * time.Second)
			sent := total.Load()
			AddReportEntry("bytes over the payload", sent-int64(payload.Len()))
			g.Expect(sent).To(BeNumerically(">", payload.Len()/2))
			g.Expect(sent).To(BeNumerically("<=", payload.Len()+max(payload.Len()/20, 4<<10)))
			g.Expect(c.show("b2", ids[299]).ID).To(Equal(ids[299]))
		})
	})
})
