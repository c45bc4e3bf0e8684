package detect

import (
	"math"
	"time"
)

// Settings are what a detector knows before it has heard anything.
type Settings struct {
	Interval time.Duration // how often somebody is to be heard
	// Timeout is how long the silence of somebody who was always heard on time is borne. Who was heard less regularly is given up to twice as long.
	Timeout time.Duration
}

// Threshold is the phi from which silence means loss: of a hundred million silences that long, one is none.
const Threshold = 8

// deviations is how many standard deviations beyond the mean phi reaches [Threshold].
const deviations = 5.612

// memory is how many intervals are remembered.
const memory = 64

// reserve is the share of the timeout that is left for telling and asking others, when silence ends on time.
const reserve = 5

// Accrual is how regularly somebody was heard. The zero value has heard nothing.
type Accrual struct {
	last      time.Time
	intervals [memory]time.Duration
	n         int // how many were ever heard
}

// Heard notes a heartbeat. What comes between heartbeats is no measure of how regular they are, and must not be noted here.
func (a *Accrual) Heard(at time.Time) {
	if !a.last.IsZero() {
		a.intervals[a.n%memory] = at.Sub(a.last)
		a.n++
	}
	a.last = at
}

// Forgive takes back time in which nobody listened.
func (a *Accrual) Forgive(d time.Duration) {
	if !a.last.IsZero() {
		a.last = a.last.Add(d)
	}
}

// Phi is minus the decimal logarithm of the likelihood that somebody who has been silent for so long will be heard again, if intervals are
// distributed normally about their mean. Their deviation is taken for no less than what makes phi reach [Threshold] a little before the timeout.
func (a *Accrual) Phi(silence time.Duration, s Settings) float64 {
	mean, deviation := a.shape(s)
	later := math.Erfc((silence.Seconds()-mean)/(deviation*math.Sqrt2)) / 2
	return -math.Log10(later)
}

// Suspects says whether a silence means loss. Strain is how much later than it should this side hears (see [Strain]).
func (a *Accrual) Suspects(silence, strain time.Duration, s Settings) bool {
	silence -= min(strain, s.Timeout)
	return silence > s.Interval && (silence > 2*s.Timeout || a.Phi(silence, s) >= Threshold)
}

// shape is the mean and the standard deviation of the intervals, in seconds.
func (a *Accrual) shape(s Settings) (mean, deviation float64) {
	mean = s.Interval.Seconds()
	least := (s.Timeout.Seconds()*(1-1./reserve) - mean) / deviations
	heard := a.intervals[:min(a.n, memory)]
	if len(heard) == 0 {
		return mean, least
	}
	var sum, squares float64
	for _, d := range heard {
		sum += d.Seconds()
	}
	average := sum / float64(len(heard))
	for _, d := range heard {
		squares += (d.Seconds() - average) * (d.Seconds() - average)
	}
	return max(mean, average), max(least, math.Sqrt(squares/float64(len(heard))))
}
