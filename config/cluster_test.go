package config_test

import (
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/config"
)

const clusterYAML = `
network: field-lab
dir: .ucp/field-lab
defaults: {log_level: debug, sync: {interval: 2s}, slots: 3}
nodes:
  - {name: b1, host: 127.0.0.1, port: 7420, roles: [broker, datastore], http: 127.0.0.1:7421}
  - {name: b2, host: 10.0.0.5, roles: [broker], sync: {interval: 5s}}
  - {name: e1, host: 127.0.0.1, port: 0, roles: [executor], slots: 2, labels: {location: north}}
`

const clusterTOML = `
network = "field-lab"
dir = ".ucp/field-lab"
[defaults]
log_level = "debug"
slots = 3
sync = {interval = "2s"}
[[nodes]]
name = "b1"
host = "127.0.0.1"
port = 7420
roles = ["broker", "datastore"]
http = "127.0.0.1:7421"
[[nodes]]
name = "b2"
host = "10.0.0.5"
roles = ["broker"]
[nodes.sync]
interval = "5s"
[[nodes]]
name = "e1"
host = "127.0.0.1"
port = 0
roles = ["executor"]
slots = 2
labels.location = "north"
`

var _ = Describe("A cluster file", func() {
	DescribeTable("describes every node whole", func(name, text string) {
		file := write(name, text)
		dir := filepath.Join(filepath.Dir(file), ".ucp", "field-lab")
		cluster, err := config.LoadCluster(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Network).To(Equal("field-lab"))
		Expect(cluster.Dir).To(Equal(dir))
		Expect(cluster.CA()).To(Equal(filepath.Join(dir, "ca")))
		Expect(cluster.Brokers()).To(Equal([]string{"127.0.0.1:7420", "10.0.0.5:7420"}))
		want := func(name, host string) config.Node {
			node := config.Defaults()
			node.Name, node.Host, node.Network = name, host, "field-lab"
			node.LogLevel, node.Sync.Interval, node.Slots = "debug", 2*time.Second, 3
			node.CA = filepath.Join(dir, "ca")
			node.Dir = filepath.Join(dir, "nodes", name, "data")
			node.Identity = filepath.Join(dir, "nodes", name, "identity")
			node.LogFile = filepath.Join(dir, "nodes", name, "log")
			return node
		}
		b1, b2, e1 := want("b1", "127.0.0.1"), want("b2", "10.0.0.5"), want("e1", "127.0.0.1")
		b1.Roles, b1.HTTP, b1.Seeds = []string{"broker", "datastore"}, "127.0.0.1:7421", []string{"10.0.0.5:7420"}
		b2.Roles, b2.Sync.Interval, b2.Seeds = []string{"broker"}, 5*time.Second, []string{"127.0.0.1:7420"}
		e1.Roles, e1.Port, e1.Slots = []string{"executor"}, 0, 2
		e1.Labels, e1.Seeds = map[string]string{"location": "north"}, []string{"127.0.0.1:7420", "10.0.0.5:7420"}
		Expect(cluster.Nodes).To(Equal([]config.Node{b1, b2, e1}))
	}, Entry("in YAML", "cluster.yaml", clusterYAML), Entry("in TOML", "cluster.toml", clusterTOML))

	It("gives each machine the nodes whose host it is", func() {
		cluster, err := config.LoadCluster(write("cluster.yaml", clusterYAML))
		Expect(err).NotTo(HaveOccurred())
		names := func(host string) (names []string) {
			for _, node := range cluster.NodesOf(func(h string) bool { return h == host }) {
				names = append(names, node.Name)
			}
			return names
		}
		Expect(names("127.0.0.1")).To(Equal([]string{"b1", "e1"}))
		Expect(names("10.0.0.5")).To(Equal([]string{"b2"}))
		Expect(names("10.0.0.6")).To(BeEmpty())
	})

	It("needs no broker if a node may become one, whom the others then look for", Label("DISC-2"), func() {
		cluster, err := config.LoadCluster(write("cluster.yaml",
			"nodes: [{name: a, host: '::1', roles: [auto]}, {name: b, host: '::1', port: 7422, roles: [auto]}, {name: e, host: '::1', port: 0, roles: [executor]}]"))
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Brokers()).To(Equal([]string{"[::1]:7420", "[::1]:7422"}))
		Expect(cluster.Nodes[0].Seeds).To(Equal([]string{"[::1]:7422"}))
		Expect(cluster.Nodes[2].Seeds).To(Equal(cluster.Brokers()))
	})

	It("adds the brokers of the file to the seeds a node names itself", func() {
		cluster, err := config.LoadCluster(write("cluster.yaml",
			"nodes: [{name: b, host: '::1', roles: [broker]}, {name: e, host: '::1', port: 0, roles: [executor], seeds: [far.lab]}]"))
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Nodes[1].Seeds).To(Equal([]string{"[::1]:7420", "far.lab:7420"}))
	})

	It("keeps its files beside itself when it names no directory", func() {
		file := write("cluster.yaml", "nodes: [{name: b, host: '::1', roles: [broker]}]")
		cluster, err := config.LoadCluster(file)
		Expect(err).NotTo(HaveOccurred())
		Expect(cluster.Dir).To(Equal(filepath.Join(filepath.Dir(file), ".ucp", "ucp")))
	})
})

