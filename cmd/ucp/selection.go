package main

import (
	"context"

	"github.com/urbancompute/ucp/config"
)

// selection makes a network the current one for as long as it runs here.
type selection struct {
	file     string // contexts.yaml
	name     string
	previous string // what was current before
	keep     bool   // the network stays saved afterwards
}

// selectNetwork saves network under name in the contexts of a, and makes it the current one.
func selectNetwork(ctx context.Context, a *app, name string, network config.Context, keep bool) (*selection, error) {
	dirs, err := a.env.Directories()
	if err != nil {
		return nil, err
	}
	s := &selection{file: dirs.Contexts(), name: name, keep: keep}
	err = config.UpdateContexts(ctx, s.file, func(c *config.Contexts) error {
		if c.Current != name { // else a crash left it so, and nobody knows what was before
			s.previous = c.Current
		}
		if err := c.Put(name, network); err != nil {
			return err
		}
		return c.Use(name)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// restore makes current what was before, unless somebody has chosen another network in between.
func (s *selection) restore(ctx context.Context) error {
	return config.UpdateContexts(ctx, s.file, func(c *config.Contexts) error {
		chosen := c.Current
		if !s.keep {
			delete(c.Items, s.name)
		}
		if chosen != s.name {
			return nil
		}
		c.Current = s.previous
		if _, saved := c.Items[s.previous]; !saved {
			c.Current = ""
		}
		return nil
	})
}
