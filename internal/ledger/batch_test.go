package ledger

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/canon"
)

// blob is a state of any bytes; the longer one wins.
type blob []byte

func (a blob) Merge(s State) State {
	if b := s.(blob); len(b) > len(a) || (len(b) == len(a) && bytes.Compare(b, a) > 0) {
		return b
	}
	return a
}

func (a blob) Append(b []byte) []byte { return append(b, a...) }

func readBlob(_ Kind, b []byte) (State, error) { return blob(bytes.Clone(b)), nil }

// longID is an id as long as those of jobs, as random as they are.
func longID(n int) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return fmt.Sprintf("01J%07X%s-%x", n/1000, strings.ToUpper(hex.EncodeToString(sum[:8])), "broker-1")
}

func longKey(n int) Key { return Key{Job, longID(n)} }

// jobLike is about what a finished job says: its id, its module and arguments, who ran it and the digest of the result.
func jobLike(n, turn int) blob {
	module := sha256.Sum256([]byte{byte(n % 7)})
	result := sha256.Sum256(binary.BigEndian.AppendUint64([]byte{byte(turn)}, uint64(n)))
	b := canon.AppendString(canon.AppendUint([]byte{2}, uint64(n%3)), longID(n))
	b = append(canon.AppendString(append(b, module[:]...), fmt.Sprintf("--tile=%d,%d", n%1000, n/1000)), byte(turn))
	b = canon.AppendString(canon.AppendString(b, "executor-"+fmt.Sprint(n%8)), "3f9a2b7c55d01e88")
	return append(canon.AppendUint(b, uint64(1_700_000_000_000+n*37)), result[:]...)
}

func deflated(data []byte) int {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.DefaultCompression)
	w.Write(data)
	w.Close()
	return out.Len()
}

// million is a replica with that many records, created one every 37 ms.
func million(n int) *Replica {
	r := replica("journal-of-broker-1")
	for i := range n {
		r.Put(Normal, longKey(i), jobLike(i, 1), at(1_700_000_000_000+i*37+i%11))
	}
	return r
}

// cost counts the bytes in which a peer is told what it lacks, beside what the states alone take compressed.
func cost(r *Replica, k Knowledge) (told, states int) {
	told = len(k.Append(nil))
	var all []byte
	for d, more := r.Missing(k), true; more; {
		var p Part
		p, more = d.Next(256 << 10)
		for _, rec := range p.Records {
			all = rec.State.Append(all)
		}
		told += len(EncodeRecords(p.Records)) + len(p.From.Append(nil)) + len(p.Marks.Append(nil))
	}
	return told, deflated(all)
}

var _ = Describe("Telling a peer that has 1,000,000 records of 1,000 that differ costs what they say and hardly more", Label("SYNC-2"), Ordered, func() {
	var r *Replica
	var peer Knowledge // what a peer knows that knew all before the spec
	draw := rand.New(rand.NewPCG(1, 2))

	BeforeAll(func() { r = million(1_000_000) })
	AfterAll(func() { r = nil })
	BeforeEach(func() { peer = r.Seen() })

	expectSpared := func() {
		told, states := cost(r, peer)
		GinkgoWriter.Printf("told in %d bytes, states %d: %d more, %.1f %%\n", told, states, told-states, 100*float64(told-states)/float64(states))
		ExpectWithOffset(1, told).To(BeNumerically("<=", states+max(states/20, 4<<10)))
	}

	// change writes 1,000 of the records again.
	change := func(turn int) {
		for i := range 1000 {
			n := draw.IntN(1_000_000)
			r.Put(Normal, longKey(n), append(jobLike(n, turn), make([]byte, turn)...), at(1_800_000_000_000+i))
		}
	}

	It("when their creator changed them", func() {
		change(2)
		expectSpared()
	})

	It("when another broker changed them", func() {
		r.Rename("journal-of-broker-2", 3)
		change(3)
		expectSpared()
	})

	It("when they are new", func() {
		for i := range 1000 {
			r.Put(Urgent, longKey(2_000_000+i), jobLike(2_000_000+i, 1), at(1_950_000_000_000+i*37))
		}
		expectSpared()
	})
})

func exchangeBlobs(a, b *Replica) {
	p, _ := a.Missing(b.Seen()).Next(everything)
	recs, err := DecodeRecords(EncodeRecords(p.Records), readBlob, everything)
	Expect(err).NotTo(HaveOccurred())
	for _, rec := range recs {
		b.Merge(rec, false)
	}
	b.TakeMarks(p.From, p.Marks)
}

var _ = Describe("A batch of records", Label("SYNC-2"), func() {
	recs := func() (recs []Record) {
		a, b := replica("a"), replica("b")
		for i := range 20 {
			a.Put(Normal, longKey(i), jobLike(i, 1), at(i))
		}
		exchangeBlobs(a, b)
		for i := range 10 {
			b.Put(Urgent, longKey(2*i), blob(longID(2*i)), at(100-i))
		}
		a.Put(Normal, Key{Node, ""}, blob(""), at(7))
		for _, r := range []*Replica{a, b} {
			for rec := range r.All(Job) {
				recs = append(recs, rec)
			}
		}
		return append(recs, mustGet(a, Key{Node, ""}))
	}

	It("gives back what went in, in its order", func() {
		in := recs()
		out, err := DecodeRecords(EncodeRecords(in), readBlob, 1<<20)
		Expect(err).NotTo(HaveOccurred())
		Expect(out).To(HaveLen(len(in)))
		for i := range in {
			Expect(out[i].Append(nil)).To(Equal(in[i].Append(nil)))
		}
		Expect(DecodeRecords(EncodeRecords(nil), readBlob, 2)).To(BeEmpty())
	})

	It("is refused when it would unpack to more than the limit", func() {
		bomb := EncodeRecords([]Record{{Key: key(1), Created: dot("a", 1), Writes: upto(dot("a", 1)), State: blob(make([]byte, 50<<20))}})
		Expect(len(bomb)).To(BeNumerically("<", 100<<10))
		_, err := DecodeRecords(bomb, readBlob, 1<<20)
		Expect(err).To(MatchError(canon.ErrMalformed))
	})

	It("is refused when it is cut short, goes on, or is of another format", func() {
		b := EncodeRecords(recs())
		for i := range len(b) - 1 {
			_, err := DecodeRecords(b[:i], readBlob, 1<<20)
			Expect(err).To(MatchError(canon.ErrMalformed))
		}
		for _, bad := range [][]byte{append(bytes.Clone(b), 0), append([]byte{2}, b[1:]...)} {
			_, err := DecodeRecords(bad, readBlob, 1<<20)
			Expect(err).To(MatchError(canon.ErrMalformed))
		}
	})
})
