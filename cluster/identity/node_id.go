package identity

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"fmt"
	"strings"
)

// nodeIDBytes is how much of the key's hash a node id keeps: 128 bits, which
// nobody can hit a second time.
const nodeIDBytes = 16

// NodeID names a node: base32 (lower case, no padding, 26 characters) of the
// first 16 bytes of the SHA-256 of its public key in SubjectPublicKeyInfo form.
// It is the node's address in the actor system.
type NodeID string

// NetworkID names a network: base32 (lower case, no padding, 52 characters) of
// the SHA-256 of its CA certificate.
type NetworkID string

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NodeIDOf returns the id of the node that holds the private half of pub.
func NodeIDOf(pub ed25519.PublicKey) (NodeID, error) {
	if len(pub) != ed25519.PublicKeySize {
		return "", fmt.Errorf("public key of %d bytes is not Ed25519", len(pub))
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("encode public key: %w", err)
	}
	sum := sha256.Sum256(spki)
	return NodeID(encoding.EncodeToString(sum[:nodeIDBytes])), nil
}

// ParseNodeID checks that s has the form of a node id.
func ParseNodeID(s string) (NodeID, error) {
	raw, err := encoding.DecodeString(s)
	if err != nil || len(raw) != nodeIDBytes || s != strings.ToLower(s) {
		return "", fmt.Errorf("%q is not a node id: it has 26 characters of a-z and 2-7", s)
	}
	return NodeID(s), nil
}

// networkIDOf hashes a CA certificate in DER form.
func networkIDOf(der []byte) NetworkID {
	sum := sha256.Sum256(der)
	return NetworkID(encoding.EncodeToString(sum[:]))
}
