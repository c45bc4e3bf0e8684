package client

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// session is what a client has seen of the ledger. It only grows.
type session struct {
	mu     sync.Mutex
	vector ledger.Vector
	at     vclock.Hybrid
	seal   []byte // a broker's, over exactly vector and at; nil if something was learned since
	wire   []byte // nil: to be encoded anew
}

// bytes returns what goes with a question; nil when nothing was seen yet.
func (s *session) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wire == nil && len(s.vector.Dots()) > 0 {
		s.wire = encodeSession(s.vector, s.at, s.seal)
	}
	return s.wire
}

// merge adds what a broker said, or another process saw.
func (s *session) merge(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	var m messages.Session
	if err := proto.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	v, err := ledger.DecodeVector(m.GetVector())
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.learn(v, vclock.Hybrid{Wall: int64(m.GetWall() & (1<<63 - 1)), Logical: m.GetLogical()}, m.GetSeal())
	return nil
}

// learn merges. A seal holds only as long as nothing is known besides what it covers.
func (s *session) learn(v ledger.Vector, at vclock.Hybrid, seal []byte) {
	known, covers := s.vector.CoversAll(v), v.CoversAll(s.vector) && at.Compare(s.at) >= 0
	switch {
	case covers && (!known || len(seal) > 0):
		s.vector, s.at, s.seal = v, at, seal
	case known:
		return // an older answer, or a later time alone: no reason to give up a seal
	default:
		s.vector, s.seal = s.vector.Merge(v), nil
		if at.Compare(s.at) > 0 {
			s.at = at
		}
	}
	s.wire = nil
}

func encodeSession(v ledger.Vector, at vclock.Hybrid, seal []byte) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&messages.Session{
		Vector: v.Append(nil), Wall: uint64(max(0, at.Wall)), Logical: at.Logical, Seal: seal,
	})
	if err != nil {
		panic(fmt.Sprintf("session: %v", err)) // plain fields always marshal
	}
	return b
}

// Session returns what this client has seen, sealed by the broker so that others believe it. Give it to another process as
// [Options].Session: it then reads what this one wrote, or is told [ErrStale].
func (c *Client) Session(ctx context.Context) ([]byte, error) {
	answer, err := ask[*messages.SessionSealed](ctx, c, &messages.SealSession{Session: c.session.bytes()})
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	if err := c.session.merge(answer.GetSession()); err != nil {
		return nil, err
	}
	return answer.GetSession(), nil
}
