package config_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("Saved networks", func() {
	lab := config.Context{Network: "field-lab", Brokers: []string{"127.0.0.1:7420"}, CA: "/lab/ca", Identity: "/lab/id"}
	ship := config.Context{Network: "ship", Brokers: []string{"10.0.0.5:7420"}, Insecure: true}
	var file string
	BeforeEach(func() { file = filepath.Join(GinkgoT().TempDir(), "ucp", "contexts.yaml") })

	It("are none without a file", func() {
		Expect(config.LoadContexts(file)).To(Equal(config.Contexts{}))
	})

	It("are read back as they were saved, by their owner only", func(ctx SpecContext) {
		Expect(config.UpdateContexts(ctx, file, func(c *config.Contexts) error {
			return errors.Join(c.Put("lab", lab), c.Put("ship", ship), c.Use("ship"))
		})).To(Succeed())
		Expect(config.LoadContexts(file)).To(Equal(config.Contexts{
			Current: "ship", Items: map[string]config.Context{"lab": lab, "ship": ship},
		}))
		info, err := os.Stat(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode()).To(Equal(fs.FileMode(0o600)))
	})

	It("can be used, replaced and removed", func() {
		var c config.Contexts
		Expect(c.Put("lab", ship)).To(Succeed())
		Expect(c.Put("lab", lab)).To(Succeed())
		Expect(c.Items["lab"]).To(Equal(lab))
		Expect(c.Use("lab")).To(Succeed())
		Expect(c.Remove("lab")).To(Succeed())
		Expect(c.Current).To(BeEmpty())
		Expect(c.Names()).To(BeEmpty())
	})

	It("refuse to use or remove one that does not exist, and list those there are", func() {
		var c config.Contexts
		Expect(c.Use("lab")).To(MatchError(`no such saved network: "lab" (none is saved yet)`))
		Expect(c.Put("ship", ship)).To(Succeed())
		Expect(c.Remove("lab")).To(MatchError(`no such saved network: "lab" (saved: ship)`))
		Expect(c.Use("lab")).To(MatchError(config.ErrNoContext))
	})

	It("need a name that is fit for a file name", func() {
		var c config.Contexts
		Expect(c.Put("a/b", lab)).To(MatchError(ContainSubstring("the name of a saved network must be fit for a file name")))
	})

	It("lose no change when many write at once", func(ctx SpecContext) {
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() {
				defer GinkgoRecover()
				Expect(config.UpdateContexts(ctx, file, func(c *config.Contexts) error {
					return c.Put(fmt.Sprintf("n%02d", i), lab)
				})).To(Succeed())
			})
		}
		all.Wait()
		saved, err := config.LoadContexts(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(saved.Items).To(HaveLen(20))
	})

	It("stay as they are when the change fails", func(ctx SpecContext) {
		Expect(config.UpdateContexts(ctx, file, func(c *config.Contexts) error { return c.Put("lab", lab) })).To(Succeed())
		broken := errors.New("broken")
		Expect(config.UpdateContexts(ctx, file, func(c *config.Contexts) error {
			return errors.Join(c.Remove("lab"), broken)
		})).To(MatchError(broken))
		saved, err := config.LoadContexts(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(saved.Names()).To(Equal([]string{"lab"}))
	})

	It("are not waited for longer than the caller likes", func(ctx SpecContext) {
		Expect(config.SaveContexts(file, config.Contexts{})).To(Succeed())
		other, err := os.OpenFile(file+".lock", os.O_CREATE|os.O_RDWR, 0o600)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(other.Close)
		Expect(unix.Flock(int(other.Fd()), unix.LOCK_EX)).To(Succeed())
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		err = config.UpdateContexts(cancelled, file, func(*config.Contexts) error { return nil })
		Expect(err).To(MatchError(context.Canceled))
		Expect(err).To(MatchError(ContainSubstring("contexts.yaml.lock: another ucp holds it")))
	})

	It("tell every mistake of a hand that edited them", func() {
		_, err := config.LoadContexts(write("contexts.yaml", saying("curent: lab", "contexts:", "  lab: {brokers: x, netwrk: y}", "  a b: {}", "  c: 3")))
		Expect(told(err)).To(Equal([]string{
			`contexts.yaml:1: unknown key "curent"; did you mean "current"?`,
			`contexts.yaml:3: contexts.lab.brokers must be a list such as [host:port], not "x"`,
			`contexts.yaml:3: unknown key "netwrk"; did you mean "network"?`,
			`contexts.yaml:4: the name of a saved network must be fit for a file name (up to 63 letters, digits, dots, dashes and underscores, first a letter or digit), not "a b"`,
			"contexts.yaml:5: contexts.c must be a section, not 3",
		}))
	})
})

