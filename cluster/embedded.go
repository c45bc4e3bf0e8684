package cluster

import (
	"errors"
	"fmt"
	"os"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
)

// Embedded is a network of one node in this process, for one command.
type Embedded struct {
	Node    *Node
	Address string             // of its broker, on loopback
	Client  *identity.Identity // admitted to it
	dir     string
}

// StartEmbedded makes a network of one broker and executor with slots slots (0: one a core), known to nobody else: its CA lives in memory
// and its files in a temporary directory, which Close removes.
func StartEmbedded(slots int, opt Options) (*Embedded, error) {
	dir, err := os.MkdirTemp("", "ucp-")
	if err != nil {
		return nil, fmt.Errorf("a directory for the embedded network: %w", err)
	}
	e := &Embedded{dir: dir}
	if err := e.start(slots, opt); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Embedded) start(slots int, opt Options) error {
	now := wallClock()
	ca, err := identity.NewEphemeralCA("embedded", now)
	if err != nil {
		return err
	}
	roles := []string{config.RoleBroker, config.RoleExecutor}
	if opt.Identity, err = identity.NewEphemeral(ca, identity.Subject{Name: "here", Roles: roles}, now); err != nil {
		return err
	}
	if e.Client, err = identity.NewEphemeral(ca, identity.Subject{Name: "client", Roles: []string{identity.RoleClient}}, now); err != nil {
		return err
	}
	cfg := config.Defaults()
	cfg.Name, cfg.Network, cfg.Dir, cfg.Roles, cfg.Slots = "here", "embedded", e.dir, roles, slots
	cfg.Port, opt.Listen, cfg.MDNS = 0, "127.0.0.1:0", config.MDNSOff
	if e.Node, err = Start(cfg, opt); err != nil {
		return err
	}
	e.Address = e.Node.Addr()
	return nil
}

// Close ends the network and removes its files.
func (e *Embedded) Close() error {
	if e.Node != nil {
		e.Node.Close()
	}
	return os.RemoveAll(e.dir)
}
