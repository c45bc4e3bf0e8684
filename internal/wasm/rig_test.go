//go:build unix

package wasm_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"github.com/urbancompute/ucp/internal/wasm"
)

// rig is a node as far as the sandbox is concerned: a cache, a place for modules, and slots.
type rig struct {
	dir   string
	cache *wasm.Cache
	slots []*wasm.Worker
}

// newRig makes a rig that is taken down after the spec, with a look for what it left running.
func newRig() *rig {
	GinkgoHelper()
	before := gleak.Goroutines()
	r := &rig{dir: GinkgoT().TempDir()}
	r.cache = r.newCache()
	DeferCleanup(func(ctx SpecContext) {
		var pids []int
		for _, s := range r.slots {
			pids = append(pids, s.PID())
			s.Close()
		}
		for _, pid := range pids {
			Expect(alive(pid)).To(BeFalse(), "worker %d is still there", pid)
		}
		Eventually(ctx, gleak.Goroutines).WithTimeout(10 * time.Second).ShouldNot(gleak.HaveLeaked(before))
	})
	return r
}

func (r *rig) newCache() *wasm.Cache {
	GinkgoHelper()
	c, err := wasm.NewCache(filepath.Join(r.dir, "cache"), 0)
	Expect(err).NotTo(HaveOccurred())
	return c
}

func (r *rig) slot(change ...func(*wasm.Config)) *wasm.Worker {
	GinkgoHelper()
	cfg := wasm.Config{Cache: r.cache, Log: slog.New(slog.NewTextHandler(GinkgoWriter, nil))}
	for _, c := range change {
		c(&cfg)
	}
	w, err := wasm.NewWorker(cfg)
	Expect(err).NotTo(HaveOccurred())
	r.slots = append(r.slots, w)
	return w
}

// request stores a module and asks for a run of it.
func (r *rig) request(module []byte) wasm.Request {
	GinkgoHelper()
	digest := sha256.Sum256(module)
	path := filepath.Join(r.dir, string(appendHex(nil, digest[:8])))
	Expect(os.WriteFile(path, module, 0o600)).To(Succeed())
	return wasm.Request{Module: path, Digest: digest, Args: []string{"module"}}
}

func appendHex(b, digest []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range digest {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

// jobDir makes a job directory with a secret beside it.
func (r *rig) jobDir() string {
	GinkgoHelper()
	dir := filepath.Join(r.dir, "job")
	Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(r.dir, "secret"), []byte("secret"), 0o600)).To(Succeed())
	return dir
}

// collected is a standard output under test.
type collected struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (c *collected) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.Write(p)
}

func (c *collected) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.b.String()
}

// ended is what a run came to.
type ended struct {
	wasm.Outcome
	stdout, stderr string
}

// run runs to the end.
func run(ctx context.Context, w *wasm.Worker, req wasm.Request, stdin ...string) ended {
	GinkgoHelper()
	var out, complaints collected
	streams := wasm.IO{Stdout: &out, Stderr: &complaints}
	if len(stdin) > 0 {
		streams.Stdin = strings.NewReader(strings.Join(stdin, ""))
	}
	var o wasm.Outcome
	Eventually(ctx, start(w, req, streams)).WithTimeout(time.Minute).Should(Receive(&o))
	return ended{o, out.String(), complaints.String()}
}

// start starts a run; its outcome comes on the channel.
func start(w *wasm.Worker, req wasm.Request, streams wasm.IO) <-chan wasm.Outcome {
	outcome := make(chan wasm.Outcome, 2) // a second one is an error, and must not block
	w.Run(req, streams, func(o wasm.Outcome) { outcome <- o })
	return outcome
}

// stopPromptly stops a run, and expects its outcome within the promised 100 ms, or what a busy test machine makes of them.
func stopPromptly(ctx context.Context, w *wasm.Worker, outcome <-chan wasm.Outcome) wasm.Outcome {
	GinkgoHelper()
	begun := time.Now()
	w.Stop(wasm.Cancelled)
	var o wasm.Outcome
	Eventually(ctx, outcome).WithTimeout(10 * time.Second).WithPolling(time.Millisecond).Should(Receive(&o))
	took := time.Since(begun)
	AddReportEntry("stopped after", took.String())
	Expect(took).To(BeNumerically("<", promised), "stopping took too long")
	Expect(o.Kind).To(Equal(wasm.Stopped))
	Expect(o.Stop).To(Equal(wasm.Cancelled))
	Consistently(ctx, outcome).WithTimeout(60 * time.Millisecond).ShouldNot(Receive())
	return o
}

// promised is 100 ms, and as much again for the scheduler of a machine that runs other tests.
const promised = 200 * time.Millisecond

// alive reports whether a process runs; one that is dead and waits to be reaped does not.
func alive(pid int) bool {
	if pid <= 0 || syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// errnos of WASI, as a script reports them.
const (
	success = 0
	eperm   = 63
	enoent  = 44
	eio     = 29
)

// verdicts are the errnos a script printed.
func verdicts(out string) []int {
	var list []int
	for _, b := range []byte(out) {
		list = append(list, int(b))
	}
	return list
}
