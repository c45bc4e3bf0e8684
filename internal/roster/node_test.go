package roster

import (
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

	It("keeps a wish when its home writes of it without having heard", func() {
		said := Node{ID: "n", Lease: 1, Cordon: Cordon{Wish: Cordoned, At: vclock.Hybrid{Wall: 9}}}
		later := Node{ID: "n", Lease: 2, Home: "b2"}
		Expect(said.Merge(later)).To(Equal(Node{ID: "n", Lease: 2, Home: "b2", Cordon: said.Cordon}))
	})
})
