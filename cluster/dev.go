package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
)

// DevConfig says what network to make for trying things out. Dir, Now and Log are required.
type DevConfig struct {
	Dir       string // for its files; what a network before it left there is removed
	Host      string // address the broker listens on
	Port      int    // 0: any that is free
	Executors int
	Slots     int    // of each executor; 0: one a core
	CacheDir  string // for compiled modules; empty: below Dir
	Version   string
	Now       func() time.Time
	Log       *slog.Logger
}

// Dev is a network in this process with the parts of a real one: a broker, and executors that dial it over TCP with mutual TLS.
type Dev struct {
	Broker    *Node
	Executors []*Node
	Client    string // directory of an identity that the network admits
	cfg       DevConfig
	ca        *identity.CA
}

// devNetwork is the label of a network that [StartDev] makes.
const devNetwork = "dev"

// StartDev makes the network and waits until its executors have found the broker, or ctx ends. Its CA lives in memory, and ends
// with it.
func StartDev(ctx context.Context, cfg DevConfig) (*Dev, error) {
	d := &Dev{cfg: cfg, Client: filepath.Join(cfg.Dir, "client")}
	err := d.clear()
	if err == nil {
		err = d.start() //nolint:contextcheck // nodes live until they are closed
	}
	if err == nil {
		err = d.awaitExecutors(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close()) //nolint:contextcheck // they end in order also when ctx has ended
	}
	return d, nil
}

func (d *Dev) start() error {
	now := d.cfg.Now()
	var err error
	if d.ca, err = identity.NewEphemeralCA(devNetwork, now); err != nil {
		return err
	}
	client := identity.Subject{Name: "client", Roles: []string{identity.RoleClient}}
	if _, err = identity.Create(d.Client, d.ca, client, now, 0); err != nil {
		return err
	}
	if d.Broker, err = d.startNode("b1", config.RoleBroker); err != nil {
		return err
	}
	for i := range d.cfg.Executors {
		executor, err := d.startNode(fmt.Sprintf("e%d", i+1), config.RoleExecutor)
		if err != nil {
			return err
		}
		d.Executors = append(d.Executors, executor)
	}
	return nil
}

func (d *Dev) startNode(name, role string) (*Node, error) {
	cfg := config.Defaults()
	cfg.Name, cfg.Network, cfg.Roles, cfg.Slots = name, devNetwork, []string{role}, d.cfg.Slots
	cfg.Dir, cfg.Host, cfg.Port, cfg.MDNS = filepath.Join(d.nodes(), name), d.cfg.Host, 0, config.MDNSOff
	opt := Options{Version: d.cfg.Version, Log: d.cfg.Log, CacheDir: d.cfg.CacheDir}
	if role == config.RoleBroker {
		cfg.Port = d.cfg.Port
		opt.Listen = fmt.Sprintf("%s:%d", d.cfg.Host, d.cfg.Port)
	} else {
		cfg.Seeds = []string{d.Broker.Addr()}
	}
	var err error
	if opt.Identity, err = identity.NewEphemeral(d.ca, identity.Subject{Name: name, Roles: cfg.Roles}, d.cfg.Now()); err != nil {
		return nil, err
	}
	return Start(cfg, opt)
}

// devPoll is the time between two looks at who has found the broker.
const devPoll = 5 * time.Millisecond

func (d *Dev) awaitExecutors(ctx context.Context) error {
	again := time.NewTicker(devPoll)
	defer again.Stop()
	for d.found() < len(d.Executors) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d executors have found the broker: %w", d.found(), len(d.Executors), ctx.Err())
		case <-again.C:
		}
	}
	return nil
}

// found returns how many executors have a link to the broker.
func (d *Dev) found() int {
	n := 0
	for _, peer := range d.Broker.Links().Peers() {
		if peer.Has(identity.RoleExecutor) {
			n++
		}
	}
	return n
}

// Address returns where the broker listens.
func (d *Dev) Address() string { return d.Broker.Addr() }

// Failed delivers the reason when a node of the network cannot go on.
func (d *Dev) Failed(ctx context.Context) <-chan error {
	failed := make(chan error, 1+len(d.Executors))
	for _, node := range append([]*Node{d.Broker}, d.Executors...) {
		go func() {
			select {
			case err := <-node.Failed():
				failed <- fmt.Errorf("node %s: %w", node.cfg.Name, err)
			case <-ctx.Done():
			}
		}()
	}
	return failed
}

// Close ends the network, executors first, and removes its files.
func (d *Dev) Close() error {
	for _, executor := range d.Executors {
		executor.Close()
	}
	if d.Broker != nil {
		d.Broker.Close()
	}
	return d.clear()
}

func (d *Dev) nodes() string { return filepath.Join(d.cfg.Dir, "nodes") }

// clear removes what this network, or one before it, keeps in its directory; the directory itself may hold more.
func (d *Dev) clear() error {
	return errors.Join(os.RemoveAll(d.nodes()), os.RemoveAll(d.Client))
}
