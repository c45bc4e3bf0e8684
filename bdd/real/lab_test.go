package real_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/internal/wasm"
)

// lab is a network of processes on this machine that come and go.
type lab struct {
	dir    string
	ca     *identity.CA
	admits *identity.Identity // a client
	nodes  map[string]*node
	noop   client.Blob // what [lab.client] brought along
	sleep  client.Blob
}

// node is one of them. Its address, identity and data stay while its processes come and go.
type node struct {
	lab     *lab
	name    string
	roles   []string
	seeds   []string
	port    int // 0: it only dials out
	flags   []string
	process *process
}

// process is a node's process.
type process struct {
	cmd  *exec.Cmd
	log  *buffer
	over chan struct{}
}

// buffer is what a process said.
type buffer struct {
	mu   sync.Mutex
	text []byte
}

// Write implements [io.Writer].
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	return len(p), nil
}

// String returns what was said so far.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.text)
}

func newLab() *lab {
	GinkgoHelper()
	ca, err := identity.NewEphemeralCA("lab", time.Now())
	Expect(err).NotTo(HaveOccurred())
	l := &lab{dir: GinkgoT().TempDir(), ca: ca, nodes: map[string]*node{}}
	l.admits, err = identity.NewEphemeral(ca, identity.Subject{Name: "client", Roles: []string{identity.RoleClient}}, time.Now())
	Expect(err).NotTo(HaveOccurred())
	return l
}

// broker makes a node that is a broker, and does not start it.
func (l *lab) broker(name string, seeds ...*node) *node {
	return l.node(name, freePort(), []string{"broker"}, seeds)
}

// executor makes a node that is an executor and only dials out, and does not start it.
func (l *lab) executor(name string, seeds ...*node) *node {
	return l.node(name, 0, []string{"executor"}, seeds)
}

// alone makes a node that is both, and does not start it.
func (l *lab) alone(name string) *node {
	return l.node(name, freePort(), []string{"broker", "executor"}, nil)
}

func (l *lab) node(name string, port int, roles []string, seeds []*node) *node {
	GinkgoHelper()
	n := &node{lab: l, name: name, roles: roles, port: port}
	for _, s := range seeds {
		n.seeds = append(n.seeds, s.address())
	}
	_, err := identity.Create(n.file("identity"), l.ca, identity.Subject{Name: name, Roles: roles}, time.Now(), 0)
	Expect(err).NotTo(HaveOccurred())
	l.nodes[name] = n
	return n
}

func (n *node) address() string { return fmt.Sprintf("127.0.0.1:%d", n.port) }

// file is the path of one of the node's files.
func (n *node) file(parts ...string) string {
	return filepath.Join(append([]string{n.lab.dir, n.name}, parts...)...)
}

// reads returns what one of the node's files says, nothing if it is not there.
func (n *node) reads(parts ...string) string {
	text, _ := os.ReadFile(n.file(parts...))
	return string(text)
}

// blob is where the node keeps bytes.
func (n *node) blob(b client.Blob) string {
	name := hex.EncodeToString(b.Digest[:])
	return n.file("data", "blobs", name[:2], name)
}

// start starts the node, which comes up, and returns it.
func (n *node) start(ctx context.Context) *node {
	GinkgoHelper()
	n.startUnder(ctx)
	Expect(n.process.up()).To(BeTrue(), "%s", n.process.log)
	return n
}

// startUnder starts the node's process under another program, and waits until it is up or has ended.
func (n *node) startUnder(ctx context.Context, program ...string) {
	GinkgoHelper()
	words := append(program, built.ucp, "node", "--name", n.name, "--network", "lab", "--roles", strings.Join(n.roles, ","),
		"--host", "127.0.0.1", "--port", strconv.Itoa(n.port), "--slots", "2", "--dir", n.file("data"), "--identity", n.file("identity"))
	if len(n.seeds) > 0 {
		words = append(words, "--seeds", strings.Join(n.seeds, ","))
	}
	words = append(words, n.flags...)
	p := &process{cmd: exec.Command(words[0], words[1:]...), log: &buffer{}, over: make(chan struct{})}
	p.cmd.Env = []string{"HOME=" + n.file(), "UCP_CACHE_DIR=" + built.cache, "PATH=" + os.Getenv("PATH")}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	Expect(p.cmd.Start()).To(Succeed())
	go func() {
		_ = p.cmd.Wait() // its state says how it ended
		close(p.over)
	}()
	n.process = p
	DeferCleanup(func() {
		p.kill()
		if CurrentSpecReport().Failed() {
			GinkgoWriter.Printf("--- %s\n%s\n", n.name, p.log)
		}
	})
	Eventually(ctx, func() bool { return p.up() || p.ended() }).Should(BeTrue(), "%s", p.log)
}

func (p *process) up() bool { return strings.Contains(p.log.String(), `"msg":"node is up"`) }

func (p *process) ended() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

// kill ends it at whichever instruction it is.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.over
}

// code waits for its end and returns its exit code.
func (p *process) code(ctx context.Context) int {
	GinkgoHelper()
	Eventually(ctx, p.over).Should(BeClosed(), "%s", p.log)
	return p.cmd.ProcessState.ExitCode()
}

// signal sends it a signal.
func (p *process) signal(s syscall.Signal) {
	GinkgoHelper()
	Expect(p.cmd.Process.Signal(s)).To(Succeed())
}

// kill kills the node's process; its data stays.
func (n *node) kill() { n.process.kill() }

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
	var addresses []string
	for _, b := range brokers {
		addresses = append(addresses, b.address())
	}
	return client.Dial(ctx, client.Options{Addresses: addresses, Identity: l.admits})
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

// freePort returns a port that nobody uses just now.
func freePort() int {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
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
