package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrNoContext is returned for a saved network that does not exist.
var ErrNoContext = errors.New("no such saved network")

// Context is a saved network: where its brokers are and who we are to them.
type Context struct {
	Network  string   // label
	Brokers  []string // host:port
	CA       string   // directory of the network's CA certificate
	Identity string   // directory of our own key and certificate
	Insecure bool     // the network runs without TLS, on loopback
}

// Contexts are the saved networks. The zero value has none.
type Contexts struct {
	Current string // name of the one to use; "" for none
	Items   map[string]Context
}

// Names returns the names of the saved networks, sorted.
func (c Contexts) Names() []string { return slices.Sorted(maps.Keys(c.Items)) }

// Use makes name the current network.
func (c *Contexts) Use(name string) error {
	if _, err := c.find(name); err != nil {
		return err
	}
	c.Current = name
	return nil
}

// Put saves a network under name, in the place of an older one. It does not change the current one.
func (c *Contexts) Put(name string, item Context) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("the name of a saved network %w", err)
	}
	if c.Items == nil {
		c.Items = make(map[string]Context)
	}
	c.Items[name] = item
	return nil
}

// Remove forgets the network called name; if it was the current one there is none then.
func (c *Contexts) Remove(name string) error {
	if _, err := c.find(name); err != nil {
		return err
	}
	delete(c.Items, name)
	if c.Current == name {
		c.Current = ""
	}
	return nil
}

// find returns the network called name, or an error that wraps [ErrNoContext] and lists those there are.
func (c Contexts) find(name string) (Context, error) {
	if item, found := c.Items[name]; found {
		return item, nil
	}
	if len(c.Items) == 0 {
		return Context{}, fmt.Errorf("%w: %q (none is saved yet)", ErrNoContext, name)
	}
	return Context{}, fmt.Errorf("%w: %q (saved: %s)", ErrNoContext, name, strings.Join(c.Names(), ", "))
}

// listing returns the name of the network that lists one of addresses, the current one first, then by name; or "".
func (c Contexts) listing(addresses []string) string {
	wanted := make(map[string]bool)
	for _, address := range addresses {
		wanted[sameAddress(address)] = true
	}
	for _, name := range append([]string{c.Current}, c.Names()...) {
		if slices.ContainsFunc(c.Items[name].Brokers, func(b string) bool { return wanted[sameAddress(b)] }) {
			return name
		}
	}
	return ""
}
