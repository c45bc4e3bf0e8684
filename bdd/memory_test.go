package bdd_test

import (
	"runtime"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	ucp "github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/wasm"
)

// held is what is on the heap once garbage is gone.
func held() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// least is the least of what is held over the next three seconds, in which records of a retention of 0 are forgotten.
func least(ctx SpecContext) uint64 {
	least := held()
	until := time.Now().Add(3 * time.Second)
	Eventually(ctx, func() bool {
		least = min(least, held())
		return time.Now().After(until)
	}).WithPolling(500 * time.Millisecond).WithTimeout(time.Minute).Should(BeTrue())
	return least
}

var _ = Describe("A network that has run 20,000 jobs", Label("campaign"), func() {
	It("holds no memory for each of the next 10,000", func(ctx SpecContext) {
		c := embedded(ctx, 2)
		module, err := c.PutBytes(ctx, wasm.Noop())
		Expect(err).NotTo(HaveOccurred())
		run := func(jobs int) {
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					defer GinkgoRecover()
					for range jobs / 100 {
						s, err := c.Submit(ctx, &ucp.Spec{Name: "noop", Module: module})
						Expect(err).NotTo(HaveOccurred())
						_, err = s.Wait(ctx)
						Expect(err).NotTo(HaveOccurred())
					}
				})
			}
			wg.Wait()
		}
		run(20_000) // tables grow to what they need
		first := least(ctx)
		run(10_000)
		// Tables grow in steps, now and then; whatever is kept of every job costs more: a name in the engine's registry alone 120 bytes.
		Expect(least(ctx)).To(BeNumerically("<", first+10_000*64), "bytes on the heap after garbage collection")
	}, SpecTimeout(120*time.Second))
})
