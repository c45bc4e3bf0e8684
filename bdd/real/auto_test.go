package real_test

import (
	"context"
	"net"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	clusterlab "github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/job"
)

// auto makes a node that is told of nobody and of no part to play, and does not start it. It looks for others by mDNS on the loopback, and becomes
// a broker if it finds none within two to four seconds.
func (l *lab) auto(name string, flags ...string) *node {
	GinkgoHelper()
	return l.add(clusterlab.Setup{Name: name, Roles: []string{"auto"}, Flags: append([]string{
		"--mdns", loopback(), "--auto-wait", "2s", "--auto-broker-share", "0", "--broker-timeout", "1s", "--labels", "at=" + name,
	}, flags...)})
}

// loopback is the name of the loopback interface, on which multicast works.
func loopback() string {
	GinkgoHelper()
	all, err := net.Interfaces()
	Expect(err).NotTo(HaveOccurred())
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 || i.Flags&net.FlagUp == 0 {
			continue
		}
		c, err := net.ListenMulticastUDP("udp4", &i, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
		if err != nil {
			cannot("no multicast on " + i.Name + ": " + err.Error())
		}
		Expect(c.Close()).To(Succeed())
		return i.Name
	}
	cannot("there is no loopback interface")
	return ""
}

// becameBroker says, as a poll, whether the node became a broker in this life of its.
func (n *node) becameBroker() bool {
	return strings.Contains(n.Log(), `"msg":"node has become a broker"`)
}

// runs runs a job that is given to a broker on the node of that name.
func (l *lab) runs(ctx context.Context, broker *node, on string) (id string) {
	GinkgoHelper()
	c := l.client(ctx, broker)
	spec := l.nothing()
	spec.Needs = job.Needs{Labels: map[string]string{"at": on}}
	s, err := c.Submit(ctx, spec)
	Expect(err).NotTo(HaveOccurred())
	j, err := s.Wait(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(j.State()).To(Equal(job.StateAccepted))
	return s.ID()
}

// final returns a poll for whether a broker tells the end of a job as final.
func (l *lab) final(ctx context.Context, broker *node, id string) func() (bool, error) {
	GinkgoHelper()
	c := l.client(ctx, broker)
	return func() (bool, error) {
		change, err := c.Job(ctx, id)
		return change.Final, err
	}
}

var _ = Describe("Nodes of role auto that were told of nobody", Label("DISC-1", "DISC-2", "real"), func() {
	var l *lab
	BeforeEach(func() { l = newLab() })

	It("are a network of one, and the next finds it by mDNS and works for it", func(ctx SpecContext) {
		a1 := l.auto("a1").start(ctx)
		Eventually(ctx, a1.becameBroker).Should(BeTrue())
		id := l.runs(ctx, a1, "a1")
		Eventually(ctx, l.final(ctx, a1, id)).Should(BeTrue())
		a2 := l.auto("a2").start(ctx)
		l.runs(ctx, a1, "a2")
		Consistently(ctx, a2.becameBroker, "5s").Should(BeFalse(), "more than it waits for a broker")
	}, SpecTimeout(3*soon))

	It("have another broker when the only one is killed, and both when that is back", func(ctx SpecContext) {
		a1 := l.auto("a1").start(ctx)
		Eventually(ctx, a1.becameBroker).Should(BeTrue())
		before := l.runs(ctx, a1, "a1")
		a2 := l.auto("a2").start(ctx)
		l.runs(ctx, a1, "a2")
		a1.Kill()
		Eventually(ctx, a2.becameBroker).Should(BeTrue())
		meanwhile := l.runs(ctx, a2, "a2")
		a1.start(ctx)
		for _, id := range []string{before, meanwhile} {
			Eventually(ctx, l.final(ctx, a1, id)).Should(BeTrue())
			Eventually(ctx, l.final(ctx, a2, id)).Should(BeTrue())
		}
		Expect(a1.becameBroker()).To(BeFalse(), "it is one from the start")
	}, SpecTimeout(4*soon))

	It("that became brokers apart share everything when they can find each other", func(ctx SpecContext) {
		apart := []*node{l.auto("a1", "--mdns", "off").start(ctx), l.auto("a2", "--mdns", "off").start(ctx)}
		var ids []string
		for _, n := range apart {
			Eventually(ctx, n.becameBroker).Should(BeTrue())
			ids = append(ids, l.runs(ctx, n, n.Name))
		}
		for _, n := range apart {
			n.Kill()
			n.Flags = append(n.Flags, "--mdns", loopback())
			n.start(ctx)
		}
		for _, n := range apart {
			for _, id := range ids {
				Eventually(ctx, l.final(ctx, n, id)).Should(BeTrue())
			}
		}
	}, SpecTimeout(4*soon))

	It("become a broker beside one that is there if they were drawn", func(ctx SpecContext) {
		a1 := l.auto("a1").start(ctx)
		Eventually(ctx, a1.becameBroker).Should(BeTrue())
		a2 := l.auto("a2", "--auto-broker-share", "1").start(ctx)
		Eventually(ctx, a2.becameBroker).Should(BeTrue())
		id := l.runs(ctx, a1, "a1")
		Eventually(ctx, l.final(ctx, a2, id)).Should(BeTrue())
		a1.Kill()
		l.runs(ctx, a2, "a2")
	}, SpecTimeout(3*soon))
})
