package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"

	"github.com/urbancompute/ucp/config"
)

var (
	brokers   = []string{"b1", "b2"}
	executors = []string{"e1", "e2", "e3"}
)

// clusterFile describes the demo's network. Each executor has its own name as a label, so that a job can ask for it.
func clusterFile(ports []int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "network: demo\ndir: network\ndefaults: {caps: {compile: %s}}\nnodes:\n", config.FormatDuration(patience))
	for i, name := range brokers {
		fmt.Fprintf(&b, "  - {name: %s, host: 127.0.0.1, port: %d, roles: [broker]}\n", name, ports[i])
	}
	for _, name := range executors {
		fmt.Fprintf(&b, "  - {name: %s, host: 127.0.0.1, port: 0, roles: [executor], slots: 1, labels: {name: %s}}\n", name, name)
	}
	return b.String()
}

// The ports that brokers of the demo listen on are below those that systems give to connections by themselves.
const (
	firstPort = 20000
	lastPort  = 30000
)

// freePorts returns n ports of loopback that nobody listens on.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if isFree(loopback(port)) == nil {
			ports = append(ports, port)
		}
		if len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("no free ports from %d to %d", firstPort, lastPort)
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// isFree returns why an address cannot be listened on.
func isFree(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}
