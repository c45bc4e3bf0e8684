package soak

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/examples/modules"
)

// The network of a soak. Of those after the first two brokers and executors, each can be cut off.
const (
	brokerCount   = 3
	executorCount = 5
	slots         = 2 // of each executor
	direct        = 2
)

// network is the processes of a soak.
type network struct {
	lab                *lab.Lab
	brokers, executors []*lab.Node
	relays             map[string][]*lab.Relay // by whom they lead to brokers
}

// programs are what a soak runs, as files.
type programs struct{ ucp, sleep, picture string }

// build makes them in a directory. It needs the Go tool and the current directory to be inside this repository.
func build(ctx context.Context, dir string) (p programs, err error) {
	p.ucp = filepath.Join(dir, "ucp")
	goBuild := exec.CommandContext(ctx, "go", "build", "-o", p.ucp, "github.com/urbancompute/ucp/cmd/ucp")
	goBuild.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := goBuild.CombinedOutput(); err != nil {
		return p, fmt.Errorf("build ucp: %w: %s", err, said)
	}
	var errs [2]error
	p.sleep, errs[0] = modules.Build(ctx, "sleep", dir)
	p.picture, errs[1] = modules.Build(ctx, "mandelbrot", dir)
	return p, errors.Join(errs[:]...)
}

// newNetwork makes the nodes of a soak and starts none. The caller closes its lab.
func newNetwork(dir, program string) (*network, error) {
	l, err := lab.New(lab.Config{Dir: dir, Program: program, CacheDir: filepath.Join(dir, "cache"), Now: time.Now})
	if err != nil {
		return nil, err
	}
	n := &network{lab: l, relays: map[string][]*lab.Relay{}}
	if err := n.populate(); err != nil {
		l.Close()
		return nil, err
	}
	return n, nil
}

// populate adds brokers, each of which knows those before it, and executors, which know all.
func (n *network) populate() error {
	for i := range brokerCount {
		b, err := n.add(fmt.Sprintf("b%d", i+1), identity.RoleBroker, i >= direct)
		if err != nil {
			return err
		}
		n.brokers = append(n.brokers, b)
	}
	for i := range executorCount {
		e, err := n.add(fmt.Sprintf("e%d", i+1), identity.RoleExecutor, i >= direct)
		if err != nil {
			return err
		}
		n.executors = append(n.executors, e)
	}
	return nil
}

func (n *network) add(name, role string, relayed bool) (*lab.Node, error) {
	var seeds []string
	for _, b := range n.brokers {
		at := b.Address()
		if relayed {
			r, err := n.lab.Relay(b)
			if err != nil {
				return nil, err
			}
			n.relays[name] = append(n.relays[name], r)
			at = r.Address()
		}
		seeds = append(seeds, at)
	}
	return n.lab.Add(lab.Setup{Name: name, Roles: []string{role}, Seeds: seeds, Slots: slots, Private: role == identity.RoleBroker})
}

// cast is who may be harmed.
func (n *network) cast() Cast {
	c := Cast{Brokers: names(n.brokers), Executors: names(n.executors)}
	for _, node := range n.all() {
		if len(n.relays[node.Name]) > 0 {
			c.Relayed = append(c.Relayed, node.Name)
		}
	}
	return c
}

func names(nodes []*lab.Node) (all []string) {
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return all
}

func (n *network) all() []*lab.Node { return slices.Concat(n.brokers, n.executors) }

func (n *network) isBroker(name string) bool { return slices.Contains(names(n.brokers), name) }

// start starts all nodes.
func (n *network) start(ctx context.Context) error {
	for _, node := range n.all() {
		patient, enough := context.WithTimeout(ctx, startTime)
		err := node.Start(patient)
		enough()
		if err != nil {
			return err
		}
	}
	return nil
}

func (n *network) cut(name string) error {
	var errs []error
	for _, r := range n.relays[name] {
		errs = append(errs, r.Cut())
	}
	return errors.Join(errs...)
}

func (n *network) heal(ctx context.Context, name string) error {
	var errs []error
	for _, r := range n.relays[name] {
		errs = append(errs, r.Heal(ctx))
	}
	return errors.Join(errs...)
}
