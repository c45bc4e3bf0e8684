package cluster

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/mdns"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/config"
)

// mdnsService is what brokers announce themselves as (RFC 6763). TXT says of which network and node, and where to dial if that is configured.
const mdnsService = "_ucp._tcp"

const (
	txtNetwork = "net=" // hash of the CA certificate (SEC-6)
	txtNode    = "node="
	txtAddress = "addr="
)

const (
	// listenFor is how long answers to a question are waited for.
	listenFor = 500 * time.Millisecond
	// firstPause is the pause between two questions of a node that has just lost sight of all brokers; each is longer than the one before, up to
	// lonelyPause. A node with a broker in reach asks every calmPause: it hears of the others from that one. All are drawn from half to all of it.
	firstPause  = 500 * time.Millisecond
	lonelyPause = 10 * time.Second
	calmPause   = time.Minute
	// maxHeard bounds the answers to a question, for each interface; maxTries those that are dialled at a time.
	maxHeard = 64
	maxTries = 16
	// tryFor is how long somebody who says to be a broker has to prove it.
	tryFor = 5 * time.Second
	// maxWires bounds the interfaces.
	maxWires = 16
)

// neighbourhood finds the brokers of the local network by mDNS, and announces this node there once it is one (DISC-1). What it hears is a hint: it
// is dialled for a moment each time it is heard, a few at a time, and only an address at which a broker of this network proves itself becomes a contact.
type neighbourhood struct {
	self    identity.NodeID
	network identity.NetworkID
	cfg     config.Node
	only    string // the interface to use; empty: all that lead out of the machine
	links   *link.Links
	found   *contacts
	log     *slog.Logger
	library *log.Logger // what the mDNS library says, mostly of others' packets
	cancel  context.CancelFunc
	work    sync.WaitGroup
	news    chan struct{}

	// Of the goroutine of watch.
	beacons map[string]beacon // by interface
	said    string            // the last complaint

	mu     sync.Mutex
	broker bool            // this node is one
	trying map[string]bool // addresses
}

// beacon answers questions on one interface.
type beacon struct {
	server *mdns.Server
	wire   string // what it says there
}

// startNeighbourhood looks around until it is closed. Nil, which can be used like any other, is a node that is not configured to.
func startNeighbourhood(cfg config.Node, id *identity.Identity, links *link.Links, found *contacts, logger *slog.Logger) *neighbourhood {
	only, somewhere := cfg.BrowsesOn()
	if !somewhere {
		return nil
	}
	logger = logger.With("actor", "mdns")
	ctx, cancel := context.WithCancel(context.Background())
	n := &neighbourhood{
		self: id.ID(), network: id.Trust().Network(), cfg: cfg, only: only, links: links, found: found, log: logger,
		library: slog.NewLogLogger(logger.Handler(), slog.LevelDebug), cancel: cancel, news: make(chan struct{}, 1),
		beacons: map[string]beacon{}, trying: map[string]bool{},
	}
	n.work.Go(func() { n.watch(ctx) })
	return n
}

// announce begins to answer others' questions: this node is a broker.
func (n *neighbourhood) announce() {
	if n == nil {
		return
	}
	n.mu.Lock()
	n.broker = true
	n.mu.Unlock()
	n.lookAgain()
}

// lookAgain has the next question asked soon: something has changed. It does not block.
func (n *neighbourhood) lookAgain() {
	if n == nil {
		return
	}
	select {
	case n.news <- struct{}{}:
	default:
	}
}

// close ends the answers and the questions; a question under way is waited for, as the library gives it no end before its time.
func (n *neighbourhood) close() {
	if n == nil {
		return
	}
	n.cancel()
	n.work.Wait()
}

