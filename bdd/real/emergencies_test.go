package real_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
)

var _ = Describe("An emergency on a congested link", Label("EMG-4", "real", "long"), func() {
	// records is how many jobs are on their way to the other broker, over a link that takes minutes for them.
	const records = 100_000
	// kib a second are 256 kbit/s.
	const kib = 32

	It("is known at the other end within a second, while 100,000 records are on their way there; what is not urgent waits for them", func(ctx SpecContext) {
		l := newLab()
		b1 := l.hidden("b1").start(ctx)
		way := l.relay(b1)
		b2 := l.hidden("b2", way.Address()).start(ctx)
		one, two := l.client(ctx, b1), l.client(ctx, b2)
		accepted := submit(ctx, one, l.draws(0))
		Eventually(ctx, func() error { _, err := two.Job(ctx, accepted.ID()); return err }).Should(Succeed())

		Expect(way.Cut()).To(Succeed())
		fill(ctx, l, one, records)
		Expect(way.Squeeze(kib)).To(Succeed())
		Expect(way.Heal(ctx)).To(Succeed())
		before := known(ctx, two)
		Eventually(ctx, func() uint64 { return known(ctx, two) }).WithTimeout(time.Minute).Should(BeNumerically(">", before), "they are on their way")

		normal := submit(ctx, one, l.draws(0))
		var times []time.Duration
		for range 5 {
			begin := time.Now()
			e, err := one.Declare(ctx, client.Declaration{Type: "fire", Level: client.Low, TTL: time.Hour})
			Expect(err).NotTo(HaveOccurred())
			Eventually(ctx, func(g Gomega) {
				list, _, err := two.Emergencies(ctx)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(list).To(ContainElement(HaveField("ID", e.ID)))
			}).WithPolling(10 * time.Millisecond).WithTimeout(20 * time.Second).Should(Succeed())
			times = append(times, time.Since(begin))
		}
		AddReportEntry("declared at b1, known at b2 after", times)
		AddReportEntry("records that b2 knows by then, of 100,000", known(ctx, two))
		for _, t := range times {
			Expect(t).To(BeNumerically("<", time.Second))
		}
		Expect(known(ctx, two)).To(BeNumerically("<", records/2), "the link is still full")
		_, err := two.Job(ctx, normal.ID())
		Expect(err).To(MatchError(client.ErrNotFound), "a record that is not urgent waits for its turn")
	}, SpecTimeout(10*time.Minute))
})

// known is how many records a broker has.
func known(ctx context.Context, c *client.Client) uint64 {
	GinkgoHelper()
	s, err := c.Status(ctx)
	Expect(err).NotTo(HaveOccurred())
	return s.Records
}

// fill submits so many jobs that nobody can run, many at a time.
func fill(ctx context.Context, l *lab, c *client.Client, n int) {
	GinkgoHelper()
	const crowd = 512
	work, failed := make(chan struct{}, n), make(chan error, crowd)
	for range n {
		work <- struct{}{}
	}
	close(work)
	for range crowd {
		go func() {
			for range work {
				s, err := c.Submit(ctx, l.draws(time.Hour))
				if err != nil {
					failed <- err
					return
				}
				c.Abandon(s)
			}
			failed <- nil
		}()
	}
	for range crowd {
		Expect(<-failed).To(Succeed())
	}
}
