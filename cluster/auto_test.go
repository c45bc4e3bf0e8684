package cluster

import (
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
)

var _ = Describe("A node of role auto", Label("DISC-2"), func() {
	It("becomes a broker when it finds none, and is one from the start after that", func(ctx SpecContext) {
		a := newLab().member("a", "auto").start()
		Expect(a.plays(config.RoleBroker)).To(BeFalse())
		Eventually(ctx, a.isBroker).Should(BeTrue())
		Eventually(ctx, func() (bool, error) { return identity.HadJournal(a.cfg.Identity) }).Should(BeTrue())
		l, err := drawLot(a.cfg.Dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(l.Founder).To(BeTrue(), "it knew of nobody")
		a.stop()
		Expect(os.RemoveAll(filepath.Join(a.cfg.Dir, "journal"))).To(Succeed()) // the disk is lost, its identity says that there was one
		a.start()
		Expect(a.plays(config.RoleBroker)).To(BeTrue())
		Expect(a.founder).To(BeTrue())
	}, SpecTimeout(2*soon))

	It("stays an executor while there is a broker, and becomes one in time when that is gone", func(ctx SpecContext) {
		l := newLab()
		b := l.member("b", "broker").start()
		a := l.member("a", "auto", func(c *config.Node) { c.Auto.Wait, c.BrokerTimeout = 3*time.Second, time.Second }).start()
		Eventually(ctx, a.sees("broker")).Should(ConsistOf("b"))
		Expect(b.sees("executor")()).To(ConsistOf("a"))
		Expect(b.sees("broker")()).To(BeEmpty())
		b.stop()
		Eventually(ctx, a.isBroker).Should(BeTrue())
		got, err := drawLot(a.cfg.Dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(got.Founder).To(BeFalse(), "it knew a broker that may come back")
		b.start()
		Eventually(ctx, b.sees("broker")).Should(ConsistOf("a"))
	}, SpecTimeout(3*soon))

	It("becomes one beside others if it was drawn, and tells them", func(ctx SpecContext) {
		l := newLab()
		b := l.member("b", "broker").start()
		a := l.member("a", "auto", func(c *config.Node) { c.Auto = config.Auto{Wait: time.Hour, BrokerShare: 1} }).start()
		Eventually(ctx, b.sees("broker")).Should(ConsistOf("a"))
		Expect(a.log.says("drawn")).To(BeNumerically(">", 0))
		Expect(a.log.says("founder=false")).To(Equal(1))
	}, SpecTimeout(2*soon))

	It("draws once", func() {
		dir := GinkgoT().TempDir()
		first, err := drawLot(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(drawLot(dir)).To(Equal(first))
		Expect(drawLot(GinkgoT().TempDir())).NotTo(Equal(first))
		Expect(os.WriteFile(filepath.Join(dir, lotFile), []byte("{"), 0o600)).To(Succeed())
		again, err := drawLot(dir)
		Expect(err).NotTo(HaveOccurred(), "a damaged lot is drawn again")
		Expect(drawLot(dir)).To(Equal(again))
	})

	It("is no founder while a seed is out of reach, for that may be a broker", func(ctx SpecContext) {
		l := newLab()
		far := l.member("far", "broker")
		a := l.member("a", "auto", func(c *config.Node) { c.Seeds = []string{address(far)} }).start()
		Eventually(ctx, a.isBroker).Should(BeTrue())
		Expect(a.log.says("founder=false")).To(Equal(1))
		far.start()
		Eventually(ctx, far.sees("broker")).Should(ConsistOf("a"))
	}, SpecTimeout(2*soon))

	It("is a founder when all seeds are like itself", func(ctx SpecContext) {
		l := newLab()
		late := func(c *config.Node) { c.Auto.Wait = time.Hour }
		other := l.member("other", "auto", late).start()
		a := l.member("a", "auto", func(c *config.Node) { c.Seeds, c.MDNS = []string{address(other)}, config.MDNSOff }).start()
		Eventually(ctx, a.isBroker).Should(BeTrue())
		Expect(a.log.says("founder=true")).To(Equal(1))
		Eventually(ctx, other.sees("broker")).Should(ConsistOf("a"))
	}, SpecTimeout(2*soon))

	It("ends while it waits", func() {
		a := newLab().member("a", "auto", func(c *config.Node) { c.Auto.Wait = time.Hour }).start()
		a.stop()
		Expect(a.isBroker()).To(BeFalse())
	})
})
