package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/internal/wasm"
)

// seeds has a node know brokers from the beginning, and find nobody else.
func seeds(brokers ...*member) func(*config.Node) {
	return func(c *config.Node) {
		c.MDNS = config.MDNSOff
		for _, b := range brokers {
			c.Seeds = append(c.Seeds, address(b))
		}
	}
}

func dialsOut(c *config.Node) { c.Port = 0 }

// has says whether others are served a blob by the node.
func (m *member) has(d blob.Digest) bool {
	_, err := m.blobs.kept.Size(context.Background(), d)
	return err == nil
}

// holders returns the names of the nodes that have a blob.
func holders(d blob.Digest, of ...*member) (names []string) {
	for _, m := range of {
		if m.Node != nil && m.has(d) {
			names = append(names, m.cfg.Name)
		}
	}
	return names
}

// up returns how many datastores a node knows to be up, as a poll.
func (m *member) up() int { return len(m.blobs.where().Up()) }

// ranked returns datastores in the order in which they should have a blob.
func ranked(d blob.Digest, stores ...*member) []*member {
	var all []roster.Store
	for _, s := range stores {
		all = append(all, roster.Store{Node: string(s.ID())})
	}
	var out []*member
	for _, s := range roster.Rank(d, all) {
		out = append(out, stores[slices.IndexFunc(stores, func(m *member) bool { return string(m.ID()) == s.Node })])
	}
	return out
}

// noise returns bytes that nobody has.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// keep has an executor keep bytes as it keeps outputs.
func (m *member) keep(ctx context.Context, data []byte, broker *member) blob.Digest {
	GinkgoHelper()
	x, err := m.blobs.Keep(ctx, string(broker.ID()), bytes.NewReader(data))
	Expect(err).NotTo(HaveOccurred())
	return x.Digest
}

// fetches says whether an executor gets bytes, as it gets inputs.
func (m *member) fetches(ctx context.Context, d blob.Digest, broker *member) error {
	_, release, err := m.blobs.Fetch(ctx, string(broker.ID()), job.Blob{Digest: d, Size: 1})
	if err == nil {
		release()
	}
	return err
}

// client returns a client that speaks to a broker.
func (l *lab) client(ctx context.Context, b *member) *client.Client {
	GinkgoHelper()
	id, err := identity.NewEphemeral(l.ca, identity.Subject{Name: "client", Roles: []string{identity.RoleClient}}, time.Now())
	Expect(err).NotTo(HaveOccurred())
	c, err := client.Dial(ctx, client.Options{Addresses: []string{address(b)}, Identity: id})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = c.Close() })
	return c
}

