package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

const (
	nodeKeyFile  = "node.key"
	nodeCertFile = "node.pem"
)

// Identity is a node's key with its certificate, in one network. It is
// immutable and safe for concurrent use.
type Identity struct {
	trust *Trust
	key   ed25519.PrivateKey
	chain [][]byte
	certs []*x509.Certificate
	self  Peer
}

// NewEphemeral makes an identity that lives in memory only.
func NewEphemeral(ca *CA, s Subject, now time.Time) (*Identity, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate node key: %w", err)
	}
	cert, err := ca.Issue(key.Public().(ed25519.PublicKey), s, now, Life)
	if err != nil {
		return nil, err
	}
	return assemble(ca.Trust, key, [][]byte{cert})
}

// Create makes an identity in dir, certified by a CA at hand: node.key (0600),
// node.pem and ca.pem. A key that is there already is kept, so the node keeps
// its id and gets a new certificate; life is [Life] if it is not positive.
func Create(dir string, ca *CA, s Subject, now time.Time, life time.Duration) (*Identity, error) {
	request, err := NewRequest(dir)
	if err != nil {
		return nil, err
	}
	cert, err := ca.IssueFor(request, s, now, life)
	if err != nil {
		return nil, err
	}
	return Install(dir, ca.Certificate(), cert)
}

// NewRequest makes a node's key in dir, unless it is there, and returns a
// signed certificate request (DER) to send to whoever enrols.
func NewRequest(dir string) ([]byte, error) {
	path := filepath.Join(dir, nodeKeyFile)
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, key, err = ed25519.GenerateKey(rand.Reader); err == nil {
			err = writeKey(path, key)
		}
	}
	if err != nil {
		return nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	return request, nil
}

// Install keeps what enrolment returned (the CA certificate and the node's
// chain, leaf first, DER) beside the key in dir, after checking that they
// belong together.
func Install(dir string, ca []byte, chain ...[]byte) (*Identity, error) {
	trust, err := NewTrust(ca)
	if err != nil {
		return nil, err
	}
	key, err := readKey(filepath.Join(dir, nodeKeyFile))
	if err != nil {
		return nil, err
	}
	id, err := assemble(trust, key, chain)
	if err != nil {
		return nil, err
	}
	if err := writeCerts(filepath.Join(dir, caCertFile), ca); err != nil {
		return nil, err
	}
	return id, writeCerts(filepath.Join(dir, nodeCertFile), chain...)
}

// Open opens the identity in dir. The error wraps fs.ErrNotExist if there is
// none. An expired certificate opens: see [Identity.Check].
func Open(dir string) (*Identity, error) {
	trust, err := openTrust(filepath.Join(dir, caCertFile))
	if err != nil {
		return nil, err
	}
	key, err := readKey(filepath.Join(dir, nodeKeyFile))
	if err != nil {
		return nil, err
	}
	chain, err := readCerts(filepath.Join(dir, nodeCertFile))
	if err != nil {
		return nil, err
	}
	id, err := assemble(trust, key, chain)
	if err != nil {
		return nil, fmt.Errorf("identity in %s: %w", dir, err)
	}
	return id, nil
}

// assemble checks that key, chain and network belong together.
func assemble(trust *Trust, key ed25519.PrivateKey, chain [][]byte) (*Identity, error) {
	certs, err := parseChain(chain)
	if err != nil {
		return nil, err
	}
	self, err := trust.identify(certs)
	if err != nil {
		return nil, err
	}
	if !key.Public().(ed25519.PublicKey).Equal(certs[0].PublicKey) {
		return nil, fmt.Errorf("certificate of %s is for another key", self)
	}
	return &Identity{trust: trust, key: key, chain: chain, certs: certs, self: self}, nil
}

// ID returns the node's id.
func (i *Identity) ID() NodeID { return i.self.ID }

// Peer returns what others see of this node.
func (i *Identity) Peer() Peer { return i.self }

// Trust returns what the node knows of its network.
func (i *Identity) Trust() *Trust { return i.trust }

// NotAfter returns when the certificate expires.
func (i *Identity) NotAfter() time.Time { return i.certs[0].NotAfter }

// Check says whether others will accept the certificate at now, as an
// *ExpiredError or *NotYetValidError if not.
func (i *Identity) Check(now time.Time) error {
	_, err := i.trust.verify(i.certs, now)
	return err
}

// TLS returns a configuration for either end of a connection within the
// network: TLS 1.3, a certificate demanded from the peer and verified as
// [Trust.Verify] does. The peer must be expect, or anybody of the network if
// expect is empty. protocols are offered or accepted by ALPN, in this order.
func (i *Identity) TLS(now func() time.Time, expect NodeID, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{{Certificate: i.chain, PrivateKey: i.key, Leaf: i.certs[0]}},
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, //nolint:gosec // VerifyConnection verifies more: chain, network, id and time
		SessionTicketsDisabled: true, // every connection shows its certificate
		// Links write large frames from the start: small first records only cost.
		DynamicRecordSizingDisabled: true,
		NextProtos:                  protocols,
		Time:                        now,
		VerifyConnection: func(state tls.ConnectionState) error {
			peer, err := i.trust.verify(state.PeerCertificates, now())
			if err == nil && expect != "" && peer.ID != expect {
				err = &ImpostorError{Want: expect, Got: peer.ID}
			}
			return err
		},
	}
}
