package bdd_test

import (
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

// opaque is the state of a record for those who only count records.
type opaque []byte

func (o opaque) Merge(ledger.State) ledger.State { return o }
func (o opaque) Append(b []byte) []byte          { return append(b, o...) }

// recordsIn are those that a delta carries.
func recordsIn(d *messages.SyncDelta) []ledger.Record {
	GinkgoHelper()
	recs, err := ledger.DecodeRecords(d.GetRecords(), func(_ ledger.Kind, b []byte) (ledger.State, error) { return opaque(b), nil }, 4<<20)
	Expect(err).NotTo(HaveOccurred())
	return recs
}

// jobsTo notes the jobs that reach a broker in deltas, in order.
func jobsTo(w *sim.World, broker string) *[]string {
	var ids []string
	w.OnArrival(func(a sim.Arrival) {
		if d, ok := a.Message.(*messages.SyncDelta); ok && a.To == broker {
			for _, r := range recordsIn(d) {
				if r.Key.Kind == ledger.Job {
					ids = append(ids, r.Key.ID)
				}
			}
		}
	})
	return &ids
}

// bulky is a job that takes a good part of a message.
func bulky() *job.Spec {
	s := sim.Program("1s")
	s.Env = []string{"TEXT=" + strings.Repeat("x", 30<<10)}
	return s
}

var _ = Describe("A stream of records", Label("SYNC-3"), func() {
	It("that is cut goes on where it was, and sends nothing twice", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1", "b1")
			var ids []string
			for range 60 {
				ids = append(ids, string(c.Submit("b1", bulky())))
			}
			w.Broker("b2")
			got := jobsTo(w, "b2")
			w.RunUntil(time.Minute, func() bool { return len(*got) > 20 })
			Expect(len(*got)).To(BeNumerically("<", 60))
			w.Cut("b1", "b2")
			w.Run(20 * time.Second)
			before := len(*got)
			w.Heal()
			w.Run(10 * time.Second)
			Expect(before).To(BeNumerically("<", 60))
			Expect(len(*got)).To(Equal(60), "each once")
			Expect(slices.Sorted(slices.Values(*got))).To(Equal(ids))
		})
	})

	It("comes in the order of creation", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1", "b1")
			var ids []string
			for range 20 {
				ids = append(ids, string(c.Submit("b1", bulky())))
				w.Run(10 * time.Millisecond)
			}
			c.Cancel("b1", job.ID(ids[3])) // a later write moves nothing
			w.Broker("b2")
			got := jobsTo(w, "b2")
			w.Run(5 * time.Second)
			Expect(len(*got)).To(Equal(20), "each once")
			Expect(*got).To(Equal(ids))
		})
	})

	It("brings no job before those that it comes after", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
			w.JumpClock("b2", -time.Minute) // what b2 makes seems older
			first := one.Submit("b1", bulky())
			w.Run(time.Second)
			second := bulky()
			second.After = []job.Dependency{{Job: first}}
			third := two.Submit("b2", second)
			w.Run(time.Second)
			w.Broker("b3")
			got := jobsTo(w, "b3")
			w.Run(3 * time.Second)
			Expect(slices.Index(*got, string(first))).To(BeNumerically("<", slices.Index(*got, string(third))))
		})
	})
})

var _ = Describe("A write", Label("SYNC-9"), func() {
	It("leaves its broker, by push, sync or answer, only when it is on disk", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1", "b1")
			w.SlowDisk("b1", 1000) // half a second
			id := c.NewID("b1")
			left := map[string]bool{}
			w.OnArrival(func(a sim.Arrival) {
				carries := false
				switch m := a.Message.(type) {
				case *messages.SyncDelta:
					carries = slices.ContainsFunc(recordsIn(m), func(r ledger.Record) bool { return r.Key.ID == string(id) })
				case *messages.JobSubmitted, *messages.ResultAnswered:
					carries = true
				}
				if carries && a.From == "b1" {
					_, saved := w.Saved("b1", id)
					Expect(saved).To(BeTrue(), "%T", a.Message)
					left[string(a.Message.ProtoReflect().Descriptor().Name())] = true
				}
			})
			c.Ask("b1", c.Submission(id, sim.Program("1s")))
			w.Run(10 * time.Second)
			Expect(left).To(HaveLen(3))
		})
	})

	It("that its broker lost comes back from a peer like anybody's", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1h"))
			w.Run(time.Second)
			w.PowerOff("b1")
			w.PunchHole("b1", id)
			w.Start("b1")
			w.Run(5 * time.Second)
			same(w, id, "b1", "b2")
		})
	})
})

