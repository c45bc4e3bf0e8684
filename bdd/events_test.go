package bdd_test

import (
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/bdd/sim"
	"github.com/urbancompute/ucp/internal/events"
	"github.com/urbancompute/ucp/internal/job"
)

// followed gathers the events of all nodes from now on.
func followed(w *sim.World) *[]events.Event {
	var all []events.Event
	w.OnNote(func(node string, n actors.Note) {
		all = append(all, events.Event{
			Host: node, Owner: n.Stamp.Owner(), Count: n.Stamp.Count(), Clock: n.Stamp.Clock(), At: n.Stamp.Hybrid(), Kind: n.Kind, Job: string(n.Job), Text: n.Text,
		})
	})
	return &all
}

var _ = Describe("The events of a network", Label("CLK-7"), func() {
	It("are told in causal order, whatever the clocks of the nodes say", func() {
		inWorld(func(w *sim.World) {
			all := followed(w)
			brokers(w, "b1", "b2", "b3")
			w.JumpClock("b2", time.Hour)
			w.JumpClock("b3", -time.Hour)
			c := w.Client("c1")
			c.Submit("b1", sim.Program("1h"))
			w.PowerOff("b1")
			w.Run(time.Second)
			c.Ask("b2", forgetting(w, "b1"))
			w.Executor("e1", "b2", "b3")
			w.Run(20 * time.Second)
			var kinds []string
			for _, l := range events.Sort(*all) {
				kinds = append(kinds, l.Kind)
			}
			first := func(kind string) int { return slices.Index(kinds, kind) }
			Expect(first("forgotten")).To(BeNumerically(">=", 0))
			Expect(first("fenced")).To(BeNumerically(">", first("forgotten")))
			Expect(first("heir began")).To(BeNumerically(">", slices.Index(kinds[first("fenced")+1:], "fenced")+first("fenced")), "after both fences")
		})
	})

	It("become a log that ShiViz reads, and concurrent ones are marked", func() {
		inWorld(func(w *sim.World) {
			all := followed(w)
			brokers(w, "b1", "b2", "b3")
			w.Client("c1").Submit("b1", sim.Program("1h"))
			w.PowerOff("b1")
			w.Cut("b2", "b3")
			w.Run(10 * time.Second) // both take it over
			var log strings.Builder
			Expect(events.WriteShiViz(&log, *all)).To(Succeed())
			Expect(log.String()).To(HavePrefix("(?<event>.*)\\n(?<host>\\S*) (?<clock>{.*})\n\n"))
			Expect(strings.Count(log.String(), "\n")).To(Equal(2 + 2*len(*all)))
			Expect(log.String()).To(MatchRegexp(`taken over \S+ from \S+\nb[23] \{.*"b[23]":`))

			taken := slices.DeleteFunc(slices.Clone(*all), func(e events.Event) bool { return e.Kind != "taken over" })
			lines := events.Sort(taken)
			Expect(lines).To(HaveLen(2))
			Expect(lines[1].Concurrent).To(BeTrue())
		})
	})
})

var _ = Describe("The story of a job", Label("CLK-7"), func() {
	It("tells who decided what, what was concurrent, and which results were rejected and why", func() {
		halves([]string{"10s", "wild"}, func(w *sim.World, _, _ *sim.Client, id job.ID) {
			w.Run(40 * time.Second)
			w.Heal()
			w.Run(10 * time.Second)
			name := func(node string) string { return strings.TrimRight(node, "a") }
			story := events.Story(seen(w, "b3", id), name)
			var told []string
			for _, c := range story {
				told = append(told, c.Text)
			}
			AddReportEntry("story", strings.Join(told, "\n"))
			at := func(text string) int {
				i := slices.IndexFunc(told, func(s string) bool { return strings.HasPrefix(s, text) })
				Expect(i).To(BeNumerically(">=", 0), "%q is not told", text)
				return i
			}
			Expect(at("c1 submitted it")).To(BeZero())
			taken := at(inTurn(w, id, "b2", "b3")[0] + " took it over")
			provisional := at("b2 decided provisionally: accepted, with the result of attempt 1 of 1.")
			decided := at("b1 decided for good: accepted, with the result of attempt 1 of 0.0 from e1")
			overruled := at("b2 told its client that this did not stand")
			Expect(taken).To(BeNumerically("<", provisional))
			Expect(provisional).To(BeNumerically("<", overruled))
			Expect(decided).To(BeNumerically("<", overruled))
			Expect(story).To(ContainElement(HaveField("Concurrent", true)))
		})
	})

	It("tells of a hand-over before what came of it", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1", "b2")
			w.JumpClock("b2", -time.Hour)
			w.Executor("e2", "b2")
			id := w.Client("c1").Submit("b1", sim.Program("1s"))
			w.Run(5 * time.Second)
			var told []string
			for _, c := range events.Story(seen(w, "b1", id), func(node string) string { return strings.TrimRight(node, "a") }) {
				Expect(c.Concurrent).To(BeFalse())
				told = append(told, c.Text)
			}
			Expect(told).To(Equal([]string{
				"c1 submitted it", "b1 took it, as its first owner", "b1 handed it over to b2", "b2 began, to whom it was handed over",
				"b2 deployed attempt 1 of 0.1 on e2", "b2 decided for good: accepted, with the result of attempt 1 of 0.1 from e2",
			}))
		})
	})

	It("tells of a late result why it was rejected", func() {
		inWorld(func(w *sim.World) {
			brokers(w, "b1")
			w.Executor("e1", "b1")
			c := w.Client("c1")
			id := c.Submit("b1", sim.Program("10s", "wild"))
			w.Run(time.Second)
			w.Isolate("e1")
			w.Executor("e2", "b1")
			w.Run(20 * time.Second)
			w.Heal()
			w.Run(10 * time.Second)
			story := events.Story(seen(w, "b1", id), func(node string) string { return strings.TrimRight(node, "a") })
			last := story[len(story)-1]
			Expect(last.Text).To(Equal("b1 rejected the result of attempt 1 of 0.0 from e1: late, different digest"))
		})
	})
})
