package roster

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Store is the replicated record of one datastore: a node that keeps bytes for others. It is a record beside that of the node, which may be a broker
// or an executor too and then has another lease there. Treat it as immutable.
type Store struct {
	Node    string // node id
	Name    string
	Address string // where it can be dialled; empty: nowhere
	Home    string // node id of the broker that speaks for it
	Lease   uint64 // numbered by the node itself
	Life    uint64 // its incarnation
	State   Standing
	Reason  string // why it is not up
	Free    uint64 // bytes that it can still take, coarsely: see [Coarse]
	Used    uint64 // bytes that it keeps, the same
	At      vclock.Hybrid
}

// Merge returns the version that counts: by lease, time, home, and at last the encoding, so that the choice is the same everywhere.
func (s Store) Merge(o Store) Store {
	if s.compare(o) >= 0 {
		return s
	}
	return o
}

func (s Store) compare(o Store) int {
	if c := cmp.Or(cmp.Compare(s.Lease, o.Lease), s.At.Compare(o.At), cmp.Compare(s.Home, o.Home)); c != 0 {
		return c
	}
	return slices.Compare(s.Append(nil), o.Append(nil))
}

// Append appends the canonical encoding of s to b.
func (s Store) Append(b []byte) []byte {
	for _, text := range []string{s.Node, s.Name, s.Address, s.Home, string(s.State), s.Reason} {
		b = canon.AppendString(b, text)
	}
	for _, n := range []uint64{s.Lease, s.Life, s.Free, s.Used, uint64(s.At.Wall)} {
		b = canon.AppendUint(b, n)
	}
	return canon.AppendUint(b, s.At.Logical)
}

// DecodeStore returns the store whose canonical encoding is b.
func DecodeStore(b []byte) (Store, error) {
	r := canon.NewReader(b)
	s := Store{Node: r.String(), Name: r.String(), Address: r.String(), Home: r.String(), State: Standing(r.String()), Reason: r.String()}
	s.Lease, s.Life, s.Free, s.Used = r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()
	s.At = vclock.Hybrid{Wall: int64(r.Uint(63)), Logical: r.Uint32()}
	return s, r.Err()
}

// grain is the finest step in which a record tells of bytes.
const grain = 1 << 20

// Coarse returns how a record tells n bytes: to an eighth, and not finer than 1 MiB, so that a record does not change with every byte. A store
// whose room is less than that step counts as full, for others pass it over.
func Coarse(n uint64) uint64 {
	step := uint64(grain)
	for step < n/8 {
		step *= 2
	}
	return n / step * step
}

// Stores is where bytes are kept, as a broker tells its nodes.
type Stores struct {
	All      []Store // sorted by node; those that the broker cannot vouch for are unseen
	Replicas int     // how many of those that are up should have each blob
	Paused   bool    // copies wait: an emergency needs the bandwidth
}

// Up returns the stores that are up.
func (s Stores) Up() []Store {
	return slices.DeleteFunc(slices.Clone(s.All), func(x Store) bool { return x.State != Up })
}

// Whole says whether no store is hidden that may have bytes all the same: all are up that did not say goodbye, or were lost before lost. A partition looks
// like the loss of what is behind it.
func (s Stores) Whole(lost time.Time) bool {
	return !slices.ContainsFunc(s.All, func(x Store) bool {
		return x.State != Up && x.State != Left && (x.State != Lost || x.At.Wall > lost.UnixMilli())
	})
}

// Surplus says whether the copy of a blob that a node has is one too many: as many stores as should have it have it, and the node is none of them.
// Those are for it to ask before it gives up its own.
func (s Stores) Surplus(node string, digest [32]byte, size uint64, has func(node string) bool) (keepers []Store, surplus bool) {
	keepers = s.Should(digest, size, has)
	lacks := func(x Store) bool { return x.Node == node || !has(x.Node) }
	return keepers, s.Replicas > 0 && len(keepers) == s.Replicas && !slices.ContainsFunc(keepers, lacks)
}

// Find returns the store of a node.
func (s Stores) Find(node string) (Store, bool) {
	i := slices.IndexFunc(s.All, func(x Store) bool { return x.Node == node })
	if i < 0 {
		return Store{}, false
	}
	return s.All[i], true
}

// Should returns the stores that should have a blob of so many bytes: the first Replicas in its rank that have room for it, or have it already. One
// that has neither is passed over.
func (s Stores) Should(digest [32]byte, size uint64, has func(node string) bool) []Store {
	ranked := slices.DeleteFunc(Rank(digest, s.Up()), func(x Store) bool { return x.Free < size && !has(x.Node) })
	return ranked[:min(len(ranked), s.Replicas)]
}

// Rank returns stores in the order in which they should have a blob. Everybody who knows of the same stores comes to the same order without asking,
// and one store more or less changes the order of no others (rendezvous hashing, Thaler and Ravishankar 1998).
func Rank(digest [32]byte, stores []Store) []Store {
	type weighted struct {
		Store
		weight uint64
	}
	all := make([]weighted, len(stores))
	for i, s := range stores {
		sum := sha256.Sum256(append(digest[:], s.Node...))
		all[i] = weighted{s, binary.BigEndian.Uint64(sum[:])}
	}
	slices.SortFunc(all, func(a, b weighted) int { return cmp.Or(cmp.Compare(b.weight, a.weight), cmp.Compare(a.Node, b.Node)) })
	ranked := make([]Store, len(all))
	for i, w := range all {
		ranked[i] = w.Store
	}
	return ranked
}
