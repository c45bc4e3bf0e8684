package config

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
)

// readNodes reads the list of nodes; understood says whether all before it was free of errors.
func (r *clusterReader) readNodes(list field, cluster Cluster, understood bool) error {
	items, ok := list.data.([]value)
	if list.key == "" && !r.misspelt() {
		r.wrong.add(r.at(0), "nodes is missing: list at least one node")
	}
	if list.key == "" {
		return nil
	}
	if !ok || len(items) == 0 {
		r.wrong.add(r.at(list.line), "nodes must be a list of at least one node, not %s", describeNodes(list.value))
		return nil
	}
	for i, item := range items {
		if err := r.readNode(indexKey("nodes", i), item, cluster, understood); err != nil {
			return err
		}
	}
	return nil
}

// misspelt reports whether an unknown key was told that may have been meant as nodes.
func (r *clusterReader) misspelt() bool {
	return slices.ContainsFunc(r.root, func(f field) bool { return nearest(f.key, clusterKeys) == "nodes" })
}

func describeNodes(v value) string {
	if items, ok := v.data.([]value); ok && len(items) == 0 {
		return "an empty one"
	}
	return describe(v)
}

func (r *clusterReader) readNode(path string, item value, cluster Cluster, understood bool) error {
	fields, ok := item.data.([]field)
	if !ok {
		r.wrong.add(r.at(item.line), "%s must be a node such as {name: e1, host: 127.0.0.1, roles: [executor]}, not %s", path, describe(item))
		return nil
	}
	before := len(r.wrong.list)
	reader := sectionReader{
		document: r.document, problems: r.wrong, prefix: path, found: make(layer),
		allowed: func(s setting) bool { return s.scope == anywhere || s.scope == eachNode },
		refusal: func(s setting) string { return refusal(s, path) },
	}
	reader.read("", fields)
	resolved, err := overlay(inCluster(cluster, reader.found), r.base, reader.found, nil)
	if err != nil {
		return err
	}
	node := clusterNode{Resolved: resolved, path: path, line: item.line, understood: len(r.wrong.list) == before}
	if understood && node.understood {
		r.checkNode(node)
	}
	r.nodes = append(r.nodes, node)
	return nil
}

// inCluster returns what a node of cluster is before the file says more: everything under the launch directory.
func inCluster(cluster Cluster, given layer) Node {
	name, _ := given["name"].value.(string)
	dir := cluster.NodeDir(name)
	node := Defaults()
	node.Network = cluster.Network
	node.Dir = filepath.Join(dir, "data")
	node.Identity = filepath.Join(dir, "identity")
	node.LogFile = filepath.Join(dir, "log")
	node.CA = cluster.CA()
	return node
}

// checkNode adds what is wrong with one node of a cluster.
func (r *clusterReader) checkNode(node clusterNode) {
	checkNode(node.Resolved, r.at(node.line), r.wrong)
	if unspecified(node.Node.Host) {
		r.wrong.add(node.source(r.document, "host"), "%s.host must name the machine the node runs on, not %q", node.path, node.Node.Host)
	}
}

// checkTogether adds what is wrong between the nodes.
func (r *clusterReader) checkTogether() {
	r.checkNames()
	r.checkAddresses()
	hasBroker := func(n clusterNode) bool { return n.Node.MayBroker() }
	if len(r.nodes) > 0 && len(r.wrong.list) == 0 && !slices.ContainsFunc(r.nodes, hasBroker) {
		r.wrong.add(r.at(0), "has no broker: give one of the nodes roles: [broker] or [auto]")
	}
}

// checkNames adds each node that is called like an earlier one. Case does not tell names apart, as on some file systems.
func (r *clusterReader) checkNames() {
	first := make(map[string]clusterNode)
	for _, node := range r.nodes {
		name := strings.ToLower(node.Node.Name)
		if other, taken := first[name]; taken && name != "" {
			r.wrong.add(node.source(r.document, "name"), "%s has the name %q of %s on line %d; every node needs its own",
				node.path, node.Node.Name, other.path, other.line)
			continue
		}
		first[name] = node
	}
}

// checkAddresses adds each node that listens where an earlier one does.
func (r *clusterReader) checkAddresses() {
	first := make(map[string]clusterNode)
	for _, node := range r.nodes {
		if !node.understood {
			continue
		}
		for key, address := range addressesOf(node.Node) {
			if other, taken := first[address]; taken {
				r.wrong.add(node.source(r.document, key), "%s has the address %s of %s on line %d; give one of them another port",
					node.path, address, other.path, other.line)
				continue
			}
			first[address] = node
		}
	}
}

// addressesOf returns what n listens on, in a form that compares, by the key of the setting that says so.
func addressesOf(n Node) map[string]string {
	listens := make(map[string]string)
	if n.Host == "" {
		return listens
	}
	if n.Port != 0 {
		listens["port"] = sameAddress(n.Listen())
	}
	host, port, err := net.SplitHostPort(n.HTTP)
	if err != nil {
		return listens
	}
	switch {
	case unspecified(host):
		listens["http"] = sameAddress(net.JoinHostPort(n.Host, port))
	case loopback(host) && !loopback(n.Host): // every machine has a loopback of its own
		listens["http"] = sameAddress(n.HTTP) + " on " + sameHost(n.Host)
	default:
		listens["http"] = sameAddress(n.HTTP)
	}
	if listens["http"] == listens["port"] { // told by listensOnce
		delete(listens, "http")
	}
	return listens
}

// finish returns the nodes with the brokers of the file among their seeds.
func (r *clusterReader) finish() []Node {
	nodes := make([]Node, len(r.nodes))
	for i, node := range r.nodes {
		nodes[i] = node.Node
	}
	seeds := make([][]string, len(nodes))
	for i, node := range nodes {
		seeds[i] = brokersExcept(nodes, node.Name)
		for _, seed := range node.Seeds {
			if !slices.Contains(seeds[i], seed) {
				seeds[i] = append(seeds[i], seed)
			}
		}
	}
	for i := range nodes {
		nodes[i].Seeds = seeds[i]
	}
	return nodes
}
