package cluster

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/hashicorp/mdns"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("mDNS", Label("DISC-1"), func() {
	It("makes brokers find each other that know of nobody, and be written down", func(ctx SpecContext) {
		l := newLab()
		b1, b2 := l.member("b1", "broker").start(), l.member("b2", "broker").start()
		Eventually(ctx, b1.sees("broker")).Should(ConsistOf("b2"))
		Eventually(ctx, b2.sees("broker")).Should(ConsistOf("b1"))
		Eventually(ctx, func() bool { return b1.found.knows(address(b2)) || b2.found.knows(address(b1)) }).Should(BeTrue())
	}, SpecTimeout(2*soon))

	It("makes an executor that only dials out find a broker that comes later", func(ctx SpecContext) {
		l := newLab()
		e := l.member("e", "executor", func(c *config.Node) { c.Port = 0 }).start()
		b := l.member("b", "broker").start()
		Eventually(ctx, e.sees("broker")).Should(ConsistOf("b"))
		Eventually(ctx, func() string { text, _ := os.ReadFile(e.cfg.Dir + "/brokers"); return strings.TrimSpace(string(text)) }).Should(Equal(address(b)))
	}, SpecTimeout(2*soon))

	It("does not make a node of another network dialled, though it answers on the same wire", func(ctx SpecContext) {
		here, there := newLab(), newLab()
		b := there.member("b", "broker").start()
		twin := there.member("twin", "broker").start()
		Eventually(ctx, twin.sees("broker")).Should(ConsistOf("b"), "it can be found")
		e := here.member("e", "executor").start()
		own := here.member("own", "broker").start()
		Eventually(ctx, e.sees("broker")).Should(ConsistOf("own"))
		for _, m := range []*member{e, own} {
			Expect(m.log.says(address(b))).To(BeZero())
			Expect(m.log.says(address(twin))).To(BeZero())
		}
	}, SpecTimeout(2*soon))

	It("is not spoken by a node that is for this machine alone", func(ctx SpecContext) {
		l := newLab()
		silent := l.member("silent", "broker", func(c *config.Node) { c.MDNS = config.MDNSOn }).start()
		Expect(silent.nearby).To(BeNil())
		e := l.member("e", "executor").start()
		l.member("b", "broker").start()
		Eventually(ctx, e.sees("broker")).Should(ConsistOf("b"))
		Expect(e.log.says(address(silent))).To(BeZero())
	}, SpecTimeout(2*soon))

	It("is missed with one line in the log where there is none", func(ctx SpecContext) {
		l := newLab()
		b := l.member("b", "broker", func(c *config.Node) { c.MDNS = "nosuch0" }).start()
		Eventually(ctx, func() int { return b.log.says("no mdns") }).Should(Equal(1))
		for range 3 {
			b.nearby.lookAgain()
			Eventually(ctx, b.nearby.news).Should(BeEmpty())
		}
		Expect(b.log.says("no mdns")).To(Equal(1))
		Expect(b.log.says("network interface nosuch0 is not there")).To(Equal(1))
	}, SpecTimeout(2*soon))

	Describe("what it says", func() {
		// considered is a neighbourhood that has heard this, and how many of it it tries.
		considered := func(onLoopback bool, change func(self *member, e *mdns.ServiceEntry)) int {
			l := newLab()
			b := l.member("b", "broker", func(c *config.Node) { c.MDNS = "nosuch0" }).start()
			e := &mdns.ServiceEntry{
				AddrV4: net.IPv4(192, 0, 2, 99), Port: 9,
				InfoFields: []string{"net=" + string(l.ca.Network()), "node=somebody"},
			}
			change(b, e)
			w := wire{}
			if onLoopback {
				w.Flags = net.FlagLoopback
			}
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.nearby.consider(ctx, w, e)
			b.nearby.mu.Lock()
			defer b.nearby.mu.Unlock()
			return len(b.nearby.trying)
		}
		DescribeTable("is tried only if it may be a broker that is new", func(tried int, onLoopback bool, change func(self *member, e *mdns.ServiceEntry)) {
			Expect(considered(onLoopback, change)).To(Equal(tried))
		},
			Entry("a node of this network", 1, false, func(*member, *mdns.ServiceEntry) {}),
			Entry("not one of another network", 0, false, func(_ *member, e *mdns.ServiceEntry) { e.InfoFields[0] = "net=other" }),
			Entry("not something else", 0, false, func(_ *member, e *mdns.ServiceEntry) { e.InfoFields = nil }),
			Entry("not this node", 0, false, func(b *member, e *mdns.ServiceEntry) { e.InfoFields[1] = "node=" + string(b.ID()) }),
			Entry("not a contact", 0, false, func(b *member, _ *mdns.ServiceEntry) { b.found.add("192.0.2.99:9") }),
			Entry("not an address that leads back here", 0, false, func(_ *member, e *mdns.ServiceEntry) { e.AddrV4 = net.IPv4(127, 0, 0, 1) }),
			Entry("unless it was heard there", 1, true, func(_ *member, e *mdns.ServiceEntry) { e.AddrV4 = net.IPv4(127, 0, 0, 1) }),
			Entry("not more than a few at a time", maxTries, false, func(b *member, _ *mdns.ServiceEntry) {
				for i := range maxTries {
					b.nearby.trying[netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String()] = true
				}
			}),
		)

		It("is let go of when nobody is there, unless others say so too", func(ctx SpecContext) {
			l := newLab()
			deaf := func(c *config.Node) { c.MDNS = config.MDNSOff }
			b, hint, contact := l.member("b", "broker", deaf).start(), l.member("hint", "broker", deaf), l.member("contact", "broker", deaf)
			for _, m := range []*member{hint, contact} {
				b.Links().Dial(address(m))
				Eventually(ctx, func() int { return b.log.says("addr=" + address(m)) }).Should(BeNumerically(">", 0))
			}
			b.found.add(address(contact))
			b.found.dismiss(address(hint))
			b.found.dismiss(address(contact))
			hint.start()
			contact.start()
			Eventually(ctx, b.sees("broker")).Should(ContainElement("contact"))
			Expect(hint.sees("broker")()).NotTo(ContainElement("b"))
			Expect(b.found.knows(address(hint))).To(BeFalse())
		}, SpecTimeout(2*soon))
	})

	DescribeTable("is understood", func(e *mdns.ServiceEntry, address string, local bool) {
		a := announced(e)
		Expect(a.address).To(Equal(address))
		Expect(a.local).To(Equal(local))
	},
		Entry("as an address of the wire", &mdns.ServiceEntry{AddrV4: net.IPv4(10, 0, 0, 5), Port: 7420}, "10.0.0.5:7420", false),
		Entry("IPv4 before IPv6", &mdns.ServiceEntry{AddrV4: net.IPv4(10, 0, 0, 5), AddrV6IPAddr: &net.IPAddr{IP: net.ParseIP("fd00::5")}, Port: 1}, "10.0.0.5:1", false),
		Entry("on the wire it was heard on, if it leads no further", &mdns.ServiceEntry{AddrV6IPAddr: &net.IPAddr{IP: net.ParseIP("fe80::5"), Zone: "eth0"}, Port: 1}, "[fe80::5%eth0]:1", false),
		Entry("as it is configured, before all", &mdns.ServiceEntry{AddrV4: net.IPv4(10, 0, 0, 5), Port: 1, InfoFields: []string{"addr=lab.example:80"}}, "lab.example:80", false),
		Entry("as this machine", &mdns.ServiceEntry{Port: 1, InfoFields: []string{"addr=localhost:80"}}, "localhost:80", true),
		Entry("not without an address", &mdns.ServiceEntry{Port: 1}, "", false),
		Entry("not without a port", &mdns.ServiceEntry{AddrV4: net.IPv4(10, 0, 0, 5)}, "", false),
		Entry("not at all", &mdns.ServiceEntry{Port: 1, InfoFields: []string{"addr=a b:80"}}, "", false),
	)

	DescribeTable("tells the addresses of an interface at which a broker listens", func(host string, want ...string) {
		var told []string
		for _, a := range reachableAt(host, []netip.Addr{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("fe80::5"), netip.MustParseAddr("fd00::5")}) {
			told = append(told, a.String())
		}
		Expect(told).To(HaveExactElements(want))
	},
		Entry("all", "", "10.0.0.5", "fe80::5", "fd00::5"),
		Entry("all, in another spelling", "::", "10.0.0.5", "fe80::5", "fd00::5"),
		Entry("the one it binds", "fd00::5", "fd00::5"),
		Entry("none of them if it listens elsewhere", "127.0.0.1"),
		Entry("all if it is known by a name", "lab.local", "10.0.0.5", "fe80::5", "fd00::5"),
	)
})
