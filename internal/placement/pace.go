package placement

import "time"

// Pace decides how many attempts an executor holds: one a slot, and as many more as are worth queueWork of its time, so that a slot whose
// job just ended does not wait for the network, and a long job does not hold up others that could start elsewhere.
type Pace struct {
	Slots int
	mean  time.Duration // of recent attempts, exponentially weighted; 0: none yet
}

const (
	// queueWork is how much work an executor likes to have waiting for each slot: about what a deployment takes to arrive.
	queueWork = 4 * time.Millisecond
	// maxQueue bounds the queue for each slot.
	maxQueue = 64
	// weight is the share of the newest attempt in the mean: a sixteenth.
	weight = 16
	// long is what is worth counting at once: a queue behind such an attempt would notice.
	long = 50 * time.Millisecond
)

// Took notes how long a program ran. One that was long, or the first, counts at once; a hiccup does not.
func (p *Pace) Took(d time.Duration) {
	if p.mean == 0 || d > max(long, 4*p.mean) {
		p.mean = max(d, 1)
		return
	}
	p.mean += (d - p.mean) / weight
}

// Window returns how many attempts to hold.
func (p *Pace) Window() int {
	if p.mean == 0 {
		return p.Slots
	}
	return p.Slots * (1 + int(min(queueWork/max(p.mean, 1), maxQueue)))
}

// MaxWindow returns the greatest window of an executor with so many slots.
func MaxWindow(slots int) int { return slots * (1 + maxQueue) }
