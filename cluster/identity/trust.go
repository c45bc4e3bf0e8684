package identity

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// Trust is what every member knows of its network: the CA certificate.
type Trust struct {
	ca      *x509.Certificate
	pool    *x509.CertPool
	network NetworkID
}

// NewTrust trusts the network of a CA certificate in DER form.
func NewTrust(der []byte) (*Trust, error) {
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("CA certificate: %w", err)
	}
	if !ca.IsCA {
		return nil, fmt.Errorf("certificate of %q is not a CA's", ca.Subject.CommonName)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return &Trust{ca: ca, pool: pool, network: networkIDOf(der)}, nil
}

// ParseTrust is NewTrust for a CA certificate in PEM form.
func ParseTrust(text []byte) (*Trust, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemCertificate {
		return nil, errors.New("CA certificate: no PEM certificate in it")
	}
	return NewTrust(block.Bytes)
}

// Network returns the identity of the network.
func (t *Trust) Network() NetworkID { return t.network }

// Name returns the label in the CA certificate.
func (t *Trust) Name() string { return t.ca.Subject.CommonName }

// Certificate returns the CA certificate in DER form.
func (t *Trust) Certificate() []byte { return t.ca.Raw }

// Verify returns the peer that the chain (leaf first, DER) belongs to, as of
// now. The error is a *ForeignError, *ExpiredError, *NotYetValidError or plain
// when the certificate does not parse.
func (t *Trust) Verify(chain [][]byte, now time.Time) (Peer, error) {
	certs, err := parseChain(chain)
	if err != nil {
		return Peer{}, err
	}
	return t.verify(certs, now)
}

func (t *Trust) verify(certs []*x509.Certificate, now time.Time) (Peer, error) {
	peer, err := t.identify(certs)
	if err != nil {
		return Peer{}, err
	}
	for _, c := range certs {
		if now.Before(c.NotBefore) {
			return Peer{}, &NotYetValidError{Peer: peer, NotBefore: c.NotBefore, Now: now}
		}
		if now.After(c.NotAfter) {
			return Peer{}, &ExpiredError{Peer: peer, NotAfter: c.NotAfter, Now: now}
		}
	}
	return peer, nil
}

// identify verifies everything about a chain but today's date, so that a
// certificate of ours out of its time is not taken for an intruder's.
func (t *Trust) identify(certs []*x509.Certificate) (Peer, error) {
	if len(certs) == 0 {
		return Peer{}, errors.New("peer showed no certificate")
	}
	leaf := certs[0]
	c, claimErr := claimOf(leaf)
	if err := t.signed(certs); err != nil {
		return Peer{}, &ForeignError{Name: leaf.Subject.CommonName, Claimed: c.network, Ours: t.network, Err: err}
	}
	if claimErr != nil {
		return Peer{}, claimErr
	}
	pub, ok := leaf.PublicKey.(ed25519.PublicKey)
	if !ok {
		return Peer{}, fmt.Errorf("certificate of %q: key is %T, not Ed25519", leaf.Subject.CommonName, leaf.PublicKey)
	}
	id, err := NodeIDOf(pub)
	switch {
	case err != nil:
		return Peer{}, fmt.Errorf("certificate of %q: %w", leaf.Subject.CommonName, err)
	case id != c.id:
		return Peer{}, &ImpostorError{Want: c.id, Got: id}
	case c.network != t.network:
		return Peer{}, &ForeignError{Name: leaf.Subject.CommonName, Claimed: c.network, Ours: t.network}
	}
	return Peer{ID: id, Name: leaf.Subject.CommonName, Roles: c.roles}, nil
}

// signed checks the chain of signatures, at a time when the leaf was valid.
func (t *Trust) signed(certs []*x509.Certificate) error {
	between := x509.NewCertPool()
	for _, c := range certs[1:] {
		between.AddCert(c)
	}
	_, err := certs[0].Verify(x509.VerifyOptions{
		Roots: t.pool, Intermediates: between, CurrentTime: certs[0].NotBefore,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err
}

// PeerOf returns the peer at the other end of a handshaken connection, whose
// certificate the handshake has verified.
func (t *Trust) PeerOf(state tls.ConnectionState) (Peer, error) {
	return t.identify(state.PeerCertificates)
}

// maxChain bounds what a peer may make us parse: leaf, enrolling broker, CA.
const maxChain = 4

func parseChain(chain [][]byte) ([]*x509.Certificate, error) {
	if len(chain) == 0 || len(chain) > maxChain {
		return nil, fmt.Errorf("chain of %d certificates: want 1 to %d", len(chain), maxChain)
	}
	certs := make([]*x509.Certificate, len(chain))
	for i, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		certs[i] = c
	}
	return certs, nil
}
