package bdd_test

import (
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// depot is the bytes of a datastore in a spec: as many as it says.
type depot struct {
	mu         sync.Mutex
	free, used uint64
	known      roster.Stores
}

// Room implements actors.Depot.
func (d *depot) Room() (free, used uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.free, d.used
}

// Known implements actors.Depot.
func (d *depot) Known(s roster.Stores) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known = s
}

// says has the depot tell of other bytes from now on.
func (d *depot) says(free, used uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free, d.used = free, used
}

func (d *depot) knows() roster.Stores {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.known
}

// toldOf hears where bytes are kept, as an executor does.
func (b *bench) toldOf(s roster.Stores) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stores = s
}

func (b *bench) knows() roster.Stores {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.stores
}

func datastore(n *network, name string, seeds ...string) *node {
	return n.start(name, []string{messages.Datastore}, seeds...)
}

// stores asks a broker where bytes are kept, by name of the datastore.
func (c *client) stores(broker string) map[string]*messages.StoreInfo {
	all := map[string]*messages.StoreInfo{}
	for _, s := range c.ask(broker, &messages.StoresRequest{}).(*messages.StoresResponse).GetStores() {
		all[s.GetName()] = s
	}
	return all
}

// standings tells how a node believes datastores to be, by name.
func standings(s roster.Stores) map[string]roster.Standing {
	all := map[string]roster.Standing{}
	for _, x := range s.All {
		all[x.Name] = x.State
	}
	return all
}

// needed asks through a datastore whether digests are still needed; nil if there is no answer.
func (nd *node) needed(digests ...byte) []byte {
	var asked []byte
	for _, d := range digests {
		asked = append(asked, append([]byte{d}, make([]byte, 31)...)...)
	}
	to := actor.NewPID(string(idOf(nd.name)), messages.DatastoreActor)
	res, err := actors.RootContext(nd.system, nd.clock).RequestFuture(to, &messages.ReferencesRequest{Digests: asked}, 2*time.Second).Result()
	if err != nil {
		return nil
	}
	return messages.Unstamp(res).(*messages.ReferencesResponse).GetReferenced()
}

