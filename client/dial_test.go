package client

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/blob"
)

var _ = Describe("Dialling", Label("LINK-5"), func() {
	var ca *identity.CA
	BeforeEach(func() {
		var err error
		ca, err = identity.NewEphemeralCA("lab", time.Now())
		Expect(err).NotTo(HaveOccurred())
	})
	member := func(ca *identity.CA, name, role string, at time.Time) *identity.Identity {
		GinkgoHelper()
		id, err := identity.NewEphemeral(ca, identity.Subject{Name: name, Roles: []string{role}}, at)
		Expect(err).NotTo(HaveOccurred())
		return id
	}
	// listen starts a node on loopback and returns its address.
	listen := func(id *identity.Identity) string {
		GinkgoHelper()
		sys := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return quiet }))
		links, err := link.Start(link.Config{System: sys, Identity: id, Listen: "127.0.0.1:0", Now: time.Now, Log: quiet})
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			links.Close(ctx)
			sys.Shutdown()
		})
		return links.Addr().String()
	}
	dial := func(ctx context.Context, id *identity.Identity, addrs ...string) error {
		GinkgoHelper()
		c, err := Dial(ctx, Options{Addresses: addrs, Identity: id, Log: quiet})
		if err == nil {
			DeferCleanup(c.Close)
		}
		return err
	}

	It("connects over mutual TLS, dialling out only", func(ctx SpecContext) {
		addr := listen(member(ca, "b1", identity.RoleBroker, time.Now()))
		Expect(dial(ctx, member(ca, "me", identity.RoleClient, time.Now()), addr)).To(Succeed())
	}, SpecTimeout(10*time.Second))

	It("takes the next address when nobody listens at the first", func(ctx SpecContext) {
		addr := listen(member(ca, "b1", identity.RoleBroker, time.Now()))
		Expect(dial(ctx, member(ca, "me", identity.RoleClient, time.Now()), free(), addr)).To(Succeed())
	}, SpecTimeout(10*time.Second))

	It("says within 5 s that nobody listens", func(ctx SpecContext) {
		addr := free()
		began := time.Now()
		err := dial(ctx, member(ca, "me", identity.RoleClient, time.Now()), addr)
		Expect(err).To(And(MatchError(ErrUnreachable), MatchError(ContainSubstring(addr+": nobody listens there"))))
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
	}, SpecTimeout(10*time.Second))

	It("says within 5 s that nobody answers", func(ctx SpecContext) {
		silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its backlog, and says nothing
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(silent.Close)
		began := time.Now()
		err = dial(ctx, member(ca, "me", identity.RoleClient, time.Now()), silent.Addr().String())
		Expect(err).To(And(MatchError(ErrUnreachable), MatchError(ContainSubstring("no answer in time"))))
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
	}, SpecTimeout(10*time.Second))

	It("tells a broker of another network", Label("SEC-6"), func(ctx SpecContext) {
		other, err := identity.NewEphemeralCA("lab", time.Now())
		Expect(err).NotTo(HaveOccurred())
		addr := listen(member(other, "b1", identity.RoleBroker, time.Now()))
		err = dial(ctx, member(ca, "me", identity.RoleClient, time.Now()), addr)
		Expect(err).To(And(MatchError(ErrUnreachable), MatchError(ContainSubstring("another network"))))
	}, SpecTimeout(10*time.Second))

	It("tells a certificate of its own that has expired", Label("SEC-6"), func(ctx SpecContext) {
		then := time.Now().Add(-60 * 24 * time.Hour)
		old, err := identity.NewEphemeralCA("lab", then)
		Expect(err).NotTo(HaveOccurred())
		err = dial(ctx, member(old, "me", identity.RoleClient, then), "127.0.0.1:1")
		Expect(err).To(MatchError(ContainSubstring("expired")))
	}, SpecTimeout(10*time.Second))

	It("tells a node that is no broker", func(ctx SpecContext) {
		addr := listen(member(ca, "e1", identity.RoleExecutor, time.Now()))
		err := dial(ctx, member(ca, "me", identity.RoleClient, time.Now()), addr)
		Expect(err).To(MatchError(ContainSubstring("is no broker")))
	}, SpecTimeout(10*time.Second))
})