// watch asks, with pauses. The network may come and go, and its addresses change: they are looked at each time.
func (n *neighbourhood) watch(ctx context.Context) {
	defer n.silence()
	pause := firstPause
	for {
		wires, err := wiresOf(n.only)
		if err == nil {
			err = errors.Join(n.light(wires), n.ask(ctx, wires))
		}
		if ctx.Err() != nil {
			return
		}
		n.complain(err)
		if n.accompanied() {
			pause = calmPause
		} else {
			pause = min(pause*8/5, lonelyPause)
		}
		timer := time.NewTimer(pause/2 + rand.N(pause/2))
		select {
		case <-timer.C:
		case <-n.news:
			pause = firstPause
		case <-ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// complain tells once what is wrong, and once that it is right again: a machine may be without a network for days.
func (n *neighbourhood) complain(err error) {
	switch {
	case err == nil && n.said != "":
		n.log.Info("mdns works again")
		n.said = ""
	case err != nil && n.said == "":
		n.said = err.Error()
		n.log.Warn("no mdns: brokers on the local network are not found by it, and do not find this node; seeds are dialled as ever", "err", err)
	}
}

// accompanied says whether there is a link to a broker.
func (n *neighbourhood) accompanied() bool {
	return slices.ContainsFunc(n.links.Peers(), func(p link.PeerInfo) bool { return p.Has(identity.RoleBroker) })
}

// light has this node announced on every interface with the addresses it has there now, if it is a broker.
func (n *neighbourhood) light(wires []wire) error {
	n.mu.Lock()
	broker := n.broker
	n.mu.Unlock()
	if !broker {
		return nil
	}
	want := map[string]wire{}
	for _, w := range wires {
		if w.addresses = reachableAt(n.cfg.Host, w.addresses); len(w.addresses) > 0 {
			want[w.Name] = w
		}
	}
	for name, b := range n.beacons {
		if w, still := want[name]; !still || w.String() != b.wire {
			n.extinguish(name)
		}
	}
	var errs []error
	for name, w := range want {
		if _, burns := n.beacons[name]; !burns {
			errs = append(errs, n.ignite(w))
		}
	}
	return errors.Join(errs...)
}

func (n *neighbourhood) ignite(w wire) error {
	txt := []string{txtNetwork + string(n.network), txtNode + string(n.self)}
	if a := n.cfg.Address(); a != "" {
		txt = append(txt, txtAddress+a)
	}
	name := string(n.self)
	zone, err := mdns.NewMDNSService(name, mdnsService, "", name+".local.", n.cfg.Port, w.ips(), txt)
	if err != nil {
		return fmt.Errorf("announce on %s: %w", w.Name, err)
	}
	server, err := mdns.NewServer(&mdns.Config{Zone: zone, Iface: &w.Interface, Logger: n.library})
	if err != nil {
		return fmt.Errorf("announce on %s: %w", w.Name, err)
	}
	n.beacons[w.Name] = beacon{server, w.String()}
	n.log.Debug("announced", "interface", w.Name, "addresses", w.addresses, "port", n.cfg.Port)
	return nil
}

func (n *neighbourhood) extinguish(name string) {
	_ = n.beacons[name].server.Shutdown() // it has no way to fail
	delete(n.beacons, name)
}

// silence ends all answers.
func (n *neighbourhood) silence() {
	for name := range n.beacons {
		n.extinguish(name)
	}
}

// ask asks on every interface who is a broker, and tries those that are new. It fails when nothing could be asked anywhere.
func (n *neighbourhood) ask(ctx context.Context, wires []wire) error {
	var (
		asking sync.WaitGroup
		mu     sync.Mutex
		errs   []error
		asked  bool
	)
	for _, w := range wires {
		for _, four := range []bool{true, false} {
			asking.Go(func() {
				entries, err := n.question(ctx, w, four)
				mu.Lock()
				errs, asked = append(errs, err), asked || err == nil
				mu.Unlock()
				for _, e := range entries {
					n.consider(ctx, w, e)
				}
			})
		}
	}
	asking.Wait()
	if asked {
		return nil
	}
	return errors.Join(errs...)
}

// question asks over IPv4 or IPv6; over both at once the library fails if either does. It goes on writing to what it has told of until it returns.
func (n *neighbourhood) question(ctx context.Context, w wire, four bool) ([]*mdns.ServiceEntry, error) {
	entries := make(chan *mdns.ServiceEntry, maxHeard)
	err := mdns.QueryContext(ctx, &mdns.QueryParam{
		Service: mdnsService, Timeout: listenFor, Interface: &w.Interface, Entries: entries, DisableIPv4: !four, DisableIPv6: four, Logger: n.library,
	})
	close(entries)
	var heard []*mdns.ServiceEntry
	for e := range entries {
		heard = append(heard, e)
	}
	if err != nil {
		return heard, fmt.Errorf("ask on %s: %w", w.Name, err)
	}
	return heard, nil
}

// consider tries an address, if somebody of this network is there whom this node does not know.
func (n *neighbourhood) consider(ctx context.Context, w wire, e *mdns.ServiceEntry) {
	said := announced(e)
	if said.network != n.network || said.node == n.self || said.address == "" || (said.local && w.Flags&net.FlagLoopback == 0) {
		return
	}
	linked := slices.ContainsFunc(n.links.Peers(), func(p link.PeerInfo) bool { return p.ID == said.node })
	if linked || n.found.knows(said.address) || !n.begin(said.address) {
		return
	}
	n.work.Go(func() {
		defer n.end(said.address)
		n.try(ctx, said.address)
	})
}

// begin notes that an address is tried, and says whether it may be.
func (n *neighbourhood) begin(address string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.trying[address] || len(n.trying) >= maxTries {
		return false
	}
	n.trying[address] = true
	return true
}

func (n *neighbourhood) end(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.trying, address)
}

// try makes an address a contact if a broker of this network proves to be there, and lets go of it if not.
func (n *neighbourhood) try(ctx context.Context, address string) {
	ctx, done := context.WithTimeout(ctx, tryFor)
	defer done()
	peer, err := n.links.Connected(ctx, address)
	if err == nil && peer.Has(identity.RoleBroker) {
		n.log.Info("broker found by mdns", "addr", address, "peer", peer.Name, "node", peer.ID)
		n.found.add(address) //nolint:contextcheck // a contact is dialled for ever
		return
	}
	n.log.Debug("no broker where mdns says", "addr", address, "err", err)
	n.found.dismiss(address)
}

// announcement is what somebody says of itself.
type announcement struct {
	network identity.NetworkID
	node    identity.NodeID
	address string // where to dial it; empty: that cannot be understood
	local   bool   // only from its own machine
}

// announced reads an announcement. Where it is configured to be dialled counts before the addresses of its interface, IPv4 before IPv6.
func announced(e *mdns.ServiceEntry) announcement {
	var a announcement
	said := ""
	for _, field := range e.InfoFields {
		for prefix, into := range map[string]*string{txtNetwork: (*string)(&a.network), txtNode: (*string)(&a.node), txtAddress: &said} {
			if text, ok := strings.CutPrefix(field, prefix); ok {
				*into = text
			}
		}
	}
	switch {
	case said != "":
	case e.AddrV4 != nil:
		said = net.JoinHostPort(e.AddrV4.String(), strconv.Itoa(e.Port))
	case e.AddrV6IPAddr != nil:
		said = net.JoinHostPort(e.AddrV6IPAddr.String(), strconv.Itoa(e.Port))
	}
	if address, err := config.ParseAddress(said, e.Port); err == nil && len(address) <= maxAddress {
		a.address, a.local = address, leadsBack(address)
	}
	return a
}

// maxAddress bounds what is dialled: the longest host name, and a port.
const maxAddress = 253 + len(":65535")

// leadsBack says whether an address leads to whichever machine dials it.
func leadsBack(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil || strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// wire is a network interface and the addresses this machine has there.
type wire struct {
	net.Interface
	addresses []netip.Addr
}

// String tells what somebody on the wire would have to know.
func (w wire) String() string { return fmt.Sprint(w.Index, w.addresses) }

func (w wire) ips() []net.IP {
	ips := make([]net.IP, len(w.addresses))
	for i, a := range w.addresses {
		ips[i] = a.AsSlice()
	}
	return ips
}

var errNoWire = errors.New("no network interface takes part in multicast")

// wiresOf returns the interface of that name, or all that lead out of the machine and take part in multicast.
func wiresOf(only string) ([]wire, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("network interfaces: %w", err)
	}
	var wires []wire
	for _, i := range all {
		wanted := i.Name == only || only == "" && i.Flags&net.FlagMulticast != 0 && i.Flags&net.FlagLoopback == 0
		if !wanted || i.Flags&net.FlagUp == 0 || len(wires) == maxWires {
			continue
		}
		if w := (wire{i, addressesOf(i)}); len(w.addresses) > 0 {
			wires = append(wires, w)
		}
	}
	switch {
	case len(wires) > 0:
		return wires, nil
	case only != "":
		return nil, fmt.Errorf("network interface %s is not there, or down", only)
	}
	return nil, errNoWire
}

// addressesOf returns the addresses of an interface, those last that lead furthest: of each kind the last is the one that others are told.
func addressesOf(i net.Interface) []netip.Addr {
	given, err := i.Addrs()
	if err != nil {
		return nil // it has just gone
	}
	var addresses []netip.Addr
	for _, a := range given {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			addresses = append(addresses, prefix.Addr().Unmap().WithZone(""))
		}
	}
	slices.SortStableFunc(addresses, func(a, b netip.Addr) int {
		switch {
		case a.IsLinkLocalUnicast() == b.IsLinkLocalUnicast():
			return 0
		case a.IsLinkLocalUnicast():
			return -1
		}
		return 1
	})
	return addresses
}

// reachableAt returns those of an interface's addresses at which a node listens whose host is that.
func reachableAt(host string, addresses []netip.Addr) []netip.Addr {
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.IsUnspecified() { // a name is what others are told, and they find out
		return addresses
	}
	return slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return a != ip.Unmap().WithZone("") })
}
