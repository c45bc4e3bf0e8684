package config_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/pflag"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("The directories of ucp", func() {
	DescribeTable("are", func(uid int, variables []string, want config.Directories) {
		Expect(config.NewEnvironment(variables, uid).Directories()).To(Equal(want))
	},
		Entry("those of the system for root", 0, []string{"HOME=/root", "XDG_DATA_HOME=/x"},
			config.Directories{Data: "/var/lib/ucp", Config: "/etc/ucp", Cache: "/var/cache/ucp"}),
		Entry("those of XDG for others", 1000, []string{"XDG_DATA_HOME=/d", "XDG_CONFIG_HOME=/c", "XDG_CACHE_HOME=/k"},
			config.Directories{Data: "/d/ucp", Config: "/c/ucp", Cache: "/k/ucp"}),
		Entry("those under home where XDG is silent, or relative", 1000, []string{"HOME=/home/eva", "XDG_DATA_HOME=here"},
			config.Directories{Data: "/home/eva/.local/share/ucp", Config: "/home/eva/.config/ucp", Cache: "/home/eva/.cache/ucp"}),
		Entry("those of our own variables before all", 0, []string{"UCP_DATA_DIR=/1", "UCP_CONFIG_DIR=/2", "UCP_CACHE_DIR=/3"},
			config.Directories{Data: "/1", Config: "/2", Cache: "/3"}),
	)

	It("are asked for when nothing says where home is, and those known are told", func() {
		dirs, err := config.NewEnvironment([]string{"UCP_DATA_DIR=/1"}, 1000).Directories()
		Expect(err).To(MatchError("HOME is not set: set UCP_CONFIG_DIR to a directory"))
		Expect(dirs.Data).To(Equal("/1"))
	})

	It("hold the saved networks and the machine's own node file", func() {
		dirs, err := home().Directories()
		Expect(err).NotTo(HaveOccurred())
		Expect(dirs.Contexts()).To(Equal("/home/eva/.config/ucp/contexts.yaml"))
		toml := func(path string) bool { return path == "/home/eva/.config/ucp/node.toml" }
		nothing := func(string) bool { return false }
		Expect(home().NodeFile(toml)).To(Equal("/home/eva/.config/ucp/node.toml"))
		Expect(home().NodeFile(nothing)).To(BeEmpty())
		Expect(home("UCP_CONFIG=x.yaml").NodeFile(nothing)).To(Equal("x.yaml"))
	})
})

var _ = Describe("The environment of launched nodes", func() {
	It("lacks what would make them one node, and keeps the rest", func() {
		Expect(config.ForLaunched([]string{
			"PATH=/bin", "UCP_NAME=x", "UCP_DIR=/x", "UCP_PORT=1", "UCP_HTTP=x", "UCP_ROLES=broker", "UCP_CONFIG=x",
			"UCP_LOG_LEVEL=debug", "UCP_SYNC_INTERVAL=2s", "UCP_CACHE_DIR=/k",
		})).To(Equal([]string{"PATH=/bin", "UCP_LOG_LEVEL=debug", "UCP_SYNC_INTERVAL=2s", "UCP_CACHE_DIR=/k"}))
	})
})

var _ = Describe("Flags", func() {
	parse := func(arguments ...string) (config.Overrides, error) {
		set := pflag.NewFlagSet("node", pflag.ContinueOnError)
		config.AddFlags(set)
		err := set.Parse(arguments)
		return config.FlagOverrides(set), err
	}

	It("override only what the user said", func() {
		Expect(parse("--sync-interval", "2s", "--slots=4", "--insecure")).To(Equal(config.Overrides{
			"sync.interval": "2s", "slots": "4", "insecure": "true",
		}))
	})
	It("collect lists and labels given piece by piece", func() {
		Expect(parse("--roles", "broker", "--roles", "executor", "--labels", "a=b", "--labels", "c=d")).To(Equal(config.Overrides{
			"roles": "broker,executor", "labels": "a=b,c=d",
		}))
	})
	It("give a node that says so", func() {
		flags, err := parse("--name", "e1", "--roles", "executor", "--port", "0", "--labels", "a=b")
		Expect(err).NotTo(HaveOccurred())
		node, err := config.LoadNode("", home(), flags)
		Expect(err).NotTo(HaveOccurred())
		Expect(node.Labels).To(Equal(map[string]string{"a": "b"}))
		Expect(node.Port).To(BeZero())
	})
	DescribeTable("refuse a wrong value at once", func(flag, value, want string) {
		_, err := parse(flag, value)
		Expect(err).To(MatchError(ContainSubstring(want)))
	},
		Entry("a word for a number", "--slots", "two", `must be a whole number, not "two"`),
		Entry("an unknown role", "--roles", "brokr", `has unknown role "brokr"; did you mean "broker"?`),
		Entry("a label without a text", "--labels", "north", `must be name=text pairs with commas between them, not "north"`),
		Entry("neither true nor false", "--insecure=perhaps", "", `must be true or false, not "perhaps"`),
	)
	It("can be a choice of the settings", func() {
		set := pflag.NewFlagSet("dev", pflag.ContinueOnError)
		config.AddFlags(set, "log_level")
		Expect(set.Lookup("log-level").DefValue).To(Equal("info"))
		Expect(set.Lookup("slots")).To(BeNil())
	})
})
