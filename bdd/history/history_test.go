package history_test

import (
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/history"
)

func TestHistory(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "Histories")
}

var _ = Describe("The check of what clients were told", func() {
	submit := func(job string, acknowledged bool) history.Op {
		return history.Op{Client: 1, Kind: history.Submit, Job: job, Known: acknowledged}
	}
	read := func(client int, job, end string) history.Op {
		return history.Op{Client: client, Kind: history.Read, Job: job, Known: true, End: end}
	}
	// inTurn has one thing happen after the other.
	inTurn := func(ops ...history.Op) []history.Op {
		for i := range ops {
			ops[i].Call, ops[i].Returns = time.Duration(2*i), time.Duration(2*i+1)
		}
		return ops
	}

	It("finds nothing wrong with jobs that end once, however late brokers hear of it", func() {
		Expect(history.Check(inTurn(
			submit("a", true), submit("b", true), submit("c", false),
			read(1, "a", ""), read(2, "a", "done"), read(1, "a", ""), read(1, "a", "done"), read(2, "b", "failed"),
		))).To(Succeed())
	})

	DescribeTable("refuses a forged history", func(ops []history.Op, wrong string) {
		Expect(history.Check(ops)).To(MatchError(wrong))
	},
		Entry("in which a job ends in two ways", inTurn(submit("a", true), read(1, "a", "done"), read(2, "a", "failed")),
			"job a ended finally with done, and with failed"),
		Entry("in which it does so for two clients at once", []history.Op{submit("a", true), read(1, "a", "done"), read(2, "a", "failed")},
			"job a ended finally with done, and with failed"),
		Entry("in which an acknowledged job never ends", inTurn(submit("a", true), submit("b", true), read(1, "a", "done"), read(1, "b", "")),
			"job b was acknowledged and has no final end"),
		Entry("in which nobody knows it", inTurn(submit("a", true), read(1, "a", "done"), history.Op{Client: 1, Kind: history.Read, Job: "a"}),
			"job a was acknowledged and is not known at the end"),
		Entry("in which nobody asks for it any more", inTurn(submit("a", true)), "job a was acknowledged and is not known at the end"),
		Entry("in which something ends that nobody submitted", inTurn(submit("a", true), read(1, "a", "done"), read(1, "b", "done")),
			"job b ended with done, and nobody submitted it"),
	)
})
