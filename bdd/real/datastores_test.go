package real_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
)

// noise returns bytes that nobody has, the same for the same number.
func noise(n, size int) []byte {
	data := make([]byte, size)
	source := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), 7})
	_, _ = source.Read(data)
	return data
}

// flipped is what the program flip makes of data.
func flipped(data []byte) []byte {
	out := bytes.Clone(data)
	for i := range out {
		out[i] = ^out[i]
	}
	return out
}

// upAt waits until a broker counts on so many datastores.
func upAt(ctx context.Context, c *client.Client, n int) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		all, err := c.Stores(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		up := 0
		for _, s := range all {
			if s.State == "up" {
				up++
			}
		}
		g.Expect(up).To(Equal(n), "%+v", all)
	}).Should(Succeed())
}

var _ = Describe("Datastores of real processes", Label("DATA-3", "DATA-5", "real"), func() {
	const (
		jobs  = 24
		input = 1 << 20
	)
	// keeps says how many of some blobs a node has on disk.
	keeps := func(n *node, all []client.Blob) int {
		found := 0
		for _, b := range all {
			if n.reads("data", "blobs", hexOf(b)[:2], hexOf(b)) != "" {
				found++
			}
		}
		return found
	}

	It("lose one of two while jobs run: every byte is right, and a third one gets what is missing", func(ctx SpecContext) {
		l := newLab()
		b := l.broker("b1").start(ctx)
		d1, d2 := l.datastore("d1", b).start(ctx), l.datastore("d2", b).start(ctx)
		l.executor("e1", b).start(ctx)
		l.executor("e2", b).start(ctx)
		c := l.client(ctx, b)
		upAt(ctx, c, 2)
		program, err := c.PutFile(ctx, built.flip)
		Expect(err).NotTo(HaveOccurred())
		var taken []*client.Submission
		for i := range jobs {
			in, err := c.PutBytes(ctx, noise(i, input))
			Expect(err).NotTo(HaveOccurred())
			taken = append(taken, submit(ctx, c, &client.Spec{
				Module: program, Args: []string{"flip", "200ms"}, Files: []client.File{{Path: "in", Blob: in}}, Outputs: []string{"out"}, Retention: time.Hour,
			}))
			if i == jobs/2 {
				d1.Kill()
			}
		}
		all := []client.Blob{program}
		for i, s := range taken {
			j := accepted(ctx, s)
			v, _ := j.Winner()
			Expect(v.Result.Outputs).To(HaveLen(1), "%v", v.Result.Missing)
			var out bytes.Buffer
			Expect(c.Get(ctx, v.Result.Outputs[0].Blob, &out)).To(Succeed())
			Expect(bytes.Equal(out.Bytes(), flipped(noise(i, input)))).To(BeTrue(), "job %d", i)
			all = append(all, v.Result.Outputs[0].Blob, j.Spec.Files[0].Blob)
		}
		Expect(keeps(d2, all)).To(Equal(len(all)))
		d3 := l.datastore("d3", b).start(ctx)
		Eventually(ctx, keeps).WithArguments(d3, all).Should(Equal(len(all)))

		By("and the network tells so")
		Expect(l.ucp(ctx, []*node{b}, "node", "list")).To(And(MatchRegexp(`d1 +datastore +lost`), MatchRegexp(`d3 +datastore +up.* used, .* free`)))
		Expect(l.ucp(ctx, []*node{b}, "status")).To(MatchRegexp(`datastores +2, .* used`))
	}, SpecTimeout(4*soon))

	It("serve their bytes over a broker that has lost its own, though they only dial out", func(ctx SpecContext) {
		l := newLab()
		b := l.broker("b1").start(ctx)
		d := l.datastore("d1", b)
		d.Flags = []string{"--port", "0"}
		d.start(ctx)
		c := l.client(ctx, b)
		upAt(ctx, c, 1)
		in, err := c.PutBytes(ctx, noise(1, 5*input))
		Expect(err).NotTo(HaveOccurred())
		Expect(keeps(d, []client.Blob{in})).To(Equal(1))
		program, err := c.PutFile(ctx, built.flip)
		Expect(err).NotTo(HaveOccurred())
		b.Kill()
		Expect(emptied(b)).To(Succeed())
		b.start(ctx)
		l.executor("e1", b).start(ctx)
		c = l.client(ctx, b)
		upAt(ctx, c, 1)
		j := accepted(ctx, submit(ctx, c, &client.Spec{
			Module: program, Args: []string{"flip", "1ms"}, Files: []client.File{{Path: "in", Blob: in}}, Outputs: []string{"out"}, Retention: time.Hour,
		}))
		v, _ := j.Winner()
		var out bytes.Buffer
		Expect(c.Get(ctx, v.Result.Outputs[0].Blob, &out)).To(Succeed())
		Expect(bytes.Equal(out.Bytes(), flipped(noise(1, 5*input)))).To(BeTrue())
	}, SpecTimeout(3*soon))
})
