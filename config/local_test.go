package config_test

import (
	"errors"
	"net/netip"
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("A host of a cluster file", func() {
	local := config.OnMachine("e7.lab.local", []netip.Addr{netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("fe80::1")},
		func(host string) ([]string, error) {
			switch host {
			case "seven.lab":
				return []string{"192.0.2.1", "10.0.0.5"}, nil
			case "eight.lab":
				return []string{"10.0.0.6"}, nil
			}
			return nil, errors.New("no such host")
		})

	DescribeTable("is this machine", func(host string) { Expect(local(host)).To(BeTrue()) },
		Entry("by an address of an interface", "10.0.0.5"),
		Entry("by that address in IPv6 dress", "::ffff:10.0.0.5"),
		Entry("by a link-local address with its zone", "fe80::1%eth0"),
		Entry("by loopback", "127.0.0.1"),
		Entry("by any address of loopback", "127.9.9.9"),
		Entry("by loopback in IPv6", "::1"),
		Entry("by the name localhost", "localhost"),
		Entry("by its host name", "e7.lab.local"),
		Entry("by its host name without the domain, in any case", "E7"),
		Entry("by a name that resolves to one of its addresses", "seven.lab"),
	)

	DescribeTable("is another machine", func(host string) { Expect(local(host)).To(BeFalse()) },
		Entry("by another address", "10.0.0.6"),
		Entry("by a name that resolves to another address", "eight.lab"),
		Entry("by a name that nobody knows", "e8"),
		Entry("by an address that means every machine", "0.0.0.0"),
		Entry("by no name at all", ""),
	)

	It("is compared with the real interfaces and name", func(ctx SpecContext) {
		local, err := config.LocalHosts(ctx)
		Expect(err).NotTo(HaveOccurred())
		name, err := os.Hostname()
		Expect(err).NotTo(HaveOccurred())
		Expect(local(name)).To(BeTrue())
		Expect(local("127.0.0.1")).To(BeTrue())
		Expect(local("192.0.2.77")).To(BeFalse())
	})
})
