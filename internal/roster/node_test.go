package roster

import (
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/vclock"
)

// drawn is some version of one node's record.
func drawn(t *rapid.T, what string) Node {
	n := Node{
		ID: "n", Name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, what+" name"), Lease: rapid.Uint64Range(1, 2).Draw(t, what+" lease"),
		Home: rapid.SampledFrom([]string{"b1", "b2"}).Draw(t, what+" home"), At: vclock.Hybrid{Wall: rapid.Int64Range(1, 2).Draw(t, what+" at")},
	}
	n.Cordon = Cordon{
		Wish: Wish(rapid.IntRange(0, 2).Draw(t, what+" wish")), By: rapid.SampledFrom([]string{"p", "q"}).Draw(t, what+" by"),
		Patience: time.Duration(rapid.IntRange(0, 1).Draw(t, what+" patience")), At: vclock.Hybrid{Wall: rapid.Int64Range(0, 2).Draw(t, what+" said")},
	}
	return n
}

// Merging a node's record is commutative, associative and idempotent, and never loses a later wish.
func TestMergeOfNodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawn(t, "a"), drawn(t, "b"), drawn(t, "c")
		same := func(law string, x, y Node) {
			if string(x.Append(nil)) != string(y.Append(nil)) {
				t.Fatalf("%s:\n%+v\n%+v", law, x, y)
			}
		}
		same("commutative", a.Merge(b), b.Merge(a))
		same("associative", a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
		same("idempotent", a.Merge(a), a)
		if m := a.Merge(b); m.Cordon.At.Compare(a.Cordon.At) < 0 || m.Cordon.At.Compare(b.Cordon.At) < 0 {
			t.Fatalf("a wish is lost: %+v", m)
		}
	})
}

var _ = Describe("A node's record", Label("PLACE-2"), func() {
	It("is read as it was written, with what people want of the node", func() {
		n := Node{
			ID: "n", Name: "e1", Roles: []string{"executor"}, Labels: map[string]string{"a": "b"}, State: Up, Lease: 7, Life: 6, At: vclock.Hybrid{Wall: 5, Logical: 4},
			Cordon: Cordon{Wish: Drain, Patience: time.Minute, By: "c1", At: vclock.Hybrid{Wall: 3, Logical: 2}},
		}
		read, err := Decode(n.Append(nil))
		Expect(err).NotTo(HaveOccurred())
		Expect(read).To(Equal(n), fmt.Sprint(n))
	})

	DescribeTable("is read as versions wrote it that knew of less",
		func(written string, change func(*Node)) {
			b, err := hex.DecodeString(written)
			Expect(err).NotTo(HaveOccurred())
			want := Node{
				ID: "n1", Name: "e1", Home: "b1", State: Up, Roles: []string{"executor"}, Lease: 300, Slots: 2, Labels: map[string]string{"a": "b"},
				At: vclock.Hybrid{Wall: 5, Logical: 4},
			}
			change(&want)
			read, err := Decode(b)
			Expect(err).NotTo(HaveOccurred())
			Expect(read).To(Equal(want))
			again, err := Decode(read.Append(nil))
			Expect(err).NotTo(HaveOccurred())
			Expect(again).To(Equal(want))
		},
		Entry("neither incarnations nor wishes", "026e3102653102623100027570000108"+"6578656375746f72"+"ac0202"+"0101610162"+"0504", func(*Node) {}),
		Entry("no wishes", "026e3102653102623100027570000108"+"6578656375746f72"+"ac0202"+"0101610162"+"0504"+"07", func(n *Node) { n.Life = 7 }),
	)

	It("is refused where it ends in the middle of a field, or of a wish", func() {
		whole := Node{ID: "n1", Lease: 300, At: vclock.Hybrid{Wall: 5}, Life: 7, Cordon: Cordon{Wish: Drain, By: "c1", At: vclock.Hybrid{Wall: 3}}}.Append(nil)
		accepted := 0
		for n := range whole {
			if _, err := Decode(whole[:n]); err == nil {
				accepted++
			}
		}
		Expect(accepted).To(Equal(2), "one end for each earlier version")
	})

	It("keeps a wish when its home writes of it without having heard", func() {
		said := Node{ID: "n", Lease: 1, Cordon: Cordon{Wish: Cordoned, At: vclock.Hybrid{Wall: 9}}}
		later := Node{ID: "n", Lease: 2, Home: "b2"}
		Expect(said.Merge(later)).To(Equal(Node{ID: "n", Lease: 2, Home: "b2", Cordon: said.Cordon}))
	})
})
