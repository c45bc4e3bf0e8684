package identity

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// Life is how long a node's certificate is valid from its issue (SEC-2).
const Life = 30 * 24 * time.Hour

const (
	caLife = 20 * 365 * 24 * time.Hour
	// skew is how far certificates are dated back, so that machines whose
	// clocks run late accept them.
	skew = 24 * time.Hour

	caKeyFile  = "ca.key"
	caCertFile = "ca.pem"
)

// ErrExists says that a directory already holds what was to be created in it.
var ErrExists = errors.New("exists already")

// CA is a network's certificate authority. Whoever holds it decides who is a
// member.
type CA struct {
	*Trust
	key ed25519.PrivateKey
}

// NewEphemeralCA returns a CA that lives in memory only, for a network embedded
// in one process.
func NewEphemeralCA(network string, now time.Time) (*CA, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate CA key: %w", err)
	}
	return selfSigned(network, key, now)
}

// CreateCA makes the CA of a new network called network and keeps it in dir,
// which it creates: ca.key (0600) and ca.pem. It returns ErrExists if there is
// one already.
func CreateCA(dir, network string, now time.Time) (*CA, error) {
	if _, err := os.Stat(filepath.Join(dir, caCertFile)); err == nil {
		return nil, fmt.Errorf("CA in %s: %w", dir, ErrExists)
	}
	ca, err := NewEphemeralCA(network, now)
	if err != nil {
		return nil, err
	}
	if err := writeKey(filepath.Join(dir, caKeyFile), ca.key); err != nil {
		return nil, err
	}
	// The certificate comes last: it is what says that the CA is complete.
	return ca, writeCerts(filepath.Join(dir, caCertFile), ca.Certificate())
}

// OpenCA opens the CA kept in dir. The error wraps fs.ErrNotExist if there is
// none.
func OpenCA(dir string) (*CA, error) {
	trust, err := openTrust(filepath.Join(dir, caCertFile))
	if err != nil {
		return nil, err
	}
	key, err := readKey(filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, err
	}
	if !key.Public().(ed25519.PublicKey).Equal(trust.ca.PublicKey) {
		return nil, fmt.Errorf("CA in %s: %s and %s do not belong together", dir, caKeyFile, caCertFile)
	}
	return &CA{Trust: trust, key: key}, nil
}

// OpenOrCreateCA opens the CA in dir, or makes one if there is none.
func OpenOrCreateCA(dir, network string, now time.Time) (*CA, error) {
	ca, err := OpenCA(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return CreateCA(dir, network, now)
	}
	return ca, err
}

// Issue returns a certificate (DER) for the holder of pub, valid from a day
// before now until life after it; life is [Life] if it is not positive.
func (ca *CA) Issue(pub ed25519.PublicKey, s Subject, now time.Time, life time.Duration) ([]byte, error) {
	id, err := NodeIDOf(pub)
	if err != nil {
		return nil, err
	}
	if s, err = s.normal(); err != nil {
		return nil, err
	}
	tmpl, err := template(s.Name, now, life)
	if err != nil {
		return nil, err
	}
	tmpl.URIs = []*url.URL{claim{ca.Network(), id, s.Roles}.uri()}
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return ca.sign(tmpl, pub)
}

// IssueFor is Issue for a request made by [NewRequest], whose signature proves
// that its sender holds the key. The subject is the CA's decision.
func (ca *CA) IssueFor(request []byte, s Subject, now time.Time, life time.Duration) ([]byte, error) {
	csr, err := x509.ParseCertificateRequest(request)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	pub, ok := csr.PublicKey.(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("certificate request: key is %T, not Ed25519", csr.PublicKey)
	}
	return ca.Issue(pub, s, now, life)
}

// sign issues tmpl; no certificate outlives its CA or begins before it.
func (ca *CA) sign(tmpl *x509.Certificate, pub ed25519.PublicKey) ([]byte, error) {
	if tmpl.NotAfter.After(ca.ca.NotAfter) {
		tmpl.NotAfter = ca.ca.NotAfter
	}
	if tmpl.NotBefore.Before(ca.ca.NotBefore) {
		tmpl.NotBefore = ca.ca.NotBefore
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.ca, pub, ca.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %q: %w", tmpl.Subject.CommonName, err)
	}
	return der, nil
}

func selfSigned(network string, key ed25519.PrivateKey, now time.Time) (*CA, error) {
	if err := checkName(network); err != nil {
		return nil, fmt.Errorf("network name: %w", err)
	}
	tmpl, err := template(network, now, caLife)
	if err != nil {
		return nil, err
	}
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.MaxPathLen = true, true, 1
	tmpl.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign CA certificate of %q: %w", network, err)
	}
	trust, err := NewTrust(der)
	if err != nil {
		return nil, err
	}
	return &CA{Trust: trust, key: key}, nil
}

func template(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("serial number: %w", err)
	}
	if life <= 0 {
		life = Life
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-skew), NotAfter: now.Add(life),
	}, nil
}

func openTrust(path string) (*Trust, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("CA certificate: %w", err)
	}
	t, err := ParseTrust(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// writeCerts keeps certificates in PEM form, leaf first.
func writeCerts(path string, chain ...[]byte) error {
	var text []byte
	for _, der := range chain {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})...)
	}
	return writeFile(path, text, 0o644)
}