var _ = Describe("Rounds", Label("SYNC-1"), func() {
	It("go to all peers of up to sixteen brokers, once an interval", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			pings := 0
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.SyncPing); ok && a.From == "b1" {
					pings++
				}
			})
			w.Run(10 * time.Second)
			Expect(pings).To(BeNumerically("~", 20, 2))
		})
	})

	It("go to a random few of more", func() {
		inWorld(func(w *sim.World) {
			for i := range 18 {
				w.Broker("b" + string(rune('a'+i)))
			}
			w.Run(4 * time.Second)
			pinged, pings := map[string]bool{}, 0
			w.OnArrival(func(a sim.Arrival) {
				if _, ok := a.Message.(*messages.SyncPing); ok && a.From == "ba" {
					pings++
					pinged[a.To] = true
				}
			})
			w.Run(5 * time.Second)
			Expect(pings).To(BeNumerically("~", 20, 4))
			Expect(len(pinged)).To(BeNumerically(">", 4), "not always the same")
		})
	})
})

var _ = Describe("After a heal", Label("SYNC-4"), func() {
	DescribeTable("all brokers hold byte-identical ledgers within diameter + 2 rounds", func(links [][2]string, diameter int) {
		inWorld(func(w *sim.World) {
			names := []string{"b1", "b2", "b3", "b4", "b5"}
			brokers(w, names...)
			connected := func(a, b string) bool {
				return slices.Contains(links, [2]string{a, b}) || slices.Contains(links, [2]string{b, a})
			}
			c := w.Client("c1")
			hashes := map[string]uint64{}
			w.OnArrival(func(a sim.Arrival) {
				if m, ok := a.Message.(*messages.SyncPing); ok {
					hashes[a.From] = m.GetHash()
				}
			})
			equal := func() bool {
				for _, n := range names {
					if hashes[n] != hashes["b1"] {
						return false
					}
				}
				return len(hashes) == len(names)
			}
			var apart [][2]string
			for i, a := range names {
				for _, b := range names[i+1:] {
					w.Cut(a, b)
					if !connected(a, b) {
						apart = append(apart, [2]string{a, b})
					}
				}
			}
			w.Run(10 * time.Second)
			for _, n := range names {
				for range 5 {
					ask := c.Submission(c.NewID(n), sim.Program("1h"))
					ask.Session = nil
					c.Ask(n, ask)
				}
			}
			w.Run(3 * time.Second)
			Expect(equal()).To(BeFalse())
			w.Heal()
			for _, pair := range apart {
				w.Cut(pair[0], pair[1])
			}
			w.Run(500 * time.Millisecond) // links come back
			since := w.Now()
			Expect(w.RunUntil(time.Minute, equal)).To(BeTrue())
			Expect(w.Now() - since).To(BeNumerically("<=", time.Duration(diameter+2)*time.Second))
		})
	},
		Entry("in a line", [][2]string{{"b1", "b2"}, {"b2", "b3"}, {"b3", "b4"}, {"b4", "b5"}}, 4),
		Entry("in a ring", [][2]string{{"b1", "b2"}, {"b2", "b3"}, {"b3", "b4"}, {"b4", "b5"}, {"b5", "b1"}}, 2),
		Entry("in a star", [][2]string{{"b1", "b2"}, {"b1", "b3"}, {"b1", "b4"}, {"b1", "b5"}}, 2),
	)
})

var _ = Describe("Brokers that disagree", Label("SYNC-6"), func() {
	It("keep what causally came later, and merge what did not by the record's rule", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("1m"))
			w.Run(time.Second)
			w.Cut("b1", "b2")
			c.Cancel("b2", id) // concurrent with what b1 does
			w.Run(500 * time.Millisecond)
			w.Kill("e1")
			w.Run(time.Second)
			Expect(seen(w, "b1", id).Current().Attempts[0].State).To(Equal(job.Lost))
			Expect(seen(w, "b2", id).Current().Attempts[0].State).To(Equal(job.Running))
			w.Heal()
			w.Run(5 * time.Second)
			same(w, id, "b1", "b2")
			j := seen(w, "b2", id)
			Expect(j.Current().Attempts[0].State).To(Equal(job.Lost), "b1's later word")
			Expect(j.Cancel).NotTo(BeNil(), "b2's, which was beside it")
		})
	})
})
