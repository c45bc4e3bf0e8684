package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/messages"
)

// understudy is what makes a node of role auto an executor and no broker yet: it waits until the network lacks a broker, and takes the part
// (DISC-2). The links, the executor and what runs there stay.
//
//	              finds no broker for auto.wait       all are gone for broker_timeout
//	start ──▶ executor ─────────────┬─────────────────────────┬──▶ executor and broker, for good
//	              │ finds one, and is drawn (auto.broker_share) │
//	              └─────────────────────────────────────────────┘
type understudy struct {
	node    *Node
	opt     Options
	about   actors.Node
	lot     lot
	patient time.Duration // how long it waits without a broker: auto.wait at first
	met     bool          // it has been linked to a broker
	cancel  context.CancelFunc
	done    chan struct{}
	news    chan struct{} // a node came or went
}

// lot is what a node of role auto remembers in its data directory. A lost one is drawn again.
type lot struct {
	// Number was drawn once, from 0 to 1: the node becomes a broker although it finds one if that is below auto.broker_share. It stays the same, so
	// that a node does not change its mind with each start, and a greater share only adds brokers.
	Number float64 `json:"number"`
	// Founder says that the node became a broker when it knew of no other.
	Founder bool `json:"founder"`
}

const lotFile = "auto"

// drawLot returns what the node drew once, or draws.
func drawLot(dir string) (lot, error) {
	text, err := os.ReadFile(filepath.Join(dir, lotFile))
	if err == nil {
		var l lot
		if json.Unmarshal(text, &l) == nil {
			return l, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return lot{}, fmt.Errorf("what part this node drew: %w", err)
	}
	l := lot{Number: rand.Float64()}
	return l, l.write(dir)
}

func (l lot) write(dir string) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("what part this node drew: %w", err)
	}
	path := filepath.Join(dir, lotFile)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("what part this node drew: %w", err)
	}
	return os.Rename(path+".new", path)
}

// wasBroker says whether the node has begun a journal, in which may be what it acknowledged. Such a node is a broker.
func wasBroker(cfg config.Node) (bool, error) {
	if cfg.Identity == "" { // it lives in memory, and so do the records
		return false, nil
	}
	had, err := identity.HadJournal(cfg.Identity)
	if err != nil || had {
		return had, err
	}
	_, err = os.Stat(filepath.Join(cfg.Dir, "journal"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// cast decides what a node plays from the start, and makes one of role auto that is no broker yet an understudy.
func (n *Node) cast(about *actors.Node, opt Options) error {
	n.roles, n.founder = n.cfg.Certified(), len(n.cfg.Seeds) == 0
	if !n.cfg.HasRole(config.RoleAuto) {
		return nil
	}
	l, err := drawLot(n.cfg.Dir)
	if err != nil {
		return err
	}
	n.founder = l.Founder
	was, err := wasBroker(n.cfg)
	if err != nil || was {
		return err
	}
	n.roles = slices.DeleteFunc(n.roles, func(r string) bool { return r == config.RoleBroker })
	n.understudy = &understudy{
		node: n, opt: opt, about: *about, lot: l, patient: n.cfg.Auto.Wait, done: make(chan struct{}), news: make(chan struct{}, 1),
	}
	return nil
}

// start begins to wait.
func (u *understudy) start() {
	if u == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel = cancel
	go func() {
		defer close(u.done)
		u.wait(ctx)
	}()
}

// lookAgain tells that a node came or went. It does not block.
func (u *understudy) lookAgain() {
	if u == nil {
		return
	}
	select {
	case u.news <- struct{}{}:
	default:
	}
}

// close ends the waiting, or waits until the part is taken.
func (u *understudy) close() {
	if u == nil || u.cancel == nil {
		return
	}
	u.cancel()
	<-u.done
}

// wait returns when the node is a broker, or ctx ends. Nodes that were switched on together, or lost their broker together, do not act together:
// each waits for up to as long again.
func (u *understudy) wait(ctx context.Context) {
	drawn := u.lot.Number < u.node.cfg.Auto.BrokerShare
	for ctx.Err() == nil {
		reach := u.node.brokersInReach() > 0
		u.met = u.met || reach
		if reach && drawn {
			u.take(ctx, "it was drawn to be one beside others")
			return
		}
		if u.waitsInVain(ctx, reach) {
			u.take(ctx, "no broker was found")
			return
		}
		u.patient = max(u.node.cfg.Auto.Wait, u.node.cfg.BrokerTimeout) // one that is started again comes back within that
	}
}

// waitsInVain waits until it is otherwise than reach whether there is a broker, or ctx ends. It returns true when the patience is over first, which
// it never is while there is one.
func (u *understudy) waitsInVain(ctx context.Context, reach bool) bool {
	var over <-chan time.Time
	if !reach {
		timer := time.NewTimer(u.patient + rand.N(u.patient))
		defer timer.Stop()
		over = timer.C
	}
	for {
		select {
		case <-u.news:
			if reach != (u.node.brokersInReach() > 0) {
				return false
			}
		case <-over:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// take makes the node a broker. If that fails the node ends, as one does that cannot start as a broker.
func (u *understudy) take(ctx context.Context, why string) {
	n := u.node
	u.lot.Founder = !u.met && !n.found.heardOfAny() && n.seedsAreNone(ctx)
	err := u.lot.write(n.cfg.Dir)
	if err == nil {
		n.founder = u.lot.Founder
		u.about.Roles = n.cfg.Certified()
		err = n.spawnBroker(&u.about, u.opt) //nolint:contextcheck // it outlives the waiting, whose context this is
	}
	if err != nil {
		n.fail(fmt.Errorf("node %s cannot become a broker: %w", n.cfg.Name, err))
		return
	}
	n.tell(messages.ExecutorActor, &messages.PeerUp{Node: string(n.id), Name: n.cfg.Name, Roles: u.about.Roles})
	n.links.Play(u.about.Roles)
	n.nearby.announce()
	n.log.Info("node has become a broker", "reason", why, "founder", u.lot.Founder)
}

// seedsAreNone says whether all seeds have answered, and none is a broker. A seed that is out of reach may be one, with a network behind it.
func (n *Node) seedsAreNone(ctx context.Context) bool {
	known, cancel := context.WithCancel(ctx)
	cancel() // only what is known by now
	for _, seed := range n.cfg.Seeds {
		if seed == n.cfg.Address() {
			continue
		}
		if peer, err := n.links.Connected(known, seed); err != nil || peer.Has(identity.RoleBroker) {
			return false
		}
	}
	return true
}
