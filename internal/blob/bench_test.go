package blob_test

import (
	"bytes"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

const benchBytes = 64 << 20

// BenchmarkTransfer moves 64 MiB between two stores on one machine, over mutual TLS on loopback: read from disk and
// verified on one side, verified and fsynced on the other.
func BenchmarkTransfer(b *testing.B) {
	stores := func(b *testing.B, g Gomega) (here, there *blob.Store, d blob.Digest) {
		var err error
		here, err = blob.OpenStore(b.TempDir(), blob.Options{})
		g.Expect(err).NotTo(HaveOccurred())
		there, err = blob.OpenStore(b.TempDir(), blob.Options{})
		g.Expect(err).NotTo(HaveOccurred())
		d, _, err = here.Add(b.Context(), bytes.NewReader(noise(benchBytes, 1)))
		g.Expect(err).NotTo(HaveOccurred())
		b.SetBytes(benchBytes)
		return here, there, d
	}
	b.Run("put", func(b *testing.B) {
		g := NewWithT(b)
		here, there, d := stores(b, g)
		p := servePeer(g, blob.Handler(there, everyone))
		defer p.stop()
		t := blob.NewTransport(p.dial)
		defer t.Close()
		for b.Loop() {
			g.Expect(blob.NewClient(t).Send(b.Context(), base, d, here)).To(Succeed())
			g.Expect(there.Delete(b.Context(), d)).To(Succeed())
		}
	})
	b.Run("get", func(b *testing.B) {
		g := NewWithT(b)
		there, here, d := stores(b, g)
		p := servePeer(g, blob.Handler(there, everyone))
		defer p.stop()
		t := blob.NewTransport(p.dial)
		defer t.Close()
		for b.Loop() {
			g.Expect(blob.NewClient(t).Get(b.Context(), []string{base}, d, here)).To(Succeed())
			g.Expect(here.Delete(b.Context(), d)).To(Succeed())
		}
	})
}

// BenchmarkStore is what the disk and the hash alone allow.
func BenchmarkStore(b *testing.B) {
	for name, size := range map[string]int{"64MiB": benchBytes, "1KiB": 1 << 10} {
		b.Run(name, func(b *testing.B) {
			g := NewWithT(b)
			s, err := blob.OpenStore(b.TempDir(), blob.Options{})
			g.Expect(err).NotTo(HaveOccurred())
			data := noise(size, 1)
			d := blob.Sum(data)
			b.SetBytes(int64(size))
			for b.Loop() {
				g.Expect(s.Put(b.Context(), bytes.NewReader(data), d)).To(Succeed())
				g.Expect(s.Delete(b.Context(), d)).To(Succeed())
			}
		})
	}
}