var _ = Describe("Choosing a network", func() {
	saved := config.Contexts{Current: "lab", Items: map[string]config.Context{
		"lab":   {Network: "field-lab", Brokers: []string{"127.0.0.1:7420"}, CA: "/lab/ca", Identity: "/lab/id"},
		"ship":  {Network: "ship", Brokers: []string{"10.0.0.5:7420", "10.0.0.6:7420"}, CA: "/ship/ca", Identity: "/ship/id"},
		"empty": {Network: "empty"},
	}}
	from := func(context, source string, brokers ...string) config.Network {
		item := saved.Items[context]
		return config.Network{
			Brokers: brokers, Context: context, Network: item.Network, CA: item.CA, Identity: item.Identity, Source: source,
		}
	}

	DescribeTable("follows the nearest word", func(broker string, variables []string, context string, want config.Network) {
		Expect(config.ResolveNetwork(broker, home(variables...), context, saved)).To(Equal(want))
	},
		Entry("--broker before all", "10.0.0.5", []string{"UCP_BROKER=x:1", "UCP_CONTEXT=lab"}, "", from("ship", "--broker", "10.0.0.5:7420")),
		Entry("UCP_BROKER before --context", "", []string{"UCP_BROKER=10.0.0.6,10.0.0.5"}, "lab",
			from("lab", "UCP_BROKER", "10.0.0.6:7420", "10.0.0.5:7420")),
		Entry("--context before UCP_CONTEXT", "", []string{"UCP_CONTEXT=lab"}, "ship", from("ship", "--context", "10.0.0.5:7420", "10.0.0.6:7420")),
		Entry("UCP_CONTEXT before the saved one", "", []string{"UCP_CONTEXT=ship"}, "", from("ship", "UCP_CONTEXT", "10.0.0.5:7420", "10.0.0.6:7420")),
		Entry("the saved one at last", "", nil, "", from("lab", "saved", "127.0.0.1:7420")),
	)

	It("makes an embedded one when nothing is saved", func() {
		network, err := config.ResolveNetwork("", home(), "", config.Contexts{})
		Expect(err).NotTo(HaveOccurred())
		Expect(network).To(Equal(config.Network{Source: "embedded"}))
		Expect(network.Embedded()).To(BeTrue())
	})

	DescribeTable("takes the identity for a named broker", func(broker, context string, variables []string, want string) {
		network, err := config.ResolveNetwork(broker, home(variables...), context, saved)
		Expect(err).NotTo(HaveOccurred())
		Expect(network.Identity).To(Equal(want))
	},
		Entry("from the network that lists it", "10.0.0.6:7420", "", nil, "/ship/id"),
		Entry("however its host is spelt", "localhost:7420", "", []string{"UCP_CONTEXT=ship"}, "/lab/id"),
		Entry("from the network that --context names", "10.0.0.6:7420", "lab", nil, "/lab/id"),
		Entry("from the chosen network if none lists it", "10.0.0.9", "", []string{"UCP_CONTEXT=ship"}, "/ship/id"),
		Entry("from the current one otherwise", "10.0.0.9", "", nil, "/lab/id"),
	)

	DescribeTable("says what to do", func(broker string, variables []string, context string, networks config.Contexts, want string) {
		_, err := config.ResolveNetwork(broker, home(variables...), context, networks)
		Expect(err).To(MatchError(want))
	},
		Entry("when nobody knows who we are to a broker", "10.0.0.9", nil, "", config.Contexts{},
			`no identity for broker 10.0.0.9:7420: name the saved network it belongs to with --context, or start one here with "ucp launch"`),
		Entry("when the flag is no address", "10.0.0.9:x", nil, "", saved, `--broker must have a port from 1 to 65535, not "10.0.0.9:x"`),
		Entry("when the variable is no address", "", []string{"UCP_BROKER=,"}, "", saved, `UCP_BROKER must be host:port, not ","`),
		Entry("when --context names nothing", "", nil, "lap", saved, `--context: no such saved network: "lap" (saved: empty, lab, ship)`),
		Entry("when UCP_CONTEXT names nothing", "", []string{"UCP_CONTEXT=lap"}, "", saved, `UCP_CONTEXT: no such saved network: "lap" (saved: empty, lab, ship)`),
		Entry("when the current one is gone", "", nil, "", config.Contexts{Current: "lab"}, `saved: no such saved network: "lab" (none is saved yet)`),
		Entry("when a network names no broker", "", nil, "empty", saved, `the saved network "empty" names no broker: add one to it, or say --broker HOST:PORT`),
	)
})