var _ = Describe("Bytes in a network with datastores", Label("DATA-3"), func() {
	const mib = 1 << 20
	var (
		l          *lab
		b, e       *member
		d1, d2, d3 *member
	)
	datastore := func(name string, change ...func(*config.Node)) *member {
		return l.member(name, config.RoleDatastore, append([]func(*config.Node){seeds(b)}, change...)...).start()
	}
	executor := func(name string) *member {
		m := l.member(name, config.RoleExecutor, seeds(b), dialsOut).start()
		Eventually(m.sees(config.RoleBroker)).Should(ConsistOf("b1"))
		return m
	}
	BeforeEach(func() {
		l = newLab()
		b = l.member("b1", config.RoleBroker, seeds()).start()
	})

	It("are kept by two of three when an executor's output is, and by no broker", func(ctx SpecContext) {
		d1, d2, d3, e = datastore("d1"), datastore("d2"), datastore("d3"), executor("e1")
		Eventually(ctx, e.up).Should(Equal(3))
		d := e.keep(ctx, noise(mib), b)
		rank := ranked(d, d1, d2, d3)
		Expect(holders(d, rank...)).To(Equal([]string{rank[0].cfg.Name, rank[1].cfg.Name}))
		Expect(b.has(d)).To(BeFalse())
		Expect(executor("e2").fetches(ctx, d, b)).To(Succeed(), "also by an executor that has heard of no datastore yet")
	}, SpecTimeout(soon))

	It("are kept by two when a client has put them, before it is told so", func(ctx SpecContext) {
		d1, d2 = datastore("d1"), datastore("d2")
		Eventually(ctx, b.up).Should(Equal(2))
		data := noise(5 * mib)
		x, err := l.client(ctx, b).PutBytes(ctx, data)
		Expect(err).NotTo(HaveOccurred())
		Expect(holders(x.Digest, d1, d2)).To(ConsistOf("d1", "d2"))
		Expect(b.blobs.kept.Delete(ctx, x.Digest)).To(Succeed())
		var back bytes.Buffer
		Expect(l.client(ctx, b).Get(ctx, x, &back)).To(Succeed(), "and are read from there when the broker has them no more")
		Expect(bytes.Equal(back.Bytes(), data)).To(BeTrue())
	}, SpecTimeout(soon))

	It("pass over a datastore that is full, which refuses politely", func(ctx SpecContext) {
		full := func(c *config.Node) { c.Datastore.Reserve = 1000 * config.TiB }
		d1, d2, d3, e = datastore("d1"), datastore("d2", full), datastore("d3"), executor("e1")
		Eventually(ctx, e.up).Should(Equal(3))
		for range 5 {
			Expect(holders(e.keep(ctx, noise(mib), b), d1, d2, d3)).To(Equal([]string{"d1", "d3"}))
		}
		data := noise(mib)
		err := e.blobs.plain.Put(ctx, base(string(d2.ID())), blob.Sum(data), mib, bytes.NewReader(data))
		Expect(err).To(And(MatchError(blob.ErrFull), MatchError(ContainSubstring("507"))))

		By("also when nobody has heard yet that it is")
		stale := e.blobs.where()
		stale.All = slices.Clone(stale.All)
		for i := range stale.All {
			stale.All[i].Free = 1 << 40
		}
		e.blobs.Known(stale)
		for range 5 { // it ranks first or second of most
			Expect(holders(e.keep(ctx, noise(mib), b), d1, d2, d3)).To(Equal([]string{"d1", "d3"}))
		}
	}, SpecTimeout(soon))

	It("are kept by the broker when no datastore has room, and copied when there is one that has", func(ctx SpecContext) {
		d1 = datastore("d1", func(c *config.Node) { c.Datastore.Reserve = 1000 * config.TiB })
		e = executor("e1")
		Eventually(ctx, e.up).Should(Equal(1))
		d := e.keep(ctx, noise(mib), b)
		Expect(holders(d, b, d1)).To(Equal([]string{"b1"}))
		Expect(e.log.says("bytes are kept by fewer datastores than they should be")).To(Equal(1))
		d2 = datastore("d2")
		Eventually(ctx, holders).WithArguments(d, b, d1, d2).Should(Equal([]string{"b1", "d2"}))
	}, SpecTimeout(2*soon))

	It("are kept by another broker when that of an output's job has just been lost", func(ctx SpecContext) {
		other := l.member("b2", config.RoleBroker, seeds(b)).start()
		e = l.member("e1", config.RoleExecutor, seeds(b, other), dialsOut).start()
		Eventually(ctx, e.sees(config.RoleBroker)).Should(ConsistOf("b1", "b2"))
		lost := string(b.ID())
		b.stop()
		x, err := e.blobs.Keep(ctx, lost, bytes.NewReader(noise(mib)))
		Expect(err).NotTo(HaveOccurred())
		Expect(other.has(x.Digest)).To(BeTrue())
	}, SpecTimeout(2*soon))

	It("go to the next datastore when one vanishes in mid-transfer, and nothing half-written shows", func(ctx SpecContext) {
		d1, d2, d3, e = datastore("d1"), datastore("d2"), datastore("d3"), executor("e1")
		Eventually(ctx, e.up).Should(Equal(3))
		data := noise(16 * mib)
		rank := ranked(blob.Sum(data), d1, d2, d3)
		before := e.blobs.where()
		half := &cutting{data: data, at: 6 * mib, cut: rank[0].stop}
		d, size, err := e.blobs.store.Add(ctx, bytes.NewReader(data))
		Expect(err).NotTo(HaveOccurred())
		Expect(e.blobs.plain.Put(ctx, base(string(rank[0].ID())), d, size, half)).NotTo(Succeed())
		e.blobs.Known(before) // nobody has heard yet that it is gone
		Expect(e.blobs.place(ctx, d, size, e.blobs.store, string(b.ID()))).To(Succeed())
		Expect(holders(d, rank[1:]...)).To(Equal([]string{rank[1].cfg.Name, rank[2].cfg.Name}))
		rank[0].start()
		Expect(rank[0].has(d)).To(BeFalse(), "half of it is not it")
	}, SpecTimeout(2*soon))

	It("are copied to a third datastore when one of two is lost, within the bandwidth", func(ctx SpecContext) {
		slow := func(c *config.Node) { c.Datastore.Bandwidth = 2 * config.MiB }
		d1, d2, e = datastore("d1", slow), datastore("d2", slow), executor("e1")
		Eventually(ctx, e.up).Should(Equal(2))
		var all []blob.Digest
		for range 6 {
			d := e.keep(ctx, noise(mib), b)
			Expect(holders(d, d1, d2)).To(ConsistOf("d1", "d2"))
			all = append(all, d)
		}
		d1.stop()
		d3 = datastore("d3", slow)
		Eventually(ctx, func() bool { return slices.ContainsFunc(all, d3.has) }).Should(BeTrue())
		began := time.Now()
		Eventually(ctx, func(g Gomega) {
			for _, d := range all {
				g.Expect(d3.has(d)).To(BeTrue())
			}
		}).Should(Succeed())
		took := time.Since(began)
		AddReportEntry("5 MiB more at 2 MiB/s", took)
		Expect(took).To(BeNumerically(">", 1500*time.Millisecond))
	}, SpecTimeout(2*soon))

	It("are copied during an emergency for its jobs only, and for all when it is over", Label("EMG-5"), func(ctx SpecContext) {
		d1, d2 = datastore("d1"), datastore("d2")
		Eventually(ctx, b.up).Should(Equal(2))
		c := l.client(ctx, b)
		noop, err := c.PutBytes(ctx, wasm.Noop())
		Expect(err).NotTo(HaveOccurred())
		neededBy := func(emergency string) blob.Digest {
			x, err := c.PutBytes(ctx, noise(mib))
			Expect(err).NotTo(HaveOccurred())
			_, err = c.Submit(ctx, &client.Spec{Module: noop, Files: []client.File{{Path: "in", Blob: x}}, Emergency: emergency})
			Expect(err).NotTo(HaveOccurred())
			return x.Digest
		}
		other, its := neededBy(""), neededBy("fire")
		e, err := c.Declare(ctx, client.Declaration{Type: "fire", Level: client.High})
		Expect(err).NotTo(HaveOccurred())
		d1.stop()
		d3 = datastore("d3")
		Eventually(ctx, d3.has).WithArguments(its).Should(BeTrue())
		Consistently(ctx, d3.has).WithArguments(other).WithTimeout(time.Second).Should(BeFalse())
		_, err = c.ClearEmergency(ctx, e.ID, "it is out")
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, d3.has).WithArguments(other).Should(BeTrue())
	}, SpecTimeout(2*soon))

	It("are deleted when nothing needs them and nobody has put or asked for them for the retention, and only then", func(ctx SpecContext) {
		short := func(c *config.Node) { c.Datastore.Retention = 3 * time.Second }
		d1, d2, e = datastore("d1", short), datastore("d2", short), executor("e1")
		Eventually(ctx, b.up).Should(Equal(2))
		c := l.client(ctx, b)
		needed, err := c.PutBytes(ctx, noise(mib))
		Expect(err).NotTo(HaveOccurred())
		idle, err := c.PutBytes(ctx, noise(mib))
		Expect(err).NotTo(HaveOccurred())
		noop, err := c.PutBytes(ctx, wasm.Noop())
		Expect(err).NotTo(HaveOccurred())
		s, err := c.Submit(ctx, &client.Spec{Module: noop, Files: []client.File{{Path: "in", Blob: needed}}, Retention: time.Hour})
		Expect(err).NotTo(HaveOccurred())
		_, err = s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		again := e.keep(ctx, noise(mib), b)
		for range 8 { // it is asked for again and again
			Expect(holders(again, d1, d2)).To(ConsistOf("d1", "d2"))
			for _, d := range []*member{d1, d2} {
				_, err := e.blobs.plain.Has(ctx, base(string(d.ID())), again)
				Expect(err).NotTo(HaveOccurred())
			}
			time.Sleep(time.Second)
		}
		Eventually(ctx, holders).WithArguments(blob.Digest(idle.Digest), d1, d2).Should(BeEmpty())
		Eventually(ctx, holders).WithArguments(again, d1, d2).Should(BeEmpty())
		Expect(holders(needed.Digest, d1, d2)).To(ConsistOf("d1", "d2"))
	}, SpecTimeout(2*soon))

	It("are not copied while an emergency is high, which everybody is told, and are when it is over", Label("EMG-5"), func(ctx SpecContext) {
		d1, d2, e = datastore("d1"), datastore("d2"), executor("e1")
		Eventually(ctx, e.up).Should(Equal(2))
		d := e.keep(ctx, noise(mib), b)
		c := l.client(ctx, b)
		paused := func(g Gomega, is bool) {
			stores, err := c.Stores(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			for _, s := range stores {
				g.Expect(s).To(And(HaveField("Paused", is), HaveField("Replicas", 2)))
			}
		}
		paused(Default, false)
		fire, err := c.Declare(ctx, client.Declaration{Type: "fire", Level: client.High})
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, paused).WithArguments(true).Should(Succeed())
		Eventually(ctx, func() bool { return d2.blobs.where().Paused }).Should(BeTrue())
		d1.stop()
		d3 = datastore("d3")
		Consistently(ctx, d3.has).WithArguments(d).WithTimeout(settle + 2*time.Second).Should(BeFalse())
		_, err = c.ClearEmergency(ctx, fire.ID, "it is out")
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, paused).WithArguments(false).Should(Succeed())
		Eventually(ctx, d3.has).WithArguments(d).Should(BeTrue())
	}, SpecTimeout(2*soon))

	It("are kept by two again when the third comes back, and no fewer, by those that should have them", func(ctx SpecContext) {
		short := func(c *config.Node) { c.Datastore.Retention = 4 * time.Second }
		d1, d2, d3, e = datastore("d1", short), datastore("d2", short), datastore("d3", short), executor("e1")
		Eventually(ctx, b.up).Should(Equal(3))
		c := l.client(ctx, b)
		x, err := c.PutBytes(ctx, noise(mib))
		Expect(err).NotTo(HaveOccurred())
		noop, err := c.PutBytes(ctx, wasm.Noop())
		Expect(err).NotTo(HaveOccurred())
		_, err = c.Submit(ctx, &client.Spec{Module: noop, Files: []client.File{{Path: "in", Blob: x}}, Retention: time.Hour})
		Expect(err).NotTo(HaveOccurred())
		d := blob.Digest(x.Digest)
		rank := ranked(d, d1, d2, d3)
		Expect(holders(d, rank...)).To(Equal([]string{rank[0].cfg.Name, rank[1].cfg.Name}))
		rank[0].stop()
		Eventually(ctx, holders).WithArguments(d, rank[1], rank[2]).Should(HaveLen(2))
		rank[0].start()
		Eventually(ctx, func(g Gomega) {
			have := holders(d, rank...)
			Expect(len(have)).To(BeNumerically(">=", 2))
			g.Expect(have).To(Equal([]string{rank[0].cfg.Name, rank[1].cfg.Name}))
		}).Should(Succeed())
	}, SpecTimeout(2*soon))

	It("stay at one of two that count on each other when both would give up theirs at the same time", func(ctx SpecContext) {
		d1, d2 = datastore("d1"), datastore("d2")
		Eventually(ctx, d1.up).Should(Equal(2))
		Eventually(ctx, d2.up).Should(Equal(2))
		gone := 0
		for range 50 {
			data := noise(100)
			d := blob.Sum(data)
			for _, m := range []*member{d1, d2} {
				Expect(m.blobs.kept.Put(ctx, bytes.NewReader(data), d)).To(Succeed())
			}
			looked := time.Now()
			var both sync.WaitGroup
			for i, m := range []*member{d1, d2} {
				other := []*member{d2, d1}[i]
				both.Go(func() {
					defer GinkgoRecover()
					r := &round{depot: &depot{blobs: m.blobs, log: m.blobs.log}}                                // without a retention nothing is fresh
					_ = r.giveUp(ctx, blob.Info{Digest: d}, []roster.Store{{Node: string(other.ID())}}, looked) // it fails if the other was first
				})
			}
			both.Wait()
			left := len(holders(d, d1, d2))
			Expect(left).To(BeNumerically(">=", 1))
			gone += 2 - left
		}
		AddReportEntry("copies given up of 50", gone)
	}, SpecTimeout(soon))

	It("are served by a datastore that nobody can dial, over the broker that it has dialled", func(ctx SpecContext) {
		d1, e = datastore("d1", dialsOut), executor("e1")
		Eventually(ctx, e.up).Should(Equal(1))
		d := e.keep(ctx, noise(3*mib), b)
		Expect(holders(d, b, d1)).To(Equal([]string{"d1"}), "the broker passes them on and keeps nothing")
		Expect(executor("e2").fetches(ctx, d, b)).To(Succeed())
		d2 = datastore("d2")
		Eventually(ctx, d2.has).WithArguments(d).Should(BeTrue(), "and copied from there")
	}, SpecTimeout(2*soon))

	It("are fetched from a broker that advertises no address by one that it has dialled", func(ctx SpecContext) {
		hidden := l.member("b2", config.RoleBroker, seeds(b), func(c *config.Node) { c.Host = "" }).start()
		Expect(hidden.cfg.Address()).To(BeEmpty())
		Eventually(ctx, hidden.sees(config.RoleBroker)).Should(ConsistOf("b1"))
		d, _, err := hidden.blobs.store.Add(ctx, bytes.NewReader(noise(mib)))
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, func() error { return b.blobs.bring(ctx, d) }).Should(Succeed())
	}, SpecTimeout(soon))

	It("are not moved for a second run of a job", Label("DATA-5"), func(ctx SpecContext) {
		d1, d2, e = datastore("d1"), datastore("d2"), executor("e1")
		Eventually(ctx, e.up).Should(Equal(2))
		Eventually(ctx, b.up).Should(Equal(2))
		c := l.client(ctx, b)
		input, err := c.PutBytes(ctx, noise(mib))
		Expect(err).NotTo(HaveOccurred())
		noop, err := c.PutBytes(ctx, wasm.Noop())
		Expect(err).NotTo(HaveOccurred())
		run := func() {
			s, err := c.Submit(ctx, &client.Spec{Module: noop, Files: []client.File{{Path: "in", Blob: input}}, Retention: time.Hour})
			Expect(err).NotTo(HaveOccurred())
			change, err := s.Wait(ctx)
			Expect(err).NotTo(HaveOccurred())
			Expect(change.State()).To(Equal(job.StateAccepted))
		}
		run()
		for _, m := range []*member{b, d1, d2} {
			Expect(m.blobs.kept.Delete(ctx, input.Digest)).To(Succeed(), "it could come from nowhere")
		}
		run()
	}, SpecTimeout(2*soon))

	It("are kept in somebody else's object store", Label("DATA-4"), func(ctx SpecContext) {
		objects := s3mem.New()
		Expect(objects.CreateBucket("bytes")).To(Succeed())
		server := httptest.NewServer(gofakes3.New(objects).Server())
		DeferCleanup(server.Close)
		for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"} {
			GinkgoT().Setenv(name, value)
		}
		d1 = datastore("d1", func(c *config.Node) {
			c.Datastore.URL = "s3://bytes?region=north&use_path_style=true&endpoint=" + server.URL +
				"&request_checksum_calculation=when_required&response_checksum_validation=when_required"
		})
		e = executor("e1")
		Eventually(ctx, e.up).Should(Equal(1))
		d := e.keep(ctx, noise(3*mib), b)
		Expect(holders(d, b, d1)).To(Equal([]string{"d1"}))
		list, err := objects.ListBucket("bytes", nil, gofakes3.ListBucketPage{})
		Expect(err).NotTo(HaveOccurred())
		Expect(list.Contents).To(HaveLen(1))
		Expect(executor("e2").fetches(ctx, d, b)).To(Succeed())
	}, SpecTimeout(2*soon))
})

// cutting reads data and does something in its midst.
type cutting struct {
	data []byte
	at   int
	cut  func()
	read int
}

// Read implements io.Reader.
func (c *cutting) Read(p []byte) (int, error) {
	if c.read >= c.at && c.cut != nil {
		c.cut()
		c.cut = nil
	}
	n := copy(p[:min(len(p), 64<<10)], c.data[c.read:])
	c.read += n
	return n, nil
}