var _ = Describe("A datastore", Label("DATA-3"), func() {
	It("joins one broker, and every node hears of it", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			e := executor(n, "e1", "b2")
			d := datastore(n, "d1", "b1")
			pass(3 * time.Second)
			c := n.client("c1", "b1", "b2")
			defer c.close()
			for _, b := range []string{"b1", "b2"} {
				s := c.stores(b)["d1"]
				g.Expect(s.GetState()).To(Equal("up"), b)
				g.Expect(s.GetHome()).To(BeEquivalentTo(idOf("b1")))
				g.Expect(s.GetAddress()).To(Equal("d1"))
				g.Expect(s.GetFree()).To(BeEquivalentTo(1 << 30))
			}
			g.Expect(standings(e.bench.knows())).To(Equal(map[string]roster.Standing{"d1": roster.Up}))
			g.Expect(e.bench.knows().Replicas).To(Equal(2))
			g.Expect(standings(d.depot.knows())).To(Equal(map[string]roster.Standing{"d1": roster.Up}))
		})
	})

	It("is known to keep more and have less room, without a record for every byte", func() {
		inNetwork(func(g Gomega, n *network) {
			total := n.meter("b1", "b2")
			broker(n, "b1")
			broker(n, "b2", "b1")
			d := datastore(n, "d1", "b1")
			pass(5 * time.Second)
			c := n.client("c1", "b1", "b2")
			defer c.close()
			quietly := total.Load()
			pass(time.Minute)
			quietly = total.Load() - quietly
			before := total.Load()
			for i := range uint64(120) { // a little more with every heartbeat
				d.depot.says(1<<30-i, i)
				pass(500 * time.Millisecond)
			}
			g.Expect(total.Load()-before).To(BeNumerically("<", quietly+2500), "one record or two, at a step")
			g.Expect(c.stores("b1")["d1"].GetUsed()).To(BeNumerically(">=", 118), "at home it is known exactly")
			d.depot.says(100<<20, 924<<20)
			pass(12 * time.Second)
			g.Expect(c.stores("b2")["d1"].GetFree()).To(BeNumerically("~", 100<<20, 13<<20))
		})
	})

	It("is lost when it falls silent, and back when it is heard again", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			e := executor(n, "e1", "b1")
			datastore(n, "d1", "b1")
			pass(2 * time.Second)
			n.freeze("d1")
			pass(6 * time.Second)
			g.Expect(standings(e.bench.knows())).To(Equal(map[string]roster.Standing{"d1": roster.Lost}))
			n.thaw("d1")
			pass(3 * time.Second)
			g.Expect(standings(e.bench.knows())).To(Equal(map[string]roster.Standing{"d1": roster.Up}))
		})
	})

	It("is lost within moments of its process's end", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			e := executor(n, "e1", "b1")
			datastore(n, "d1", "b1")
			pass(2 * time.Second)
			n.kill("d1")
			pass(time.Second)
			g.Expect(standings(e.bench.knows())).To(Equal(map[string]roster.Standing{"d1": roster.Lost}))
			datastore(n, "d1", "b1")
			pass(2 * time.Second)
			g.Expect(standings(e.bench.knows())).To(Equal(map[string]roster.Standing{"d1": roster.Up}))
		})
	})

	It("moves to another broker when its home is gone, and nobody takes it for lost", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			e := executor(n, "e1", "b2")
			datastore(n, "d1", "b1", "b2")
			pass(3 * time.Second)
			n.kill("b1")
			for range 20 {
				pass(500 * time.Millisecond)
				g.Expect(standings(e.bench.knows())).To(Equal(map[string]roster.Standing{"d1": roster.Up}))
			}
			c := n.client("c1", "b2")
			defer c.close()
			g.Expect(c.stores("b2")["d1"].GetHome()).To(BeEquivalentTo(idOf("b2")))
		})
	})

	It("is not counted on by a broker that reaches neither it nor its home", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			e := executor(n, "e1", "b2")
			datastore(n, "d1", "b1")
			pass(3 * time.Second)
			n.kill("b1")
			pass(time.Second)
			g.Expect(standings(e.bench.knows())).To(Equal(map[string]roster.Standing{"d1": roster.Unseen}))
		})
	})
})

var _ = Describe("What may be deleted", Label("DATA-3"), func() {
	It("is what no record names: what a job needs is kept as long as the job", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			executor(n, "e1", "b1")
			d := datastore(n, "d1", "b1")
			pass(2 * time.Second)
			c := n.client("c1", "b1")
			defer c.close()
			g.Expect(d.needed(1, 2)).To(Equal([]byte{0, 0}))
			s := spec("1s")
			s.Stdin, s.Retention = job.Blob{Digest: [32]byte{2}, Size: 8}, time.Minute
			id := c.submit("b1", s)
			g.Expect(d.needed(1, 2, 3)).To(Equal([]byte{1, 1, 0}))
			pass(30 * time.Second)
			g.Expect(c.show("b1", id).State()).To(Equal(job.StateAccepted))
			g.Expect(d.needed(1, 2, 3)).To(Equal([]byte{1, 1, 0}))
			pass(2 * time.Minute) // its retention is over, and it is forgotten
			g.Expect(d.needed(1, 2, 3)).To(Equal([]byte{0, 0, 0}))
		})
	})

	It("is named by a job of another broker too", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			d := datastore(n, "d1", "b2")
			pass(3 * time.Second)
			c := n.client("c1", "b1")
			defer c.close()
			c.submit("b1", spec("1s"))
			pass(time.Second)
			g.Expect(d.needed(1, 2)).To(Equal([]byte{1, 0}))
		})
	})

	It("is not known to a broker that is out of touch with another one", func() {
		inNetwork(func(g Gomega, n *network) {
			broker(n, "b1")
			broker(n, "b2", "b1")
			d := datastore(n, "d1", "b2")
			pass(3 * time.Second)
			g.Expect(d.needed(1)).To(Equal([]byte{0}))
			n.kill("b1")
			pass(20 * time.Second)
			g.Expect(d.needed(1)).To(BeNil(), "what b1 took last may need it")
		})
	})
})
