package identity

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrBadSeal says that a seal was not made over these bytes by its node.
var ErrBadSeal = errors.New("seal does not match the bytes")

// Seal is a node's signature over bytes, with the chain that says whose it is.
// Any member of the network can verify it, also after the certificate's time is
// over: a seal proves who said something, not that it is still admitted.
type Seal struct {
	Signature []byte
	// Chain is the signer's certificate chain, leaf first, DER.
	Chain [][]byte
}

// Sign seals data. The purpose ("result", "session", …) is signed with it, so
// that a seal made for one purpose is worth nothing for another.
func (i *Identity) Sign(purpose string, data []byte) Seal {
	return Seal{Signature: ed25519.Sign(i.key, sealed(i.trust.network, purpose, data)), Chain: i.chain}
}

// VerifySeal returns who sealed data for purpose. The error is ErrBadSeal for
// changed bytes and a *ForeignError for a signer of another network.
func (t *Trust) VerifySeal(purpose string, data []byte, s Seal) (Peer, error) {
	certs, err := parseChain(s.Chain)
	if err != nil {
		return Peer{}, fmt.Errorf("seal: %w", err)
	}
	peer, err := t.identify(certs)
	if err != nil {
		return Peer{}, fmt.Errorf("seal: %w", err)
	}
	pub := certs[0].PublicKey.(ed25519.PublicKey) // identify has checked the type
	if !ed25519.Verify(pub, sealed(t.network, purpose, data), s.Signature) {
		return Peer{}, fmt.Errorf("seal of %s for %q: %w", peer, purpose, ErrBadSeal)
	}
	return peer, nil
}

// sealed is what is signed: it begins unlike anything else the key signs (TLS
// handshakes begin with spaces, certificate requests with 0x30).
func sealed(network NetworkID, purpose string, data []byte) []byte {
	b := append([]byte("ucp seal 1\n"), network...)
	b = binary.AppendUvarint(b, uint64(len(purpose)))
	b = append(b, purpose...)
	return append(b, data...)
}

// AppendBinary appends the seal's encoding to b. It never fails.
func (s Seal) AppendBinary(b []byte) ([]byte, error) {
	b = appendBytes(b, s.Signature)
	for _, der := range s.Chain {
		b = appendBytes(b, der)
	}
	return b, nil
}

// MarshalBinary encodes the seal for the wire.
func (s Seal) MarshalBinary() ([]byte, error) { return s.AppendBinary(nil) }

// UnmarshalBinary decodes what MarshalBinary made.
func (s *Seal) UnmarshalBinary(b []byte) error {
	var parts [][]byte
	for len(b) > 0 {
		n, k := binary.Uvarint(b)
		if k <= 0 || n > uint64(len(b)-k) || len(parts) > maxChain {
			return errors.New("malformed seal")
		}
		end := k + int(n) //nolint:gosec // n is at most len(b)
		parts, b = append(parts, append([]byte(nil), b[k:end]...)), b[end:]
	}
	if len(parts) < 2 {
		return errors.New("malformed seal")
	}
	s.Signature, s.Chain = parts[0], parts[1:]
	return nil
}

func appendBytes(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}
