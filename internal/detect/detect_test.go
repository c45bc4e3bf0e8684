package detect_test

import (
	"math"
	"math/rand/v2"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/detect"
)

var defaults = detect.Settings{Interval: 500 * time.Millisecond, Timeout: 3 * time.Second}

// heard returns a detector that heard somebody after each of these intervals.
func heard(intervals ...time.Duration) (a detect.Accrual) {
	at := time.Unix(0, 0)
	a.Heard(at)
	for _, d := range intervals {
		at = at.Add(d)
		a.Heard(at)
	}
	return a
}

func repeat(n int, d ...time.Duration) (all []time.Duration) {
	for range n {
		all = append(all, d...)
	}
	return all
}

// patience is the silence from which a detector suspects, to a millisecond.
func patience(a detect.Accrual, strain time.Duration, s detect.Settings) time.Duration {
	for d := time.Duration(0); ; d += time.Millisecond {
		if a.Suspects(d, strain, s) {
			return d
		}
	}
}

var _ = Describe("The failure detector", Label("LOSS-2"), func() {
	It("suspects somebody who was always heard on time a little before the timeout", func() {
		for _, a := range []detect.Accrual{heard(), heard(repeat(100, 500*time.Millisecond)...)} {
			Expect(patience(a, 0, defaults)).To(BeNumerically("~", 2400*time.Millisecond, 5*time.Millisecond))
		}
	})

	It("has more patience with somebody who was heard irregularly, up to twice the timeout", func() {
		a := heard(repeat(50, 100*time.Millisecond, 1500*time.Millisecond)...)
		Expect(patience(a, 0, defaults)).To(BeNumerically("~", 4700*time.Millisecond, 100*time.Millisecond))
		Expect(patience(heard(repeat(50, time.Millisecond, 5*time.Second)...), 0, defaults)).To(BeNumerically("~", 6*time.Second, 5*time.Millisecond))
	})

	It("forgets irregularity that is long ago", func() {
		a := heard(append(repeat(50, 100*time.Millisecond, 1500*time.Millisecond), repeat(64, 500*time.Millisecond)...)...)
		Expect(patience(a, 0, defaults)).To(BeNumerically("<", 2500*time.Millisecond))
	})

	It("gives as much more as this side hears late, up to a timeout", func() {
		Expect(patience(heard(), time.Second, defaults)).To(BeNumerically("~", 3400*time.Millisecond, 5*time.Millisecond))
		Expect(patience(heard(), time.Hour, defaults)).To(BeNumerically("~", 5400*time.Millisecond, 5*time.Millisecond))
	})

	It("reaches its threshold where one silence in a hundred million ends", func() {
		a := heard(repeat(100, 500*time.Millisecond)...)
		deviation := (2.4 - 0.5) / 5.612
		silence := time.Duration((0.5 + 3*deviation) * float64(time.Second)) // three standard deviations: 0.135 %
		Expect(a.Phi(silence, defaults)).To(BeNumerically("~", -math.Log10(0.00135), 0.001))
		Expect(a.Phi(2400*time.Millisecond, defaults)).To(BeNumerically("~", detect.Threshold, 0.01))
	})

	It("never suspects a silence shorter than an interval, and always one of two timeouts and the strain", rapidly(func(t *rapid.T) {
		s := detect.Settings{Interval: time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "interval"))}
		s.Timeout = s.Interval * time.Duration(rapid.IntRange(2, 20).Draw(t, "timeouts"))
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var intervals []time.Duration
		for range rapid.IntRange(0, 200).Draw(t, "heard") {
			intervals = append(intervals, time.Duration(rng.Int64N(int64(3*s.Timeout))))
		}
		a := heard(intervals...)
		strain := time.Duration(rapid.Int64Range(0, int64(2*s.Timeout)).Draw(t, "strain"))
		if a.Suspects(s.Interval, strain, s) {
			t.Fatal("an interval is suspected")
		}
		if !a.Suspects(2*s.Timeout+strain+1, strain, s) {
			t.Fatal("two timeouts are not suspected")
		}
		silence := time.Duration(rapid.Int64Range(0, int64(4*s.Timeout)).Draw(t, "silence"))
		if a.Suspects(silence, strain, s) && !a.Suspects(silence+time.Duration(rapid.Int64Range(0, int64(s.Timeout)).Draw(t, "more")), strain, s) {
			t.Fatal("a longer silence is suspected less")
		}
	}))
})

var _ = Describe("Strain", Label("LOSS-2"), func() {
	It("rises at once, wears off slowly and allows for four times itself", func() {
		var s detect.Strain
		s.Ticked(80 * time.Millisecond)
		Expect(s.Late()).To(Equal(80 * time.Millisecond))
		Expect(s.Allowance()).To(Equal(320 * time.Millisecond))
		s.Ticked(-50 * time.Millisecond)
		Expect(s.Allowance()).To(Equal(280 * time.Millisecond))
		for range 100 {
			s.Ticked(0)
		}
		Expect(s.Allowance()).To(BeNumerically("<", time.Millisecond))
	})

	It("does not grow with how long somebody stood still", func() {
		var s detect.Strain
		s.Ticked(time.Hour)
		Expect(s.Allowance()).To(Equal(time.Second))
	})
})

var _ = DescribeTable("Silence of several at once", Label("LOSS-4"), func(silent, all int, parted bool) {
	Expect(detect.Parted(silent, all)).To(Equal(parted))
},
	Entry("of three of five is a partition", 3, 5, true),
	Entry("of half of them is none", 3, 6, false),
	Entry("of all of two is none: two die together too", 2, 2, false),
	Entry("of all of three is one", 3, 3, true),
)

func rapidly(check func(*rapid.T)) func() {
	return func() { rapid.Check(GinkgoTB(), check) }
}
