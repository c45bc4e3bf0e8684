package config

import (
	"fmt"
	"slices"
)

// nodeRule is a rule between several settings of one node. It returns the key to blame and what is wrong, or "".
type nodeRule func(n Node) (key, text string)

var nodeRules = []nodeRule{
	hasName, hasDirectory, hasRoles, autoDecides, brokerIsReachable, advertisesAPort, listensOnce, heartbeatsInTime, reconnectsInTime, insecureOnLoopback,
}

// checkNode adds what is wrong between the settings of a node. What nobody set is blamed on whole, the node itself.
func checkNode(r Resolved, whole Source, wrong *problems) {
	for _, rule := range nodeRules {
		key, text := rule(r.Node)
		if text == "" {
			continue
		}
		at, set := r.sources[key]
		if !set {
			at = whole
		}
		wrong.add(at, "%s", text)
	}
}

func hasName(n Node) (key, text string) {
	if n.Name != "" {
		return "", ""
	}
	return "name", "name is missing: give the node one that is fit for a file name"
}

func hasDirectory(n Node) (key, text string) {
	if n.Dir != "" {
		return "", ""
	}
	return "dir", "dir is missing, and HOME is not set: say where the node keeps its data, or set " + EnvDataDir
}

func hasRoles(n Node) (key, text string) {
	if len(n.Roles) > 0 {
		return "", ""
	}
	return "roles", fmt.Sprintf("roles is missing: say what %s does, as in roles: [executor]", n.Name)
}

func autoDecides(n Node) (key, text string) {
	if !slices.Contains(n.Roles, RoleAuto) {
		return "", ""
	}
	for _, role := range []string{RoleBroker, RoleExecutor} {
		if slices.Contains(n.Roles, role) {
			return "roles", fmt.Sprintf("roles of %s must not have both auto and %s: auto is an executor, and a broker where one is missing", n.Name, role)
		}
	}
	return "", ""
}

func brokerIsReachable(n Node) (key, text string) {
	if !n.MayBroker() || n.Port != 0 {
		return "", ""
	}
	if !n.HasRole(RoleBroker) {
		return "port", fmt.Sprintf("port must not be 0 for %s, which others dial when it has become a broker", n.Name)
	}
	return "port", fmt.Sprintf("port must not be 0 for the broker %s, which others dial", n.Name)
}

func advertisesAPort(n Node) (key, text string) {
	if n.Advertise == "" || n.Port != 0 {
		return "", ""
	}
	return "advertise", fmt.Sprintf("advertise tells others to dial %s, but with port 0 it listens nowhere", n.Advertise)
}

func listensOnce(n Node) (key, text string) {
	if n.HTTP == "" || n.Port == 0 || sameAddress(n.HTTP) != sameAddress(n.Listen()) {
		return "", ""
	}
	return "http", fmt.Sprintf("http must not be the address %s itself listens on, %s", n.Name, n.Listen())
}

func heartbeatsInTime(n Node) (key, text string) {
	if n.Lease.Timeout >= 2*n.Lease.Heartbeat {
		return "", ""
	}
	return "lease.timeout", fmt.Sprintf("lease.timeout (%s) must be at least twice lease.heartbeat (%s), or healthy executors are lost",
		FormatDuration(n.Lease.Timeout), FormatDuration(n.Lease.Heartbeat))
}

func reconnectsInTime(n Node) (key, text string) {
	if n.Lease.Reconnect <= n.Lease.Timeout {
		return "", ""
	}
	return "lease.reconnect", fmt.Sprintf("lease.reconnect (%s) must not be longer than lease.timeout (%s)",
		FormatDuration(n.Lease.Reconnect), FormatDuration(n.Lease.Timeout))
}

func insecureOnLoopback(n Node) (key, text string) {
	if !n.Insecure || n.Port == 0 || loopback(n.Host) {
		return "", ""
	}
	return "insecure", fmt.Sprintf("insecure is only for loopback: give %s the host 127.0.0.1, or leave insecure out", n.Name)
}
