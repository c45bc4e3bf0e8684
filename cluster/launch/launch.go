package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/urbancompute/ucp/config"
)

// Config says what to launch, and how. Cluster, Local, Program and Now are required.
type Config struct {
	Cluster config.Cluster
	// Local tells which hosts of the cluster file are this machine; see [config.LocalHosts].
	Local func(host string) bool
	// User is the name of the identity made for whoever uses the network from this machine; "client" if empty.
	User string
	// Program is what starts a node process, with its first arguments; the path of the node's file is added as the last. The
	// program makes a [Reporter] and tells it that it is up.
	Program []string
	// Env is the environment of the node processes, as os.Environ has it.
	Env []string
	// Now reads the wall clock.
	Now func() time.Time
	// Events is told what happens, one event at a time.
	Events func(Event)
	// Patience is how long a node may take to come up; 30 s if 0.
	Patience time.Duration
	// Grace is how long a node may take to end before it is killed; 5 s if 0.
	Grace time.Duration
	// Restart is the shortest pause before a node that died is started again; 200 ms if 0.
	Restart time.Duration
}

// ErrNoNodes says that no node of a cluster file belongs to this machine.
var ErrNoNodes = errors.New("no node belongs to this machine")

// Run launches the nodes of the cluster that belong to this machine and keeps them running until ctx ends; then it ends them
// and returns nil. It returns a [*RunningError] if a launch of the file runs here already, an error that wraps [ErrNoNodes], a
// [*NoCAError], or a [*StartError] when a node does not come up at first. No process is left when it returns.
func Run(ctx context.Context, cfg Config) (err error) {
	cfg = cfg.normal()
	nodes := cfg.Cluster.NodesOf(cfg.Local)
	if len(nodes) == 0 {
		return fmt.Errorf("%s: %w: give one of its nodes an address of this machine as host (the file has %s)",
			cfg.Cluster.File, ErrNoNodes, strings.Join(hostsOf(cfg.Cluster), ", "))
	}
	hold, err := takeLaunch(cfg.Cluster)
	if err != nil {
		return err
	}
	defer func() {
		if released := hold.Release(); err == nil {
			err = released
		}
	}()
	dir, err := prepare(cfg, nodes)
	if err != nil {
		return err
	}
	crew := &crew{cfg: cfg, dir: dir, events: make(chan Event), results: make(chan error, len(nodes))}
	return crew.run(ctx, nodes)
}

func (c Config) normal() Config {
	c.User = cmp.Or(c.User, "client")
	c.Patience = cmp.Or(c.Patience, 30*time.Second)
	c.Grace = cmp.Or(c.Grace, 5*time.Second)
	c.Restart = cmp.Or(c.Restart, 200*time.Millisecond)
	if c.Events == nil {
		c.Events = func(Event) {}
	}
	return c
}

func hostsOf(c config.Cluster) []string {
	hosts := make([]string, 0, len(c.Nodes))
	for _, node := range c.Nodes {
		hosts = append(hosts, node.Host)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// crew is the nodes of a running launch.
type crew struct {
	cfg     Config
	dir     Directory
	events  chan Event
	results chan error // one for each node
	running sync.WaitGroup
}

// run starts the brokers, then the others, and waits until ctx ends or a node fails at its first start.
func (c *crew) run(ctx context.Context, nodes []config.Node) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		c.startAll(ctx, nodes)
		c.running.Wait()
	}()
	return c.oversee(ctx, cancel, finished)
}

// oversee passes events on until all nodes are finished. The first node that fails ends the others.
func (c *crew) oversee(ctx context.Context, cancel func(), finished <-chan struct{}) error {
	var failure error
	ending := ctx.Done()
	for {
		select {
		case event := <-c.events:
			c.cfg.Events(event)
		case err := <-c.results:
			if failure == nil && err != nil {
				failure = err
				cancel()
			}
		case <-ending:
			ending = nil
			c.cfg.Events(Ending{})
		case <-finished:
			return failure
		}
	}
}

// startAll returns when every node is up, or ctx has ended.
func (c *crew) startAll(ctx context.Context, nodes []config.Node) {
	isBroker := func(n config.Node) bool { return n.HasRole(config.RoleBroker) }
	brokers := slices.DeleteFunc(slices.Clone(nodes), func(n config.Node) bool { return !isBroker(n) })
	others := slices.DeleteFunc(slices.Clone(nodes), isBroker)
	if c.start(ctx, brokers) && c.start(ctx, others) {
		c.tell(AllUp{Nodes: nodes, Directory: c.dir})
	}
}

// start starts nodes together and reports whether all came up.
func (c *crew) start(ctx context.Context, nodes []config.Node) bool {
	up := make(chan struct{}, len(nodes))
	for _, node := range nodes {
		s := &supervised{cfg: c.cfg, node: node, tell: c.tell}
		c.running.Go(func() { c.results <- s.run(ctx, func() { up <- struct{}{} }) })
	}
	for range nodes {
		select {
		case <-up:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// tell is heard before oversee returns, since whoever tells is not finished yet.
func (c *crew) tell(event Event) { c.events <- event }

// RunningError says that a launch of the cluster file runs on this machine already.
type RunningError struct {
	File string
	PID  int
}

func (e *RunningError) Error() string {
	return fmt.Sprintf("%s is launched here already, by process %d: end that launch with \"ucp launch --stop %s\"", e.File, e.PID, e.File)
}

func takeLaunch(c config.Cluster) (*Hold, error) {
	path, err := holdPath(c)
	if err != nil {
		return nil, err
	}
	hold, err := Take(path)
	if held, ok := errors.AsType[*HeldError](err); ok {
		return nil, &RunningError{File: c.File, PID: held.PID}
	}
	return hold, err
}

// holdPath names the file that a launch holds. The launch directory may be shared by machines, as in a home directory on a
// network, so it is one file for each.
func holdPath(c config.Cluster) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("the name of this machine: %w", err)
	}
	return filepath.Join(c.Dir, "launch-"+host+".pid"), nil
}
