package main

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"
)

// launch starts the network and waits until every node is up and every executor has a home.
func (d *demo) launch(ctx context.Context) error {
	ports, err := freePorts(len(brokers))
	if err != nil {
		return err
	}
	file := filepath.Join(d.dir, "cluster.yaml")
	if err := os.WriteFile(file, []byte(clusterFile(ports)), 0o600); err != nil {
		return err
	}
	adoptOrphans()
	d.say("$ ucp launch --output json cluster.yaml")
	d.quote(clusterFile(ports))
	if d.network, err = startNetwork(d.ucp, file, d.env); err != nil {
		return err
	}
	if _, err = d.network.await(ctx, "the network is up", func(e event) bool { return e.Event == "up" }); err != nil {
		return err
	}
	for _, name := range append(brokers, executors...) {
		e := d.network.node(name)
		d.say("%s is up: %-8s  %-15s  process %d", name, strings.Join(e.Roles, ","), cmp.Or(e.Address, "dials out"), e.PID)
	}
	if err := d.awaitHomes(ctx, len(executors)); err != nil {
		return err
	}
	return d.command(ctx, "node", "list")
}

// awaitHomes waits until both brokers know that many executors to be up.
func (d *demo) awaitHomes(ctx context.Context, want int) error {
	for _, broker := range brokers {
		c, err := d.dial(ctx, broker)
		if err != nil {
			return err
		}
		err = eventually(ctx, broker+" knows all executors", func() (bool, error) {
			nodes, err := c.Nodes(ctx)
			return len(homes(nodes).all()) == want, err
		})
		letGo(c)
		if err != nil {
			return err
		}
	}
	return nil
}
