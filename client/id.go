package client

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
)

// ids makes job ids: ULIDs that grow also within a millisecond, so that jobs sort in the order they were made.
type ids struct {
	mu      sync.Mutex
	entropy *ulid.MonotonicEntropy
	clock   func() time.Time
	last    uint64 // milliseconds; ids do not go back when the clock does
}

func newIDs(clock func() time.Time) *ids {
	return &ids{entropy: ulid.Monotonic(bufio.NewReader(rand.Reader), 0), clock: clock}
}

// after makes all further ids later than a time, in Unix milliseconds, that a broker has named: its network has forgotten jobs up to then.
func (s *ids) after(ms uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, ms+1)
}

// next returns the id of a new job that is first given to broker.
func (s *ids) next(broker string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last, ulid.Timestamp(s.clock()))
	id, err := ulid.New(s.last, s.entropy)
	if err != nil {
		return "", fmt.Errorf("job id: %w", err)
	}
	return id.String() + "-" + broker, nil
}