var _ = Describe("A wrong cluster file", func() {
	wrongIn := func(name, text string, want []string) {
		GinkgoHelper()
		_, err := config.LoadCluster(write(name, text))
		Expect(told(err)).To(Equal(want))
	}
	DescribeTable("is refused in YAML", func(text string, want ...string) { wrongIn("cluster.yaml", text, want) },
		Entry("with two nodes of one name", saying("nodes:", "- {name: b, host: 127.0.0.1, roles: [broker]}", "- name: B", "  host: 127.0.0.1", "  port: 0", "  roles: [executor]"),
			`cluster.yaml:3: nodes[1] has the name "B" of nodes[0] on line 2; every node needs its own`),
		Entry("with two nodes on one address", saying("nodes:", "- {name: b, host: 127.0.0.1, roles: [broker]}", "- name: e", "  host: localhost", "  roles: [executor]", "  port: 7420"),
			"cluster.yaml:6: nodes[1] has the address 127.0.0.1:7420 of nodes[0] on line 2; give one of them another port"),
		Entry("with two dashboards on one address", saying("nodes:", "- {name: b, host: 10.0.0.5, roles: [broker], http: 127.0.0.1}", "- {name: c, host: 10.0.0.5, port: 7422, roles: [broker], http: localhost}"),
			"cluster.yaml:3: nodes[1] has the address 127.0.0.1:7421 on 10.0.0.5 of nodes[0] on line 2; give one of them another port"),
		Entry("with a dashboard on another node's port", saying("nodes:", "- {name: b, host: 127.0.0.1, port: 7421, roles: [broker]}", "- {name: c, host: 127.0.0.1, roles: [broker], http: ':'}", "- {name: d, host: 127.0.0.1, port: 7422, roles: [broker], http: 0.0.0.0}"),
			`cluster.yaml:3: nodes[1].http must have a port from 1 to 65535, not ":"`,
			"cluster.yaml:4: nodes[2] has the address 127.0.0.1:7421 of nodes[0] on line 2; give one of them another port"),
		Entry("without a broker", "nodes:\n- {name: e, host: 127.0.0.1, roles: [executor]}", "cluster.yaml: has no broker: give one of the nodes roles: [broker] or [auto]"),
		Entry("with a broker nobody can dial", "nodes:\n- {name: b, host: 127.0.0.1, port: 0, roles: [broker]}", "cluster.yaml:2: port must not be 0 for the broker b, which others dial"),
		Entry("with a node of no name", "nodes:\n- {host: 127.0.0.1, roles: [broker]}", "cluster.yaml:2: name is missing: give the node one that is fit for a file name"),
		Entry("with a node of no role", "nodes:\n- {name: b, host: 127.0.0.1}", "cluster.yaml:2: roles is missing: say what b does, as in roles: [executor]"),
		Entry("with a node on no machine", "nodes:\n- {name: b, roles: [broker]}", `cluster.yaml:2: nodes[0].host must name the machine the node runs on, not ""`),
		Entry("with a node on every machine", "nodes:\n- {name: b, host: 0.0.0.0, roles: [broker]}", `cluster.yaml:2: nodes[0].host must name the machine the node runs on, not "0.0.0.0"`),
		Entry("with a name that is no file name", "nodes:\n- {name: a/b, host: '::1', roles: [broker]}",
			`cluster.yaml:2: nodes[0].name must be fit for a file name (up to 63 letters, digits, dots, dashes and underscores, first a letter or digit), not "a/b"`),
		Entry("with everything wrong, all told at once", saying("netwrk: x", "defaults: {port: 1, roles: [worker], lease: 3}", "nodes:",
			"- {name: b, host: '::1', port: 70000, roles: [broker]}", "- {name: e, host: '::1', slotz: 2, slots: two, dir: x, identity: x}", "- e3"),
			`cluster.yaml:1: unknown key "netwrk"; did you mean "network"?`,
			`cluster.yaml:2: "port" belongs to each node, not in defaults`,
			"cluster.yaml:2: defaults.lease must be a section with keys of its own, not 3",
			`cluster.yaml:2: defaults.roles has unknown role "worker"; did you mean "broker"?`,
			"cluster.yaml:4: nodes[0].port must be from 0 to 65535, not 70000",
			`cluster.yaml:5: "dir" belongs at the top of the file, not in nodes[1]`,
			`cluster.yaml:5: "identity" is decided by the dir of the cluster file; leave it out`,
			`cluster.yaml:5: nodes[1].slots must be a whole number, not "two"`,
			`cluster.yaml:5: unknown key "slotz"; did you mean "slots"?`,
			`cluster.yaml:6: nodes[2] must be a node such as {name: e1, host: 127.0.0.1, roles: [executor]}, not "e3"`),
		Entry("with a contradiction in its defaults, told once", saying("defaults:", "  lease:", "    timeout: 1s", "    heartbeat: 900ms", "nodes:",
			"- {name: b, host: '::1', roles: [broker]}", "- {name: e, host: '::1', port: 0, roles: [executor]}"),
			"cluster.yaml:3: lease.timeout (1s) must be at least twice lease.heartbeat (900ms), or healthy executors are lost"),
		Entry("with defaults that are a list", "defaults: [a]\nnodes: [{name: b, host: '::1', roles: [broker]}]", "cluster.yaml:1: defaults must be a section, not a list"),
		Entry("with no node in its list", "nodes: []", "cluster.yaml:1: nodes must be a list of at least one node, not an empty one"),
		Entry("with nodes that are a section", "nodes: {b: {}}", "cluster.yaml:1: nodes must be a list of at least one node, not a section"),
		Entry("with a misspelt list of nodes", "nodez: []", `cluster.yaml:1: unknown key "nodez"; did you mean "nodes"?`),
		Entry("without a list of nodes", "defaults: {}", "cluster.yaml: nodes is missing: list at least one node"),
		Entry("without TLS on the network", "defaults: {insecure: true}\nnodes:\n- {name: b, host: 10.0.0.5, roles: [broker]}",
			"cluster.yaml:1: insecure is only for loopback: give b the host 127.0.0.1, or leave insecure out"),
	)

	DescribeTable("is refused in TOML, with the right line", func(text string, want ...string) { wrongIn("cluster.toml", text, want) },
		Entry("in the second table of nodes", saying("[[nodes]]", `name = "b"`, `host = "::1"`, `roles = ["broker"]`, "[[nodes]]", `name = "e"`, "port = 0", "slots = 'two'", "slotz = 2"),
			`cluster.toml:8: nodes[1].slots must be a whole number, not "two"`, `cluster.toml:9: unknown key "slotz"; did you mean "slots"?`),
		Entry("in a table of the second node", saying("[[nodes]]", `name = "b"`, `host = "::1"`, `roles = ["broker"]`, "[nodes.sync]", "interval = '1s'",
			"[[nodes]]", `name = "e"`, "port = 0", "[nodes.sync]", "interval = 1", "[nodes.labels]", `a = "north"`, "b = []"),
			"cluster.toml:11: nodes[1].sync.interval needs a unit, as in 1s or 1ms",
			`cluster.toml:12: nodes[1].labels must be names and texts, and "b" is a list`),
		Entry("in an inline table of nodes", saying("nodes = [", `  {name = "b", host = "::1", roles = ["broker"]},`, `  {name = "e", slots = -1},`, "]"),
			"cluster.toml:3: nodes[1].slots must be from 0 to 4096, not -1"),
		Entry("with two nodes of one name", saying("[[nodes]]", `name = "b"`, `host = "::1"`, `roles = ["broker"]`, "[[nodes]]", `host = "::1"`, "port = 0", `roles = ["executor"]`, `name = "b"`),
			`cluster.toml:9: nodes[1] has the name "b" of nodes[0] on line 1; every node needs its own`),
	)

	It("is told apart from a node file", func() {
		_, err := config.LoadCluster(write("node.yaml", "name: e1\nroles: [executor]"))
		Expect(err).To(MatchError(MatchRegexp(`has no nodes, so it is no cluster file; if it describes one node, start that with "ucp node --config .*node.yaml"`)))
	})
})

