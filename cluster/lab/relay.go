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
// becomes known. Its methods are called by one goroutine at a time.
type Relay struct {
	proxy *toxiproxy.Proxy
	cut   map[Direction]bool
}

// Direction is one way through a relay.
type Direction string

// The directions of a relay, as toxiproxy names them.
const (
	ToBroker   Direction = "upstream"
	FromBroker Direction = "downstream"
)

// Relay opens a way to a broker.
func (l *Lab) Relay(to *Node) (*Relay, error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	r := &Relay{toxiproxy.NewProxy(server, to.Name, "127.0.0.1:0", to.Address()), map[Direction]bool{}}
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

// Cut lets nothing through any more, without a word to either side: connections stay, new ones are taken, and nothing arrives.
func (r *Relay) Cut() error { return errors.Join(r.CutOneWay(ToBroker), r.CutOneWay(FromBroker)) }

// CutOneWay is [Relay.Cut] for one direction: the other goes on.
func (r *Relay) CutOneWay(d Direction) error {
	if r.cut[d] {
		return nil
	}
	if _, err := r.proxy.Toxics.AddToxicJson(strings.NewReader(`{"name":"cut ` + string(d) + `","type":"timeout","stream":"` + string(d) + `"}`)); err != nil {
		return fmt.Errorf("lab: relay to %s: %w", r.proxy.Name, err)
	}
	r.cut[d] = true
	return nil
}

// Squeeze lets no more than so many KiB a second through, in each direction of each connection.
func (r *Relay) Squeeze(kib int) error {
	for _, d := range []Direction{ToBroker, FromBroker} {
		toxic := fmt.Sprintf(`{"name":"squeeze %s","type":"bandwidth","stream":"%s","attributes":{"rate":%d}}`, d, d, kib)
		if _, err := r.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			return fmt.Errorf("lab: relay to %s: %w", r.proxy.Name, err)
		}
	}
	return nil
}

// Heal lets everything through again. Connections that were cut are closed, for what was under way on them is gone.
func (r *Relay) Heal(ctx context.Context) error {
	var errs []error
	for d := range r.cut {
		errs = append(errs, r.proxy.Toxics.RemoveToxic(ctx, "cut "+string(d)))
		delete(r.cut, d)
	}
	return errors.Join(errs...)
}
