package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

// lossPatience is more than anything takes that a round waits for, apart from the job and the loss itself.
const lossPatience = time.Minute

// lossNetwork is a network of processes that nodes are taken from.
type lossNetwork struct {
	*benchNetwork
	kind   lossKind
	relays map[string]*lab.Relay // by executor
	cut    *lab.Relay            // the one that is cut
	module client.Blob
}

// newLossNetwork starts a network. The caller closes it, also one that comes with an error.
func (a *app) newLossNetwork(ctx context.Context, kind lossKind) (*lossNetwork, error) {
	made, err := a.newBenchNetwork(ctx)
	if err != nil {
		return nil, err
	}
	n := &lossNetwork{benchNetwork: made, kind: kind, relays: map[string]*lab.Relay{}}
	if err := n.populate(); err != nil {
		return n, err
	}
	return n, n.start(ctx)
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
