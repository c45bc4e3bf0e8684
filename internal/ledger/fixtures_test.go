package ledger

import (
	"fmt"
	"slices"

	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/vclock"
)

// history is a state that remembers every write, so that a lost one is missed.
type history struct {
	writes []uint64 // sorted
	ended  bool
	names  []Key
}

func wrote(ids ...uint64) history { return history{writes: ids} }

func (h history) Ended() bool  { return h.ended }
func (h history) Names() []Key { return h.names }

func (h history) Merge(s State) State {
	o := s.(history)
	m := history{writes: slices.Concat(h.writes, o.writes), ended: h.ended || o.ended, names: slices.Concat(h.names, o.names)}
	slices.Sort(m.writes)
	slices.SortFunc(m.names, Key.compare)
	m.writes, m.names = slices.Compact(m.writes), slices.Compact(m.names)
	return m
}

func (h history) Append(b []byte) []byte {
	b = canon.AppendBool(canon.AppendList(b, h.writes, canon.AppendUint), h.ended)
	return canon.AppendList(b, h.names, func(b []byte, k Key) []byte {
		return canon.AppendString(canon.AppendUint(b, k.Kind), k.ID)
	})
}

func readHistory(kind Kind, b []byte) (State, error) {
	if kind == Horizon {
		return DecodeHorizon(b)
	}
	r := canon.NewReader(b)
	h := history{writes: canon.List(r, (*canon.Reader).Uint64), ended: r.Bool()}
	h.names = canon.List(r, func(r *canon.Reader) Key { return Key{Kind(r.Byte()), r.String()} })
	return h, r.Err()
}

func (h history) has(id uint64) bool {
	_, ok := slices.BinarySearch(h.writes, id)
	return ok
}

func key(n int) Key                   { return Key{Job, fmt.Sprint("job-", n)} }
func at(ms int) vclock.Hybrid         { return vclock.Hybrid{Wall: int64(ms)} }
func replica(journal string) *Replica { return New(journal, 1) }

// dot names a write of the first incarnation of a journal, in the normal lane.
func dot(journal string, seq uint64) Dot { return Dot{Origin{journal, 1, Normal}, seq} }

func upto(dots ...Dot) (v Vector) {
	for _, d := range dots {
		v = v.With(d)
	}
	return v
}

// take gives a replica the parts of a delta, up to a number of them, and returns the keys that came. Every record passes through its encoding.
func take(to *Replica, d *Delta, bytes, parts int) (keys []Key) {
	for more := true; more && parts > 0; parts-- {
		var p Part
		p, more = d.Next(bytes)
		keys = append(keys, takeRecords(to, p.Records)...)
		to.TakeMarks(p.From, p.Marks)
	}
	return keys
}

func takeRecords(to *Replica, recs []Record) (keys []Key) {
	recs, err := DecodeRecords(EncodeRecords(recs), readHistory, 1<<30)
	if err != nil {
		panic(err)
	}
	for _, rec := range recs {
		to.Merge(rec, false)
		keys = append(keys, rec.Key)
	}
	return keys
}

const everything = 1 << 30

// exchange brings everything a has to b, the way brokers do, and returns what travelled.
func exchange(a, b *Replica) []Key { return take(b, a.Missing(b.Seen()), everything, everything) }

// dump is everything a replica says, canonically.
func dump(r *Replica) string {
	var recs []Record
	for _, kind := range []Kind{Job, Node, Broker, Forget, Horizon} {
		recs = slices.AppendSeq(recs, r.All(kind))
	}
	slices.SortFunc(recs, func(a, b Record) int { return a.Key.compare(b.Key) })
	b := r.Vector().Append(nil)
	for _, rec := range recs {
		b = rec.Append(b)
	}
	return string(b)
}

func expectEqual(a, b *Replica) {
	ExpectWithOffset(1, dump(a)).To(Equal(dump(b)))
	ExpectWithOffset(1, a.Hash()).To(Equal(b.Hash()))
}

func writesOf(r *Replica, k Key) []uint64 {
	rec, ok := r.Get(k)
	if !ok {
		return nil
	}
	return rec.State.(history).writes
}
