//go:build unix

package wasm_test

import (
	"crypto/rand"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/tetratelabs/wazero/sys"

	"github.com/urbancompute/ucp/internal/wasm"
	. "github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

var _ = Describe("Running a module", func() {
	var r *rig
	var w *wasm.Worker
	BeforeEach(func() {
		r = newRig()
		w = r.slot()
	})
	script := func(steps ...Step) wasm.Request { return r.request(Script(steps)) }

	Describe("commands of WASI preview 1", Label("RUN-1"), func() {
		It("runs a command that does nothing", func(ctx SpecContext) {
			o := run(ctx, w, r.request(wasm.Noop()))
			Expect(o.Succeeded()).To(BeTrue(), o.Message)
			Expect(o.stdout + o.stderr).To(BeEmpty())
		})
		It("keeps the two outputs apart", func(ctx SpecContext) {
			o := run(ctx, w, script(Print("hello\n"), Complain("oh dear\n")))
			Expect(o.stdout).To(Equal("hello\n"))
			Expect(o.stderr).To(Equal("oh dear\n"))
		})
		It("passes the standard input on, whatever its length", func(ctx SpecContext) {
			text := strings.Repeat("0123456789abcdef", 30_000)
			Expect(run(ctx, w, script(Echo()), text).stdout).To(Equal(text))
		})
		It("ends the standard input at once where there is none", func(ctx SpecContext) {
			Expect(run(ctx, w, script(Echo(), Print("over"))).stdout).To(Equal("over"))
		})

		DescribeTable("refuses, in one sentence", func(ctx SpecContext, module func() []byte, sentence string) {
			o := run(ctx, w, r.request(module()))
			Expect(o.Kind).To(Equal(wasm.Refused), o.Message)
			Expect(o.Message).To(ContainSubstring(sentence))
			Expect(o.Message).NotTo(ContainSubstring("\n"))
			Expect(run(ctx, w, r.request(wasm.Noop())).Succeeded()).To(BeTrue(), "the slot is fine")
		},
			Entry("a library", func() []byte { return Script(nil, Export("_initialize")) }, "exports no _start"),
			Entry("a component", Component, "component"),
			Entry("missing imports, all of them", func() []byte { return Script([]Step{Call("gpu"), Call("fetch")}) }, "env.fetch, env.gpu"),
			Entry("wrong parameters", func() []byte { return Script([]Step{Call("proc_exit")}, WrongSignature()) }, "wasi_snapshot_preview1.proc_exit"),
			Entry("random bytes", func() []byte { return randomBytes(4096) }, "not a WebAssembly module"),
			Entry("random bytes behind a true header", func() []byte { return append(wasm.Noop()[:8], randomBytes(4096)...) }, "the module is"),
			Entry("an empty file", func() []byte { return []byte{} }, "empty"),
			Entry("a truncated module", func() []byte { return wasm.Noop()[:len(wasm.Noop())-3] }, "truncated"),
			Entry("a module cut between sections", func() []byte { return wasm.Noop()[:30] }, "the module is"),
			Entry("another version", func() []byte { return []byte("\x00asm\x02\x00\x00\x00") }, "version 2"),
			Entry("more memory than a module can have", func() []byte { return Script(nil, Memory(TooMuch)) }, "memory"),
		)
		It("refuses a module that is not there", func(ctx SpecContext) {
			req := r.request(wasm.Noop())
			req.Module += ".gone"
			o := run(ctx, w, req)
			Expect(o.Kind).To(Equal(wasm.Refused))
			Expect(o.Message).To(ContainSubstring("cannot be read: no such file"))
		})
		It("refuses a module larger than the limit, also one that it has in memory", func(ctx SpecContext) {
			req := r.request(wasm.Noop())
			req.Limits.ModuleBytes = 10
			for range 2 {
				o := run(ctx, w, req)
				Expect(o.Kind).To(Equal(wasm.Refused))
				Expect(o.Limit).To(Equal(wasm.LimitModule))
				Expect(o.Message).To(ContainSubstring("more than the limit of 10"))
				Expect(run(ctx, w, r.request(wasm.Noop())).Succeeded()).To(BeTrue())
			}
		})
		It("refuses arguments that no guest can be given", func(ctx SpecContext) {
			req := r.request(wasm.Noop())
			req.Args = []string{"a\x00b"}
			Expect(run(ctx, w, req).Message).To(ContainSubstring("NUL"))
			req.Args, req.Env = nil, []string{"novalue"}
			Expect(run(ctx, w, req).Message).To(ContainSubstring("NAME=VALUE"))
		})
		It("passes long arguments", func(ctx SpecContext) {
			req := r.request(wasm.Noop())
			req.Args = []string{strings.Repeat("x", 1<<20)}
			Expect(run(ctx, w, req).Succeeded()).To(BeTrue())
		})
		It("refuses a second run while one is under way", func(ctx SpecContext) {
			first := start(w, script(Forever()), wasm.IO{})
			Expect(run(ctx, w, script()).Message).To(ContainSubstring("running something else"))
			stopPromptly(ctx, w, first)
		})
	})

	Describe("telling ends apart", Label("RUN-6"), func() {
		It("reports the exit code", func(ctx SpecContext) {
			o := run(ctx, w, script(Print("before"), Exit(42), Print("after")))
			Expect(o.Kind).To(Equal(wasm.Exited))
			Expect(o.ExitCode).To(BeEquivalentTo(42))
			Expect(o.stdout).To(Equal("before"))
		})
		It("reports a trap with the wasm stack", func(ctx SpecContext) {
			o := run(ctx, w, script(Print("before"), Trap()))
			Expect(o.Kind).To(Equal(wasm.Trapped))
			Expect(o.Message).To(Equal("the module trapped: unreachable"))
			Expect(o.Trap).To(ContainSubstring("wasm stack trace"))
			Expect(o.stdout).To(Equal("before"))
		})
		DescribeTable("takes a forged exit code for an exit code", func(ctx SpecContext, code uint32) {
			o := run(ctx, w, script(Exit(code)))
			Expect(o.Kind).To(Equal(wasm.Exited))
			Expect(o.ExitCode).To(Equal(code))
		},
			Entry("of a deadline", sys.ExitCodeDeadlineExceeded),
			Entry("of a cancellation", sys.ExitCodeContextCanceled),
			Entry("of our timeout", uint32(124)),
			Entry("of our own failures", uint32(125)),
		)
		It("calls a timeout a timeout, by name of the limit", func(ctx SpecContext) {
			req := script(Forever())
			req.Limits.Timeout = 50 * time.Millisecond
			o := run(ctx, w, req)
			Expect(o.Kind).To(Equal(wasm.Stopped))
			Expect(o.Stop).To(Equal(wasm.TimedOut))
			Expect(o.Limit).To(Equal(wasm.LimitTimeout))
			Expect(o.Message).To(ContainSubstring("50ms"))
		})
		It("names the limit that was hit when the guest fails of it", func(ctx SpecContext) {
			o := run(ctx, w, script(Grow(1<<15)))
			Expect(o.Kind).To(Equal(wasm.LimitHit))
			Expect(o.Limit).To(Equal(wasm.LimitMemory))
			Expect(o.Trap).To(ContainSubstring("unreachable"))
		})
		It("lets a guest cope with a limit", func(ctx SpecContext) {
			o := run(ctx, w, script(TryGrow(1<<15)))
			Expect(o.Succeeded()).To(BeTrue())
			Expect(o.Limit).To(Equal(wasm.LimitMemory))
		})
	})

	Describe("time", Label("RUN-2"), func() {
		It("really sleeps", func(ctx SpecContext) {
			Expect(run(ctx, w, script(Sleep(80*time.Millisecond))).Run).To(BeNumerically(">=", 80*time.Millisecond))
		})
		It("lets the command that waits do so for as long as it is told", func(ctx SpecContext) {
			o := run(ctx, w, r.request(wasm.Pause()), string(wasm.PauseFor(80*time.Millisecond)))
			Expect(o.Succeeded()).To(BeTrue(), o.Message)
			Expect(o.Run).To(And(BeNumerically(">=", 80*time.Millisecond), BeNumerically("<", time.Minute)))
		})
		It("makes a deterministic guest see the same clock and the same randomness each time", func(ctx SpecContext) {
			const at = 8192 // where Copy and Write have their buffer
			req := script(Call("clock_time_get", I32(0), I64(0), I32(at)), Call("random_get", I32(at+8), I32(16)),
				Sleep(time.Hour), Call("clock_time_get", I32(1), I64(0), I32(at+24)), Write(I32(1), 32))
			req.Deterministic = true
			first := run(ctx, w, req)
			Expect(first.Run).To(BeNumerically("<", time.Minute), "an hour passes at once")
			Expect(run(ctx, w, req).stdout).To(Equal(first.stdout))
			req.Deterministic = false
			Expect(run(ctx, w, script(Call("random_get", I32(at), I32(16)), Write(I32(1), 16))).stdout).NotTo(ContainSubstring(first.stdout[8:24]))
		})
	})
})

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	b[0] |= 1           // not the magic number, nor a section that may come first
	return b
}
