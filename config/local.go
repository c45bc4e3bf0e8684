package config

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// lookupTimeout bounds how long a host name of a cluster file is looked up.
const lookupTimeout = 2 * time.Second

// LocalHosts returns a function that tells whether a host of a cluster file is this machine: an address of one of its
// interfaces, a loopback address, localhost, its host name, or a name that the resolver knows as one of these. The
// interfaces are read once; a name that cannot be resolved within 2 s is another machine's.
func LocalHosts(ctx context.Context) (func(host string) bool, error) {
	interfaces, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("read the addresses of this machine: %w", err)
	}
	name, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read the name of this machine: %w", err)
	}
	machine := machine{name: name, addresses: addressesIn(interfaces), lookup: func(host string) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
		defer cancel()
		return net.DefaultResolver.LookupHost(ctx, host)
	}}
	return machine.isLocal, nil
}

func addressesIn(interfaces []net.Addr) []netip.Addr {
	var addresses []netip.Addr
	for _, addr := range interfaces {
		if prefix, err := netip.ParsePrefix(addr.String()); err == nil {
			addresses = append(addresses, prefix.Addr().Unmap().WithZone(""))
		}
	}
	return addresses
}

// machine is what a host is compared with.
type machine struct {
	name      string
	addresses []netip.Addr
	lookup    func(host string) ([]string, error)
}

func (m machine) isLocal(host string) bool {
	if m.isName(host) || m.isAddress(host) {
		return true
	}
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return false
	}
	addresses, err := m.lookup(host)
	return err == nil && slices.ContainsFunc(addresses, m.isAddress)
}

// isName reports whether host is localhost, the machine's name, or that name without its domain.
func (m machine) isName(host string) bool {
	short, _, _ := strings.Cut(m.name, ".")
	return slices.ContainsFunc([]string{"localhost", m.name, short}, func(name string) bool {
		return name != "" && strings.EqualFold(host, name)
	})
}

func (m machine) isAddress(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	return ip.IsLoopback() || slices.Contains(m.addresses, ip)
}
