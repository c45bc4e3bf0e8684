package events

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"github.com/urbancompute/ucp/internal/vclock"
)

// Event is something that happened at a node.
type Event struct {
	Host  string       // what people call the node
	Owner vclock.Key   // the node and its life, as clocks count it
	Count uint64       // messages that it had sent by then
	Clock vclock.Clock // what it knew
	At    vclock.Hybrid
	Kind  string
	Job   string // empty if it was about no job
	Text  string
}

// String tells the event without its place: kind, job and text.
func (e Event) String() string {
	words := slices.DeleteFunc([]string{e.Kind, e.Job, e.Text}, func(s string) bool { return s == "" })
	return strings.Join(words, " ")
}

// Line is an event in its place.
type Line struct {
	Event
	Concurrent bool // with the line before it: neither had to do with the other
}

// before says whether e, of another node than f, could have had to do with f: f's node knew a message that e's node sent after e.
func (e Event) before(f Event) bool { return f.Clock.Get(e.Owner) > e.Count }

// Sort returns events in an order in which no event comes before one that it could have had to do with. Those of one node stay in the order
// given, which is how they happened there; its lives come one after the other. Of concurrent ones the earlier comes first, by hybrid time.
func Sort(all []Event) []Line {
	var lines []Line
	hosts := byNode(all)
	var last *host
	for len(lines) < len(all) {
		h := next(hosts)
		e := h.events[h.done]
		lines = append(lines, Line{e, last != nil && last != h && last.countBefore(e) < last.done})
		h.done++
		last = h
	}
	return lines
}

// host is the events of one node, and how many of them are in the line.
type host struct {
	events []Event
	done   int
}

// byNode sorts events by node, and by life within it.
func byNode(all []Event) []*host {
	var hosts []*host
	index := map[string]*host{}
	for _, e := range all {
		h, ok := index[e.Owner.Node]
		if !ok {
			h = &host{}
			index[e.Owner.Node] = h
			hosts = append(hosts, h)
		}
		h.events = append(h.events, e)
	}
	for _, h := range hosts {
		slices.SortStableFunc(h.events, func(a, b Event) int { return cmp.Compare(a.Owner.Incarnation, b.Owner.Incarnation) })
	}
	slices.SortFunc(hosts, func(a, b *host) int { return cmp.Compare(a.events[0].Owner.Node, b.events[0].Owner.Node) })
	return hosts
}

// next returns the node whose next event comes next: the earliest of those whose causes are all in the line. There is one, as long as stamps are
// those of a network: what is held up comes after what holds it up, and nothing comes after itself.
func next(hosts []*host) *host {
	var best, any *host
	for _, h := range hosts {
		if h.done == len(h.events) {
			continue
		}
		any = h
		if !heldUp(h, hosts) && (best == nil || h.events[h.done].At.Compare(best.events[best.done].At) < 0) {
			best = h
		}
	}
	if best == nil {
		return any
	}
	return best
}

// heldUp says whether a cause of a node's next event is not in the line yet.
func heldUp(h *host, hosts []*host) bool {
	e := h.events[h.done]
	return slices.ContainsFunc(hosts, func(o *host) bool { return o != h && o.countBefore(e) > o.done })
}

// countBefore is how many of a node's events came before e, of another node. They are its first ones: what is known of a life includes all that
// went before there, and who knows of a later life comes after the whole of an earlier one.
func (h *host) countBefore(e Event) int {
	last, latest := 0, e.latest(h.events[0].Owner.Node)
	for first := 0; first < len(h.events); {
		end := first + h.life(first)
		switch inc := h.events[first].Owner.Incarnation; {
		case inc < latest:
			last = end
		case inc == latest:
			last = first + sort.Search(end-first, func(i int) bool { return !h.events[first+i].before(e) })
		}
		first = end
	}
	return last
}

// latest is the last life of a node that e's node knew of, 0 for none.
func (e Event) latest(node string) uint64 {
	latest := uint64(0)
	for k := range e.Clock.All() {
		if k.Node == node {
			latest = k.Incarnation // keys are sorted
		}
	}
	return latest
}

// life is how many events, from the i-th on, are of the same life.
func (h *host) life(i int) int {
	n := i
	for n < len(h.events) && h.events[n].Owner == h.events[i].Owner {
		n++
	}
	return n - i
}
