package scale_test

import (
	"encoding/json"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/scale"
)

var _ = Describe("A network of 10 brokers and 200 executors that has more to do than it can", Ordered, func() {
	var r *scale.Report
	BeforeAll(func() {
		r = scale.Run(scale.Small())
		Expect(r.Write(GinkgoWriter)).To(Succeed())
	})

	It("finishes every job, and gives no executor more than it has slots", Label("PLACE-1"), func() {
		Expect(r.Finished).To(Equal(r.Jobs))
		Expect(r.Overcommitted).To(BeZero())
	})

	It("lets no slot idle while there is work for it", Label("PLACE-1"), func() {
		Expect(r.Utilisation).To(BeNumerically(">=", 0.95))
	})

	It("serves submitters alike while all have jobs that wait, though one has as many as all others", Label("PLACE-2"), func() {
		Expect(r.Backlogged[1]-r.Backlogged[0]).To(BeNumerically(">", 20), "s in which all had some")
		Expect(r.Jain).To(BeNumerically(">=", 0.95))
	})

	It("starts the ten jobs of a visitor long before the flood that was there before", Label("PLACE-2"), func() {
		Expect(r.Place["visitor"].P50).To(BeNumerically("<", r.Place["flood"].P50/10))
	})

	It("has every executor make room within milliseconds of a fire's declaration, and starts nothing else while it burns", Label("EMG-2"), func() {
		Expect(r.Fire.Heard.N).To(Equal(r.Brokers))
		Expect(r.Fire.Executors).To(Equal(r.Executors))
		Expect(r.Fire.Acted.Max).To(BeNumerically("<", 0.05))
		Expect(r.Fire.Wrong).To(BeZero())
	})

	It("starts the jobs of a fire within milliseconds wherever there is a slot, though all come in at one broker", Label("JOB-13", "EMG-2"), func() {
		Expect(r.Fire.Starts.N).To(BeNumerically(">", 2*r.Slots/r.Brokers), "more than that broker has slots for")
		Expect(r.Fire.Starts.Max).To(BeNumerically("<", 0.05))
	})

	It("asks about few jobs from broker to broker while everybody is busy", Label("JOB-13"), func() {
		Expect(r.Requests).To(BeNumerically("<", 2*r.Jobs))
	})

	It("goes the same way again with the same seed, and another one with another", func() {
		text := func(r *scale.Report) string {
			b, err := json.Marshal(r)
			Expect(err).NotTo(HaveOccurred())
			return string(b)
		}
		s := scale.Small()
		Expect(text(scale.Run(s))).To(Equal(text(r)))
		s.Seed = 2
		Expect(text(scale.Run(s))).NotTo(Equal(text(r)))
	})
})
