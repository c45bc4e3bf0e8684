package sim_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("A schedule of faults", func() {
	It("leaves no broker down when faults are over, not even one that it waited to strike", func() {
		w := sim.New(1, sim.Quiet())
		defer w.Close()
		brokers := []string{"b1", "b2", "b3"}
		for _, b := range brokers {
			w.Broker(b)
		}
		w.Run(4 * time.Second)
		sim.StrikeAtTheEnd(w, 10)
		w.Run(4 * time.Second)
		for _, b := range brokers {
			Expect(w.Look(b, &messages.StatusRequest{})).To(BeAssignableToTypeOf(&messages.StatusResponse{}), b)
		}
	})
})
