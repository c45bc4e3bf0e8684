package roster

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Standing is how a node is doing, as its home broker last knew.
type Standing string

// The standings.
const (
	Up   Standing = "up"
	Lost Standing = "lost" // a guess: it may come back
	Left Standing = "left" // it said goodbye
	// Unseen is never in a record: whoever reads it has no link to the broker that speaks for the node.
	Unseen Standing = "unseen"
	// Closed, Draining and Drained are never in a record either: the node is up, and is given nothing new.
	Closed   Standing = "cordoned"
	Draining Standing = "draining"
	Drained  Standing = "drained" // and nothing is left there
)

// Node is the replicated record of one node. Treat it as immutable.
type Node struct {
	ID      string
	Name    string
	Roles   []string
	Home    string // node id of the broker that speaks for it
	Address string // where it can be dialled; empty: nowhere
	Lease   uint64 // numbered by the node itself; a broker's is its incarnation
	State   Standing
	Reason  string // why it is not up
	Slots   uint32
	Labels  map[string]string
	At      vclock.Hybrid
	Life    uint64 // its incarnation: a greater one knows nothing of what ran before
	Cordon  Cordon // whether it is to be given work: people say so, at any broker
}

// Cordon is what people want of an executor. The latest wish counts, wherever it was said and whoever is home to the node.
type Cordon struct {
	Wish     Wish
	Patience time.Duration // how long what runs may go on, from when a broker hears of the wish
	By       string        // node id of who said so
	At       vclock.Hybrid
}

// Wish is whether an executor is given work.
type Wish uint8

// The wishes.
const (
	Open     Wish = iota
	Cordoned      // nothing new
	Drain         // nothing new, and what runs is handed over when its time is up
)

func (c Cordon) compare(o Cordon) int {
	return cmp.Or(c.At.Compare(o.At), cmp.Compare(c.Wish, o.Wish), cmp.Compare(c.Patience, o.Patience), cmp.Compare(c.By, o.By))
}

// Merge returns the version that counts: by lease, time, home, and at last the encoding, so that the choice is the same everywhere. What people want
// of the node is merged by itself: whoever writes of the node may not have heard of it.
func (n Node) Merge(o Node) Node {
	wish := n.Cordon
	if o.Cordon.compare(wish) > 0 {
		wish = o.Cordon
	}
	n.Cordon, o.Cordon = Cordon{}, Cordon{}
	if n.compare(o) < 0 {
		n = o
	}
	n.Cordon = wish
	return n
}

func (n Node) compare(o Node) int {
	if c := cmp.Or(cmp.Compare(n.Lease, o.Lease), n.At.Compare(o.At), cmp.Compare(n.Home, o.Home)); c != 0 {
		return c
	}
	return slices.Compare(n.Append(nil), o.Append(nil))
}

// Append appends the canonical encoding of n to b.
func (n Node) Append(b []byte) []byte {
	for _, s := range []string{n.ID, n.Name, n.Home, n.Address, string(n.State), n.Reason} {
		b = canon.AppendString(b, s)
	}
	b = canon.AppendList(b, n.Roles, canon.AppendString[string])
	b = canon.AppendUint(canon.AppendUint(b, n.Lease), n.Slots)
	b = canon.AppendList(b, slices.Sorted(maps.Keys(n.Labels)), func(b []byte, k string) []byte {
		return canon.AppendString(canon.AppendString(b, k), n.Labels[k])
	})
	b = canon.AppendUint(canon.AppendUint(b, uint64(n.At.Wall)), n.At.Logical)
	b = canon.AppendUint(b, n.Life)
	c := n.Cordon
	b = canon.AppendString(canon.AppendDuration(canon.AppendUint(b, c.Wish), c.Patience), c.By)
	return canon.AppendUint(canon.AppendUint(b, uint64(c.At.Wall)), c.At.Logical)
}

// Decode returns the node whose canonical encoding is b. Earlier versions wrote no wishes, and before that no incarnation: there the record ends sooner.
// What is written from it has all fields, so that each value still has one encoding from then on.
func Decode(b []byte) (Node, error) {
	r := canon.NewReader(b)
	n := Node{ID: r.String(), Name: r.String(), Home: r.String(), Address: r.String(), State: Standing(r.String()), Reason: r.String()}
	n.Roles = canon.List(r, (*canon.Reader).String)
	n.Lease, n.Slots = r.Uint64(), r.Uint32()
	for _, kv := range canon.List(r, func(r *canon.Reader) [2]string { return [2]string{r.String(), r.String()} }) {
		if n.Labels == nil {
			n.Labels = map[string]string{}
		}
		n.Labels[kv[0]] = kv[1]
	}
	n.At = vclock.Hybrid{Wall: int64(r.Uint(63)), Logical: r.Uint32()}
	if r.More() {
		n.Life = r.Uint64()
	}
	if !r.More() {
		return n, r.Err()
	}
	n.Cordon = Cordon{Wish: Wish(r.Byte()), Patience: r.Duration(), By: r.String()}
	n.Cordon.At = vclock.Hybrid{Wall: int64(r.Uint(63)), Logical: r.Uint32()}
	return n, r.Err()
}
