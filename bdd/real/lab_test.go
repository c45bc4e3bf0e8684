package real_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	clusterlab "github.com/urbancompute/ucp/cluster/lab"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

// lab is a network of processes on this machine that come and go, whose trouble fails the spec.
type lab struct {
	*clusterlab.Lab
	nodes map[string]*node
	noop  client.Blob // what [lab.client] brought along
	sleep client.Blob
	dice  client.Blob
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

// datastore makes a node that keeps bytes, and does not start it.
func (l *lab) datastore(name string, seeds ...*node) *node {
	return l.add(clusterlab.Setup{Name: name, Roles: []string{"datastore"}, Seeds: addresses(seeds)})
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

// hidden makes a broker whose address nobody is told, and does not start it: others reach it only where their seeds say.
func (l *lab) hidden(name string, seeds ...string) *node {
	return l.add(clusterlab.Setup{Name: name, Roles: []string{"broker"}, Seeds: seeds, Private: true})
}

// executorAt makes an executor with one slot at a place, and does not start it.
func (l *lab) executorAt(name, place string, seeds ...string) *node {
	return l.add(clusterlab.Setup{Name: name, Roles: []string{"executor"}, Seeds: seeds, Slots: 1, Flags: []string{"--labels", "place=" + place}})
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
	return n.File("data", "blobs", hexOf(b)[:2], hexOf(b))
}

func hexOf(b client.Blob) string { return hex.EncodeToString(b.Digest[:]) }

// emptied takes a node's bytes away.
func emptied(n *node) error { return os.RemoveAll(n.File("data", "blobs")) }

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
	l.dice, err = c.PutFile(ctx, built.dice)
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

// draws is a job that takes a while and has another result each time it is run. It has a directory while it runs.
func (l *lab) draws(d time.Duration) *client.Spec {
	return &client.Spec{
		Module: l.dice, Args: []string{"dice", d.String()}, Files: []client.File{{Path: "module", Blob: l.noop}}, Retention: time.Hour,
	}
}

// at has a job run at a place only.
func at(place string, s *client.Spec) *client.Spec {
	s.Needs.Labels = map[string]string{"place": place}
	return s
}

// idle says whether an executor runs no job that has a directory.
func (n *node) idle() bool {
	GinkgoHelper()
	running, err := filepath.Glob(n.File("data", "scratch", "job-*"))
	Expect(err).NotTo(HaveOccurred())
	return len(running) == 0
}

// submit hands in a job, which is taken.
func submit(ctx context.Context, c *client.Client, s *client.Spec) *client.Submission {
	GinkgoHelper()
	taken, err := c.Submit(ctx, s)
	Expect(err).NotTo(HaveOccurred())
	return taken
}

// accepted waits for the end of a job, which is a good one.
func accepted(ctx context.Context, s *client.Submission) client.Job {
	GinkgoHelper()
	j, err := s.Wait(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(j.State()).To(Equal(job.StateAccepted))
	return j
}

// final waits until the end of a job is final for the broker that c asks.
func final(ctx context.Context, c *client.Client, id string) (last client.Change) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		var err error
		last, err = c.Job(ctx, id)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(last.Final).To(BeTrue(), "%s: %s; %s", last.Job.State(), last.Waiting, last.Provisional())
	}).Should(Succeed())
	return last
}

// ucp runs the binary as the lab's client, whose saved network is these brokers, and returns what it prints.
func (l *lab) ucp(ctx context.Context, brokers []*node, words ...string) string {
	GinkgoHelper()
	said, err := l.command(ctx, brokers, words...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", said)
	return string(said)
}

// refuses is ucp for a command that fails with that exit code. It returns what that says on standard error.
func (l *lab) refuses(ctx context.Context, code int, brokers []*node, words ...string) string {
	GinkgoHelper()
	var said bytes.Buffer
	cmd := l.command(ctx, brokers, words...)
	cmd.Stderr = &said
	var ended *exec.ExitError
	Expect(errors.As(cmd.Run(), &ended)).To(BeTrue(), "%s", said.String())
	Expect(ended.ExitCode()).To(Equal(code), "%s", said.String())
	return said.String()
}

// command is the binary as the lab's client, not started yet. It has a directory for temporary files that nothing may be left in.
func (l *lab) command(ctx context.Context, brokers []*node, words ...string) *exec.Cmd {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	var saved config.Contexts
	Expect(saved.Put("lab", config.Context{Network: "lab", Brokers: addresses(brokers), Identity: l.ClientIdentity()})).To(Succeed())
	Expect(saved.Use("lab")).To(Succeed())
	Expect(config.SaveContexts(filepath.Join(dir, "contexts.yaml"), saved)).To(Succeed())
	temporary := filepath.Join(dir, "tmp")
	Expect(os.Mkdir(temporary, 0o700)).To(Succeed())
	DeferCleanup(func() { Expect(os.ReadDir(temporary)).To(BeEmpty(), "ucp %v leaves nothing behind", words) })
	cmd := exec.CommandContext(ctx, built.ucp, words...)
	cmd.Env = []string{"HOME=" + dir, "UCP_CONFIG_DIR=" + dir, "UCP_CACHE_DIR=" + built.cache, "TMPDIR=" + temporary}
	return cmd
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
