package roster

import (
	"cmp"
	"slices"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Broker is the replicated record of one journal. Only the broker of that journal writes it, so of two versions the one with the greater Rev is
// newer. Treat it as immutable.
type Broker struct {
	Journal string
	Node    string // node id
	First   bool   // the first journal of its node: job ids may name it by the node alone
	Rev     uint64
	Known   ledger.Vector // what it held when it last said so
	Fences  []Fence       // sorted by journal
	// Established says that every member has heard of this broker. Until then it is no second disk for anything final: who does not know
	// it would not wait for its fence.
	Established bool
	// Proven is the last incarnation in which every member has shown it that its disk has lost nothing they know of. What it decided in a later one
	// is not final yet.
	Proven uint64
}

// Fence says that a broker takes nothing more from a forgotten one and confirms nothing to it, and what it had of it by then. A fence never moves.
type Fence struct {
	Journal string
	Covers  ledger.Vector // of Journal, and of the fencer itself, who wrote anew what it held of Journal out of order
	Known   []string      // the members whose record the fencer held, sorted: their fences are needed too
}

// Merge returns the newer version.
func (b Broker) Merge(o Broker) Broker {
	if c := cmp.Compare(b.Rev, o.Rev); c > 0 || (c == 0 && slices.Compare(b.Append(nil), o.Append(nil)) >= 0) {
		return b
	}
	return o
}

// Fence returns the fence of b around journal, if it has made it.
func (b Broker) Fence(journal string) (Fence, bool) {
	i, ok := b.findFence(journal)
	if !ok {
		return Fence{}, false
	}
	return b.Fences[i], true
}

// Fenced returns b with a fence; one that stands is never moved.
func (b Broker) Fenced(f Fence) Broker {
	i, ok := b.findFence(f.Journal)
	if ok {
		return b
	}
	b.Fences = slices.Insert(slices.Clone(b.Fences), i, f)
	b.Rev++
	return b
}

// Knowing returns b saying that it holds v.
func (b Broker) Knowing(v ledger.Vector) Broker {
	b.Known = b.Known.Merge(v)
	b.Rev++
	return b
}

func (b Broker) findFence(journal string) (int, bool) {
	return slices.BinarySearchFunc(b.Fences, journal, func(f Fence, j string) int { return cmp.Compare(f.Journal, j) })
}

// Establish returns b known to all.
func (b Broker) Establish() Broker {
	b.Established = true
	b.Rev++
	return b
}

// Prove returns b with its disk proven in an incarnation.
func (b Broker) Prove(incarnation uint64) Broker {
	b.Proven = max(b.Proven, incarnation)
	b.Rev++
	return b
}

// Append appends the canonical encoding of b to buf.
func (b Broker) Append(buf []byte) []byte {
	buf = canon.AppendString(canon.AppendString(buf, b.Journal), b.Node)
	buf = canon.AppendUint(canon.AppendBool(buf, b.First), b.Rev)
	buf = b.Known.Append(buf)
	buf = canon.AppendList(buf, b.Fences, appendFence)
	return canon.AppendUint(canon.AppendBool(buf, b.Established), b.Proven)
}

func appendFence(buf []byte, f Fence) []byte {
	buf = f.Covers.Append(canon.AppendString(buf, f.Journal))
	return canon.AppendList(buf, f.Known, canon.AppendString[string])
}

func readFence(r *canon.Reader) Fence {
	return Fence{Journal: r.String(), Covers: ledger.ReadVector(r), Known: canon.List(r, (*canon.Reader).String)}
}

// DecodeBroker returns the broker whose canonical encoding is buf.
func DecodeBroker(buf []byte) (Broker, error) {
	r := canon.NewReader(buf)
	b := Broker{Journal: r.String(), Node: r.String(), First: r.Bool(), Rev: r.Uint64(), Known: ledger.ReadVector(r)}
	b.Fences = canon.List(r, readFence)
	b.Established, b.Proven = r.Bool(), r.Uint64()
	if !slices.IsSortedFunc(b.Fences, func(f, g Fence) int { return max(cmp.Compare(f.Journal, g.Journal), -1) }) {
		return Broker{}, canon.ErrMalformed
	}
	return b, r.Err()
}

// Forget gives a broker up for good (JOB-14). Of several the first is kept.
type Forget struct {
	Journal string
	By      string
	Reason  string
	At      vclock.Hybrid
}

// Merge returns the one that was written first.
func (f Forget) Merge(o Forget) Forget {
	if c := f.At.Compare(o.At); c < 0 || (c == 0 && slices.Compare(f.Append(nil), o.Append(nil)) <= 0) {
		return f
	}
	return o
}

// Append appends the canonical encoding of f to b.
func (f Forget) Append(b []byte) []byte {
	b = canon.AppendString(b, f.Journal)
	b = canon.AppendString(canon.AppendString(b, f.By), f.Reason)
	return canon.AppendUint(canon.AppendUint(b, uint64(f.At.Wall)), f.At.Logical)
}

// DecodeForget returns the record whose canonical encoding is b.
func DecodeForget(b []byte) (Forget, error) {
	r := canon.NewReader(b)
	f := Forget{Journal: r.String(), By: r.String(), Reason: r.String()}
	f.At = vclock.Hybrid{Wall: int64(r.Uint(63)), Logical: r.Uint32()}
	return f, r.Err()
}
