package real_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	clusterlab "github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/internal/wasm"
)

// lab is a network of processes on this machine that come and go, whose trouble fails the spec.
type lab struct {
	*clusterlab.Lab
	nodes map[string]*node
	noop  client.Blob // what [lab.client] brought along
	sleep client.Blob
}

// node is one of its nodes.
type node struct{ *clusterlab.Node }

func newLab() *lab {
	GinkgoHelper()
	made, err := clusterlab.New(clusterlab.Config{Dir: GinkgoT().TempDir(), Program: built.ucp, CacheDir: built.cache, Now: time.Now})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() {
		made.Close()
		if CurrentSpecReport().Failed() {
			for _, n := range made.Nodes() {
				GinkgoWriter.Printf("--- %s\n%s\n", n.Name, n.Log())
			}
		}
	})
	return &lab{Lab: made, nodes: map[string]*node{}}
}

// broker makes a node that is a broker, and does not start it.
func (l *lab) broker(name string, seeds ...*node) *node {
	return l.add(clusterlab.Setup{Name: name, Roles: []string{"broker"}, Seeds: addresses(seeds)})
}

// executor makes a node that is an executor and only dials out, and does not start it.
func (l *lab) executor(name string, seeds ...*node) *node {
	return l.add(clusterlab.Setup{Name: name, Roles: []string{"executor"}, Seeds: addresses(seeds)})
}

// alone makes a node that is both, and does not start it.
func (l *lab) alone(name string) *node {
	return l.add(clusterlab.Setup{Name: name, Roles: []string{"broker", "executor"}})
}

func (l *lab) add(s clusterlab.Setup) *node {
	GinkgoHelper()
	n, err := l.Add(s)
	Expect(err).NotTo(HaveOccurred())
	l.nodes[s.Name] = &node{n}
	return l.nodes[s.Name]
}

// relay opens a way to a broker that can be cut.
func (l *lab) relay(to *node) *clusterlab.Relay {
	GinkgoHelper()
	r, err := l.Relay(to.Node)
	Expect(err).NotTo(HaveOccurred())
	return r
}

func addresses(of []*node) (all []string) {
	for _, n := range of {
		all = append(all, n.Address())
	}
	return all
}

// reads returns what one of the node's files says, nothing if it is not there.
func (n *node) reads(parts ...string) string {
	text, _ := os.ReadFile(n.File(parts...))
	return string(text)
}

// blob is where the node keeps bytes.
func (n *node) blob(b client.Blob) string {
	name := hex.EncodeToString(b.Digest[:])
	return n.File("data", "blobs", name[:2], name)
}

// start starts the node, which comes up, and returns it.
func (n *node) start(ctx context.Context) *node {
	GinkgoHelper()
	patient, enough := context.WithTimeout(ctx, soon)
	defer enough()
	Expect(n.Start(patient)).To(Succeed(), "%s", n.Log())
	return n
}

// startUnder starts the node's process under another program, and waits until it is up or has ended.
func (n *node) startUnder(ctx context.Context, program ...string) {
	GinkgoHelper()
	patient, enough := context.WithTimeout(ctx, soon)
	defer enough()
	Expect(n.StartUnder(patient, program...)).To(Succeed(), "%s", n.Log())
}

// code waits for the end of the node's process and returns its exit code.
func (n *node) code(ctx context.Context) int {
	GinkgoHelper()
	Eventually(ctx, n.Over()).Should(BeClosed(), "%s", n.Log())
	return n.ExitCode()
}

// signal sends the node's process a signal.
func (n *node) signal(s syscall.Signal) {
	GinkgoHelper()
	Expect(n.Signal(s)).To(Succeed())
}

// client returns a client that knows these brokers, which the spec closes, and brings along the modules that the specs run.
func (l *lab) client(ctx context.Context, brokers ...*node) *client.Client {
	GinkgoHelper()
	c, err := l.dial(ctx, brokers...)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = c.Close() })
	l.noop, err = c.PutBytes(ctx, wasm.Noop())
	Expect(err).NotTo(HaveOccurred())
	l.sleep, err = c.PutFile(ctx, built.sleep)
	Expect(err).NotTo(HaveOccurred())
	return c
}

func (l *lab) dial(ctx context.Context, brokers ...*node) (*client.Client, error) {
	return client.Dial(ctx, client.Options{Addresses: addresses(brokers), Identity: l.Client()})
}

// nothing is a job that does nothing; the network keeps it when it is done.
func (l *lab) nothing() *client.Spec { return &client.Spec{Module: l.noop, Retention: time.Hour} }

// sleeps is a job that takes a while.
func (l *lab) sleeps(d time.Duration) *client.Spec {
	return &client.Spec{Module: l.sleep, Args: []string{"sleep", d.String()}, Retention: time.Hour}
}

// submits hands in up to n jobs one after the other, until one is not acknowledged for a while, and returns those that were.
func (l *lab) submits(ctx context.Context, c *client.Client, n int) (acknowledged []string) {
	for range n {
		soon, giveUp := context.WithTimeout(ctx, 2*time.Second)
		s, err := c.Submit(soon, l.nothing())
		giveUp()
		if err != nil {
			break
		}
		acknowledged = append(acknowledged, s.ID())
	}
	return acknowledged
}

// noSkips is the variable that turns what cannot be tried into a failure: `make real` sets it for root, who can try all.
const noSkips = "UCP_REAL_NO_SKIPS"

// cannot skips the spec, loudly.
func cannot(why string) {
	GinkgoHelper()
	if os.Getenv(noSkips) != "" {
		Fail("cannot be tried here, and nothing may be skipped: " + why)
	}
	Skip("SKIPPED: " + why)
}

// tool finds a program of the system's.
func tool(name, why string) string {
	GinkgoHelper()
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		cannot(fmt.Sprintf("%s is not installed; it is needed %s", name, why))
	}
	Expect(err).NotTo(HaveOccurred())
	return path
}
