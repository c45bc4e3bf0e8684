package real_test

import (
	"fmt"
	"os/exec"
	"runtime"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
)

// burn keeps every core busy twice over until the spec ends.
func burn() {
	GinkgoHelper()
	for range 2 * runtime.NumCPU() {
		busy := exec.Command("sh", "-c", "while :; do :; done")
		Expect(busy.Start()).To(Succeed())
		DeferCleanup(func() {
			Expect(busy.Process.Kill()).To(Succeed())
			_ = busy.Wait() // it was killed
		})
	}
}

var _ = Describe("A healthy network on machines at full load", Label("LOSS-2", "real"), func() {
	DescribeTable("loses nobody", func(ctx SpecContext, length time.Duration) {
		l := newLab()
		b := l.broker("b1").start(ctx)
		for i := range 3 {
			l.executor(fmt.Sprint("e", i+1), b).start(ctx)
		}
		c := l.client(ctx, b)
		accepted(ctx, submit(ctx, c, l.draws(0)))
		burn()
		jobs := 0
		for until := time.Now().Add(length); time.Now().Before(until); jobs += 4 {
			var some []*client.Submission
			for range 4 {
				some = append(some, submit(ctx, c, l.draws(100*time.Millisecond)))
			}
			for _, s := range some {
				Expect(accepted(ctx, s).Current().Attempts).To(HaveLen(1))
			}
		}
		status, err := c.Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(status.Redeployed).To(BeZero())
		Expect(status.Executors).To(Equal(3))
		Expect(status.Accepted).To(BeEquivalentTo(jobs + 1))
		Expect(b.Log()).NotTo(ContainSubstring(`"msg":"executor lost"`))
	},
		Entry("within 12 s", SpecTimeout(2*soon), 12*time.Second),
		Entry("within 5 minutes", Label("long"), SpecTimeout(5*time.Minute+2*soon), 5*time.Minute),
	)
})