// free returns an address on loopback where nobody listens.
func free() string {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	Expect(l.Close()).To(Succeed())
	return l.Addr().String()
}

var _ = Describe("Putting bytes", Label("DATA-5"), func() {
	var (
		b1 *brokerProbe
		c  *Client
	)
	BeforeEach(func(ctx SpecContext) {
		m := link.NewMemory()
		b1 = startBroker(m, "b1")
		c = dialTo(ctx, m, Options{}, b1)
	})
	large := bytes.Repeat([]byte("x"), 200_000)

	It("keeps few inside the job", func(ctx SpecContext) {
		Expect(c.PutBytes(ctx, []byte("few"))).To(Equal(blobOf([]byte("few"))))
		Expect(b1.store.Used()).To(BeZero())
	}, SpecTimeout(10*time.Second))

	It("sends many to the broker, once", func(ctx SpecContext) {
		path := filepath.Join(GinkgoT().TempDir(), "large")
		Expect(os.WriteFile(path, large, 0o600)).To(Succeed())
		for range 2 {
			Expect(c.PutFile(ctx, path)).To(Equal(blobOf(large)))
		}
		Expect(b1.store.Has(blob.Sum(large))).To(BeTrue())
		Expect(b1.store.Used()).To(BeEquivalentTo(len(large)))
	}, SpecTimeout(10*time.Second))

	It("sends none at all too, for a job that is given an empty file", func(ctx SpecContext) {
		put, err := c.PutBytes(ctx, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(put.IsZero()).To(BeFalse())
		Expect(b1.store.Has(blob.Sum(nil))).To(BeTrue(), "nothing inline looks like nothing at all")
	}, SpecTimeout(10*time.Second))

	It("refuses what is no regular file", func(ctx SpecContext) {
		_, err := c.PutFile(ctx, GinkgoT().TempDir())
		Expect(err).To(MatchError(ContainSubstring("is not a regular file")))
	}, SpecTimeout(10*time.Second))

	It("gets them back, checked", func(ctx SpecContext) {
		put, err := c.PutBytes(ctx, large)
		Expect(err).NotTo(HaveOccurred())
		var got bytes.Buffer
		Expect(c.Get(ctx, put, &got)).To(Succeed())
		Expect(got.Bytes()).To(Equal(large))
	}, SpecTimeout(10*time.Second))

	It("says that bytes are not there", func(ctx SpecContext) {
		Expect(c.Get(ctx, blobOf(large), &bytes.Buffer{})).To(MatchError(ErrNotFound))
	}, SpecTimeout(10*time.Second))

	It("refuses bytes that are not what they are named", func(ctx SpecContext) {
		wrong := blobOf([]byte("right"))
		wrong.Inline = []byte("wrong")
		Expect(c.Get(ctx, wrong, &bytes.Buffer{})).To(MatchError(ErrCorrupt))
	}, SpecTimeout(10*time.Second))

	It("sends inline bytes ahead when a job has too many of them to travel", func(ctx SpecContext) {
		spec := *helloSpec
		for i := range 12 {
			spec.Files = append(spec.Files, File{Path: "f", Blob: blobOf(bytes.Repeat([]byte{byte(i)}, MaxInline))})
		}
		light, err := c.lighten(ctx, &spec)
		Expect(err).NotTo(HaveOccurred())
		Expect(len(light.Append(nil))).To(BeNumerically("<", maxSpec))
		Expect(spec.Files[0].Blob.Inline).NotTo(BeEmpty(), "the caller's spec is the caller's")
		_, weight := inlines(light)
		Expect(b1.store.Used()).To(BeEquivalentTo(12*MaxInline + 6 - weight))
	}, SpecTimeout(10*time.Second))
})
