package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/lab"
)

// startPatience is more than the nodes of a network take to come up.
const startPatience = time.Minute

// benchNetwork is a network of processes that is made to be measured, in a directory of its own below TMPDIR, and a client of it.
type benchNetwork struct {
	*lab.Lab
	dir    string
	client *client.Client
}

// nodeLabel is the label by which a job can ask for one executor.
const nodeLabel = "node"

// newBenchNetwork makes a network without nodes. The caller closes it.
func (a *app) newBenchNetwork(ctx context.Context) (*benchNetwork, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the program to run as nodes is not known: %w", err)
	}
	dir, err := os.MkdirTemp("", "ucp-bench-*")
	if err != nil {
		return nil, fmt.Errorf("the network has no place: %w", err)
	}
	made, err := lab.New(lab.Config{Dir: dir, Program: program, Env: a.benchVariables(ctx), Now: time.Now})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &benchNetwork{Lab: made, dir: dir}, nil
}

// benchVariables are those of the environment that do not configure ucp: what is measured is a network that nobody configured. Who debugs wants
// to know more.
func (a *app) benchVariables(ctx context.Context) []string {
	var pairs []string
	if a.log.Enabled(ctx, slog.LevelDebug) {
		pairs = append(pairs, "UCP_LOG_LEVEL=debug")
	}
	for name, value := range a.env.Variables {
		if !strings.HasPrefix(name, "UCP_") {
			pairs = append(pairs, name+"="+value)
		}
	}
	return pairs
}

// start starts all nodes, and connects to the brokers among them.
func (n *benchNetwork) start(ctx context.Context) error {
	if err := n.renew(ctx); err != nil {
		return err
	}
	var err error
	n.client, err = client.Dial(ctx, client.Options{Addresses: n.addresses(), Identity: n.Client()})
	return err
}

func (n *benchNetwork) having(role string) []*lab.Node {
	return slices.DeleteFunc(n.Nodes(), func(node *lab.Node) bool { return !node.Has(role) })
}

// addresses are those of the brokers.
func (n *benchNetwork) addresses() (all []string) {
	for _, b := range n.having(identity.RoleBroker) {
		all = append(all, b.Address())
	}
	return all
}

// byID returns the node of that id, nil if it is none of ours.
func (n *benchNetwork) byID(id string) *lab.Node {
	all := n.Nodes()
	if i := slices.IndexFunc(all, func(node *lab.Node) bool { return node.ID() == id }); i >= 0 {
		return all[i]
	}
	return nil
}

// close ends all processes and removes what they wrote.
func (n *benchNetwork) close() error {
	var err error
	if n.client != nil {
		err = n.client.Close()
	}
	n.Close()
	return errors.Join(err, os.RemoveAll(n.dir))
}

// renew starts all nodes anew: for a network that does not become whole by itself, so that the next round need not wait in vain too.
func (n *benchNetwork) renew(ctx context.Context) error {
	for _, node := range n.Nodes() {
		node.Kill()
	}
	ctx, enough := context.WithTimeout(ctx, startPatience)
	defer enough()
	var errs []error
	for _, node := range n.Nodes() {
		errs = append(errs, node.Start(ctx))
	}
	return errors.Join(errs...)
}

// missing says what a broker's list of nodes lacks.
func (n *benchNetwork) missing(seen []client.Node) error {
	for _, node := range n.Nodes() {
		i := slices.IndexFunc(seen, func(s client.Node) bool { return s.ID == node.ID() })
		switch {
		case i < 0:
			return fmt.Errorf("it has not heard of node %s", node.Name)
		case seen[i].State != "up":
			return fmt.Errorf("node %s is %s: %s", node.Name, seen[i].State, seen[i].Reason)
		case node.Has(identity.RoleExecutor) && n.byID(seen[i].Home) == nil:
			return fmt.Errorf("executor %s has no home", node.Name)
		case seen[i].Used > 0:
			return fmt.Errorf("executor %s has something to do", node.Name)
		}
	}
	return nil
}

// glimpse is how long nobody looks for what nobody tells.
const glimpse = 20 * time.Millisecond

// until looks again and again until nothing is missing any more, or ctx ends; the error is what was missing last.
func until(ctx context.Context, missing func() error) (last error) {
	for {
		err := missing()
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil { // else it says that ctx has ended
			last = err
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(glimpse):
		}
	}
}
