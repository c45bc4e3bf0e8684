package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/wasm"
)

// What the network of bench emergency is made of, and what its jobs take. A job of the emergency runs for long enough to be seen.
const (
	emergencyBrokers   = 3
	emergencyExecutors = 4
	emergencySlots     = 2
	ordinaryJob        = time.Second
	emergencyJob       = 400 * time.Millisecond
	emergencyType      = "fire"
	// emergencyPatience is more than anything takes that is waited for, apart from filling the network.
	emergencyPatience = time.Minute
	// fillers is how many jobs are submitted at a time when the network is filled.
	fillers = 512
	// maxFills is how often it is looked whether that was enough.
	maxFills = 10
)

// emergencyNetwork is a network of processes that is kept full.
type emergencyNetwork struct {
	*benchNetwork
	brokers []*client.Client // one of each broker
	module  client.Blob
	queued  int
	next    atomic.Uint64 // which broker gets the next ordinary job
}

// newEmergencyNetwork starts a network. The caller closes it, also one that comes with an error.
func (a *app) newEmergencyNetwork(ctx context.Context, queued int) (*emergencyNetwork, error) {
	made, err := a.newBenchNetwork(ctx)
	if err != nil {
		return nil, err
	}
	n := &emergencyNetwork{benchNetwork: made, queued: queued}
	for i := range emergencyBrokers {
		if _, err := n.Add(lab.Setup{Name: fmt.Sprintf("b%d", i+1), Roles: []string{identity.RoleBroker}, Seeds: n.addresses()}); err != nil {
			return n, err
		}
	}
	for i := range emergencyExecutors {
		_, err := n.Add(lab.Setup{Name: fmt.Sprintf("e%d", i+1), Roles: []string{identity.RoleExecutor}, Seeds: n.addresses(), Slots: emergencySlots})
		if err != nil {
			return n, err
		}
	}
	if err := n.start(ctx); err != nil {
		return n, err
	}
	return n, n.settle(ctx)
}

// settle connects to each broker, gives it the module, and waits until it sees all nodes.
func (n *emergencyNetwork) settle(ctx context.Context) error {
	ctx, enough := context.WithTimeout(ctx, startPatience)
	defer enough()
	for _, b := range n.having(identity.RoleBroker) {
		c, err := client.Dial(ctx, client.Options{Addresses: []string{b.Address()}, Identity: n.Client()})
		if err != nil {
			return err
		}
		n.brokers = append(n.brokers, c)
		if n.module, err = c.PutBytes(ctx, wasm.Pause()); err != nil {
			return err
		}
		if err := until(ctx, func() error {
			seen, err := c.Nodes(ctx)
			if err != nil {
				return err
			}
			return n.missing(seen)
		}); err != nil {
			return fmt.Errorf("the network is not whole: broker %s: %w", b.Name, err)
		}
	}
	return nil
}

func (n *emergencyNetwork) close() error {
	var errs []error
	for _, c := range n.brokers {
		errs = append(errs, c.Close())
	}
	return errors.Join(append(errs, n.benchNetwork.close())...)
}

// job is one that takes a while. Nothing of it is kept.
func (n *emergencyNetwork) job(work time.Duration, emergency string) *client.Spec {
	return &client.Spec{Name: "bench", Module: n.module, Args: []string{"pause"}, Stdin: inline(wasm.PauseFor(work)), Emergency: emergency}
}

// load is what the brokers have to do, together.
type load struct {
	queued, redeployed uint64
	used               int
	levels             []client.Level
}

func (n *emergencyNetwork) load(ctx context.Context) (sum load, err error) {
	for _, c := range n.brokers {
		s, err := c.Status(ctx)
		if err != nil {
			return sum, err
		}
		sum.queued += s.Queued
		sum.redeployed += s.Redeployed
		sum.used += s.Used
		sum.levels = append(sum.levels, s.Emergency)
	}
	return sum, nil
}

// fill has jobs wait and run until the network is full. While many are submitted some end: it looks again.
func (n *emergencyNetwork) fill(ctx context.Context) error {
	const spare = 4 * emergencyExecutors * emergencySlots // that begin until somebody looks again
	for range maxFills {
		now, err := n.load(ctx)
		if err != nil {
			return err
		}
		missing := n.queued + emergencyExecutors*emergencySlots - int(now.queued) - now.used //nolint:gosec // as many as fit into queues
		if missing <= 0 {
			return n.reaches(ctx, "full", func(l load) bool { return l.used == emergencyExecutors*emergencySlots })
		}
		if err := n.submit(ctx, missing+spare); err != nil {
			return fmt.Errorf("the network cannot be filled: %w", err)
		}
	}
	return errors.New("jobs end faster than they can be submitted")
}

// reaches waits until the load is as it should be.
func (n *emergencyNetwork) reaches(ctx context.Context, what string, ok func(load) bool) error {
	ctx, enough := context.WithTimeout(ctx, emergencyPatience)
	defer enough()
	return until(ctx, func() error {
		now, err := n.load(ctx)
		if err == nil && !ok(now) {
			err = fmt.Errorf("the network is not %s: %d jobs wait, %d slots are used", what, now.queued, now.used)
		}
		return err
	})
}

// submit hands in ordinary jobs, many at a time, to each broker in turn.
func (n *emergencyNetwork) submit(ctx context.Context, count int) error {
	var (
		left    atomic.Int64
		failed  = make([]error, fillers)
		running sync.WaitGroup
		spec    = n.job(ordinaryJob, "")
	)
	left.Store(int64(count))
	for i := range fillers {
		running.Go(func() {
			for failed[i] == nil && left.Add(-1) >= 0 {
				c := n.brokers[n.next.Add(1)%uint64(len(n.brokers))]
				var s *client.Submission
				if s, failed[i] = c.Submit(ctx, spec); failed[i] == nil {
					c.Abandon(s)
				}
			}
		})
	}
	running.Wait()
	return errors.Join(failed...)
}
