package cluster

import (
	"errors"

	"github.com/urbancompute/ucp/cluster/identity"
)

// sealer signs sessions as this node, and believes the brokers of its network.
type sealer struct{ identity *identity.Identity }

var errNotBroker = errors.New("only a broker can seal a session")

const sessionPurpose = "session"

// Seal implements actors.Sealer.
func (s sealer) Seal(content []byte) ([]byte, error) {
	return s.identity.Sign(sessionPurpose, content).MarshalBinary()
}

// Verify implements actors.Sealer.
func (s sealer) Verify(content, seal []byte) error {
	var parsed identity.Seal
	if err := parsed.UnmarshalBinary(seal); err != nil {
		return err
	}
	peer, err := s.identity.Trust().VerifySeal(sessionPurpose, content, parsed)
	if err != nil {
		return err
	}
	if !peer.Has(identity.RoleBroker) {
		return errNotBroker
	}
	return nil
}
