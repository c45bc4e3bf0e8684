package main

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
)

var _ = Describe("ucp job why", Label("PLACE-1", "JOB-9"), func() {
	nodes := []client.Node{{ID: "n1", Name: "b1"}}
	written := func(w client.Why, state string) string {
		var text strings.Builder
		Expect(whyOf(w, nodes, state).write(&text)).To(Succeed())
		return text.String()
	}

	It("says what the job waits for, and of each executor what it lacks", func() {
		Expect(written(client.Why{Job: "J", Waiting: "no free slot", Executors: []client.Suitability{
			{Node: "n2", Name: "e1", Home: "n1", Slots: 2, Used: 2, Lacks: []string{"no free slot"}},
			{Node: "n3", Name: "e2", Home: "n9", Slots: 1, Lacks: []string{"runs on its battery", "lacks label a=b"}},
		}}, "queued")).To(Equal(`Job J is queued: no free slot.

EXECUTOR  HOME  SLOTS  LACKS
e1        b1    2/2    no free slot
e2        n9    0/1    runs on its battery; lacks label a=b
`))
	})

	It("says which executor would be taken", func() {
		text := written(client.Why{Job: "J", Executors: []client.Suitability{{Name: "e1", Chosen: true}, {Name: "e2"}}}, "queued")
		Expect(text).To(MatchRegexp(`e1 .*nothing: it suits best\n`))
		Expect(text).To(MatchRegexp(`e2 .*nothing: another one suits better\n`))
	})

	It("has no table for a job that is over", func() {
		Expect(written(client.Why{Job: "J", Executors: []client.Suitability{{Name: "e1"}}}, "accepted")).To(Equal("Job J is accepted.\n"))
	})
})

var _ = Describe("ucp node drain", Label("PLACE-2"), func() {
	DescribeTable("says what became of the wish", func(o cordonedOutput, sentence string) { Expect(o.sentence()).To(Equal(sentence)) },
		Entry("while something runs", cordonedOutput{"e1", "draining", 2}, "Executor e1 is draining; it has 2 attempts in hand."),
		Entry("when nothing does", cordonedOutput{"e1", "draining", 0}, "Executor e1 is draining."),
		Entry("when it is taken back", cordonedOutput{"e1", "up", 2}, "Executor e1 is given work again."),
	)
})
