//go:build unix

package wasm_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"github.com/urbancompute/ucp/internal/wasm"
	. "github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

var _ = Describe("A slot and its worker process", Label("RUN-2"), func() {
	var r *rig
	var w *wasm.Worker
	BeforeEach(func() {
		r = newRig()
		w = r.slot()
	})
	works := func(ctx context.Context) {
		GinkgoHelper()
		Expect(run(ctx, w, r.request(wasm.Noop())).Succeeded()).To(BeTrue())
	}

	It("uses one process for many runs", func(ctx SpecContext) {
		works(ctx)
		pid := w.PID()
		for range 100 {
			works(ctx)
		}
		Expect(w.PID()).To(Equal(pid))
	})
	It("starts nothing before the first run, unless asked", func() {
		Expect(w.PID()).To(BeZero())
		Expect(w.Warm()).To(Succeed())
		Expect(alive(w.PID())).To(BeTrue())
	})

	DescribeTable("stops at once", func(ctx SpecContext, steps ...Step) {
		req := r.request(Script(append([]Step{Print("begun")}, steps...)))
		req.Dir = r.jobDir()
		input, stuck := io.Pipe()
		DeferCleanup(stuck.Close)
		var out collected
		outcome := start(w, req, wasm.IO{Stdin: input, Stdout: &out})
		Eventually(ctx, out.String).WithTimeout(10 * time.Second).Should(Equal("begun"))
		stopPromptly(ctx, w, outcome)
		works(ctx)
	},
		Entry("an endless loop", Forever()),
		Entry("a sleep", Sleep(time.Hour)),
		Entry("a guest that waits for input", Copy(I32(0))),
		Entry("a flood of output", Forever(Write(I32(2), 60_000))),
		Entry("a guest busy with files", Forever(Open(0, "f", Create), Call("fd_close", At(FD(0))))),
		Entry("a guest that fills memory", Grow(1000), Forever(Touch(4, 1000))),
	)
	It("stops while compiling", func(ctx SpecContext) {
		works(ctx) // the process is up
		outcome := start(w, r.request(slowToCompile()), wasm.IO{})
		Eventually(ctx, r.cacheEntries).Should(BeNumerically(">", 1))
		stopPromptly(ctx, w, outcome)
		works(ctx)
	})
	It("stops while the process is starting", func(ctx SpecContext) {
		stopPromptly(ctx, w, start(w, r.request(Endless()), wasm.IO{}))
		works(ctx)
	})
	It("stops although the receiver of the output blocks", func(ctx SpecContext) {
		_, blocked := io.Pipe() // nobody reads
		DeferCleanup(blocked.Close)
		outcome := start(w, r.request(Script([]Step{Forever(Write(I32(1), 60_000))})), wasm.IO{Stdout: blocked})
		Eventually(ctx, w.PID).ShouldNot(BeZero())
		Consistently(ctx, outcome).WithTimeout(100 * time.Millisecond).ShouldNot(Receive())
		stopPromptly(ctx, w, outcome)
		works(ctx)
	})
	It("does nothing when an idle slot is stopped", func(ctx SpecContext) {
		works(ctx)
		w.Stop(wasm.Cancelled)
		works(ctx)
	})
	It("survives stops at any moment of short runs", func(ctx SpecContext) {
		req := r.request(wasm.Noop())
		for i := range 60 {
			outcome := start(w, req, wasm.IO{})
			timer := time.AfterFunc(time.Duration(i*i)*time.Microsecond, func() { w.Stop(wasm.Preempted) })
			var o wasm.Outcome
			Eventually(ctx, outcome).WithTimeout(5 * time.Second).Should(Receive(&o))
			timer.Stop()
			Expect(o.Kind).To(Or(Equal(wasm.Exited), Equal(wasm.Stopped)), o.Message)
		}
	})

	It("loses its process to a crash, and one run with it", func(ctx SpecContext) {
		var out collected
		outcome := start(w, r.request(Script([]Step{Print("begun"), Forever()})), wasm.IO{Stdout: &out})
		Eventually(ctx, out.String).WithTimeout(10 * time.Second).Should(Equal("begun"))
		Expect(syscall.Kill(w.PID(), syscall.SIGKILL)).To(Succeed())
		var o wasm.Outcome
		Eventually(ctx, outcome).Should(Receive(&o))
		Expect(o.Kind).To(Equal(wasm.Crashed))
		Expect(o.Message).To(ContainSubstring("killed"))
		works(ctx)
	})
	It("recovers when its idle process is killed", func(ctx SpecContext) {
		works(ctx)
		Expect(syscall.Kill(w.PID(), syscall.SIGKILL)).To(Succeed())
		Eventually(ctx, w.PID).Should(BeZero())
		works(ctx)
	})
	It("loses its process, and nothing else, to a guest that floods what is no linear memory", func(ctx SpecContext) {
		if wasm.RaceEnabled {
			Skip("the race detector maps more memory than a process could be held to")
		}
		small := r.slot(func(c *wasm.Config) { c.Caps.MemoryBytes, c.ProcessMemory = 64<<20, 256<<20 })
		o := run(ctx, small, r.request(Script([]Step{Forever(GrowTable(1 << 20))})))
		Expect(o.Kind).To(Equal(wasm.Crashed))
		Expect(o.Message).To(ContainSubstring("memory"))
		Expect(run(ctx, small, r.request(wasm.Noop())).Succeeded()).To(BeTrue())
	})
	It("says what is wrong when no process can be started", func(ctx SpecContext) {
		broken := r.slot(func(c *wasm.Config) { c.Exe = filepath.Join(r.dir, "nothing") })
		o := run(ctx, broken, r.request(wasm.Noop()))
		Expect(o.Kind).To(Equal(wasm.Crashed))
		Expect(o.Message).To(ContainSubstring("no such file"))
	})
	It("reads no input that the guest does not ask for", func(ctx SpecContext) {
		input := &countingReader{}
		Eventually(ctx, start(w, r.request(Script([]Step{Print("hello")})), wasm.IO{Stdin: input})).WithTimeout(10 * time.Second).Should(Receive())
		Expect(input.reads).To(BeZero())
	})
	It("lets a guest wait for input, for a while", func(ctx SpecContext) {
		Expect(run(ctx, w, r.request(Script([]Step{AwaitInput(time.Hour), Echo()})), "text").stdout).To(Equal("text"))
		input, later := io.Pipe()
		DeferCleanup(later.Close)
		var out collected
		outcome := start(w, r.request(Script([]Step{AwaitInput(10 * time.Millisecond), Print("none yet"), Echo()})), wasm.IO{Stdin: input, Stdout: &out})
		Eventually(ctx, out.String).WithTimeout(10 * time.Second).Should(Equal("none yet"))
		_, err := later.Write([]byte(", now"))
		Expect(err).NotTo(HaveOccurred())
		Expect(later.Close()).To(Succeed())
		var o wasm.Outcome
		Eventually(ctx, outcome).WithTimeout(10 * time.Second).Should(Receive(&o))
		Expect(o.Succeeded()).To(BeTrue(), o.Message)
		Expect(out.String()).To(Equal("none yet, now"))
	})
	It("delivers what was printed before a pause", func(ctx SpecContext) {
		var out collected
		outcome := start(w, r.request(Script([]Step{Print("a"), Sleep(20 * time.Millisecond), Print("b"), Print("c"), Forever()})), wasm.IO{Stdout: &out})
		Eventually(ctx, out.String).WithTimeout(10 * time.Second).Should(Equal("abc"))
		stopPromptly(ctx, w, outcome)
	})

	It("gives its process nothing of the node's", func(ctx SpecContext) {
		if _, err := os.Stat("/proc/self/environ"); err != nil {
			Skip("the process is inspected in /proc, which is not here")
		}
		works(ctx)
		proc := "/proc/" + strconv.Itoa(w.PID())
		Expect(os.ReadFile(proc + "/environ")).To(BeEmpty())
		Expect(os.Readlink(proc + "/cwd")).To(Equal("/"))
		Expect(syscall.Getpgid(w.PID())).To(Equal(w.PID()), "it leads a group of its own")
		Expect(openFiles(proc)).To(HaveEach(Or(HavePrefix("pipe:"), Equal("/dev/null"), HavePrefix("anon_inode:"))))
		Expect(os.ReadFile(proc + "/limits")).To(ContainSubstring("Max core file size        0                    0"))
	})
	It("leaves the processor to the node first, with every thread", func(ctx SpecContext) {
		works(ctx)
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", w.PID()))
		Expect(err).NotTo(HaveOccurred())
		if len(threads) == 0 {
			Skip("the process is inspected in /proc, which is not here")
		}
		for _, t := range threads {
			stat, err := os.ReadFile(t)
			Expect(err).NotTo(HaveOccurred())
			_, fields, _ := strings.Cut(string(stat), ") ")
			Expect(strings.Fields(fields)[16]).To(Equal("5"), "nice of %s", t)
		}
	})
	It("does not outlive its node, also in an endless loop", func(ctx SpecContext) {
		node := exec.CommandContext(ctx, os.Args[0])
		node.Env = append(os.Environ(), nodeMark+"="+r.request(spinning()).Module)
		said, err := node.StdoutPipe()
		Expect(err).NotTo(HaveOccurred())
		Expect(node.Start()).To(Succeed())
		var pid int
		_, err = fmt.Fscan(said, &pid)
		Expect(err).NotTo(HaveOccurred())
		Expect(alive(pid)).To(BeTrue())
		Expect(node.Process.Kill()).To(Succeed())
		Expect(node.Wait()).To(HaveOccurred())
		Eventually(ctx, func() bool { return alive(pid) }).WithTimeout(10 * time.Second).Should(BeFalse())
	})
	It("goes on with the spare process when its own was stopped with a run, and another one is made ready", func(ctx SpecContext) {
		spare := &wasm.Spare{}
		w = r.slot(func(c *wasm.Config) { c.Spare = spare })
		DeferCleanup(spare.Close)
		stops := func() {
			GinkgoHelper()
			var out collected
			outcome := start(w, r.request(Script([]Step{Print("begun"), Forever()})), wasm.IO{Stdout: &out})
			Eventually(ctx, out.String).WithTimeout(10 * time.Second).Should(Equal("begun"))
			stopPromptly(ctx, w, outcome)
		}
		ready := func(not int) int {
			GinkgoHelper()
			Eventually(ctx, spare.PID).WithTimeout(10 * time.Second).ShouldNot(BeElementOf(0, not))
			return spare.PID()
		}
		works(ctx)
		first := ready(0)
		stops()
		works(ctx)
		Expect(w.PID()).To(Equal(first))
		second := ready(first)
		Expect(syscall.Kill(second, syscall.SIGKILL)).To(Succeed())
		Eventually(ctx, alive).WithArguments(second).Should(BeFalse())
		stops()
		works(ctx)
		third := ready(second)
		spare.Close()
		Expect(alive(third)).To(BeFalse())
		stops()
		works(ctx)
		Expect(spare.PID()).To(BeZero(), "closed is closed")
	})
	It("ends with Close, also in an endless loop", func(ctx SpecContext) {
		var out collected
		w.Run(r.request(Script([]Step{Print("begun"), Forever()})), wasm.IO{Stdout: &out}, func(wasm.Outcome) {})
		Eventually(ctx, out.String).WithTimeout(10 * time.Second).Should(Equal("begun"))
		pid := w.PID()
		w.Close()
		Expect(alive(pid)).To(BeFalse())
		Expect(run(ctx, w, r.request(wasm.Noop())).Message).To(ContainSubstring("closed"))
	})
})

