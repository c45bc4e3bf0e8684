package cluster

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/wasm"
)

func TestMain(m *testing.M) {
	if wasm.IsWorker() {
		wasm.WorkerMain()
	}
	os.Exit(m.Run())
}

func TestCluster(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(soon)
	RunSpecs(t, "A node")
}

// soon is more than anything here takes on a busy machine.
const soon = 20 * time.Second

// logbook keeps what nodes say.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	return GinkgoWriter.Write(p)
}

// says counts the lines with these words.
func (l *logbook) says(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), words)
}

// lab is a network in this process: nodes over TCP and mDNS on the loopback, known to each other by nothing else.
type lab struct {
	ca  *identity.CA
	dir string
}

// newLab makes a network, and sees to it that its nodes leave nothing behind.
func newLab() *lab {
	GinkgoHelper()
	ca, err := identity.NewEphemeralCA("lab", time.Now())
	Expect(err).NotTo(HaveOccurred())
	before := gleak.Goroutines()
	DeferCleanup(func() { Eventually(gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before)) })
	return &lab{ca: ca, dir: GinkgoT().TempDir()}
}

// member is a node of a lab. Its identity and data stay while it comes and goes.
type member struct {
	*Node
	cfg config.Node
	log *logbook
}

// member makes a node with that role, and does not start it.
func (l *lab) member(name, role string, change ...func(*config.Node)) *member {
	GinkgoHelper()
	m := &member{cfg: config.Defaults(), log: &logbook{}}
	m.cfg.Name, m.cfg.Network, m.cfg.Roles, m.cfg.Slots = name, "lab", []string{role}, 1
	m.cfg.Dir, m.cfg.Identity = filepath.Join(l.dir, name), filepath.Join(l.dir, name, "identity")
	m.cfg.Host, m.cfg.Port, m.cfg.MDNS = "127.0.0.1", freePort(), loopbackName()
	m.cfg.Auto = config.Auto{Wait: 200 * time.Millisecond}
	for _, c := range change {
		c(&m.cfg)
	}
	_, err := identity.Create(m.cfg.Identity, l.ca, identity.Subject{Name: name, Roles: m.cfg.Certified()}, time.Now(), 0)
	Expect(err).NotTo(HaveOccurred())
	return m
}

// start starts it, and ends it with the spec.
func (m *member) start() *member {
	GinkgoHelper()
	id, err := identity.Open(m.cfg.Identity)
	Expect(err).NotTo(HaveOccurred())
	log := slog.New(slog.NewTextHandler(m.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m.Node, err = Start(m.cfg, Options{Identity: id, Version: "spec", Log: log})
	Expect(err).NotTo(HaveOccurred())
	node := m.Node
	DeferCleanup(func() {
		if m.Node == node {
			node.Close()
		}
	})
	return m
}

func (m *member) stop() {
	m.Close()
	m.Node = nil
}

// sees returns the names of the peers that play a role, as a poll.
func (m *member) sees(role string) func() []string {
	return func() (names []string) {
		for _, p := range m.Links().Peers() {
			if slices.Contains(p.Roles, role) {
				names = append(names, p.Name)
			}
		}
		return names
	}
}

// isBroker says whether it has become one.
func (m *member) isBroker() bool { return m.log.says("has become a broker") > 0 }

func freePort() int {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// loopbackName is the name of the loopback interface.
func loopbackName() string {
	GinkgoHelper()
	all, err := net.Interfaces()
	Expect(err).NotTo(HaveOccurred())
	i := slices.IndexFunc(all, func(i net.Interface) bool { return i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 })
	Expect(i).To(BeNumerically(">=", 0), "this machine has no loopback interface")
	return all[i].Name
}

func address(m *member) string { return fmt.Sprintf("127.0.0.1:%d", m.cfg.Port) }
