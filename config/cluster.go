package config

import (
	"fmt"
	"path/filepath"
	"slices"
)

// Cluster is a cluster file: a network, and all its nodes on all machines.
type Cluster struct {
	File    string // it was read from
	Network string // label of the network
	Dir     string // launch directory, absolute: ca/, nodes/NAME/{data,identity,log}
	Nodes   []Node // resolved, in the order of the file
}

// CA returns the directory of the CA's key and certificate.
func (c Cluster) CA() string { return filepath.Join(c.Dir, "ca") }

// NodeDir returns the directory of the node called name.
func (c Cluster) NodeDir(name string) string { return filepath.Join(c.Dir, "nodes", name) }

// NodesOf returns the nodes that belong to this machine: those whose host local accepts. See [LocalHosts].
func (c Cluster) NodesOf(local func(host string) bool) []Node {
	var ours []Node
	for _, node := range c.Nodes {
		if local(node.Host) {
			ours = append(ours, node)
		}
	}
	return ours
}

// Brokers returns the addresses of the brokers in the file, and of the nodes that may become one.
func (c Cluster) Brokers() []string { return brokersExcept(c.Nodes, "") }

func brokersExcept(nodes []Node, name string) []string {
	var addresses []string
	for _, node := range nodes {
		if node.MayBroker() && node.Name != name && node.Address() != "" {
			addresses = append(addresses, node.Address())
		}
	}
	return addresses
}

// LoadCluster reads the cluster file at path, YAML or TOML. Errors are an [*InvalidError] with everything that is
// wrong, or say why the file cannot be read.
func LoadCluster(path string) (Cluster, error) {
	doc, err := readDocument(path)
	if err != nil {
		return Cluster{}, err
	}
	var wrong problems
	if !isClusterFile(doc.root) {
		wrong.add(doc.at(0), "has no nodes, so it is no cluster file; if it describes one node, start that with \"ucp node --config %s\"", path)
		return Cluster{}, wrong.err()
	}
	reader := clusterReader{document: doc, wrong: &wrong}
	cluster, err := reader.read()
	if err != nil {
		return Cluster{}, err
	}
	return cluster, wrong.err()
}

// clusterKeys are the keys of a cluster file.
var clusterKeys = []string{"network", "dir", "defaults", "nodes"}

// isClusterFile reports whether a file with that root is meant as a cluster file.
func isClusterFile(root []field) bool {
	return slices.ContainsFunc(root, func(f field) bool {
		_, known := settingOf(f.key)
		near := nearest(f.key, append(keysOf(settings), clusterKeys...))
		return !known && !isSection(f.key) && (near == "nodes" || near == "defaults")
	})
}

// clusterNode is a node on its way into a [Cluster].
type clusterNode struct {
	Resolved
	path       string // nodes[1]
	line       int
	understood bool // nothing was wrong with its own settings
}

// source returns where key was set, or where the node begins.
func (n clusterNode) source(doc document, key string) Source {
	if at, set := n.sources[key]; set {
		return at
	}
	return doc.at(n.line)
}

// clusterReader reads a cluster file and collects what is wrong in it.
type clusterReader struct {
	document
	wrong *problems
	top   layer // network and dir
	base  layer // defaults
	nodes []clusterNode
}

func (r *clusterReader) read() (Cluster, error) {
	r.top, r.base = make(layer), make(layer)
	var list field
	for _, f := range r.root {
		switch f.key {
		case "network", "dir":
			r.section("", clusterTop).read("", []field{f})
		case "defaults":
			r.defaults(f)
		case "nodes":
			list = f
		default:
			r.wrong.add(r.at(f.line), "%s", unknown("key", f.key, clusterKeys))
		}
	}
	cluster := r.cluster()
	understood := len(r.wrong.list) == 0
	if err := r.readNodes(list, cluster, understood); err != nil {
		return Cluster{}, err
	}
	r.checkTogether()
	cluster.Nodes = r.finish()
	return cluster, nil
}

// section returns a reader of settings into the file's own keys (clusterTop) or its defaults (anywhere).
func (r *clusterReader) section(prefix string, scope scope) *sectionReader {
	found := r.base
	if scope == clusterTop {
		found = r.top
	}
	return &sectionReader{
		document: r.document, problems: r.wrong, prefix: prefix, found: found,
		allowed: func(s setting) bool { return s.scope == scope },
		refusal: func(s setting) string { return refusal(s, "defaults") },
	}
}

// refusal says where a setting belongs that stands in the wrong part of a cluster file.
func refusal(s setting, here string) string {
	switch s.scope {
	case clusterTop:
		return fmt.Sprintf("%q belongs at the top of the file, not in %s", s.key, here)
	case eachNode:
		return fmt.Sprintf("%q belongs to each node, not in %s", s.key, here)
	case nodeFile, anywhere:
	}
	return fmt.Sprintf("%q is decided by the dir of the cluster file; leave it out", s.key)
}

func (r *clusterReader) defaults(f field) {
	switch data := f.data.(type) {
	case nil:
	case []field:
		r.section("defaults", anywhere).read("", data)
	default:
		r.wrong.add(r.at(f.line), "defaults must be a section, not %s", describe(f.value))
	}
}

// cluster returns the cluster, still without nodes.
func (r *clusterReader) cluster() Cluster {
	cluster := Cluster{File: r.file, Network: Defaults().Network}
	if a, set := r.top["network"]; set {
		cluster.Network, _ = a.value.(string)
	}
	cluster.Dir = besideFile(r.file, filepath.Join(".ucp", cluster.Network))
	if a, set := r.top["dir"]; set {
		cluster.Dir, _ = a.value.(string)
	}
	return cluster
}
