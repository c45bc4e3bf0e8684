package link

import "time"

// pace is how much a link may have under way: what arrives within the time of a round trip and 100 ms more, as measured, so that what is urgent
// waits behind no more than that however slow the link is (EMG-4).
//
// A round trip is taken from frames whose confirmation does not wait for company: the last one that the credit allows, by which the rate is
// measured too, and now and then one on an idle link, which no other of this node delays.
type pace struct {
	limit   int           // bytes, at most
	window  int           // bytes that may be under way
	rate    float64       // bytes a second
	trip    time.Duration // the least that was seen; 0: none yet
	arrived uint64        // bytes that were confirmed
	probed  time.Time
}

const (
	// backlog is how long what is under way may take, besides the round trip.
	backlog = 100 * time.Millisecond
	// leastWindow is what may be under way on any link, and on one that was not measured: what a first frame takes to go through is taken for the
	// round trip, so it must be short.
	leastWindow = 4 << 10
	// leastPiece is the smallest size that a frame is cut into.
	leastPiece = 2 << 10
	// probeEvery is how often an idle link is asked for a round trip, at most.
	probeEvery = time.Second
)

func newPace(limit int) pace { return pace{limit: limit, window: min(leastWindow, limit)} }

// flight is a frame under way.
type flight struct {
	batch   *batch // the one that this frame ends; nil: it is a piece of one
	size    int
	sent    time.Time
	arrived uint64 // bytes confirmed when it was sent
	prompt  bool   // its confirmation waits for nothing
	full    bool   // there was no credit for more
}

// probes says whether a frame on an idle link is to measure the round trip.
func (p *pace) probes(now time.Time) bool {
	if !p.probed.IsZero() && now.Sub(p.probed) < probeEvery {
		return false
	}
	p.probed = now
	return true
}

// confirmed learns from a frame that arrived, when all before it are counted.
func (p *pace) confirmed(f flight, now time.Time) {
	took := now.Sub(f.sent)
	if !f.prompt || took < 0 {
		return
	}
	if p.trip == 0 || took < p.trip {
		p.trip = max(took, 1)
	}
	if !f.full {
		return
	}
	p.rate = max(p.rate*7/8, float64(p.arrived-f.arrived)/max(took, 1).Seconds())
	fits := p.rate * (p.trip + backlog).Seconds()
	p.window = int(min(max(fits, float64(min(leastWindow, p.limit))), float64(p.limit)))
}

// piece is the largest frame to send: half a window, so that the next is on its way when the first is confirmed.
func (p *pace) piece() int { return max(p.window/2, leastPiece) }
