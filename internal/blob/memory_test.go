package blob_test

import (
	"context"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

// stream gives n bytes that depend on nothing, without holding them.
func stream(n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1}), n)
}

// heapPeak samples the heap that is in use, and what it has of the system, while bytes pass.
type heapPeak struct{ inUse, fromSystem atomic.Uint64 }

func (p *heapPeak) look() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.inUse.Store(max(p.inUse.Load(), m.HeapInuse+m.StackInuse))
	p.fromSystem.Store(max(p.fromSystem.Load(), m.Sys-m.HeapReleased))
}

// watch looks at the heap for each 4 MiB that pass.
func (p *heapPeak) watch(h http.Handler) http.Handler {
	wire := &tripwire{Handler: h, after: 1 << 62}
	var seen atomic.Int64
	wire.each = func(total int64) {
		if old := seen.Load(); total-old > 4*mib && seen.CompareAndSwap(old, total) {
			p.look()
		}
	}
	return wire
}

var _ = Describe("A blob larger than memory is worth", Label("DATA-1"), func() {
	pass := func(ctx context.Context, size int64) {
		GinkgoHelper()
		// The other specs leave this process with a heap several times that of a node, and garbage may grow with it: what is asked here is what lives.
		DeferCleanup(debug.SetGCPercent, debug.SetGCPercent(20))
		sum := sha256.New()
		Expect(io.Copy(sum, stream(size))).To(Equal(size))
		d := blob.Digest(sum.Sum(nil))
		there, _ := openStore(blob.Options{})
		here, _ := openStore(blob.Options{})
		var peak, idle heapPeak
		n := serveAll(map[string]http.Handler{"a": peak.watch(blob.Handler(there, everyone))})
		runtime.GC()
		idle.look()
		Expect(blob.NewClient(n).Put(ctx, "http://a", d, size, stream(size))).To(Succeed())
		Expect(blob.NewClient(n).Get(ctx, []string{"http://a"}, d, here)).To(Succeed())
		Expect(here.Verify(ctx, d)).To(Succeed())
		Expect(peak.inUse.Load()).NotTo(BeZero())
		AddReportEntry("heap above idle, in bytes", peak.inUse.Load()-idle.inUse.Load())
		Expect(peak.inUse.Load()).To(BeNumerically("<=", idle.inUse.Load()+64*mib), "sender, datastore and receiver together")
		Expect(peak.fromSystem.Load()).To(BeNumerically("<=", idle.fromSystem.Load()+64*mib))
	}

	It("passes a datastore in at most 64 MiB: 256 MiB", Serial, func(ctx SpecContext) { pass(ctx, 256*mib) })

	It("passes a datastore in at most 64 MiB: 4 GiB", Serial, Label("campaign"), func(ctx SpecContext) {
		if !strings.Contains(GinkgoLabelFilter(), "campaign") {
			Skip("it takes minutes and 8 GiB of disk: ask for it with --label-filter=campaign")
		}
		pass(ctx, 4<<30)
	})
})
