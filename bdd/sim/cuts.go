package sim

import "slices"

// Ways that a network comes apart. A cut is a list of directions in which nothing passes.

// Cut blocks both directions between two nodes; Heal opens them.
func (w *World) Cut(a, b string) { w.block(between(w.pick(a), w.pick(b))) }

// CutOneWay blocks what goes from one node to the other.
func (w *World) CutOneWay(from, to string) {
	w.block([][2]*Node{{w.Node(from), w.Node(to)}})
}

// Isolate blocks everything to and from a node.
func (w *World) Isolate(name string) { w.block(between(w.pick(name), w.others(w.pick(name)))) }

// Split parts the named nodes from all others.
func (w *World) Split(names ...string) {
	side := w.pick(names...)
	w.block(between(side, w.others(side)))
}

// Heal ends every cut that was made by name.
func (w *World) Heal() {
	for _, heal := range w.heals {
		heal()
	}
	w.heals = nil
}

func (w *World) block(ways [][2]*Node) { w.heals = append(w.heals, w.net.cut(ways)) }

func (w *World) pick(names ...string) []*Node {
	var nodes []*Node
	for _, name := range names {
		nodes = append(nodes, w.Node(name))
	}
	return nodes
}

func (w *World) others(side []*Node) []*Node {
	return w.where(func(n *Node) bool { return !slices.Contains(side, n) })
}

// where returns the nodes for which is holds, in order.
func (w *World) where(is func(*Node) bool) []*Node {
	var nodes []*Node
	for _, n := range w.nodes {
		if is(n) {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// between is every direction from one set to the other, and back.
func between(a, b []*Node) [][2]*Node {
	var ways [][2]*Node
	for _, x := range a {
		for _, y := range b {
			ways = append(ways, [2]*Node{x, y}, [2]*Node{y, x})
		}
	}
	return ways
}

// ring leaves every broker only its two neighbours.
func ring(brokers []*Node) [][2]*Node {
	var ways [][2]*Node
	for i := range brokers {
		for k := i + 2; k < len(brokers); k++ {
			if i != 0 || k != len(brokers)-1 {
				ways = append(ways, between(brokers[i:i+1], brokers[k:k+1])...)
			}
		}
	}
	return ways
}
