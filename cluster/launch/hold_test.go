package launch_test

import (
	"fmt"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/launch"
)

var _ = Describe("Holding a file", func() {
	var path string

	BeforeEach(func() { path = filepath.Join(GinkgoT().TempDir(), "made", "node.pid") })

	It("carries the id of the process, and is gone when it is released", func() {
		hold, err := launch.Take(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.ReadFile(path)).To(BeEquivalentTo(fmt.Sprintf("%d\n", os.Getpid())))
		Expect(hold.Release()).To(Succeed())
		Expect(path).NotTo(BeAnExistingFile())
	})

	It("refuses a second holder, naming the first", func() {
		hold, err := launch.Take(path)
		Expect(err).NotTo(HaveOccurred())
		_, err = launch.Take(path)
		Expect(err).To(MatchError(&launch.HeldError{Path: path, PID: os.Getpid()}))
		pid, held, err := launch.Holder(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(pid).To(Equal(os.Getpid()))
		Expect(held).To(BeTrue())
		Expect(hold.Release()).To(Succeed())
	})

	It("takes over what a crash left behind", func() {
		Expect(os.MkdirAll(filepath.Dir(path), 0o700)).To(Succeed())
		Expect(os.WriteFile(path, []byte("999999999999\n"), 0o600)).To(Succeed())
		_, held, err := launch.Holder(path)
		Expect(held, err).To(BeFalse())
		Expect(path).NotTo(BeAnExistingFile())
		hold, err := launch.Take(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(hold.Release()).To(Succeed())
	})

	It("lets one of many in, each time", func() {
		for range 50 {
			holds := make(chan *launch.Hold, 8)
			for range cap(holds) {
				go func() {
					hold, _ := launch.Take(path)
					holds <- hold
				}()
			}
			var won []*launch.Hold
			for range cap(holds) {
				if hold := <-holds; hold != nil {
					won = append(won, hold)
				}
			}
			Expect(won).To(HaveLen(1))
			Expect(won[0].Release()).To(Succeed())
		}
	})
})
