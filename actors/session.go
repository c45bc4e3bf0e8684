package actors

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// session is what a client has seen of the ledger (CLK-5). Without a seal the vector is believed, for it can only make its own client wait,
// and the time is not.
type session struct {
	vector ledger.Vector
	at     vclock.Hybrid
	seal   []byte
}

// readSession decodes a session; none is the empty one.
func readSession(b []byte) (session, error) {
	if len(b) == 0 {
		return session{}, nil
	}
	var m messages.Session
	if err := proto.Unmarshal(b, &m); err != nil {
		return session{}, fmt.Errorf("the session cannot be read: %w", err)
	}
	v, err := ledger.DecodeVector(m.GetVector())
	if err != nil {
		return session{}, fmt.Errorf("the session's vector cannot be read: %w", err)
	}
	return session{v, vclock.Hybrid{Wall: int64(m.GetWall() & (1<<63 - 1)), Logical: m.GetLogical()}, m.GetSeal()}, nil
}

// content is what a seal covers.
func (s session) content() []byte {
	s.seal = nil
	return append([]byte("ucp session 1\x00"), s.append()...)
}

// append returns the wire form. Its fields are written in order by a deterministic marshaller, so a seal holds over it.
func (s session) append() []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&messages.Session{
		Vector: s.vector.Append(nil), Wall: uint64(max(0, s.at.Wall)), Logical: s.at.Logical, Seal: s.seal,
	})
	if err != nil {
		panic(fmt.Sprintf("session: %v", err)) // a message of plain fields always marshals
	}
	return b
}

func sessionOf(v ledger.Vector, at vclock.Hybrid) []byte { return session{vector: v, at: at}.append() }
