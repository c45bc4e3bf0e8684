package real_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	clusterlab "github.com/urbancompute/ucp/cluster/lab"
)

// cable joins machines, which are namespaces of the kernel's, with each other and with the specs.
type cable struct {
	ip, bridge string
	subnet     int
}

// newCable makes a bridge. Its names and addresses are those of this process.
func newCable(ctx context.Context) *cable {
	GinkgoHelper()
	if os.Geteuid() != 0 {
		cannot("only root can make machines of namespaces")
	}
	c := &cable{tool("ip", "to make machines of namespaces"), fmt.Sprintf("ucpb%d", os.Getpid()), os.Getpid() % 250}
	c.does(ctx, "link add", c.bridge, "type bridge")
	DeferCleanup(func(ctx context.Context) { c.does(ctx, "link del", c.bridge) })
	c.does(ctx, "addr add", c.address(1)+"/24 dev", c.bridge)
	c.does(ctx, "link set", c.bridge, "up")
	return c
}

func (c *cable) address(n int) string { return fmt.Sprintf("10.77.%d.%d", c.subnet, n) }

func (c *cable) does(ctx context.Context, words ...string) {
	GinkgoHelper()
	said, err := exec.CommandContext(ctx, c.ip, strings.Fields(strings.Join(words, " "))...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "ip %s: %s", words, said)
}

// plug makes a machine with the nth address and returns what runs a program there.
func (c *cable) plug(ctx context.Context, n int) (within []string) {
	GinkgoHelper()
	space, port := fmt.Sprintf("%s-%d", c.bridge, n), c.port(n)
	c.does(ctx, "netns add", space)
	DeferCleanup(func(ctx context.Context) { c.does(ctx, "netns del", space) })
	c.does(ctx, "link add", port, "type veth peer name eth0 netns", space)
	DeferCleanup(func(ctx context.Context) { c.does(ctx, "link del", port) })
	c.does(ctx, "link set", port, "master", c.bridge, "up")
	c.does(ctx, "-n", space, "addr add", c.address(n)+"/24 dev eth0")
	c.does(ctx, "-n", space, "link set eth0 up")
	return []string{c.ip, "netns", "exec", space}
}

func (c *cable) port(n int) string { return fmt.Sprintf("%s.%d", c.bridge, n) }

// out pulls the plug of a machine, in puts it back: its address stays.
func (c *cable) out(ctx context.Context, n int) { c.does(ctx, "link set", c.port(n), "down") }
func (c *cable) in(ctx context.Context, n int)  { c.does(ctx, "link set", c.port(n), "up") }

var _ = Describe("An executor on a machine of its own", Label("JOB-3", "JOB-4", "LOSS-5", "LINK-5", "real"), func() {
	DescribeTable("brings its result soon when its cable is plugged in again", func(ctx SpecContext, length time.Duration) {
		l, net := newLab(), newCable(ctx)
		b := l.add(clusterlab.Setup{Name: "b1", Roles: []string{"broker"}, Host: net.address(2)})
		b.startUnder(ctx, net.plug(ctx, 2)...)
		l.executorAt("e1", "north", b.Address()).startUnder(ctx, net.plug(ctx, 3)...)
		c := l.client(ctx, b)
		s := submit(ctx, c, at("north", l.draws(time.Second)))
		e := l.runner(ctx, c, s.ID())
		net.out(ctx, 3)
		Eventually(ctx, e.idle).Should(BeTrue())
		Eventually(ctx, b.Log).Should(ContainSubstring(`"msg":"executor lost"`))
		Consistently(ctx, s.Changes(), length, time.Second).ShouldNot(BeClosed())
		net.in(ctx, 3)
		plugged := time.Now()
		Expect(accepted(ctx, s).Current().Attempts).To(HaveLen(1))
		Expect(time.Since(plugged)).To(BeNumerically("<", 10*time.Second), "an attempt to connect takes up to 4 s, the pause between two up to 5")
	},
		Entry("after it was missed", SpecTimeout(2*soon), time.Duration(0)),
		Entry("after 141 s", Label("long"), SpecTimeout(141*time.Second+2*soon), 141*time.Second),
	)
})
