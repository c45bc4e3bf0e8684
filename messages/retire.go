package messages

import (
	"slices"

	"github.com/urbancompute/ucp/internal/vclock"
)

// maxRetired bounds the nodes of which a clock remembers that lives of theirs are over. Of one more, the one retired first is forgotten: it may be
// learned again from who still counts it, and costs an entry until it is retired again.
const maxRetired = vclock.MaxEntries

// retired is the lives that a clock counts no more. A node's lives come one after the other, so the last one that is over says it all.
type retired struct {
	last  map[string]uint64 // by node
	order []string          // the nodes, the first to retire first
}

func (r *retired) has(k vclock.Key) bool {
	last, ok := r.last[k.Node]
	return ok && k.Incarnation <= last
}

// add notes that a life and all earlier ones of its node are over, and says whether that is new.
func (r *retired) add(k vclock.Key) bool {
	if r.has(k) {
		return false
	}
	if r.last == nil {
		r.last = map[string]uint64{}
	}
	if _, ok := r.last[k.Node]; !ok {
		if len(r.order) == maxRetired {
			delete(r.last, r.order[0])
			r.order = slices.Delete(r.order, 0, 1)
		}
		r.order = append(r.order, k.Node)
	}
	r.last[k.Node] = k.Incarnation
	return true
}

// Retire drops the entries of lives that are over for good, and of all earlier lives of the same nodes, and does not learn them again from the
// stamps of those who still carry them (CLK-6). Call it when every broker knows that they are over. This node's own life is never retired.
func (n *NodeClock) Retire(keys ...vclock.Key) {
	n.opening.Lock()
	defer n.opening.Unlock()
	news := false
	for _, k := range keys {
		if k.Node != n.self.Node || k.Incarnation < n.self.Incarnation {
			news = n.retired.add(k) || news
		}
	}
	if !news {
		return
	}
	p := n.current.Load()
	var over []vclock.Key
	for k := range p.others.All() {
		if n.retired.has(k) {
			over = append(over, k)
		}
	}
	if len(over) > 0 {
		n.open(p.others.Without(over...), 0)
	}
}
