package config

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoIdentity is returned when brokers are named but nothing says who we are to them.
var ErrNoIdentity = errors.New("no identity")

// Network is where a verb goes to: brokers, or an embedded network when Brokers is empty.
type Network struct {
	Brokers  []string // host:port, in the order to try; none means an embedded network
	Context  string   // name of the saved network that the identity comes from
	Network  string   // label, when a saved network tells it
	CA       string   // directory of the CA certificate
	Identity string   // directory of our own key and certificate
	Insecure bool     // no TLS; only for brokers on loopback
	Source   string   // what decided: "--broker", "UCP_BROKER", "--context", "UCP_CONTEXT", "saved" or "embedded"
}

// Embedded reports whether no network is configured, so that one has to be made in the process.
func (n Network) Embedded() bool { return len(n.Brokers) == 0 }

// ResolveNetwork decides which network to use: --broker, else UCP_BROKER, else --context (or, without it, UCP_CONTEXT), else
// the current saved network, else an embedded one. For named brokers the identity is that of --context, else of the
// saved network that lists one of them, else of the current one; without any the error wraps [ErrNoIdentity].
func ResolveNetwork(brokerFlag string, env Environment, contextFlag string, saved Contexts) (Network, error) {
	if brokerFlag != "" {
		return saved.withBrokers(brokerFlag, "--broker", env, contextFlag)
	}
	if brokers := env.Variables[EnvBroker]; brokers != "" {
		return saved.withBrokers(brokers, EnvBroker, env, contextFlag)
	}
	name, source := chosenContext(env, contextFlag, saved)
	if name == "" {
		return Network{Source: "embedded"}, nil
	}
	network, err := saved.network(name, source)
	if err == nil && network.Embedded() {
		return Network{}, fmt.Errorf("the saved network %q names no broker: add one to it, or say --broker HOST:PORT", name)
	}
	return network, err
}

// chosenContext returns the name of the saved network to use and what chose it.
func chosenContext(env Environment, contextFlag string, saved Contexts) (name, source string) {
	if contextFlag != "" {
		return contextFlag, "--context"
	}
	if name := env.Variables[EnvContext]; name != "" {
		return name, EnvContext
	}
	return saved.Current, "saved"
}

func (c Contexts) network(name, source string) (Network, error) {
	item, err := c.find(name)
	if err != nil {
		return Network{}, fmt.Errorf("%s: %w", source, err)
	}
	return Network{
		Brokers: item.Brokers, Context: name, Network: item.Network,
		CA: item.CA, Identity: item.Identity, Insecure: item.Insecure, Source: source,
	}, nil
}

// withBrokers returns the brokers of text, with the identity that fits them best.
func (c Contexts) withBrokers(text, source string, env Environment, contextFlag string) (Network, error) {
	parsed, err := addresses(DefaultPort).parse(text)
	if err != nil {
		return Network{}, fmt.Errorf("%s %w", source, err)
	}
	brokers, _ := parsed.([]string)
	if len(brokers) == 0 {
		return Network{}, fmt.Errorf("%s must be host:port, not %q", source, text)
	}
	name, from := contextFlag, "--context"
	if name == "" {
		name, from = c.listing(brokers), source
	}
	if name == "" {
		name, from = chosenContext(env, "", c)
	}
	if name == "" {
		return Network{}, fmt.Errorf("%w for broker %s: name the saved network it belongs to with --context, or "+
			"start one here with \"ucp launch\"", ErrNoIdentity, strings.Join(brokers, ", "))
	}
	network, err := c.network(name, from)
	if err != nil {
		return Network{}, err
	}
	network.Brokers, network.Source = brokers, source
	return network, nil
}