var _ = Describe("Compiling", Label("RUN-5"), func() {
	var r *rig
	BeforeEach(func() { r = newRig() })

	It("happens once for two slots that want a module at the same time", func(ctx SpecContext) {
		req := r.request(slowToCompile())
		a, b := r.slot(), r.slot()
		Expect(a.Warm()).To(Succeed())
		Expect(b.Warm()).To(Succeed())
		one, two := start(a, req, wasm.IO{}), start(b, req, wasm.IO{})
		var x, y wasm.Outcome
		Eventually(ctx, one).WithTimeout(time.Minute).Should(Receive(&x))
		Eventually(ctx, two).WithTimeout(time.Minute).Should(Receive(&y))
		Expect(x.Succeeded() && y.Succeeded()).To(BeTrue(), x.Message+y.Message)
		Expect([]bool{x.Cached, y.Cached}).To(ConsistOf(true, false))
	})
	It("is waited for in a way that can be stopped, and costs the one who waits no process", func(ctx SpecContext) {
		req := r.request(slowToCompile())
		a, b := r.slot(), r.slot()
		Expect(run(ctx, b, r.request(wasm.Noop())).Succeeded()).To(BeTrue())
		pid := b.PID()
		first := start(a, req, wasm.IO{})
		Eventually(ctx, r.cacheEntries).Should(BeNumerically(">", 1))
		second := start(b, req, wasm.IO{})
		Eventually(ctx, gleak.Goroutines).Should(ContainElement(HaveField("Backtrace", ContainSubstring("waitToLoad"))))
		stopPromptly(ctx, b, second)
		Expect(run(ctx, b, r.request(wasm.Noop())).Succeeded()).To(BeTrue())
		Expect(b.PID()).To(Equal(pid))
		stopPromptly(ctx, a, first)
	})
	It("passes to the next who waits when the first is stopped", func(ctx SpecContext) {
		req := r.request(slowToCompile())
		a, b := r.slot(), r.slot()
		first := start(a, req, wasm.IO{})
		Eventually(ctx, r.cacheEntries).Should(BeNumerically(">", 0))
		second := start(b, req, wasm.IO{})
		stopPromptly(ctx, a, first)
		var o wasm.Outcome
		Eventually(ctx, second).WithTimeout(time.Minute).Should(Receive(&o))
		Expect(o.Succeeded()).To(BeTrue(), o.Message)
		Expect(o.Cached).To(BeFalse())
		Expect(filepath.Glob(filepath.Join(r.dir, "cache", "*", "*", "*.tmp"))).To(BeEmpty())
	})
	It("is remembered in memory, and on disk across processes and nodes", func(ctx SpecContext) {
		req := r.request(slowToCompile())
		w := r.slot()
		first := run(ctx, w, req)
		Expect(first.Cached).To(BeFalse())
		second := run(ctx, w, req)
		Expect(second.Cached).To(BeTrue())
		Expect(second.Compile).To(BeZero())
		r.cache = r.newCache()
		third := run(ctx, r.slot(), req)
		Expect(third.Cached).To(BeTrue())
		Expect(third.Compile).To(And(BeNumerically(">", 0), BeNumerically("<", first.Compile)))
	})
	It("happens again when what is on disk is damaged", func(ctx SpecContext) {
		req := r.request(wasm.Noop())
		Expect(run(ctx, r.slot(), req).Succeeded()).To(BeTrue())
		files, err := filepath.Glob(filepath.Join(r.dir, "cache", "*", "*", "*"))
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(1))
		Expect(os.WriteFile(files[0], []byte("WAZEVO but no code"), 0o600)).To(Succeed())
		o := run(ctx, r.slot(), req)
		Expect(o.Succeeded()).To(BeTrue(), o.Message)
		Expect(o.Cached).To(BeFalse())
	})
	It("keeps the modules used last when memory or disk are full", func(ctx SpecContext) {
		var err error
		r.cache, err = wasm.NewCache(filepath.Join(r.dir, "small"), 1)
		Expect(err).NotTo(HaveOccurred())
		w := r.slot(func(c *wasm.Config) { c.ModuleMemory = 1 })
		for i := range 5 {
			req := r.request(Script([]Step{Exit(uint32(i))}))
			Expect(run(ctx, w, req).Cached).To(BeFalse())
			Expect(run(ctx, w, req).Compile).To(BeZero(), "the newest stays")
		}
		Expect(os.ReadDir(filepath.Join(r.dir, "small"))).To(HaveLen(1))
		Expect(run(ctx, w, r.request(Script([]Step{Exit(0)}))).Cached).To(BeFalse())
	})
})

// cacheEntries counts the modules on disk, those being compiled included.
func (r *rig) cacheEntries() int {
	entries, _ := os.ReadDir(filepath.Join(r.dir, "cache"))
	return len(entries)
}

type countingReader struct{ reads int }

func (c *countingReader) Read([]byte) (int, error) {
	c.reads++
	return 0, io.EOF
}

func openFiles(proc string) (targets []string) {
	GinkgoHelper()
	entries, err := os.ReadDir(proc + "/fd")
	Expect(err).NotTo(HaveOccurred())
	for _, e := range entries {
		if t, err := os.Readlink(proc + "/fd/" + e.Name()); err == nil {
			targets = append(targets, strings.TrimSuffix(t, " (deleted)"))
		}
	}
	return targets
}
