package bdd_test

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// stands is what a broker tells of a name: its text, and those of its siblings.
func stands(w *sim.World, broker, name string) (text string, siblings []string) {
	GinkgoHelper()
	m, ok := w.Look(broker, &messages.DataRequest{Name: name}).(*messages.DataResponse)
	if !ok {
		return "", nil
	}
	e := m.GetEntries()[0]
	for _, s := range e.GetSiblings() {
		siblings = append(siblings, sim.TextOf(s))
	}
	return sim.TextOf(e), siblings
}

// code is that of a refusal.
func code(answer any) messages.Refused_Code {
	GinkgoHelper()
	Expect(answer).To(BeAssignableToTypeOf(&messages.Refused{}), "%v", answer)
	return answer.(*messages.Refused).GetCode()
}

var _ = Describe("Named data", Label("DATA-2"), func() {
	It("is put, read at every broker, replaced by the next put, and removed", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			Expect(c.Put("b1", "maps/north", "one").GetDurability()).To(BeEquivalentTo(2))
			w.Run(time.Second)
			Expect(stands(w, "b2", "maps/north")).To(Equal("one"))
			Expect(c.Put("b2", "maps/north", "two").GetReplaced()).To(BeEquivalentTo(1))
			w.Run(time.Second)
			Expect(stands(w, "b1", "maps/north")).To(Equal("two"))
			Expect(c.Remove("b1", "maps/north").(*messages.DataRemoved).GetRemoved()).To(BeEquivalentTo(1))
			w.Run(time.Second)
			for _, b := range []string{"b1", "b2"} {
				Expect(code(c.Data(b, "maps/north"))).To(Equal(messages.Refused_NOT_FOUND))
			}
			Expect(code(c.Remove("b1", "maps/north"))).To(Equal(messages.Refused_NOT_FOUND))
			c.Put("b2", "maps/north", "three")
			w.Run(time.Second)
			Expect(stands(w, "b1", "maps/north")).To(Equal("three"))
		})
	})

	It("keeps what both sides of a partition put, the later as the value and the other as its sibling, until somebody puts who knows both", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2", "b3")
			one.Put("b1", "plan", "before")
			w.Run(time.Second)
			w.Split("b1", "c1")
			w.Run(5 * time.Second)
			one.Put("b1", "plan", "ours")
			w.Run(time.Second)
			two.Put("b2", "plan", "theirs")
			w.Run(time.Second)
			Expect(stands(w, "b1", "plan")).To(Equal("ours"))
			Expect(stands(w, "b3", "plan")).To(Equal("theirs"))
			w.Heal()
			w.Run(10 * time.Second)
			for _, b := range []string{"b1", "b2", "b3"} {
				text, siblings := stands(w, b, "plan")
				Expect(text).To(Equal("theirs"))
				Expect(siblings).To(Equal([]string{"ours"}))
			}
			Expect(two.Put("b3", "plan", "agreed").GetReplaced()).To(BeEquivalentTo(2))
			w.Run(time.Second)
			for _, b := range []string{"b1", "b2", "b3"} {
				text, siblings := stands(w, b, "plan")
				Expect(text).To(Equal("agreed"))
				Expect(siblings).To(BeEmpty())
			}
		})
	})

	It("loses nothing that one side removed and the other put meanwhile", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			one, two := w.Client("c1", "b1"), w.Client("c2", "b2")
			one.Put("b1", "plan", "before")
			w.Run(time.Second)
			w.Cut("b1", "b2")
			w.Run(5 * time.Second)
			one.Remove("b1", "plan")
			w.Run(time.Second)
			two.Put("b2", "plan", "after")
			w.Heal()
			w.Run(10 * time.Second)
			for _, b := range []string{"b1", "b2"} {
				Expect(stands(w, b, "plan")).To(Equal("after"))
			}
		})
	})

	It("lets a client that changes its broker read what it wrote, or tells it STALE; and it replaces what it has seen", Label("CLK-5"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c, other := w.Client("c1"), w.Client("c2")
			w.Cut("b1", "b2")
			w.Run(5 * time.Second)
			c.Put("b1", "plan", "mine")
			Expect(code(c.Data("b2", "plan"))).To(Equal(messages.Refused_STALE))
			Expect(other.Data("b1", "plan")).To(BeAssignableToTypeOf(&messages.DataResponse{}))
			Expect(code(other.Ask("b2", other.Putting(other.NewID("b2"), "plan", "on top of what I saw")))).To(Equal(messages.Refused_STALE))
			Expect(code(other.Remove("b2", "plan"))).To(Equal(messages.Refused_STALE))
			w.Heal()
			w.Run(5 * time.Second)
			Expect(sim.TextOf(c.Data("b2", "plan").(*messages.DataResponse).GetEntries()[0])).To(Equal("mine"))
			other.Put("b2", "plan", "on top of what I saw")
			w.Run(time.Second)
			text, siblings := stands(w, "b1", "plan")
			Expect(text).To(Equal("on top of what I saw"))
			Expect(siblings).To(BeEmpty())
		})
	})

	It("is there after a restart from the journal, also after power loss", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			c.Put("b1", "a/x", "old")
			c.Put("b1", "a/x", "new")
			c.Put("b1", "a/y", "removed")
			c.Remove("b1", "a/y")
			w.LoseUnsynced("b1")
			w.Start("b1")
			w.Run(5 * time.Second)
			text, siblings := stands(w, "b1", "a/x")
			Expect(text).To(Equal("new"))
			Expect(siblings).To(BeEmpty())
			Expect(code(w.Look("b1", &messages.DataRequest{Name: "a/y"}))).To(Equal(messages.Refused_NOT_FOUND))
			Expect(c.Put("b1", "a/x", "newer").GetReplaced()).To(BeEquivalentTo(1))
		})
	})

	It("is put once, however often the put is sent, to whomever", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			put := c.Putting(c.NewID("b1"), "plan", "text")
			c.Ask("b1", put)
			w.Run(time.Second)
			for _, b := range []string{"b1", "b2"} {
				Expect(c.Ask(b, put).(*messages.DataPut).GetDurability()).To(BeEquivalentTo(2))
			}
			_, siblings := stands(w, "b2", "plan")
			Expect(siblings).To(BeEmpty())
			Expect(code(c.Ask("b2", c.Putting(job.ID(put.GetId()), "plan", "another text")))).To(Equal(messages.Refused_CONFLICT))
		})
	})

	It("forgets what was replaced, and takes no put for new that may be one of those", Label("SYNC-8"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			put := c.Putting(c.NewID("b1"), "plan", "old")
			c.Ask("b1", put)
			before := w.Status("b1").GetRecords()
			c.Put("b2", "plan", "new")
			w.Run(30 * time.Second)
			Expect(w.Status("b1").GetRecords()).To(BeNumerically("<=", before+1)) // and the horizon
			Expect(code(c.Ask("b1", put))).To(Equal(messages.Refused_RENAMED))
			Expect(stands(w, "b1", "plan")).To(Equal("new"))
		})
	})

	It("does not bring back what was replaced and forgotten while a broker was away", Label("SYNC-8"), func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2", "b3")
			c := w.Client("c1", "b1")
			c.Put("b1", "plan", "old")
			w.Run(time.Second)
			w.Isolate("b3")
			w.Run(5 * time.Second)
			c.Put("b1", "plan", "in between") // and nobody can tell b3 that it replaced the old one
			c.Put("b1", "plan", "new")
			w.Run(time.Minute) // more than a silent broker holds up forgetting
			w.Heal()
			w.Run(15 * time.Second)
			for _, b := range []string{"b1", "b2", "b3"} {
				text, siblings := stands(w, b, "plan")
				Expect(text).To(Equal("new"))
				Expect(siblings).To(BeEmpty(), b)
			}
		})
	})

	DescribeTable("is refused under a name that tries to escape, with a sentence", func(name string) {
		inWorld(func(w *sim.World) {
			w.Broker("b1")
			c := w.Client("c1")
			for _, ask := range []any{c.Ask("b1", c.Putting(c.NewID("b1"), name, "x")), c.Data("b1", name), c.Remove("b1", name)} {
				Expect(code(ask)).To(Equal(messages.Refused_INVALID))
				Expect(ask.(*messages.Refused).GetReason()).To(HavePrefix("data name"))
			}
		})
	},
		Entry("../", "../etc/passwd"), Entry("a/../b", "a/../b"), Entry("absolute", "/etc/passwd"), Entry("control characters", "a\x1b[2Jb"),
		Entry("4 KiB", strings.Repeat("x", 4096)), Entry("a star", "a/*"),
	)

	It("is refused when its bytes are not what its digest names, or too many to travel with it", func() {
		inWorld(func(w *sim.World) {
			w.Broker("b1")
			c := w.Client("c1")
			wrong := c.Putting(c.NewID("b1"), "a", "right")
			b := sim.TextBlob("right")
			b.Inline = []byte("wrong")
			wrong.Blob = b.Append(nil)
			Expect(code(c.Ask("b1", wrong))).To(Equal(messages.Refused_INVALID))
			Expect(code(c.Ask("b1", c.Putting(c.NewID("b1"), "a", strings.Repeat("x", 4097))))).To(Equal(messages.Refused_INVALID))
			Expect(code(c.Data("b1", "a"))).To(Equal(messages.Refused_NOT_FOUND))
		})
	})

	It("is listed by prefix, page by page, as quickly among 10,000 names as among few", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			page := func(prefix, after string, limit uint32) ([]string, string, time.Duration) {
				began := time.Now()
				m, ok := c.Ask("b1", &messages.DataList{Prefix: prefix, After: after, Limit: limit}).(*messages.DataResponse)
				took := time.Since(began)
				Expect(ok).To(BeTrue())
				var names []string
				for _, e := range m.GetEntries() {
					names = append(names, e.GetName())
				}
				return names, m.GetNext(), took
			}
			for _, n := range []string{"m/b", "m/a", "ma", "m/c", "l/z"} {
				c.Put("b1", n, n)
			}
			c.Put("b1", "m/d", "x")
			c.Remove("b1", "m/d")
			names, next, _ := page("m/", "", 2)
			Expect(names).To(Equal([]string{"m/a", "m/b"}))
			names, next, _ = page("m/", next, 2)
			Expect(names).To(Equal([]string{"m/c"}))
			Expect(next).To(BeEmpty())
			names, _, _ = page("", "", 0)
			Expect(names).To(Equal([]string{"l/z", "m/a", "m/b", "m/c", "ma"}))

			quickest := func() time.Duration {
				best := time.Hour
				for range 20 {
					_, _, took := page("m/", "", 10)
					best = min(best, took)
				}
				return best
			}
			few := quickest()
			text := strings.Repeat("k", 1024)
			for i := range 10_000 {
				c.Post("b1", c.Putting(c.NewID("b1"), fmt.Sprintf("bulk/%05d", i), text))
				if i%100 == 0 {
					w.Run(20 * time.Millisecond)
				}
			}
			w.Run(time.Second)
			names, next, _ = page("bulk/", "bulk/09950", 100)
			Expect(names).To(HaveLen(49))
			Expect(next).To(BeEmpty())
			many := quickest()
			AddReportEntry("a page of 10 among 5 names, and among 10,000", fmt.Sprint(few, many))
			Expect(many).To(BeNumerically("<", 10*few+2*time.Millisecond))
		})
	})

	It("never fills more than a frame in one answer", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			for i := range 100 {
				c.Put("b1", fmt.Sprintf("big/%03d", i), strings.Repeat("x", 4096))
			}
			seen, after := 0, ""
			for pages := 0; pages == 0 || after != ""; pages++ {
				m := c.Ask("b1", &messages.DataList{Prefix: "big/", After: after}).(*messages.DataResponse)
				seen, after = seen+len(m.GetEntries()), m.GetNext()
			}
			Expect(seen).To(Equal(100))
		})
	})

	It("is read while the disk is full, as it is on it, and takes nothing more", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			c.Put("b1", "plan", "safe")
			w.FullDisk("b1", true)
			c.Post("b1", c.Putting(c.NewID("b1"), "plan", "unsafe"))
			c.Post("b1", c.Putting(c.NewID("b1"), "other", "unsafe"))
			w.Run(3 * time.Second)
			Expect(stands(w, "b1", "plan")).To(Equal("safe"))
			list := w.Look("b1", &messages.DataList{}).(*messages.DataResponse)
			Expect(list.GetEntries()).To(HaveExactElements(HaveField("Name", "plan")))
			Expect(code(c.Ask("b1", c.Putting(c.NewID("b1"), "plan", "no")))).To(Equal(messages.Refused_BUSY))
		})
	})
})

