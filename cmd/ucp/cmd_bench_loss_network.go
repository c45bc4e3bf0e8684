package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

// lossPatience is more than anything takes that a round waits for, apart from the job and the loss itself.
const lossPatience = time.Minute

// lossNetwork is a network of processes that nodes are taken from, and a client of it.
type lossNetwork struct {
	*lab.Lab
	kind   lossKind
	dir    string
	relays map[string]*lab.Relay // by executor
	cut    *lab.Relay            // the one that is cut
	client *client.Client
	module client.Blob
}

// nodeLabel is the label by which a job can ask for one executor.
const nodeLabel = "node"

// newLossNetwork starts a network. The caller closes it, also one that comes with an error.
func (a *app) newLossNetwork(ctx context.Context, kind lossKind) (*lossNetwork, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("the program to run as nodes is not known: %w", err)
	}
	dir, err := os.MkdirTemp("", "ucp-bench-*")
	if err != nil {
		return nil, fmt.Errorf("the network has no place: %w", err)
	}
	made, err := lab.New(lab.Config{Dir: dir, Program: program, CacheDir: filepath.Join(dir, "cache"), Env: a.lossVariables(ctx), Now: time.Now})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	n := &lossNetwork{Lab: made, kind: kind, dir: dir, relays: map[string]*lab.Relay{}}
	return n, n.start(ctx)
}

// lossVariables are those of the environment that do not configure ucp: what is measured is a network that nobody configured. Who debugs wants
// to know more.
func (a *app) lossVariables(ctx context.Context) []string {
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

func (n *lossNetwork) start(ctx context.Context) error {
	if err := n.populate(); err != nil {
		return err
	}
	if err := n.renew(ctx); err != nil {
		return err
	}
	var err error
	n.client, err = client.Dial(ctx, client.Options{Addresses: n.addresses(), Identity: n.Client()})
	return err
}

// populate makes the nodes.
func (n *lossNetwork) populate() error {
	for i := range n.kind.brokers {
		_, err := n.Add(lab.Setup{
			Name: fmt.Sprintf("b%d", i+1), Roles: []string{identity.RoleBroker}, Seeds: n.addresses(), Private: n.kind.relayed,
		})
		if err != nil {
			return err
		}
	}
	for i := range lossExecutors {
		name := fmt.Sprintf("e%d", i+1)
		seeds, err := n.seedsOf(name)
		if err != nil {
			return err
		}
		_, err = n.Add(lab.Setup{
			Name: name, Roles: []string{identity.RoleExecutor}, Seeds: seeds, Slots: 1, Flags: []string{"--labels", nodeLabel + "=" + name},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// seedsOf are where an executor finds the brokers.
func (n *lossNetwork) seedsOf(executor string) ([]string, error) {
	if !n.kind.relayed {
		return n.addresses(), nil
	}
	relay, err := n.Relay(n.having(identity.RoleBroker)[0])
	if err != nil {
		return nil, err
	}
	n.relays[executor] = relay
	return []string{relay.Address()}, nil
}

func (n *lossNetwork) having(role string) []*lab.Node {
	return slices.DeleteFunc(n.Nodes(), func(node *lab.Node) bool { return !node.Has(role) })
}

// addresses are those of the brokers.
func (n *lossNetwork) addresses() (all []string) {
	for _, b := range n.having(identity.RoleBroker) {
		all = append(all, b.Address())
	}
	return all
}

// byID returns the node of that id, nil if it is none of ours.
func (n *lossNetwork) byID(id string) *lab.Node {
	all := n.Nodes()
	if i := slices.IndexFunc(all, func(node *lab.Node) bool { return node.ID() == id }); i >= 0 {
		return all[i]
	}
	return nil
}

// close ends all processes and removes what they wrote.
func (n *lossNetwork) close() error {
	var err error
	if n.client != nil {
		err = n.client.Close()
	}
	n.Close()
	return errors.Join(err, os.RemoveAll(n.dir))
}

// mend brings back what was taken from the network. A node other than the lost one that does not run any more has ended by itself.
func (n *lossNetwork) mend(ctx context.Context, lost *lab.Node) error {
	ctx, enough := context.WithTimeout(ctx, lossPatience)
	defer enough()
	var errs []error
	if n.cut != nil {
		errs = append(errs, n.cut.Heal(ctx))
		n.cut = nil
	}
	for _, node := range n.Nodes() {
		if node.Running() {
			errs = append(errs, node.Thaw()) // to one that is not frozen this is nothing
			continue
		}
		if node != lost {
			errs = append(errs, fmt.Errorf("node %s has ended by itself: %s", node.Name, node.LastLine()))
		}
		errs = append(errs, node.Start(ctx))
	}
	return errors.Join(errs...)
}

// renew starts all nodes anew: for a network that does not become whole by itself, so that the next round need not wait in vain too.
func (n *lossNetwork) renew(ctx context.Context) error {
	for _, node := range n.Nodes() {
		node.Kill()
	}
	ctx, enough := context.WithTimeout(ctx, lossPatience)
	defer enough()
	var errs []error
	for _, node := range n.Nodes() {
		errs = append(errs, node.Start(ctx))
	}
	return errors.Join(errs...)
}

// whole waits until the network is as if nothing had been taken from it, and everything that a job needs is where it is needed.
func (n *lossNetwork) whole(ctx context.Context) error {
	ctx, enough := context.WithTimeout(ctx, lossPatience)
	defer enough()
	for _, b := range n.having(identity.RoleBroker) {
		if err := n.wholeAt(ctx, b); err != nil {
			return fmt.Errorf("the network is not whole: broker %s: %w", b.Name, err)
		}
	}
	for _, e := range n.having(identity.RoleExecutor) {
		if err := n.warm(ctx, e); err != nil {
			return fmt.Errorf("the network is not whole: executor %s: %w", e.Name, err)
		}
	}
	return nil
}

// wholeAt waits until one broker sees the network so, and gives it the module.
func (n *lossNetwork) wholeAt(ctx context.Context, b *lab.Node) (err error) {
	c, err := client.Dial(ctx, client.Options{Addresses: []string{b.Address()}, Identity: n.Client()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }() //nolint:contextcheck // closing has a bound of its own
	if n.module, err = c.PutBytes(ctx, wasm.Pause()); err != nil {
		return err
	}
	return until(ctx, func() error {
		seen, err := c.Nodes(ctx)
		if err != nil {
			return err
		}
		return n.missing(seen)
	})
}

// missing says what a broker's list of nodes lacks.
func (n *lossNetwork) missing(seen []client.Node) error {
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

// warm runs the module at an executor, which has it compiled then.
func (n *lossNetwork) warm(ctx context.Context, e *lab.Node) error {
	spec := n.job(time.Millisecond)
	spec.Needs.Labels = map[string]string{nodeLabel: e.Name}
	s, err := n.client.Submit(ctx, spec)
	if err != nil {
		return err
	}
	j, err := s.Wait(ctx)
	if err == nil && j.State() != job.StateAccepted {
		err = fmt.Errorf("a job there is %s: %s", j.State(), endOf(j).message)
	}
	return err
}

// job is one that takes a while. It is kept until its round is over.
func (n *lossNetwork) job(work time.Duration) *client.Spec {
	return &client.Spec{Name: "loss", Module: n.module, Args: []string{"pause"}, Stdin: inline(wasm.PauseFor(work)), Retention: time.Hour}
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
