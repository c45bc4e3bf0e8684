package sim_test

import (
	"io"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
)

var _ = Describe("A seed", func() {
	campaign := func(options ...sim.Option) sim.Campaign {
		c := sim.DefaultCampaign()
		c.Seeds, c.For, c.Jobs = 4, 20*time.Second, 30
		c.Options = options
		return c
	}

	It("gives the same deliveries on every run", func() {
		first := campaign().Go(nil)
		Expect(first.Traces).To(HaveLen(4))
		Expect(campaign().Go(nil).Traces).To(Equal(first.Traces))
	})

	It("gives the same deliveries when several worlds run side by side, and when somebody reads the trace", func() {
		first := campaign().Go(nil)
		parallel := campaign(sim.Verbose(io.Discard))
		parallel.Workers = 4
		Expect(parallel.Go(nil).Traces).To(Equal(first.Traces))
	})

	It("gives other deliveries than another seed", func() {
		c := campaign()
		Expect(c.Run(1).Trace).NotTo(Equal(c.Run(2).Trace))
	})

	It("does not fix the deliveries of actors under their default dispatcher", func() {
		c := campaign(sim.UnderDefaultDispatcher())
		differs := func() bool {
			for seed := range uint64(40) {
				if first := c.Run(seed); c.Run(seed).Trace != first.Trace {
					return true
				}
			}
			return false
		}
		Expect(differs()).To(BeTrue(), "40 seeds ran twice alike")
	})
})
