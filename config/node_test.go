package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/config"
)

var _ = Describe("The settings of a node", func() {
	It("are exactly the fields of Node", func() {
		var documented, fields []string
		for _, s := range config.Settings() {
			documented = append(documented, s.Key)
		}
		for key := range config.Leaves(config.Node{}) {
			fields = append(fields, key)
		}
		Expect(documented).To(ConsistOf(fields))
	})

	It("have a default that their own kind accepts", func() {
		defaults := config.Leaves(config.Defaults())
		for _, s := range config.Settings() {
			if text := config.Show(defaults[s.Key]); text != "" {
				Expect(s.Parse(text)).To(Equal(defaults[s.Key]), s.Key)
			}
		}
	})

	It("have a variable, a flag and a sentence each, all different", func() {
		seen := make(map[string]bool)
		for _, s := range config.Settings() {
			Expect(seen).NotTo(Or(HaveKey(s.Env), HaveKey(s.Flag)))
			Expect(config.GeneralVariables).NotTo(ContainElement(s.Env))
			Expect(s.Doc).NotTo(BeEmpty())
			seen[s.Env], seen[s.Flag] = true, true
		}
	})
})

var _ = Describe("A node", func() {
	It("listens on its host and port, and is dialled there", func() {
		node := config.Node{Host: "::1", Port: 7420}
		Expect(node.Listen()).To(Equal("[::1]:7420"))
		Expect(node.Address()).To(Equal("[::1]:7420"))
	})
	It("is dialled at the address it advertises", func() {
		Expect(config.Node{Host: "10.0.0.5", Port: 7420, Advertise: "lab.local:80"}.Address()).To(Equal("lab.local:80"))
	})
	It("with port 0 listens nowhere and has no address", func() {
		Expect(config.Node{Host: "10.0.0.5"}.Listen()).To(BeEmpty())
		Expect(config.Node{Host: "10.0.0.5"}.Address()).To(BeEmpty())
	})
	It("on every interface has no address to tell others", func() {
		Expect(config.Node{Port: 7420}.Listen()).To(Equal(":7420"))
		Expect(config.Node{Port: 7420}.Address()).To(BeEmpty())
		Expect(config.Node{Host: "::", Port: 7420}.Address()).To(BeEmpty())
	})
	It("of role auto is an executor that may become a broker, and is certified as both", Label("DISC-2"), func() {
		node := config.Node{Roles: []string{"datastore", "auto"}}
		Expect(node.HasRole("executor")).To(BeTrue())
		Expect(node.HasRole("broker")).To(BeFalse())
		Expect(node.MayBroker()).To(BeTrue())
		Expect(node.Certified()).To(Equal([]string{"broker", "datastore", "executor"}))
		Expect(config.Node{Roles: []string{"executor"}}.MayBroker()).To(BeFalse())
		Expect(config.Node{Roles: []string{"executor"}}.Certified()).To(Equal([]string{"executor"}))
	})

	DescribeTable("looks for brokers by mDNS", Label("DISC-1"), func(file, network string, somewhere bool) {
		node, err := config.LoadNode(write("node.yaml", "name: x\nroles: [executor]\n"+file), home(), nil)
		Expect(err).NotTo(HaveOccurred())
		at, does := node.BrowsesOn()
		Expect(does).To(Equal(somewhere))
		Expect(at).To(Equal(network))
	},
		Entry("on every interface", "", "", true),
		Entry("also when it only dials out", "port: 0", "", true),
		Entry("not when it is for this machine alone", "host: 127.0.0.1", "", false),
		Entry("not under any spelling of that", "host: '::1'\nport: 0", "", false),
		Entry("on one interface", "mdns: eth1", "eth1", true),
		Entry("on the loopback if that is named", "host: 127.0.0.1\nmdns: lo", "lo", true),
		Entry("not at all", "mdns: off", "", false),
		Entry("not at all, as a truth", "mdns: false", "", false),
	)

	It("knows its log level as slog does", func() {
		Expect(config.Node{LogLevel: "debug"}.Level()).To(Equal(slog.LevelDebug))
		Expect(config.Node{}.Level()).To(Equal(slog.LevelInfo))
	})
})

