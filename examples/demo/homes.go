package main

import (
	"slices"
	"strings"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/config"
)

// placed tells which executors each broker is home to, both by name. Executors choose their homes themselves, and a
// broker gives a job that was lost to another of its own.
type placed map[string][]string

// homes returns where the executors that are up have their homes.
func homes(nodes []client.Node) placed {
	names := map[string]string{}
	for _, n := range nodes {
		names[n.ID] = n.Name
	}
	p := placed{}
	for _, n := range nodes {
		if n.State == "up" && slices.Contains(n.Roles, config.RoleExecutor) {
			p[names[n.Home]] = append(p[names[n.Home]], n.Name)
		}
	}
	return p
}

// of names the executors at home at broker, for people.
func (p placed) of(broker string) string {
	if len(p[broker]) == 0 {
		return "nobody"
	}
	return strings.Join(p[broker], " ")
}

// all returns every executor.
func (p placed) all() []string {
	var all []string
	for _, broker := range brokers {
		all = append(all, p[broker]...)
	}
	return all
}

// crowded returns the broker that is home to the most executors: of two brokers and three executors, to at least two.
func (p placed) crowded() string {
	return slices.MaxFunc(brokers, func(a, b string) int { return len(p[a]) - len(p[b]) })
}

// besides returns an executor at home at broker that is not name.
func (p placed) besides(broker, name string) string {
	for _, executor := range p[broker] {
		if executor != name {
			return executor
		}
	}
	return ""
}

// other returns the broker that is not name.
func other(name string) string {
	return brokers[(slices.Index(brokers, name)+1)%len(brokers)]
}
