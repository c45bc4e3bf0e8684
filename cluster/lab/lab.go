package lab

import (
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
)

// Config says what a lab is made of. All but CacheDir and Env is required.
type Config struct {
	Dir      string           // where everything of the lab is, which the caller removes
	Program  string           // the ucp binary
	CacheDir string           // where all nodes keep what they compiled; "": each for itself
	Env      []string         // what nodes find in their environment, beside what they need, which wins
	Now      func() time.Time // the wall clock
}

// Lab is a network of processes on this machine. Its methods may be called by several goroutines, those of one node by one at a time.
type Lab struct {
	cfg    Config
	ca     *identity.CA
	client *identity.Identity

	mu     sync.Mutex
	nodes  map[string]*Node
	relays []*Relay
}

// New makes an empty lab. The caller closes it.
func New(cfg Config) (*Lab, error) {
	ca, err := identity.NewEphemeralCA("lab", cfg.Now())
	if err != nil {
		return nil, err
	}
	l := &Lab{cfg: cfg, ca: ca, nodes: map[string]*Node{}}
	l.client, err = identity.Create(l.ClientIdentity(), ca, identity.Subject{Name: "client", Roles: []string{identity.RoleClient}}, cfg.Now(), 0)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Client returns the identity of somebody who may use the network.
func (l *Lab) Client() *identity.Identity { return l.client }

// ClientIdentity is the directory of the same, for programs.
func (l *Lab) ClientIdentity() string { return l.path("client identity") }

// Add makes a node and does not start it.
func (l *Lab) Add(s Setup) (*Node, error) {
	n := &Node{Setup: s, lab: l}
	if !slices.Equal(s.Roles, []string{identity.RoleExecutor}) {
		var err error
		if n.port, err = freePort(); err != nil {
			return nil, err
		}
	}
	id, err := identity.Create(n.File("identity"), l.ca, identity.Subject{Name: s.Name, Roles: config.Node{Roles: s.Roles}.Certified()}, l.cfg.Now(), 0)
	if err != nil {
		return nil, err
	}
	n.id = string(id.Peer().ID)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nodes[s.Name] != nil {
		return nil, fmt.Errorf("lab: there is a node %s already", s.Name)
	}
	l.nodes[s.Name] = n
	return n, nil
}

// Node returns the node of that name, nil if there is none.
func (l *Lab) Node(name string) *Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nodes[name]
}

// Nodes returns all nodes by their names.
func (l *Lab) Nodes() []*Node {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*Node, 0, len(l.nodes))
	for _, name := range slices.Sorted(maps.Keys(l.nodes)) {
		all = append(all, l.nodes[name])
	}
	return all
}

// Close kills every process and takes the relays down. What the nodes wrote stays.
func (l *Lab) Close() {
	for _, n := range l.Nodes() {
		n.Kill()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.relays {
		r.proxy.Stop()
	}
	l.relays = nil
}

func (l *Lab) path(parts ...string) string {
	return filepath.Join(append([]string{l.cfg.Dir}, parts...)...)
}

// freePort returns a port that nobody uses just now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("lab: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("lab: %w", err)
	}
	return port, nil
}