const nodeYAML = `
name: e1
network: field-lab
roles: [executor, executor]
seeds: [10.0.0.5, "[::1]:7000"]
http: "127.0.0.1"
slots: 2
labels: {location: north, GPU: 1.10}
sync:
  interval: 2s
caps: {memory: 512MiB, stdout: 4096}
dir: data
insecure: false
host:
`

const nodeTOML = `
name = "e1"
network = "field-lab"
roles = ["executor", "executor"]
seeds = ["10.0.0.5", "[::1]:7000"]
http = "127.0.0.1"
slots = 2
labels = {location = "north", GPU = "1.10"}
caps.memory = "512MiB"
caps.stdout = 4096
dir = "data"
insecure = false
[sync]
interval = "2s"
`

var _ = Describe("Loading a node", func() {
	DescribeTable("takes the file's values and the defaults for the rest", func(name, text string) {
		file := write(name, text)
		want := config.Defaults()
		want.Name, want.Network, want.Roles, want.Slots = "e1", "field-lab", []string{"executor"}, 2
		want.Seeds, want.HTTP = []string{"10.0.0.5:7420", "[::1]:7000"}, "127.0.0.1:7421"
		want.Labels = map[string]string{"location": "north", "GPU": "1.10"}
		want.Sync.Interval, want.Caps.Memory, want.Caps.Stdout = 2*time.Second, 512*config.MiB, 4096
		want.Dir = filepath.Join(filepath.Dir(file), "data")
		want.Identity, want.CA = filepath.Join(want.Dir, "identity"), filepath.Join(want.Dir, "ca")
		Expect(config.LoadNode(file, home(), nil)).To(Equal(want))
	}, Entry("from YAML", "node.yaml", nodeYAML), Entry("from TOML", "node.toml", nodeTOML))

	It("without a file takes the machine's name and data directory", func() {
		node, err := config.LoadNode("", home(), config.Overrides{"roles": "broker"})
		Expect(err).NotTo(HaveOccurred())
		Expect(node.Dir).To(Equal("/home/eva/.local/share/ucp"))
		Expect(node.Name).NotTo(BeEmpty())
	})

	DescribeTable("lets the stronger source win", func(file string, variables []string, flags config.Overrides, want time.Duration) {
		node, err := config.LoadNode(write("node.yaml", "roles: [broker]\n"+file), home(variables...), flags)
		Expect(err).NotTo(HaveOccurred())
		Expect(node.Sync.Interval).To(Equal(want))
		Expect(node.Lease).To(Equal(config.Defaults().Lease))
	},
		Entry("the default when nobody speaks", "", nil, nil, time.Second),
		Entry("the file over the default", "sync: {interval: 2s}", nil, nil, 2*time.Second),
		Entry("the environment over the file", "sync: {interval: 2s}", []string{"UCP_SYNC_INTERVAL=3s"}, nil, 3*time.Second),
		Entry("the flag over all", "sync: {interval: 2s}", []string{"UCP_SYNC_INTERVAL=3s"}, config.Overrides{"sync.interval": "4s"}, 4*time.Second),
		Entry("the file over an empty variable", "sync: {interval: 2s}", []string{"UCP_SYNC_INTERVAL="}, nil, 2*time.Second),
	)

	It("replaces labels as a whole, and keeps their case", func() {
		node, err := config.LoadNode(write("node.yaml", "roles: [broker]\nlabels: {a.b: x}"), home("UCP_LABELS=Site=North, rack=7"), nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(node.Labels).To(Equal(map[string]string{"Site": "North", "rack": "7"}))
	})

	It("follows YAML anchors", func() {
		node, err := config.LoadNode(write("node.yaml", "roles: &r [broker]\nlabels: {role: &l north, also: *l}"), home(), nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(node.Labels).To(Equal(map[string]string{"role": "north", "also": "north"}))
	})

	It("switches HTTP off again with the word off", func() {
		node, err := config.LoadNode(write("node.yaml", "roles: [broker]\nhttp: 127.0.0.1"), home("UCP_HTTP=off"), nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(node.HTTP).To(BeEmpty())
	})

	It("says which file it cannot read", func() {
		_, err := config.LoadNode("/nowhere/node.yaml", home(), nil)
		Expect(err).To(MatchError(os.ErrNotExist))
		Expect(err).To(MatchError("cannot read the configuration: open /nowhere/node.yaml: no such file or directory"))
	})

	It("tells everything that is wrong at once, by line", func() {
		_, err := config.LoadNode(write("node.yaml", saying("slots: two", "rolez: [broker]", "port: -1", "sync: {interval: 10}")),
			home("UCP_SLOTZ=2", "UCP_PORT=http"), config.Overrides{"slots": "x", "slotz": "1"})
		Expect(told(err)).To(Equal([]string{
			`node.yaml:1: slots must be a whole number, not "two"`,
			`node.yaml:2: unknown key "rolez"; did you mean "roles"?`,
			`node.yaml:3: port must be from 0 to 65535, not -1`,
			`node.yaml:4: sync.interval needs a unit, as in 10s or 10ms`,
			`env UCP_PORT: port must be a whole number, not "http"`,
			`env UCP_SLOTZ: unknown variable "UCP_SLOTZ"; did you mean "UCP_SLOTS"?`,
			`flag --slots: slots must be a whole number, not "x"`,
			`flag slotz: unknown setting "slotz"; did you mean "slots"?`,
		}))
	})

	It("knows the variables that are not about one node", func() {
		_, err := config.LoadNode("", home("UCP_BROKER=x", "UCP_CONTEXT=x", "UCP_CONFIG=x", "UCP_DATA_DIR=/d", "UCP_CONFIG_DIR=/c",
			"UCP_CACHE_DIR=/k", "PATH=/bin"), config.Overrides{"roles": "broker"})
		Expect(err).NotTo(HaveOccurred())
	})

	It("refuses a cluster file with the command that takes one", func() {
		_, err := config.LoadNode(write("lab.yaml", "nodes: []"), home(), nil)
		Expect(err).To(MatchError(MatchRegexp(`lab.yaml: describes a whole cluster: start it with "ucp launch .*lab.yaml"`)))
	})
})

// wrongIn is a file's text and what must be told about it.
func wrongIn(name, text string, want ...string) {
	GinkgoHelper()
	_, err := config.LoadNode(write(name, text), home(), nil)
	Expect(told(err)).To(Equal(want))
}

var _ = Describe("A node file", func() {
	DescribeTable("in YAML is refused", func(text string, want ...string) { wrongIn("node.yaml", text, want...) },
		Entry("with an unknown key in a section", "lease: {heartbeet: 1s}", `node.yaml:1: unknown key "lease.heartbeet"; did you mean "lease.heartbeat"?`),
		Entry("with a section's key outside of it", "heartbeat: 1s", `node.yaml:1: unknown key "heartbeat"; did you mean "lease.heartbeat"?`),
		Entry("with a key like nothing known, by listing those", "lease: {quux-frobnicate: 1}", `node.yaml:1: unknown key "lease.quux-frobnicate"; known here: lease.grace, lease.heartbeat, lease.long, lease.reconnect, lease.timeout`),
		Entry("with a value for a section", "sync: 1s", `node.yaml:1: sync must be a section with keys of its own, not "1s"`),
		Entry("with a key given twice", "slots: 1\nslots: 2", `node.yaml:2: key "slots" is already given on line 1`),
		Entry("with a key given in two ways", "sync.interval: 1s\nsync: {interval: 2s}", "node.yaml:2: sync.interval is given twice"),
		Entry("with a number in quotes", `slots: "2"`, `node.yaml:1: slots must be a whole number, not "2"`),
		Entry("with a fraction of a slot", "slots: 1.5", "node.yaml:1: slots must be a whole number, not 1.5"),
		Entry("with a negative number of slots", "slots: -1", "node.yaml:1: slots must be from 0 to 4096, not -1"),
		Entry("with a number no machine has", "slots: 99999999999999999999", "node.yaml:1: slots must be a whole number, not 99999999999999999999"),
		Entry("with a list for a word", "name: [a]", "node.yaml:1: name must be text in quotes, not a list"),
		Entry("with a number for a word", "name: 7", "node.yaml:1: name must be text in quotes, not 7"),
		Entry("with a name that leaves its directory", "name: ../x", `node.yaml:1: name must be fit for a file name (up to 63 letters, digits, dots, dashes and underscores, first a letter or digit), not "../x"`),
		Entry("with a word for a list", "roles: broker", `node.yaml:1: roles must be a list such as [role], not "broker"`),
		Entry("with a number in a list", "roles: [1]", "node.yaml:1: roles must be a list of text, and item 1 is 1"),
		Entry("with an unknown role", "roles: [brokr]", `node.yaml:1: roles has unknown role "brokr"; did you mean "broker"?`),
		Entry("with a role like nothing known", "roles: [king-of-all]", `node.yaml:1: roles has unknown role "king-of-all"; known here: broker, executor, datastore, auto`),
		Entry("with a seed without a host", `seeds: [":7420"]`, `node.yaml:1: seeds must be host:port, not ":7420"`),
		Entry("with a list of labels", "labels: [a]", "node.yaml:1: labels must be a section such as {location: north}, not a list"),
		Entry("with a section in a label", "labels: {a: {b: c}}", `node.yaml:1: labels must be names and texts, and "a" is a section`),
		Entry("with a label no flag could name", `labels: {a: "x,y"}`, "node.yaml:1: labels must have texts of up to 255 characters without commas and line ends; a has another"),
		Entry("with an unknown level", "log_level: loud", `node.yaml:1: log_level must be one of debug, info, warn, error, not "loud"`),
		Entry("with a duration of nothing", "broker_timeout: 0s", `node.yaml:1: broker_timeout must be at least 1ms, not "0s"`),
		Entry("with memory beyond WebAssembly", "caps: {memory: 5GiB}", `node.yaml:1: caps.memory must be from 1B to 4GiB, not "5GiB"`),
		Entry("with yes for a truth", "insecure: yes", `node.yaml:1: insecure must be true or false, not "yes"`),
		Entry("with a share beyond all", "auto: {broker_share: 1.5}", `node.yaml:1: auto.broker_share must be a number from 0 to 1, not "1.5"`),
		Entry("with a share in words", "auto: {broker_share: half}", `node.yaml:1: auto.broker_share must be a number from 0 to 1, not "half"`),
		Entry("with an interface that has none's name", "mdns: a b", `node.yaml:1: mdns must be on, off or the name of a network interface, not "a b"`),
		Entry("with a host that is none", "host: a b", `node.yaml:1: host must be an IP address or a host name, not "a b"`),
		Entry("that is a list", "- a", "node.yaml:1: must be keys and values, not a list"),
		Entry("that is two documents", "name: a\n---\nname: b", "node.yaml:2: has a second document; one file is one configuration"),
		Entry("that is no YAML", "name: [a", "node.yaml:1: is not YAML: did not find expected ',' or ']'"),
		Entry("that is no YAML further down", "name: a\nlabels: {a: ::1}", "node.yaml:2: is not YAML: did not find expected node content"),
		Entry("that is indented with tabs", "name: a\nsync:\n\tinterval: 1s", "node.yaml:3: is not YAML: found character that cannot start any token"),
		Entry("with a key that is a list", "[a]: 1", "node.yaml:1: a key must be plain text"),
	)

	DescribeTable("in TOML is refused", func(text string, want ...string) { wrongIn("node.toml", text, want...) },
		Entry("with an unknown key", "\nslotz = 2", `node.toml:2: unknown key "slotz"; did you mean "slots"?`),
		Entry("with an unknown key in a table", "[sync]\n\nintervall = '1s'", `node.toml:3: unknown key "sync.intervall"; did you mean "sync.interval"?`),
		Entry("with an unknown key in an inline table", "\nsync = {intervall = '1s'}", `node.toml:2: unknown key "sync.intervall"; did you mean "sync.interval"?`),
		Entry("with a wrong type", "slots = 'two'", `node.toml:1: slots must be a whole number, not "two"`),
		Entry("with a date for a word", "name = 2024-01-01T00:00:00Z", `node.toml:1: name must be fit for a file name (up to 63 letters, digits, dots, dashes and underscores, first a letter or digit), not "2024-01-01 00:00:00 +0000 UTC"`),
		Entry("with a key given twice", "slots = 1\nslots = 2", "node.toml:2: is not TOML: key slots is already defined"),
		Entry("that is no TOML", "name = ", "node.toml:1: is not TOML: expected value, not eof"),
	)

	DescribeTable("is refused when its settings contradict each other", func(text string, want ...string) { wrongIn("node.yaml", text, want...) },
		Entry("without a role", "name: x", "node.yaml: roles is missing: say what x does, as in roles: [executor]"),
		Entry("a broker that nobody can dial", "name: x\nroles: [broker]\nport: 0", "node.yaml:3: port must not be 0 for the broker x, which others dial"),
		Entry("a node that may become a broker and that nobody could dial", "name: x\nroles: [auto]\nport: 0",
			"node.yaml:3: port must not be 0 for x, which others dial when it has become a broker"),
		Entry("a choice that is made already", "name: x\nroles: [auto, broker]",
			"node.yaml:2: roles of x must not have both auto and broker: auto is an executor, and a broker where one is missing"),
		Entry("an advertised address without a port to listen on", "name: x\nroles: [executor]\nport: 0\nadvertise: lab:1",
			"node.yaml:4: advertise tells others to dial lab:1, but with port 0 it listens nowhere"),
		Entry("two servers on one address", "name: x\nroles: [broker]\nhost: 127.0.0.1\nhttp: localhost:7420",
			"node.yaml:4: http must not be the address x itself listens on, 127.0.0.1:7420"),
		Entry("a lease that one late heartbeat ends", "roles: [broker]\nlease: {timeout: 800ms}",
			"node.yaml:2: lease.timeout (800ms) must be at least twice lease.heartbeat (500ms), or healthy executors are lost"),
		Entry("a reconnection longer than the lease", "roles: [broker]\nlease: {reconnect: 1m}",
			"node.yaml:2: lease.reconnect (1m) must not be longer than lease.timeout (3s)"),
		Entry("without TLS on the network", "name: x\nroles: [broker]\ninsecure: true",
			"node.yaml:3: insecure is only for loopback: give x the host 127.0.0.1, or leave insecure out"),
	)

	It("may be insecure on loopback", Label("SEC-5"), func() {
		_, err := config.LoadNode(write("node.yaml", "roles: [broker]\ninsecure: true\nhost: 127.0.0.1"), home(), nil)
		Expect(err).NotTo(HaveOccurred())
	})

	It("needs a directory when nothing says where home is", func() {
		_, err := config.LoadNode(write("node.yaml", "roles: [broker]"), config.NewEnvironment(nil, 1000), nil)
		Expect(told(err)).To(Equal([]string{"node.yaml: dir is missing, and HOME is not set: say where the node keeps its data, or set UCP_DATA_DIR"}))
	})
})
