package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/blob"
)

// dataNetwork is a network in which bytes are moved, and a store of this process that takes part as a node's does.
type dataNetwork struct {
	*benchNetwork
	here      *blob.Store
	transport *blob.Transport
	blobs     *blob.Client
}

// newDataNetwork starts a network. The caller closes it, also one that comes with an error.
func (a *app) newDataNetwork(ctx context.Context) (*dataNetwork, error) {
	made, err := a.newBenchNetwork(ctx)
	if err != nil {
		return nil, err
	}
	n := &dataNetwork{benchNetwork: made}
	n.transport = blob.NewTransport(n.dial)
	n.blobs = blob.NewClient(n.transport)
	if n.here, err = blob.OpenStore(filepath.Join(n.dir, "here"), blob.Options{Log: a.log}); err != nil { //nolint:contextcheck // it outlives the context it is opened in
		return n, err
	}
	for _, s := range []struct{ name, role string }{
		{"b1", identity.RoleBroker},
		{"s1", identity.RoleDatastore},
		{"s2", identity.RoleDatastore},
		{"e1", identity.RoleExecutor},
		{"e2", identity.RoleExecutor},
	} {
		flags := []string{"--labels", nodeLabel + "=" + s.name, "--caps-compile", compilePatience.String()}
		if _, err := n.Add(lab.Setup{Name: s.name, Roles: []string{s.role}, Seeds: n.addresses(), Flags: flags}); err != nil {
			return n, err
		}
	}
	if err := n.start(ctx); err != nil {
		return n, err
	}
	return n, n.settle(ctx)
}

// settle waits until the broker knows all nodes.
func (n *dataNetwork) settle(ctx context.Context) error {
	ctx, enough := context.WithTimeout(ctx, startPatience)
	defer enough()
	return until(ctx, func() error {
		seen, err := n.client.Nodes(ctx)
		if err != nil {
			return err
		}
		return n.missing(seen)
	})
}

func (n *dataNetwork) close() error {
	err := n.transport.Close()
	if n.here != nil {
		err = errors.Join(err, n.here.Close())
	}
	return errors.Join(err, n.benchNetwork.close())
}

// dial connects to the node of an id as nodes that keep bytes do among themselves.
func (n *dataNetwork) dial(ctx context.Context, id string) (net.Conn, error) {
	node := n.byID(id)
	if node == nil {
		return nil, fmt.Errorf("node %s is none of this network", id)
	}
	secured := tls.Dialer{Config: n.Client().TLS(time.Now, identity.NodeID(id), cluster.PeerBlobProtocol)}
	return secured.DialContext(ctx, "tcp", node.Address())
}

// base is the URL of a node by name.
func (n *dataNetwork) base(name string) string { return "http://" + n.Node(name).ID() }

// copies is how many copies of what is moved there are at a time, the one that shows what the disk does among them.
const copies = 3

// roomFor says how much disk a measurement needs if there is less.
func (n *dataNetwork) roomFor(ctx context.Context, p dataPlan) error {
	space, err := n.here.Space(ctx)
	if err != nil {
		return err
	}
	need := copies * p.large
	if need == 0 {
		for _, size := range p.sizes {
			need += size * int64(2*p.rounds) // datastores keep what was put for a day
		}
		if len(p.sizes) > 0 {
			need += 2 * slices.Max(p.sizes)
		}
	}
	if need += 2 << 30; space.Free >= 0 && space.Free < need { // of which datastores leave one free
		return fmt.Errorf("%s has %s free, and this takes %s: set TMPDIR to a directory on a disk with more room, or move less",
			n.dir, bytesText(uint64(space.Free)), bytesText(uint64(need)))
	}
	return nil
}

// at is a job that runs a module at one executor. Nothing of it is kept.
func (n *dataNetwork) at(executor string, module client.Blob) *client.Spec {
	spec := &client.Spec{Name: "bench", Module: module, Args: []string{"bench"}}
	spec.Needs.Labels = map[string]string{nodeLabel: executor}
	return spec
}
