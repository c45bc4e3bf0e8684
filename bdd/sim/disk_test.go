package sim_test

import (
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/ledger"
)

var _ = Describe("A disk", func() {
	var (
		w *sim.World
		d *sim.Disk
	)
	BeforeEach(func() {
		w = sim.New(1, sim.Quiet(), sim.Without("S7"))
		DeferCleanup(w.Close)
		d = w.Broker("b1").Disk
		w.Run(time.Second)
	})

	batch := func(id, content string) sim.Batch {
		return sim.Batch{Records: []sim.SavedRecord{{Key: ledger.Key{Kind: ledger.Node, ID: id}, Bytes: []byte(content)}}}
	}
	held := func() map[string]string {
		saved, err := d.Load()
		Expect(err).NotTo(HaveOccurred())
		all := map[string]string{}
		for _, r := range saved.Records {
			if len(r.Key.ID) <= 2 { // else the broker's own
				all[r.Key.ID] = string(r.Bytes)
			}
		}
		return all
	}

	It("says done once a batch is durable, in order, and then keeps it through a crash", func() {
		var done []string
		for _, id := range []string{"x", "y", "z"} {
			d.Write(batch(id, "1"), func(err error) {
				Expect(err).NotTo(HaveOccurred())
				Expect(held()).To(HaveKey(id))
				done = append(done, id)
			})
		}
		Expect(done).To(BeEmpty())
		w.Run(10 * time.Millisecond)
		Expect(done).To(Equal([]string{"x", "y", "z"}))
		w.PowerOff("b1")
		Expect(held()).To(HaveLen(3))
	})

	It("keeps of what was not synced some batches from the first on, each whole", func() {
		survived := map[int]int{}
		for seed := range uint64(60) {
			w := sim.New(seed, sim.Quiet(), sim.Without("S7"))
			d = w.Broker("b1").Disk
			for _, id := range []string{"x", "y", "z"} {
				b := batch(id, "1")
				b.Records = append(b.Records, batch(id+"'", "1").Records...)
				d.Write(b, func(error) { Fail("nothing was synced") })
			}
			w.Kill("b1")
			left := held()
			survived[len(left)]++
			for i, id := range []string{"x", "y", "z"} {
				Expect(left).To(HaveLen(min(len(left), 6)))
				if len(left) > 2*i {
					Expect(left).To(HaveKey(id))
					Expect(left).To(HaveKey(id + "'"))
				}
			}
			w.Close()
		}
		Expect(survived).To(HaveLen(4))
		Expect(survived).To(HaveKey(0))
		Expect(survived).To(HaveKey(6))
	})

	It("drops a record that is written without bytes", func() {
		d.Write(batch("x", "1"), func(error) {})
		w.Run(10 * time.Millisecond)
		d.Write(sim.Batch{Records: []sim.SavedRecord{{Key: ledger.Key{Kind: ledger.Node, ID: "x"}}}}, func(error) {})
		w.Run(10 * time.Millisecond)
		Expect(held()).To(BeEmpty())
	})

	It("that is slow takes its time", func() {
		done := false
		w.SlowDisk("b1", 1000)
		d.Write(batch("x", "1"), func(error) { done = true })
		w.Run(100 * time.Millisecond)
		Expect(done).To(BeFalse())
		w.Run(time.Second)
		Expect(done).To(BeTrue())
	})

	It("that is full says so, and takes nothing", func() {
		var err error
		w.FullDisk("b1", true)
		d.Write(batch("x", "1"), func(e error) { err = e })
		w.Run(10 * time.Millisecond)
		Expect(errors.Is(err, actors.ErrFull)).To(BeTrue())
		Expect(held()).To(BeEmpty())
	})

	It("that is lost comes back blank, and the node still knows that there was a journal", func() {
		held()
		d.Write(batch("x", "1"), func(error) {})
		w.Run(10 * time.Millisecond)
		w.Kill("b1")
		w.LoseDisk("b1")
		Expect(held()).To(BeEmpty())
		Expect(d.Born()).To(BeNumerically(">", 1))
	})

	It("can be put back to an earlier time", func() {
		d.Write(batch("x", "1"), func(error) {})
		w.Run(time.Second)
		d.Remember()
		w.Run(time.Second)
		d.Write(batch("x", "2"), func(error) {})
		w.Run(time.Second)
		w.Kill("b1")
		Expect(w.RollBack("b1", w.Now()-time.Second)).To(BeTrue())
		Expect(held()).To(Equal(map[string]string{"x": "1"}))
	})
})
