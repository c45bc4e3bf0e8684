package roster

import (
	"slices"

	"github.com/urbancompute/ucp/internal/vclock"
)

// Outlived returns the last life of a node that is over for good, and whether there is one: the life before the one that its record tells of, and
// that one too if the node was a broker, and nothing else, that was given up under every journal it had. It is asked about records that every
// broker knows, and givenUp says of which journals every broker knows that they are given up: nobody then needs the counts of those lives to put
// anything into order that is still to come (CLK-6).
func (c *Census) Outlived(n Node, givenUp func(journal string) bool) (vclock.Key, bool) {
	last := n.Life
	if len(n.Roles) != 1 || !c.gone(n.ID, givenUp) {
		last = max(last, 1) - 1
	}
	return vclock.Key{Node: n.ID, Incarnation: last}, last > 0
}

// gone says whether a node had journals, and all of them are given up.
func (c *Census) gone(node string, givenUp func(journal string) bool) bool {
	var all []string
	for journal, b := range c.brokers {
		if b.Node == node {
			all = append(all, journal)
		}
	}
	return len(all) > 0 && !slices.ContainsFunc(all, func(j string) bool { return !givenUp(j) })
}
