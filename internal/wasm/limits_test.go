//go:build unix

package wasm_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/wasm"
	. "github.com/urbancompute/ucp/internal/wasm/wasmtest"
)

var _ = Describe("Limits", Label("RUN-4"), func() {
	var r *rig
	var w *wasm.Worker
	BeforeEach(func() {
		r = newRig()
		w = r.slot()
	})
	request := func(steps ...Step) wasm.Request {
		GinkgoHelper()
		req := r.request(Script(steps))
		req.Dir = r.jobDir()
		return req
	}

	It("are those of the design unless a job asks for others", func() {
		Expect(wasm.Limits{}.OrDefault()).To(Equal(wasm.Limits{
			MemoryBytes: 256 << 20, StdoutBytes: 1 << 20, StderrBytes: 1 << 20, ModuleBytes: 32 << 20, OutputBytes: 256 << 20,
			OpenFiles: 64, Timeout: time.Minute, CompileTimeout: time.Minute,
		}))
	})
	It("of a job stay within the executor's caps", func() {
		caps := wasm.Limits{MemoryBytes: 1 << 20, Timeout: time.Second}
		l := wasm.Limits{MemoryBytes: 1 << 30, StdoutBytes: 5}.Cap(caps)
		Expect(l.MemoryBytes).To(BeEquivalentTo(1 << 20))
		Expect(l.Timeout).To(Equal(time.Second), "the default is capped too")
		Expect(l.StdoutBytes).To(BeEquivalentTo(5))
		Expect(l.OpenFiles).To(Equal(64))
	})

	It("cut a flood of output, mark it, and let the guest go on", func(ctx SpecContext) {
		o := run(ctx, w, request(Times(100, Write(I32(1), 50_000), Write(I32(2), 10)), Exit(7)))
		Expect(o.ExitCode).To(BeEquivalentTo(7))
		Expect(o.stdout).To(HaveLen(1 << 20))
		Expect(o.StdoutTruncated).To(BeTrue())
		Expect(o.stderr).To(HaveLen(1000))
		Expect(o.StderrTruncated).To(BeFalse())
	})
	It("let output reach the limit exactly", func(ctx SpecContext) {
		req := request(Write(I32(1), 100))
		req.Limits.StdoutBytes = 100
		o := run(ctx, w, req)
		Expect(o.stdout).To(HaveLen(100))
		Expect(o.StdoutTruncated).To(BeFalse())
	})
	It("end a flood of the disk", func(ctx SpecContext) {
		req := request(Open(0, "f", Create), Times(100, RecordWrite(At(FD(0)), 50_000)), Exit(1))
		req.Limits.OutputBytes = 1 << 20
		o := run(ctx, w, req)
		Expect(o.Kind).To(Equal(wasm.LimitHit))
		Expect(o.Limit).To(Equal(wasm.LimitOutput))
		st, err := os.Stat(filepath.Join(req.Dir, "f"))
		Expect(err).NotTo(HaveOccurred())
		Expect(st.Size()).To(BeEquivalentTo(20 * 50_000))
	})
	It("count holes like bytes", func(ctx SpecContext) {
		resize := func(n int64) Step { return Record("fd_filestat_set_size", At(FD(0)), I64(n)) }
		req := request(Open(0, "f", Create), resize(1<<40), resize(1<<20), resize(0), resize(1<<20), Verdicts())
		req.Limits.OutputBytes = 1 << 20
		Expect(verdicts(run(ctx, w, req).stdout)).To(Equal([]int{success, eio, success, success, success}))
	})
	It("give back what is deleted, once nothing holds it", func(ctx SpecContext) {
		unlink := Record("path_unlink_file", I32(3), Str("f"))
		closing := Record("fd_close", At(FD(0)))
		full := func() []Step { return []Step{Open(0, "f", Create), RecordWrite(At(FD(0)), 50_000)} }
		again := append(append(full(), closing, unlink), full()...)
		held := append(append(full(), unlink), full()...)
		for _, t := range []struct {
			steps []Step
			last  int
		}{{again, success}, {held, eio}} {
			req := request(append(t.steps, Verdicts(), closing, unlink)...)
			req.Limits.OutputBytes = 60_000
			v := verdicts(run(ctx, w, req).stdout)
			Expect(v[len(v)-1]).To(Equal(t.last), "%v", v)
		}
	})
	It("end a flood of empty files", func(ctx SpecContext) {
		var steps []Step
		for i := range 1100 {
			steps = append(steps, Call("path_create_directory", I32(3), Str(fmt.Sprint(i))))
		}
		req := request(append(steps, Exit(1))...)
		req.Limits.OutputBytes = 1
		Expect(run(ctx, w, req).Limit).To(Equal(wasm.LimitOutput))
		Expect(os.ReadDir(req.Dir)).To(HaveLen(1024))
	})
	It("end a flood of descriptors", func(ctx SpecContext) {
		req := request(Times(80, Open(0, "f", Create)), Exit(1))
		o := run(ctx, w, req)
		Expect(o.Kind).To(Equal(wasm.LimitHit))
		Expect(o.Limit).To(Equal(wasm.LimitFiles))
		Expect(run(ctx, w, req).Limit).To(Equal(wasm.LimitFiles), "the next run begins anew")
	})
	It("let a guest open as many files as it may", func(ctx SpecContext) {
		req := request(Times(64, Open(0, "f", Create)), Verdicts())
		o := run(ctx, w, req)
		Expect(o.Limit).To(BeEmpty())
		Expect(verdicts(o.stdout)).To(HaveEach(success))
	})
	It("hold a guest that wants 4 GiB from the start", func(ctx SpecContext) {
		o := run(ctx, w, r.request(Script(nil, Memory(FourGiB))))
		Expect(o.Kind).To(Equal(wasm.LimitHit))
		Expect(o.Limit).To(Equal(wasm.LimitMemory))
		Expect(o.Message).To(ContainSubstring("more than the limit of 268435456"))
	})
	It("hold a guest that grows without end, and take the memory back", func(ctx SpecContext) {
		flood := request(Forever(Grow(16)))
		for range 20 {
			o := run(ctx, w, flood)
			Expect(o.Limit).To(Equal(wasm.LimitMemory))
		}
		touching := request(Grow(4000), Touch(4, 4000))
		for range 3 {
			Expect(run(ctx, w, touching).Succeeded()).To(BeTrue())
		}
		Expect(residentBytes(w.PID())).To(BeNumerically("<", 200<<20), "250 MiB were touched by each")
	})
	It("end compiling that takes too long, and say so", func(ctx SpecContext) {
		req := r.request(slowToCompile())
		req.Limits.CompileTimeout = 20 * time.Millisecond
		o := run(ctx, w, req)
		Expect(o.Kind).To(Equal(wasm.Stopped))
		Expect(o.Limit).To(Equal(wasm.LimitCompile))
		Expect(o.Message).To(ContainSubstring("20ms"))
	})
	It("do not count compiling as running", func(ctx SpecContext) {
		req := r.request(slowToCompile())
		req.Limits.Timeout = 5 * time.Second
		o := run(ctx, w, req)
		Expect(o.Succeeded()).To(BeTrue(), o.Message)
		Expect(o.Compile).To(BeNumerically(">", 20*time.Millisecond))
		Expect(o.Cached).To(BeFalse())
	})
})

// slowToCompile returns a module with one long function, which takes a second or so.
func slowToCompile() []byte {
	return Script([]Step{Exit(0), Touch(0, 20_000)})
}

func residentBytes(pid int) int {
	GinkgoHelper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		Skip("resident memory is read from /proc, which is not here: " + err.Error())
	}
	var size, resident int
	_, err = fmt.Sscan(string(b), &size, &resident)
	Expect(err).NotTo(HaveOccurred())
	return resident * os.Getpagesize()
}
