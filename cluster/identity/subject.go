package identity

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The roles a certificate may carry.
const (
	RoleBroker    = "broker"
	RoleExecutor  = "executor"
	RoleDatastore = "datastore"
	RoleClient    = "client"
	// RoleOperator is no part that a node plays but a right: to do what a network may keep for some, as declaring emergencies. Whoever has it is a client too.
	RoleOperator = "operator"
)

const (
	scheme       = "ucp"
	maxNameBytes = 64
)

// Subject is what a certificate says of a node besides its id.
type Subject struct {
	// Name is a label for people, unique in a cluster file and nowhere else.
	Name string
	// Roles are what the node may act as; see the Role constants.
	Roles []string
}

// Peer is a node whose certificate has been verified.
type Peer struct {
	// ID is the hash of the peer's key: the only name to trust.
	ID NodeID
	// Name is the label in its certificate.
	Name string
	// Roles are those in its certificate, sorted.
	Roles []string
}

// Has reports whether the peer's certificate carries role.
func (p Peer) Has(role string) bool { return slices.Contains(p.Roles, role) }

// String returns the name with the id, for people.
func (p Peer) String() string {
	if p.Name == "" {
		return string(p.ID)
	}
	return p.Name + " (" + string(p.ID) + ")"
}

// normal returns s with sorted roles, or says what is wrong with it.
func (s Subject) normal() (Subject, error) {
	if err := checkName(s.Name); err != nil {
		return Subject{}, err
	}
	roles := slices.Compact(slices.Sorted(slices.Values(s.Roles)))
	if len(roles) == 0 {
		return Subject{}, fmt.Errorf("node %q has no role", s.Name)
	}
	for _, r := range roles {
		if !knownRole(r) {
			return Subject{}, fmt.Errorf("node %q: unknown role %q (one of broker, executor, datastore, client, operator)", s.Name, r)
		}
	}
	return Subject{Name: s.Name, Roles: roles}, nil
}

func knownRole(r string) bool {
	switch r {
	case RoleBroker, RoleExecutor, RoleDatastore, RoleClient, RoleOperator:
		return true
	}
	return false
}

func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a node needs a name")
	case len(name) > maxNameBytes:
		return fmt.Errorf("node name %.20q… is longer than %d bytes", name, maxNameBytes)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("node name %q has characters that do not print", name)
	}
	return nil
}

// claim is the URI in a certificate.
type claim struct {
	network NetworkID
	id      NodeID
	roles   []string
}

func (c claim) uri() *url.URL {
	return &url.URL{
		Scheme: scheme, Host: string(c.network), Path: "/" + string(c.id),
		RawQuery: "roles=" + strings.Join(c.roles, ","),
	}
}

// claimOf reads the URI of a certificate. Roles unknown to this version are
// kept: they grant nothing here.
func claimOf(cert *x509.Certificate) (claim, error) {
	if len(cert.URIs) != 1 || cert.URIs[0].Scheme != scheme {
		return claim{}, fmt.Errorf("certificate of %q carries no ucp:// name", cert.Subject.CommonName)
	}
	u := cert.URIs[0]
	id, err := ParseNodeID(strings.TrimPrefix(u.Path, "/"))
	if err != nil {
		return claim{}, fmt.Errorf("certificate of %q: %w", cert.Subject.CommonName, err)
	}
	roles := slices.Sorted(strings.SplitSeq(u.Query().Get("roles"), ","))
	return claim{NetworkID(u.Host), id, roles}, nil
}
