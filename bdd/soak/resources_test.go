package soak_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/bdd/soak"
)

var _ = Describe("What a process uses", func() {
	limits := soak.Limits{Goroutines: 30, Descriptors: 20, Threads: 10, Resident: 64 << 20, Job: 1 << 10}
	begin := soak.Reading{Goroutines: 60, Descriptors: 30, Threads: 9, Resident: 40 << 20}

	DescribeTable("may grow by what is let pass", func(grow func(*soak.Reading), jobs int, wrong ...string) {
		end := begin
		grow(&end)
		Expect(limits.Judge("b1", begin, end, jobs)).To(HaveExactElements(wrong))
	},
		Entry("when it is less", func(r *soak.Reading) { *r = soak.Reading{} }, 0),
		Entry("up to the limits", func(r *soak.Reading) {
			*r = soak.Reading{Goroutines: 90, Descriptors: 50, Threads: 19, Resident: 104 << 20}
		}, 0),
		Entry("but not in goroutines", func(r *soak.Reading) { r.Goroutines = 91 }, 0, "b1 uses 91 goroutines, 60 at the beginning: 30 more are let pass"),
		Entry("nor descriptors", func(r *soak.Reading) { r.Descriptors = 51 }, 0, "b1 uses 51 descriptors, 30 at the beginning: 20 more are let pass"),
		Entry("nor threads", func(r *soak.Reading) { r.Threads = 20 }, 0, "b1 uses 20 threads, 9 at the beginning: 10 more are let pass"),
		Entry("nor memory", func(r *soak.Reading) { r.Resident = 105 << 20 }, 0,
			"b1 has 105.0 MiB of memory, 40.0 MiB at the beginning: 64.0 MiB more are let pass"),
		Entry("which grows with the jobs that it keeps", func(r *soak.Reading) { r.Resident = 105 << 20 }, 1024),
		Entry("each of these by itself", func(r *soak.Reading) { r.Goroutines, r.Threads = 200, 200 }, 0,
			"b1 uses 200 goroutines, 60 at the beginning: 30 more are let pass", "b1 uses 200 threads, 9 at the beginning: 10 more are let pass"),
	)

	It("is what it tells, and what the kernel does", func() {
		var r soak.Reading
		Expect(r.Told(`{"time":"…","msg":"state of the process","node":"b1","goroutines":61,"heap_bytes":9731072,"open_descriptors":38}` + "\n")).To(Succeed())
		Expect(r).To(Equal(soak.Reading{Goroutines: 61, Heap: 9731072}))
		Expect(r.Told("61 goroutines")).NotTo(Succeed())
		status := []byte("Name:\tucp\nVmHWM:\t   70000 kB\nVmRSS:\t   43520 kB\nThreads:\t9\n")
		Expect(soak.StatusOf(status, "VmRSS")).To(BeEquivalentTo(43520))
		Expect(soak.StatusOf(status, "Threads")).To(BeEquivalentTo(9))
		Expect(soak.StatusOf(status, "VmSwap")).To(BeZero())
	})
})

var _ = Describe("The log of a process", func() {
	It("alarms with what the runtime says of its end, with races and with errors, and with nothing else", func() {
		Expect(soak.Alarming(`{"level":"INFO","msg":"node is up"}
{"level":"WARN","msg":"bytes of a job are not copied"}
WARNING: DATA RACE
{"level":"ERROR","msg":"journal did not close"}
panic: runtime error: index out of range [3] with length 3
fatal error: all goroutines are asleep - deadlock!
{"level":"INFO","msg":"node ends"}
`)).To(Equal([]string{
			"WARNING: DATA RACE", `{"level":"ERROR","msg":"journal did not close"}`, "panic: runtime error: index out of range [3] with length 3",
			"fatal error: all goroutines are asleep - deadlock!",
		}))
	})
})