var _ = Describe("Checking a file", func() {
	It("finds a node file right without what the machine's variables say", func() {
		checked, err := config.Check(write("node.yaml", "name: e\nroles: [executor]"), home("UCP_SLOTS=two"))
		Expect(err).NotTo(HaveOccurred())
		Expect(checked.Kind).To(Equal(config.NodeFile))
		Expect(checked.Nodes).To(HaveLen(1))
	})
	It("finds a cluster file right", func() {
		checked, err := config.Check(write("cluster.yaml", clusterYAML), home())
		Expect(err).NotTo(HaveOccurred())
		Expect(checked.Kind).To(Equal(config.ClusterFile))
		Expect(checked.Network).To(Equal("field-lab"))
		Expect(checked.Nodes).To(HaveLen(3))
	})
	DescribeTable("tells what is wrong with either", func(text, want string) {
		_, err := config.Check(write("some.yaml", text), home())
		Expect(told(err)).To(Equal([]string{want}))
	},
		Entry("a node file", "role: [executor]", `some.yaml:1: unknown key "role"; did you mean "roles"?`),
		Entry("a cluster file", "nodes: 3", "some.yaml:1: nodes must be a list of at least one node, not 3"),
	)
	It("finds the examples right, for a whole network and for a node of it", func() {
		checked, err := config.Check("../examples/cluster.yaml", home())
		Expect(err).NotTo(HaveOccurred())
		Expect(checked.Kind).To(Equal(config.ClusterFile))
		Expect(checked.Nodes).To(HaveLen(5))
		Expect(checked.Nodes[0].Address()).To(Equal("127.0.0.1:7420"))

		checked, err = config.Check("../examples/node.yaml", home())
		Expect(err).NotTo(HaveOccurred())
		Expect(checked.Kind).To(Equal(config.NodeFile))
	})
})
