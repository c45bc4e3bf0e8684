package soak

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// Kind is a way in which a node is harmed.
type Kind uint8

// The kinds of harm.
const (
	Kill   Kind = iota + 1 // its process ends at whichever instruction it is, and is started again
	Freeze                 // its process stands still, and goes on
	Cut                    // nothing gets through between it and brokers, and then everything does again
)

var kinds = []Kind{Kill, Freeze, Cut}

// String returns the word that people read.
func (k Kind) String() string { return [...]string{"", "killed", "frozen", "cut off"}[k] }

// Fault is something that befalls a node.
type Fault struct {
	At   time.Duration // from the beginning of the faults
	Node string
	Kind Kind
	For  time.Duration // until the node is started again, thawed or reached again
}

// String tells a fault in a line.
func (f Fault) String() string { return fmt.Sprintf("%s is %s for %s", f.Node, f.Kind, f.For) }

// Cast is who may be harmed.
type Cast struct {
	Brokers, Executors []string
	Relayed            []string // of both: those that can be cut off
}

// Plan is what befalls whom.
type Plan struct {
	Faults []Fault  // in the order of their beginning; those of one node do not overlap
	Spared []string // who is never killed: one broker and one executor
}

// Rest is how long all brokers are left alone after one of them was harmed.
const Rest = 20 * time.Second

// Draw makes the faults of a soak. The same arguments give the same faults, and all have ended after length.
func Draw(seed uint64, length time.Duration, c Cast) Plan {
	d := dice{rand.New(rand.NewPCG(seed, 0))}
	p := Plan{Spared: []string{d.of(c.Brokers), d.of(c.Executors)}}
	p.Faults = d.faults(length, span{3 * time.Second, 10 * time.Second}, span{Rest, Rest + 12*time.Second}, func() Fault {
		kind := kinds[d.IntN(len(kinds))] // first, or most would be frozen: that can befall anybody
		return d.fault(d.of(p.may(kind, c, c.Brokers)), kind, brokerFor[kind])
	})
	for _, n := range c.Executors {
		own := slices.DeleteFunc(slices.Clone(kinds), func(k Kind) bool { return len(p.may(k, c, []string{n})) == 0 })
		p.Faults = append(p.Faults, d.faults(length, span{time.Second, 15 * time.Second}, span{4 * time.Second, 30 * time.Second}, func() Fault {
			kind := own[d.IntN(len(own))]
			return d.fault(n, kind, executorFor[kind])
		})...)
	}
	slices.SortStableFunc(p.Faults, func(a, b Fault) int { return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Node, b.Node)) })
	return p
}

// may are those of some nodes who may be harmed in a way.
func (p *Plan) may(k Kind, c Cast, nodes []string) []string {
	return slices.DeleteFunc(slices.Clone(nodes), func(n string) bool {
		return k == Kill && slices.Contains(p.Spared, n) || k == Cut && !slices.Contains(c.Relayed, n)
	})
}

// span is a range of times.
type span struct{ from, to time.Duration }

// How long things last. A broker that is away for longer than ten seconds is taken for lost, an executor after three.
var (
	brokerFor   = map[Kind]span{Kill: {500 * time.Millisecond, 25 * time.Second}, Freeze: frozenFor, Cut: {time.Second, 20 * time.Second}}
	executorFor = map[Kind]span{Kill: {200 * time.Millisecond, 8 * time.Second}, Freeze: frozenFor, Cut: {500 * time.Millisecond, 10 * time.Second}}
	frozenFor   = span{200 * time.Millisecond, 6 * time.Second}
)

// dice draw from the seed.
type dice struct{ *rand.Rand }

func (d dice) of(names []string) string { return names[d.IntN(len(names))] }

func (d dice) within(s span) time.Duration {
	return s.from + time.Duration(d.Int64N(int64(s.to-s.from))).Truncate(time.Millisecond)
}

// faults draws one fault after the other, with pauses in between, until the next would not end in time.
func (d dice) faults(length time.Duration, first, pause span, next func() Fault) (all []Fault) {
	for at := d.within(first); ; {
		f := next()
		f.At = at
		if at+f.For > length {
			return all
		}
		all = append(all, f)
		at += f.For + d.within(pause)
	}
}

// fault draws for how long something befalls a node. Who is killed is started again at once every third time.
func (d dice) fault(node string, k Kind, last span) Fault {
	f := Fault{Node: node, Kind: k}
	if k != Kill || d.IntN(3) > 0 {
		f.For = d.within(last)
	}
	return f
}