var _ = Describe("What a job makes under a name", Label("DATA-2"), func() {
	making := func(retention time.Duration, args ...string) *job.Spec {
		s := sim.Program(args...)
		s.Results, s.Retention = []job.NamedResult{{Path: "out.txt", Name: "made/it"}}, retention
		return s
	}

	It("is waited for with a reason, then read, and replaces what was put before", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			c := w.Client("c1")
			c.Put("b1", "made/it", "by hand")
			c.Submit("b1", making(time.Hour, "1s"))
			w.Run(time.Second)
			Expect(stands(w, "b2", "made/it")).To(Equal("by hand"))
			w.Executor("e1", "b1")
			w.Run(5 * time.Second)
			for _, b := range []string{"b1", "b2"} {
				text, siblings := stands(w, b, "made/it")
				Expect(text).To(Equal("output of 1s"))
				Expect(siblings).To(BeEmpty())
			}
			entry := w.Look("b2", &messages.DataRequest{Name: "made/it"}).(*messages.DataResponse).GetEntries()[0]
			Expect(entry.GetProvisional()).To(BeFalse())
			Expect(entry.GetJob()).NotTo(BeEmpty())
		})
	})

	It("is said to be on its way while there is nothing else", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			c := w.Client("c1")
			id := c.Submit("b1", making(time.Hour, "1s"))
			e := c.Data("b1", "made/it").(*messages.DataResponse).GetEntries()[0]
			Expect(e.GetBlob()).To(BeEmpty())
			Expect(e.GetJob()).To(Equal(string(id)))
			Expect(e.GetWaiting()).To(ContainSubstring("is queued: no executor"))
		})
	})

	It("outlives the job's record", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", making(time.Second, "100ms"))
			w.Run(40 * time.Second)
			for _, b := range []string{"b1", "b2"} {
				_, known := w.Job(b, id)
				Expect(known).To(BeFalse(), "the job is forgotten at %s", b)
				text, siblings := stands(w, b, "made/it")
				Expect(text).To(Equal("output of 100ms"))
				Expect(siblings).To(BeEmpty())
			}
			c.Put("b1", "made/it", "by hand")
			w.Run(time.Second)
			Expect(stands(w, "b2", "made/it")).To(Equal("by hand"))
		})
	})

	It("does not come back after its name was removed or put anew, when the job is forgotten", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			c.Submit("b1", making(20*time.Second, "100ms"))
			w.Run(5 * time.Second)
			c.Remove("b2", "made/it")
			w.Run(time.Minute)
			for _, b := range []string{"b1", "b2"} {
				Expect(code(w.Look(b, &messages.DataRequest{Name: "made/it"}))).To(Equal(messages.Refused_NOT_FOUND))
			}
		})
	})

	It("is kept for both when two jobs make one name at once: the later is the value", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.Executor("e1", "b1")
			w.Executor("e2", "b2")
			c := w.Client("c1")
			c.Submit("b1", making(time.Second, "1s"))
			c.Submit("b2", making(time.Second, "2s"))
			for range 2 { // through the records of the jobs, and when those are forgotten
				w.Run(5 * time.Second)
				for _, b := range []string{"b1", "b2"} {
					text, siblings := stands(w, b, "made/it")
					Expect(text).To(Equal("output of 2s"))
					Expect(siblings).To(Equal([]string{"output of 1s"}))
				}
				w.Run(30 * time.Second)
			}
		})
	})
})
