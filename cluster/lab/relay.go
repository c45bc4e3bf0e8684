package lab

import (
	"context"
	"errors"
	"fmt"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// Relay is a way to a broker that can be cut. Who is to use it gets its address as a seed; the broker should be private, or its own address
// becomes known.
type Relay struct{ proxy *toxiproxy.Proxy }

// Relay opens a way to a broker.
func (l *Lab) Relay(to *Node) (*Relay, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	r := &Relay{proxy: toxiproxy.NewProxy(server, to.Name, "127.0.0.1:0", to.Address())}
	if err := r.proxy.Start(); err != nil {
		return nil, fmt.Errorf("lab: relay to %s: %w", to.Name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.relays = append(l.relays, r)
	return r, nil
}

// Address is where the relay listens.
func (r *Relay) Address() string { return r.proxy.Listen }

// The two directions of a relay, as toxiproxy names them.
var directions = []string{"upstream", "downstream"}

// Cut lets nothing through any more, without a word to either side: connections stay, new ones are taken, and nothing arrives.
func (r *Relay) Cut() error {
	var errs []error
	for _, d := range directions {
		_, err := r.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"cut ` + d + `","type":"timeout","stream":"` + d + `"}`))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Heal lets everything through again. Connections that were cut are closed, for what was under way on them is gone.
func (r *Relay) Heal(ctx context.Context) error {
	var errs []error
	for _, d := range directions {
		errs = append(errs, r.proxy.Toxics.RemoveToxic(ctx, "cut "+d))
	}
	return errors.Join(errs...)
}
