package events

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// shivizFormat is how ShiViz finds its way in a log: it reads it from the first line of the file. The second would part several runs.
const shivizFormat = `(?<event>.*)\n(?<host>\S*) (?<clock>{.*})`

// WriteShiViz writes events in causal order as a log that ShiViz reads: two lines an event, what it was, and where, with a vector clock. ShiViz counts
// events where the network counts messages, so the clocks are counted anew: the n-th event of a node has n in its own entry, and for every other
// node how many of its events came before.
func WriteShiViz(w io.Writer, all []Event) error {
	out := bufio.NewWriter(w)
	_, _ = fmt.Fprintf(out, "%s\n\n", shivizFormat) // a bufio.Writer keeps its first error
	c := counter{hosts: byNode(all), clocks: map[string][]clock{}}
	for _, l := range Sort(all) {
		text, err := json.Marshal(c.count(l.Event))
		if err != nil {
			return fmt.Errorf("clock of an event of %s: %w", l.Host, err)
		}
		_, _ = fmt.Fprintf(out, "%s\n%s %s\n", oneLine(l.String()), hostName(l.Host), text)
	}
	return out.Flush()
}

// clock counts events, by what people call their nodes.
type clock map[string]int

// counter gives events their clocks, in the order in which they come.
type counter struct {
	hosts  []*host
	clocks map[string][]clock // by node, of its events so far
}

func (c *counter) count(e Event) clock {
	node := e.Owner.Node
	now := clock{}
	if before := c.clocks[node]; len(before) > 0 {
		now.merge(before[len(before)-1])
	}
	for _, h := range c.hosts {
		other := h.events[0].Owner.Node
		if k := h.countBefore(e); other != node && k > 0 {
			now.merge(c.clocks[other][min(k, len(c.clocks[other]))-1])
		}
	}
	now[hostName(e.Host)]++
	c.clocks[node] = append(c.clocks[node], now)
	return now
}

func (c clock) merge(o clock) {
	for k, n := range o {
		c[k] = max(c[k], n)
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func hostName(s string) string { return strings.Join(strings.Fields(s), "-") }
