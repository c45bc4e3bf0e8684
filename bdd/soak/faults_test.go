package soak_test

import (
	"cmp"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/soak"
)

var _ = Describe("The faults of a soak", func() {
	const (
		seeds  = 1000
		length = 10 * time.Minute
	)
	cast := soak.Cast{Brokers: []string{"b1", "b2", "b3"}, Executors: []string{"e1", "e2", "e3", "e4", "e5"}, Relayed: []string{"b3", "e3", "e4", "e5"}}

	// each has something hold for the faults of many seeds.
	each := func(holds func(g Gomega, p soak.Plan)) {
		GinkgoHelper()
		for seed := range uint64(seeds) {
			p := soak.Draw(seed, length, cast)
			Expect(p.Faults).NotTo(BeEmpty())
			holds(NewGomega(func(message string, skip ...int) { Fail(message, 1) }), p)
		}
	}
	of := func(p soak.Plan, nodes ...string) []soak.Fault {
		return slices.DeleteFunc(slices.Clone(p.Faults), func(f soak.Fault) bool { return !slices.Contains(nodes, f.Node) })
	}
	apart := func(g Gomega, faults []soak.Fault, pause time.Duration) {
		for i := range faults[:max(0, len(faults)-1)] {
			g.Expect(faults[i+1].At).To(BeNumerically(">=", faults[i].At+faults[i].For+pause), "%v, %v", faults[i], faults[i+1])
		}
	}

	It("are the same for the same seed, and others for another", func() {
		each(func(g Gomega, p soak.Plan) { g.Expect(p).NotTo(Equal(soak.Draw(seeds, length, cast))) })
		for seed := range uint64(seeds) {
			Expect(soak.Draw(seed, length, cast)).To(Equal(soak.Draw(seed, length, cast)))
		}
	})

	It("come in order and have ended in time", func() {
		each(func(g Gomega, p soak.Plan) {
			g.Expect(slices.IsSortedFunc(p.Faults, func(a, b soak.Fault) int { return cmp.Compare(a.At, b.At) })).To(BeTrue())
			for _, f := range p.Faults {
				g.Expect(f.At).To(BeNumerically(">", 0))
				g.Expect(f.At+f.For).To(BeNumerically("<=", length), "%v", f)
			}
		})
	})

	It("harm one broker at a time, and leave all alone for twenty seconds before the next", func() {
		each(func(g Gomega, p soak.Plan) { apart(g, of(p, cast.Brokers...), 20*time.Second) })
	})

	It("harm an executor in one way at a time, and several of them at once", func() {
		together := 0
		each(func(g Gomega, p soak.Plan) {
			for _, e := range cast.Executors {
				apart(g, of(p, e), 0)
			}
			all := of(p, cast.Executors...)
			for i := range all[1:] {
				if all[i].At+all[i].For > all[i+1].At {
					together++
				}
			}
		})
		Expect(together).To(BeNumerically(">", 10*seeds))
	})

	It("never kill one broker and one executor, and cut nobody off who cannot be", func() {
		each(func(g Gomega, p soak.Plan) {
			g.Expect(p.Spared).To(HaveLen(2))
			g.Expect(cast.Brokers).To(ContainElement(p.Spared[0]))
			g.Expect(cast.Executors).To(ContainElement(p.Spared[1]))
			for _, f := range p.Faults {
				if f.Kind == soak.Kill {
					g.Expect(p.Spared).NotTo(ContainElement(f.Node))
				}
				if f.Kind == soak.Cut {
					g.Expect(cast.Relayed).To(ContainElement(f.Node))
				}
			}
		})
	})

	It("are of every kind for both roles, some kills with a start at once, and none freezes for longer than six seconds", func() {
		seen := map[string]int{}
		each(func(g Gomega, p soak.Plan) {
			for _, f := range p.Faults {
				seen[f.Node[:1]+" "+f.Kind.String()]++
				if f.Kind == soak.Kill && f.For == 0 {
					seen[f.Node[:1]+" started at once"]++
				}
				if f.Kind == soak.Freeze {
					g.Expect(f.For).To(And(BeNumerically(">=", 200*time.Millisecond), BeNumerically("<", 6*time.Second)))
				}
			}
		})
		for _, role := range []string{"b ", "e "} {
			for _, what := range []string{"killed", "frozen", "cut off", "started at once"} {
				Expect(seen[role+what]).To(BeNumerically(">", seeds), role+what)
			}
		}
	})

	DescribeTable("that come late because the machine is slow", func(free, at time.Duration, inTime bool) {
		f := soak.Fault{At: 10 * time.Second, Node: "b1", Kind: soak.Kill, For: 5 * time.Second}
		gotAt, gotInTime := f.Startable(free, 30*time.Second)
		Expect(gotAt).To(Equal(at))
		Expect(gotInTime).To(Equal(inTime))
	},
		Entry("wait for their time", 3*time.Second, 10*time.Second, true),
		Entry("wait until the rest is over", 25*time.Second, 25*time.Second, true),
		Entry("are left out when they would not end in time", 26*time.Second, 26*time.Second, false),
	)
})
