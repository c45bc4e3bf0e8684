package blob

import "context"

// exclusively runs work while nobody else works on d, so that of many who want the same bytes the first does the work
// and the others find it done. Waiting ends with ctx.
func (s *Store) exclusively(ctx context.Context, d Digest, work func() error) error {
	for {
		theirs, mine := s.takeOff(d)
		if mine != nil {
			defer s.touchDown(d, mine)
			return work()
		}
		select {
		case <-theirs:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// takeOff returns a channel to close when done, or the one to wait for.
func (s *Store) takeOff(d Digest) (theirs <-chan struct{}, mine chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if flight, busy := s.flights[d]; busy {
		return flight, nil
	}
	mine = make(chan struct{})
	s.flights[d] = mine
	return nil, mine
}

// touchDown lets those who wait for d look again.
func (s *Store) touchDown(d Digest, mine chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.flights, d)
	close(mine)
}
