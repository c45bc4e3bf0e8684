package job

import (
	"fmt"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"
)

var _ = Describe("A cycle of jobs", Label("JOB-10"), func() {
	DescribeTable("is spelled out",
		func(needs map[ID][]Need, words string) {
			cycle := Cycle("A", func(id ID) []Need { return needs[id] })
			Expect(cycle).NotTo(BeNil())
			Expect(DescribeCycle("A", cycle)).To(Equal(words))
		},
		Entry("through names", map[ID][]Need{"A": {{"B", "y"}}, "B": {{"A", "x"}}},
			"job A waits for data y, which B makes, which waits for data x, which A makes"),
		Entry("through After", map[ID][]Need{"A": {{Job: "B"}}, "B": {{Job: "C"}}, "C": {{Job: "A"}}},
			"job A waits for job B, which waits for job C, which waits for job A"),
		Entry("through both, by the shortest way", map[ID][]Need{"A": {{Job: "B"}, {"C", "y"}}, "B": {{Job: "D"}}, "C": {{Job: "A"}}, "D": {{Job: "A"}}},
			"job A waits for data y, which C makes, which waits for job A"),
		Entry("of one", map[ID][]Need{"A": {{"A", "x"}}}, "job A waits for data x, which only it makes"),
		Entry("of one that names itself", map[ID][]Need{"A": {{Job: "A"}}}, "job A waits for job A"),
	)

	It("is spelled out in part when it is long", func() {
		needs := func(id ID) []Need {
			var n int
			_, err := fmt.Sscanf(string(id), "J%d", &n)
			Expect(err).NotTo(HaveOccurred())
			return []Need{{Job: ID(fmt.Sprintf("J%d", (n+1)%100))}}
		}
		Expect(DescribeCycle("J0", Cycle("J0", needs))).To(HaveSuffix(", and so on over 88 jobs back to J0"))
	})

	It("that goes round without the job is none of its own", func() {
		needs := map[ID][]Need{"A": {{Job: "B"}}, "B": {{Job: "C"}}, "C": {{Job: "B"}}}
		Expect(Cycle("A", func(id ID) []Need { return needs[id] })).To(BeNil())
	})
})

// A cycle is found if and only if the job can be reached from itself, and what is told is one.
func TestCycleIsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		needs := map[ID][]Need{}
		ids := []ID{"A", "B", "C", "D", "E"}
		for range rapid.IntRange(0, 8).Draw(t, "edges") {
			from, to := rapid.SampledFrom(ids).Draw(t, "from"), rapid.SampledFrom(ids).Draw(t, "to")
			needs[from] = append(needs[from], Need{Job: to})
		}
		reached := map[ID]bool{}
		var walk func(ID)
		walk = func(id ID) {
			for _, n := range needs[id] {
				if !reached[n.Job] {
					reached[n.Job] = true
					walk(n.Job)
				}
			}
		}
		walk("A")
		cycle := Cycle("A", func(id ID) []Need { return needs[id] })
		if (cycle != nil) != reached["A"] {
			t.Fatalf("%v: reached %v, told %v", needs, reached["A"], cycle)
		}
		at := ID("A")
		for _, n := range cycle {
			found := false
			for _, o := range needs[at] {
				found = found || o == n
			}
			if !found {
				t.Fatalf("%s does not wait for %s", at, n.Job)
			}
			at = n.Job
		}
		if at != "A" {
			t.Fatalf("the cycle ends at %s", at)
		}
	})
}
