package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
)

// connection is a client of a network, and the network itself if it is an embedded one.
type connection struct {
	*client.Client
	embedded *cluster.Embedded
}

// Close ends both.
func (c *connection) Close() error {
	err := c.Client.Close()
	if c.embedded != nil {
		err = errors.Join(err, c.embedded.Close())
	}
	return err
}

// network returns the network that flags, environment and saved networks name.
func (a *app) network() (config.Network, error) {
	var saved config.Contexts
	dirs, err := a.env.Directories()
	if dirs.Config != "" {
		saved, err = config.LoadContexts(dirs.Contexts())
	}
	if err != nil && a.broker == "" {
		return config.Network{}, err
	}
	return config.ResolveNetwork(a.broker, a.env, a.context, saved)
}

// connect returns a client of the configured network; there must be one.
func (a *app) connect(ctx context.Context, verb string) (*connection, error) {
	network, err := a.network()
	if err != nil {
		return nil, unusable(err)
	}
	if network.Embedded() {
		return nil, noNetworkError{verb}
	}
	return a.dial(ctx, network)
}

// connectOrEmbed returns a client of the configured network, or of one in this process with that many slots (0: one a core).
func (a *app) connectOrEmbed(ctx context.Context, slots int) (*connection, error) {
	network, err := a.network()
	if err != nil {
		return nil, unusable(err)
	}
	if !network.Embedded() {
		return a.dial(ctx, network)
	}
	return a.embed(ctx, slots)
}

// unusable is a network that is named and cannot be used: nobody need be asked to know that it is out of reach.
func unusable(err error) error {
	if errors.Is(err, config.ErrNoIdentity) {
		return fmt.Errorf("%w: %w", client.ErrUnreachable, err)
	}
	return err
}

func (a *app) embed(ctx context.Context, slots int) (*connection, error) {
	e, err := cluster.StartEmbedded(slots, cluster.Options{Version: version, Log: a.log, CacheDir: moduleCache(a)}) //nolint:contextcheck // it ends with Close
	if err != nil {
		return nil, fmt.Errorf("the embedded network did not start: %w", err)
	}
	c, err := client.Dial(ctx, client.Options{Addresses: []string{e.Address}, Identity: e.Client, Log: a.log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the embedded network does not answer: %w", err), e.Close()) //nolint:contextcheck // closing has a bound of its own
	}
	return &connection{c, e}, nil
}

func (a *app) dial(ctx context.Context, network config.Network) (*connection, error) {
	id, err := identity.Open(network.Identity)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("network %s: there is no identity in %s: launch the network again, or choose another with --context",
			firstOf(network.Context, strings.Join(network.Brokers, ",")), network.Identity)
	}
	if err != nil {
		return nil, err
	}
	c, err := client.Dial(ctx, client.Options{Addresses: network.Brokers, Identity: id, Log: a.log})
	if err != nil {
		return nil, err
	}
	return &connection{Client: c}, nil
}
