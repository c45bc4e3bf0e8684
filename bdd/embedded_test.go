package bdd_test

import (
	"context"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	ucp "github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
	"github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

// embedded starts a network of one node over real sockets and worker processes, and a client of it.
func embedded(ctx context.Context, slots int) *ucp.Client {
	GinkgoHelper()
	before := gleak.Goroutines()
	DeferCleanup(func() { Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before)) })
	e, err := cluster.StartEmbedded(slots, cluster.Options{Version: "spec", Log: quiet(), CacheDir: GinkgoT().TempDir()})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(e.Close()).To(Succeed()) })
	c, err := ucp.Dial(ctx, ucp.Options{Addresses: []string{e.Address}, Identity: e.Client, Log: quiet()})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(c.Close()).To(Succeed()) })
	return c
}

var _ = Describe("An embedded network", func() {
	It("runs a real module to its end", Label("RUN-1", "JOB-2"), func(ctx SpecContext) {
		c := embedded(ctx, 1)
		module, err := c.PutBytes(ctx, wasm.Noop())
		Expect(err).NotTo(HaveOccurred())
		s, err := c.Submit(ctx, &ucp.Spec{Name: "noop", Module: module, Retention: time.Hour})
		Expect(err).NotTo(HaveOccurred())
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(j.State()).To(Equal(job.StateAccepted))
	}, SpecTimeout(20*time.Second))

	It("gives every one of many jobs a result", Label("JOB-3"), func(ctx SpecContext) {
		c := embedded(ctx, 2)
		module, err := c.PutBytes(ctx, wasm.Noop())
		Expect(err).NotTo(HaveOccurred())
		const jobs, clients = 2000, 64
		var wg sync.WaitGroup
		begin := time.Now()
		for range clients {
			wg.Go(func() {
				defer GinkgoRecover()
				for range jobs / clients {
					s, err := c.Submit(ctx, &ucp.Spec{Name: "noop", Module: module})
					Expect(err).NotTo(HaveOccurred())
					j, err := s.Wait(ctx)
					Expect(err).NotTo(HaveOccurred())
					Expect(j.State()).To(Equal(job.StateAccepted))
				}
			})
		}
		wg.Wait()
		AddReportEntry("rate", float64(jobs)/time.Since(begin).Seconds())
	}, SpecTimeout(60*time.Second))
})

var _ = Describe("A node that closes while a job runs", func() {
	It("ends the job's program and is gone at once", Label("RUN-2"), func(ctx SpecContext) {
		e, err := cluster.StartEmbedded(1, cluster.Options{Version: "spec", Log: quiet(), CacheDir: GinkgoT().TempDir()})
		Expect(err).NotTo(HaveOccurred())
		c, err := ucp.Dial(ctx, ucp.Options{Addresses: []string{e.Address}, Identity: e.Client, Log: quiet()})
		Expect(err).NotTo(HaveOccurred())
		module, err := c.PutBytes(ctx, wasmtest.Endless())
		Expect(err).NotTo(HaveOccurred())
		s, err := c.Submit(ctx, &ucp.Spec{Module: module})
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, func() bool {
			found, err := c.Job(ctx, s.ID())
			return err == nil && found.Job.State() == job.StateRunning
		}).Should(BeTrue())
		Expect(c.Close()).To(Succeed())
		at := time.Now()
		Expect(e.Close()).To(Succeed())
		Expect(time.Since(at)).To(BeNumerically("<", 3*time.Second))
	}, SpecTimeout(20*time.Second))
})
