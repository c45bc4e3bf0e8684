package main

import (
	"encoding/json"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("ucp bench data", Label("DATA-1", "DATA-2"), func() {
	// measures runs it in a directory of its own, in which nothing is left, and returns what it told.
	measures := func(ctx SpecContext, args ...string) (told map[string]any) {
		GinkgoHelper()
		u := somebody()
		tmp := filepath.Join(u.dir, "tmp")
		Expect(os.Mkdir(tmp, 0o700)).To(Succeed())
		GinkgoT().Setenv("TMPDIR", tmp)
		a := u.runsWith(ctx, []string{asUCP + "=1"}, append([]string{"bench", "data", "--output", "json"}, args...)...)
		Expect(a.code).To(Equal(0), a.stderr)
		Expect(a.stderr).To(BeEmpty())
		Expect(json.Unmarshal([]byte(a.stdout), &told)).To(Succeed())
		Expect(os.ReadDir(tmp)).To(BeEmpty())
		return told
	}
	positive := BeNumerically(">", 0)

	It("moves bytes, starts a module, puts named data, tells how long that took, and leaves nothing behind", Label("real"), func(ctx SpecContext) {
		told := measures(ctx, "--sizes", "5MiB", "--rounds", "2", "--modules", "40KiB", "--count", "150", "--concurrency", "4")
		Expect(told).To(And(HaveKey("cpus"), HaveKeyWithValue("took_ms", positive), Not(HaveKey("large"))))
		speeds := And(HaveKeyWithValue("min", positive), HaveKeyWithValue("median", positive), HaveKeyWithValue("max", positive))
		Expect(told["transfers"]).To(HaveExactElements(And(
			HaveKeyWithValue("bytes", 5.0*(1<<20)), HaveKeyWithValue("rounds", 2.0), HaveKeyWithValue("reached", BeElementOf("400 MB/s", "disk", "neither")),
			HaveKeyWithValue("disk_mb_per_second", speeds), HaveKeyWithValue("put_mb_per_second", speeds),
			HaveKeyWithValue("copy_mb_per_second", speeds), HaveKeyWithValue("get_mb_per_second", speeds),
		)))
		start := func(executor string, run float64) any {
			return And(HaveKeyWithValue("executor", executor), HaveKeyWithValue("run", run), HaveKeyWithValue("started_ms", positive),
				HaveKeyWithValue("finished_ms", positive), HaveKeyWithValue("compile_ms", BeNumerically(">=", 0)))
		}
		Expect(told["modules"]).To(HaveExactElements(And(
			HaveKeyWithValue("bytes", BeNumerically("~", 40<<10, 4<<10)), HaveKeyWithValue("upload_ms", positive),
			HaveKeyWithValue("starts", HaveExactElements(start("e1", 1), start("e1", 2), start("e2", 1), start("e2", 2))),
		)))
		Expect(told["named"]).To(And(
			HaveKeyWithValue("count", 150.0), HaveKeyWithValue("bytes", 1024.0), HaveKeyWithValue("concurrency", 4.0), HaveKeyWithValue("listed", 150.0),
			HaveKeyWithValue("durability", positive), HaveKeyWithValue("puts_per_second", positive), HaveKeyWithValue("gets_per_second", positive),
			HaveKeyWithValue("put_p50_ms", positive), HaveKeyWithValue("put_p99_ms", positive), HaveKeyWithValue("list_ms", positive),
			HaveKeyWithValue("get_p50_ms", positive), HaveKeyWithValue("get_p99_ms", positive),
		))
	}, SpecTimeout(4*soon))

	DescribeTable("refuses what it cannot measure",
		func(ctx SpecContext, reason string, args ...string) {
			a := somebody().runs(ctx, append([]string{"bench", "data"}, args...)...)
			Expect(a.code).To(Equal(exitUsage))
			Expect(a.stderr).To(ContainSubstring(reason))
		},
		Entry("a size that is none", `--sizes: must be a size in B, KiB, MiB, GiB, kB, MB or GB such as 256MiB, not "much"`, "--sizes", "much"),
		Entry("a module that is too small for one", "--modules: must be at least 1KiB", "--modules", "3"),
		Entry("no rounds", "--rounds must be from 1 to 100, not 0", "--rounds", "0"),
		Entry("no values", "--count must be from 1 to 1000000, not 0", "--count", "0"),
		Entry("nobody who puts them", "--concurrency must be from 1 to 10000, not 0", "--concurrency", "0"),
	)

	It("says whether transfers are as fast as they should be, or as the disk is", func() {
		of := func(disk, slowest float64) string {
			quick := spread{Median: 900}
			return (&transferOutput{Disk: spread{Median: disk}, Put: quick, Copy: spread{Median: slowest}, Get: quick}).verdict()
		}
		Expect([]string{of(2000, 400), of(300, 290), of(300, 200)}).To(Equal([]string{"400 MB/s", "disk", "neither"}))
	})
})
