package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
)

// renewBefore is how long before its end a certificate is replaced: a third of its life.
const renewBefore = identity.Life / 3

// Directory is a launch directory that is ready.
type Directory struct {
	CA     string // directory of the CA certificate
	Client string // directory of the identity of whoever uses the network from this machine
}

// NoCAError says that nodes of this machine cannot be admitted, since the CA or its key is on another one.
type NoCAError struct {
	Dir     string // where it should be
	Network string
	Founder config.Node // on whose machine the CA is made
}

func (e *NoCAError) Error() string {
	return fmt.Sprintf("the CA of %s is not in %s: launch on the machine of %s (%s) first, which makes it, and copy its directory %s to the same place here, "+
		"by a way nobody else can read: ca.key in it admits nodes", e.Network, e.Dir, e.Founder.Name, e.Founder.Host, filepath.Base(e.Dir))
}

// prepare brings the launch directory to where nodes can be started from it.
func prepare(cfg Config, nodes []config.Node) (Directory, error) {
	e := enroller{cluster: cfg.Cluster, now: cfg.Now()}
	if err := e.open(cfg.Local); err != nil {
		return Directory{}, err
	}
	for _, node := range nodes {
		if err := e.admit(node.Identity, identity.Subject{Name: node.Name, Roles: node.Certified()}); err != nil {
			return Directory{}, err
		}
		if err := config.WriteNode(nodeFile(cfg.Cluster, node), node); err != nil {
			return Directory{}, err
		}
	}
	client := filepath.Join(cfg.Cluster.Dir, "clients", cfg.User)
	// Whoever has the CA at hand has every right.
	if err := e.admit(client, identity.Subject{Name: cfg.User, Roles: []string{identity.RoleClient, identity.RoleOperator}}); err != nil {
		return Directory{}, err
	}
	return Directory{CA: cfg.Cluster.CA(), Client: client}, nil
}

func nodeFile(c config.Cluster, node config.Node) string {
	return filepath.Join(c.NodeDir(node.Name), "node.yaml")
}

// logOf returns the file that what the node's process says is appended to.
func logOf(c config.Cluster, node config.Node) string {
	return filepath.Join(c.NodeDir(node.Name), "log")
}

// enroller admits nodes of one machine.
type enroller struct {
	cluster config.Cluster
	now     time.Time
	trust   *identity.Trust
	ca      *identity.CA // nil on a machine that cannot admit
}

// open opens the CA, or makes it on the machine of the first broker. Without its key, nodes that are admitted already can
// still be started.
func (e *enroller) open(local func(host string) bool) error {
	dir := e.cluster.CA()
	text, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return e.found(local)
	case err != nil:
		return fmt.Errorf("CA of %s: %w", e.cluster.Network, err)
	}
	if e.trust, err = identity.ParseTrust(text); err != nil {
		return fmt.Errorf("CA in %s: %w", dir, err)
	}
	if e.ca, err = identity.OpenCA(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// found makes the CA, if this is the machine to do that.
func (e *enroller) found(local func(host string) bool) error {
	if !local(e.founder().Host) {
		return e.missing()
	}
	ca, err := identity.CreateCA(e.cluster.CA(), e.cluster.Network, e.now)
	if err != nil {
		return err
	}
	e.ca, e.trust = ca, ca.Trust
	return nil
}

// founder returns the first broker of the file, or the first that may become one. There is one.
func (e *enroller) founder() config.Node {
	i := slices.IndexFunc(e.cluster.Nodes, func(n config.Node) bool { return n.HasRole(config.RoleBroker) })
	if i < 0 {
		i = slices.IndexFunc(e.cluster.Nodes, config.Node.MayBroker)
	}
	return e.cluster.Nodes[max(i, 0)]
}

func (e *enroller) missing() error {
	return &NoCAError{Dir: e.cluster.CA(), Network: e.cluster.Network, Founder: e.founder()}
}

// admit sees to it that dir holds an identity for s that stays valid for a while. A key that is there stays, and with it the
// node's id.
func (e *enroller) admit(dir string, s identity.Subject) error {
	id, err := identity.Open(dir)
	if err == nil && e.accepts(id, s) {
		return nil
	}
	if e.ca == nil {
		return fmt.Errorf("%s has no valid certificate: %w", s.Name, e.missing())
	}
	if _, err := identity.Create(dir, e.ca, s, e.now, 0); err != nil {
		return fmt.Errorf("identity of %s: %w", s.Name, err)
	}
	return nil
}

// accepts reports whether id is one for s, in this network, and stays so for a while.
func (e *enroller) accepts(id *identity.Identity, s identity.Subject) bool {
	self := id.Peer()
	return id.Trust().Network() == e.trust.Network() && self.Name == s.Name &&
		slices.Equal(self.Roles, slices.Sorted(slices.Values(s.Roles))) &&
		id.Check(e.now) == nil && id.NotAfter().Sub(e.now) > renewBefore
}
