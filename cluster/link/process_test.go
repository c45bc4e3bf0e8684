package link_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// envNode makes the test binary a node: it holds the identity's directory.
const envNode = "UCP_LINK_TEST_NODE"

// playNode is a node with one actor, "p", that doubles numbers, until its
// standard input ends.
func playNode() int {
	id, err := identity.Open(os.Getenv(envNode))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	system := newSystem()
	clock := messages.NewNodeClock(vclock.Key{Node: string(id.ID()), Incarnation: uint64(time.Now().UnixNano())}, time.Now)
	links, err := link.Start(link.Config{
		System: system, Identity: id, Clock: clock, Codec: numbers{}, Allow: anything, Listen: "127.0.0.1:0",
		Now: time.Now, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := system.Root.SpawnNamed(actor.PropsFromProducer(func() actor.Actor { return &probe{} }), "p"); err != nil {
		return 1
	}
	fmt.Println(links.Addr())
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	return 0
}

// process is a node in a process of its own.
type process struct {
	id   identity.NodeID
	addr string
	cmd  *exec.Cmd
}

func launch(w *tcpWorld, name string) *process {
	GinkgoHelper()
	dir := filepath.Join(GinkgoT().TempDir(), name)
	id, err := identity.Create(dir, w.ca, identity.Subject{Name: name, Roles: []string{"broker"}}, time.Now(), 0)
	Expect(err).NotTo(HaveOccurred())
	p := &process{id: id.ID(), cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), envNode+"="+dir)
	p.cmd.Stderr = GinkgoWriter
	_, err = p.cmd.StdinPipe()
	Expect(err).NotTo(HaveOccurred())
	out, err := p.cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(p.cmd.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	Expect(err).NotTo(HaveOccurred())
	p.addr = strings.TrimSpace(line)
	return p
}

func (p *process) signal(s syscall.Signal) {
	GinkgoHelper()
	Expect(p.cmd.Process.Signal(s)).To(Succeed())
}

func (p *process) pid(id string) *actor.PID { return actor.NewPID(string(p.id), id) }

var _ = Describe("A node in another process", func() {
	var w *tcpWorld
	BeforeEach(func() { w = newTCPWorld() })

	double := func(n *node, pid *actor.PID, v int64) (any, error) {
		res, err := n.system.Root.RequestFuture(pid, number(v), 5*time.Second).Result()
		if m, ok := res.(*wrapperspb.Int64Value); ok {
			return m.Value, err
		}
		return res, err
	}

	It("that is killed ends every watch of its actors, at once", Label("LINK-4"), func(ctx SpecContext) {
		far, a := launch(w, "far"), start(w, "a", false)
		_, err := a.links.Connected(ctx, far.addr)
		Expect(err).NotTo(HaveOccurred())
		p, watcher := spawn(a, "w")
		watch(ctx, a, watcher, far.pid("p"))
		Expect(double(a, far.pid("p"), 1)).To(Equal(int64(2)))
		far.signal(syscall.SIGKILL)
		Eventually(ctx, p.all).WithTimeout(time.Second).Should(Equal([]any{"p AddressTerminated"}))
		Expect(a.lastDown()).To(HaveField("Clean", false))
	}, SpecTimeout(3*patience))

	It("that is frozen costs bounded memory, blocks nobody, and is not dropped", Label("LINK-3", "LINK-5"), func(ctx SpecContext) {
		far, b, a := launch(w, "far"), start(w, "b", true), start(w, "a", false)
		join(ctx, a, b)
		_, err := a.links.Connected(ctx, far.addr)
		Expect(err).NotTo(HaveOccurred())
		spawn(b, "p")
		asker, askerPID := spawn(a, "asker")
		far.signal(syscall.SIGSTOP)
		DeferCleanup(func() { far.signal(syscall.SIGCONT) })

		before := heap()
		payload := wrapperspb.Bytes(make([]byte, 1<<10))
		for range 40_000 { // 40 MB for a peer that reads nothing
			a.system.Root.Send(far.pid("p"), payload)
		}
		a.system.Root.Send(askerPID, &askPlease{far.pid("p"), payload})
		Eventually(ctx, asker.all).Should(ContainElement(HaveField("Reason", MatchError(link.ErrBusy))), "the sender is told")
		request := a.system.Root.RequestFuture(far.pid("p"), payload, time.Hour)
		Expect(request.Result()).To(HaveField("Code", messages.Refused_BUSY), "requests fail quickly")
		Expect(heap()-before).To(BeNumerically("<", 16<<20), "of 40 MB sent, what is held is bounded")
		Expect(queued(a, "far")).To(BeNumerically("<=", 4<<20))

		for i := range int64(100) {
			Expect(double(a, b.pid("p"), i)).To(Equal(2*i), "others do not notice")
		}
		far.signal(syscall.SIGCONT)
		Eventually(ctx, func() any { r, _ := double(a, far.pid("p"), 3); return r }).Should(Equal(int64(6)))
		Expect(a.seen()).To(ConsistOf("up b", "up far"), "the link has held")
	}, SpecTimeout(3*patience))
})

func queued(n *node, peer string) int {
	for _, p := range n.links.Peers() {
		if p.Name == peer {
			return p.Queued
		}
	}
	return 0
}

// heap is the live heap in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

var _ = Describe("A thousand reconnects", Label("LINK-5"), func() {
	It("leak neither goroutines nor descriptors", func(ctx SpecContext) {
		w := newTCPWorld()
		var ups, downs atomic.Int64
		eager := func(c *link.Config) {
			c.Backoff = link.Backoff{Min: time.Microsecond, Max: time.Microsecond, Steady: time.Hour}
			c.Log = discard()
			c.Events = func(e any) {
				if _, up := e.(*messages.PeerUp); up {
					ups.Add(1)
				} else {
					downs.Add(1)
				}
			}
		}
		b := start(w, "b", true, eager)
		a := start(w, "a", false, eager)
		join(ctx, a, b)
		reconnect := func(times int64) {
			for want := ups.Load()/2 + times; ups.Load()/2 < want && ctx.Err() == nil; {
				// Now one end breaks the link and now the other.
				a.links.Disconnect(b.id, context.Canceled)
				_, _ = a.links.Connected(ctx, b.addr())
				b.links.Disconnect(a.id, context.Canceled)
				_, _ = a.links.Connected(ctx, b.addr())
			}
		}
		reconnect(20)
		goroutines, descriptors := settled(ctx)
		reconnect(reconnects)
		Expect(downs.Load()).To(BeNumerically(">=", 2*reconnects))
		Eventually(ctx, func(g Gomega) {
			nowG, nowD := runtime.NumGoroutine(), openFiles()
			g.Expect(nowG).To(BeNumerically("<=", goroutines+10))
			g.Expect(nowD).To(BeNumerically("<=", descriptors+3))
		}).WithTimeout(patience).Should(Succeed())
	}, SpecTimeout(60*time.Second))
})

// settled returns goroutines and descriptors once they have stopped falling.
func settled(ctx context.Context) (goroutines, descriptors int) {
	Eventually(ctx, func() bool {
		g, d := runtime.NumGoroutine(), openFiles()
		steady := g == goroutines && d == descriptors
		goroutines, descriptors = g, d
		return steady
	}).WithPolling(100 * time.Millisecond).Should(BeTrue())
	return goroutines, descriptors
}

func openFiles() int {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		Skip("needs /proc/self/fd: " + err.Error())
	}
	return len(files)
}
