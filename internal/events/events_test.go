package events_test

import (
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/events"
	"github.com/urbancompute/ucp/internal/vclock"
)

// world is nodes that count their messages as a network does, with clocks that may be wrong.
type world struct {
	clocks []vclock.Clock
	lives  []uint64
	skews  []int64
	all    []events.Event
	causes [][]bool // by event: which others came before it
	known  [][]bool // by node: which events it knows
	time   int64
}

func (w *world) key(n int) vclock.Key {
	return vclock.Key{Node: fmt.Sprint("n", n), Incarnation: w.lives[n]}
}

func newWorld(nodes int) *world {
	w := &world{}
	for n := range nodes {
		w.clocks, w.lives, w.skews = append(w.clocks, vclock.Clock{}), append(w.lives, 1), append(w.skews, int64(n*37%5)*100)
		w.known = append(w.known, nil)
	}
	return w
}

// happen has an event at a node.
func (w *world) happen(n int) {
	w.time++
	w.causes = append(w.causes, append([]bool(nil), w.known[n]...))
	w.all = append(w.all, events.Event{
		Host: fmt.Sprint("n", n), Owner: w.key(n), Count: w.clocks[n].Get(w.key(n)), Clock: w.clocks[n], Kind: fmt.Sprint("e", len(w.all)),
		At: vclock.Hybrid{Wall: w.time + w.skews[n]},
	})
	w.know(n, len(w.all)-1)
}

func (w *world) know(n, event int) {
	for len(w.known[n]) <= event {
		w.known[n] = append(w.known[n], false)
	}
	w.known[n][event] = true
}

// send has a message go from one node to another.
func (w *world) send(from, to int) {
	k := w.key(from)
	w.clocks[from] = w.clocks[from].With(k, w.clocks[from].Get(k)+1)
	own := w.clocks[to].Get(w.key(to))
	w.clocks[to] = w.clocks[to].Merge(w.clocks[from]).With(w.key(to), own)
	for e, known := range w.known[from] {
		if known {
			w.know(to, e)
		}
	}
}

// restart begins a node's next life. It knows nothing, and comes after what the last one told of.
func (w *world) restart(n int) {
	w.lives[n]++
	w.clocks[n], w.known[n] = vclock.Clock{}, nil
	for e := range w.all {
		if w.all[e].Owner.Node == w.key(n).Node {
			w.know(n, e)
			for cause, known := range w.causes[e] {
				if known {
					w.know(n, cause)
				}
			}
		}
	}
}

func draw(t *rapid.T) *world {
	w := newWorld(rapid.IntRange(1, 4).Draw(t, "nodes"))
	n := func() int { return rapid.IntRange(0, len(w.lives)-1).Draw(t, "node") }
	for range rapid.IntRange(0, 60).Draw(t, "steps") {
		switch rapid.IntRange(0, 9).Draw(t, "what") {
		case 0, 1, 2, 3:
			w.happen(n())
		case 4:
			w.restart(n())
		default:
			if from, to := n(), n(); from != to {
				w.send(from, to)
			}
		}
	}
	return w
}

func (w *world) before(a, b int) bool { return a < len(w.causes[b]) && w.causes[b][a] }

func numberOf(e events.Event) (n int) {
	_, _ = fmt.Sscanf(e.Kind, "e%d", &n)
	return n
}

var _ = Describe("Events", Label("CLK-7"), func() {
	It("are put into an order in which no cause comes late, and marked where neighbours are concurrent", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			w := draw(t)
			lines := events.Sort(w.all)
			if len(lines) != len(w.all) {
				t.Fatalf("%d of %d", len(lines), len(w.all))
			}
			for i, l := range lines {
				for _, later := range lines[i+1:] {
					if w.before(numberOf(later.Event), numberOf(l.Event)) {
						t.Fatalf("%s comes before its cause %s", l.Kind, later.Kind)
					}
				}
				if i > 0 && l.Concurrent == w.before(numberOf(lines[i-1].Event), numberOf(l.Event)) {
					t.Fatalf("%s after %s: concurrent %t", l.Kind, lines[i-1].Kind, l.Concurrent)
				}
			}
		})
	})

	It("are written for ShiViz with clocks that count events, one more each", func() {
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			w := draw(t)
			var out strings.Builder
			if err := events.WriteShiViz(&out, w.all); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(out.String(), "\n")
			next, clocks := map[string]int{}, map[int]map[string]int{}
			for i := 2; i+1 < len(lines); i += 2 {
				host, text, _ := strings.Cut(lines[i+1], " ")
				clock := map[string]int{}
				if err := json.Unmarshal([]byte(text), &clock); err != nil {
					t.Fatal(err)
				}
				next[host]++
				if clock[host] != next[host] {
					t.Fatalf("%s: event %d has the clock %s", host, next[host], text)
				}
				clocks[numberOf(events.Event{Kind: lines[i]})] = clock
			}
			for a := range w.all {
				for b := range w.all {
					h := w.all[a].Host
					if says := a != b && clocks[b][h] >= clocks[a][h]; says != (a != b && w.before(a, b)) {
						t.Fatalf("e%d before e%d: the clocks say %t", a, b, says)
					}
				}
			}
		})
	})

	It("begin with the expression by which ShiViz reads them", func() {
		w := newWorld(2)
		w.happen(0)
		w.send(0, 1)
		w.happen(1)
		var out strings.Builder
		Expect(events.WriteShiViz(&out, w.all)).To(Succeed())
		Expect(out.String()).To(Equal("(?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})\n\ne0\nn0 {\"n0\":1}\ne1\nn1 {\"n0\":1,\"n1\":1}\n"))
	})
})
