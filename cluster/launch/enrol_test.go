package launch_test

import (
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/launch"
	"github.com/urbancompute/ucp/config"
)

var _ = Describe("The launch directory", Label("SEC-1"), func() {
	var cluster config.Cluster

	// once launches the cluster until all is up, as seen from the machine of host, at now.
	once := func(ctx SpecContext, host string, now time.Time) error {
		GinkgoHelper()
		cfg := configOf(cluster)
		cfg.Local = func(h string) bool { return h == host }
		cfg.Now = func() time.Time { return now }
		r := start(cfg)
		var err error
		Eventually(ctx, func(g Gomega) {
			if len(all[launch.AllUp](r)) > 0 {
				r.stop()
			}
			g.Expect(r.done).To(Receive(&err))
		}).Should(Succeed())
		return err
	}
	identityOf := func(dir string) *identity.Identity {
		GinkgoHelper()
		id, err := identity.Open(dir)
		Expect(err).NotTo(HaveOccurred())
		return id
	}
	today := time.Now()

	BeforeEach(func() {
		cluster = clusterOf(b1, e1, "{name: e2, host: 10.9.9.9, port: 0, roles: [executor]}")
	})

	It("holds a CA, and for each node of this machine an identity and a file that only their owner can read", func(ctx SpecContext) {
		Expect(once(ctx, "127.0.0.1", today)).To(Succeed())
		Expect(entries(filepath.Join(cluster.Dir, "nodes"))).To(ConsistOf("b1", "e1"))
		for _, secret := range []string{"ca/ca.key", "nodes/b1/identity/node.key", "nodes/b1/node.yaml", "nodes/b1/log", "clients/client/node.key"} {
			info, err := os.Stat(filepath.Join(cluster.Dir, secret))
			Expect(err).NotTo(HaveOccurred())
			Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)), secret)
		}
		Expect(identityOf(cluster.Nodes[0].Identity).Peer().Roles).To(Equal([]string{"broker"}))
		Expect(identityOf(filepath.Join(cluster.Dir, "clients", "client")).Peer().Roles).To(Equal([]string{"client", "operator"}))
		node, err := config.LoadNode(filepath.Join(cluster.NodeDir("e1"), "node.yaml"), config.NewEnvironment(nil, 1000), nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(node).To(Equal(cluster.Nodes[1]))
	}, SpecTimeout(soon))

	It("keeps CA, ids and certificates from one launch to the next", func(ctx SpecContext) {
		Expect(once(ctx, "127.0.0.1", today)).To(Succeed())
		before := identityOf(cluster.Nodes[0].Identity)
		Expect(once(ctx, "127.0.0.1", today.Add(time.Hour))).To(Succeed())
		after := identityOf(cluster.Nodes[0].Identity)
		Expect(after.ID()).To(Equal(before.ID()))
		Expect(after.NotAfter()).To(Equal(before.NotAfter()))
		Expect(after.Trust().Network()).To(Equal(before.Trust().Network()))
	}, SpecTimeout(soon))

	It("renews certificates that are near their end, and keeps the keys", func(ctx SpecContext) {
		Expect(once(ctx, "127.0.0.1", today)).To(Succeed())
		before := identityOf(cluster.Nodes[0].Identity)
		Expect(once(ctx, "127.0.0.1", today.Add(21*24*time.Hour))).To(Succeed())
		after := identityOf(cluster.Nodes[0].Identity)
		Expect(after.ID()).To(Equal(before.ID()))
		Expect(after.NotAfter()).To(BeTemporally(">", before.NotAfter()))
	}, SpecTimeout(soon))

	It("certifies a node anew whose roles have changed", func(ctx SpecContext) {
		Expect(once(ctx, "127.0.0.1", today)).To(Succeed())
		cluster.Nodes[0].Roles = []string{"executor", "broker"}
		Expect(once(ctx, "127.0.0.1", today)).To(Succeed())
		Expect(identityOf(cluster.Nodes[0].Identity).Peer().Roles).To(Equal([]string{"broker", "executor"}))
	}, SpecTimeout(soon))

	It("certifies a node that may become a broker as both, once", Label("DISC-2"), func(ctx SpecContext) {
		cluster.Nodes[0].Roles = []string{"auto"}
		Expect(once(ctx, "127.0.0.1", today)).To(Succeed())
		before := identityOf(cluster.Nodes[0].Identity)
		Expect(before.Peer().Roles).To(Equal([]string{"broker", "executor"}))
		Expect(once(ctx, "127.0.0.1", today.Add(time.Hour))).To(Succeed())
		Expect(identityOf(cluster.Nodes[0].Identity).NotAfter()).To(Equal(before.NotAfter()))
	}, SpecTimeout(soon))

	When("this is not the machine of the first broker", func() {
		It("says what to copy from where, and makes no CA of its own", func(ctx SpecContext) {
			err := once(ctx, "10.9.9.9", today)
			var missing *launch.NoCAError
			Expect(err).To(BeAssignableToTypeOf(missing))
			Expect(err).To(MatchError(And(ContainSubstring("machine of b1 (127.0.0.1)"), ContainSubstring(cluster.CA()))))
			Expect(cluster.CA()).NotTo(BeADirectory())
		}, SpecTimeout(soon))

		It("starts its nodes once the CA was copied, and later also without the CA's key", func(ctx SpecContext) {
			_, err := identity.CreateCA(cluster.CA(), "lab", today)
			Expect(err).NotTo(HaveOccurred())
			Expect(once(ctx, "10.9.9.9", today)).To(Succeed())
			Expect(os.Remove(filepath.Join(cluster.CA(), "ca.key"))).To(Succeed())
			Expect(once(ctx, "10.9.9.9", today)).To(Succeed())
			Expect(once(ctx, "10.9.9.9", today.Add(21*24*time.Hour))).To(MatchError(
				And(HavePrefix("e2 has no valid certificate"), ContainSubstring("ca.key"))))
		}, SpecTimeout(soon))
	})
})
