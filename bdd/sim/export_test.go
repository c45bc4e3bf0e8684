package sim

import "time"

// StrikeAtTheEnd has faults begin in w that strike brokers at work, and end and be mended before one of them has come.
func StrikeAtTheEnd(w *World, strikes int) {
	s := &schedule{w: w, rng: w.stream("faults"), until: w.now + time.Millisecond/2}
	for range strikes {
		s.killBroker()
	}
	w.Run(time.Millisecond / 2)
	s.mend()
}
