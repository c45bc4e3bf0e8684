package wasm

// RaceEnabled says that the race detector is on, under which a process cannot be bounded.
const RaceEnabled = raceEnabled

// PID returns the number of the process that is ready, 0 if there is none.
func (s *Spare) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready == nil {
		return 0
	}
	return s.ready.pid
}
