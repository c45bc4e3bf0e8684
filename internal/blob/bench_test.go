package blob_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

const benchBytes = 64 << 20

// perCore runs do again and again, each time over so many bytes, and reports beside bytes per second of time those per second of one core: that says
// the same on a busy machine, where time is what others leave.
func perCore(b *testing.B, size int64, do func()) {
	b.Helper()
	b.SetBytes(size)
	begun := processorTime()
	for b.Loop() {
		do()
	}
	if used := processorTime() - begun; used > 0 {
		b.ReportMetric(float64(size)*float64(b.N)/1e6/used.Seconds(), "MB/core-s")
	}
}

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
		return here, there, d
	}
	b.Run("put", func(b *testing.B) {
		g := NewWithT(b)
		here, there, d := stores(b, g)
		p := servePeer(g, blob.Handler(there, everyone))
		defer p.stop()
		t := blob.NewTransport(p.dial)
		defer t.Close()
		perCore(b, benchBytes, func() {
			g.Expect(blob.NewClient(t).Send(b.Context(), base, d, here)).To(Succeed())
			g.Expect(there.Delete(b.Context(), d)).To(Succeed())
		})
	})
	b.Run("get", func(b *testing.B) {
		g := NewWithT(b)
		there, here, d := stores(b, g)
		p := servePeer(g, blob.Handler(there, everyone))
		defer p.stop()
		t := blob.NewTransport(p.dial)
		defer t.Close()
		perCore(b, benchBytes, func() {
			g.Expect(blob.NewClient(t).Get(b.Context(), []string{base}, d, here)).To(Succeed())
			g.Expect(here.Delete(b.Context(), d)).To(Succeed())
		})
	})
}

// BenchmarkCeiling is what the machine allows: the parts of a transfer by themselves, and all of them with nothing of ours between them.
func BenchmarkCeiling(b *testing.B) {
	data := noise(benchBytes, 1)
	b.Run("SHA-256", func(b *testing.B) {
		perCore(b, benchBytes, func() { sha256.Sum256(data) })
	})
	b.Run("write and fsync", func(b *testing.B) {
		g, name := NewWithT(b), filepath.Join(b.TempDir(), "f")
		perCore(b, benchBytes, func() {
			g.Expect(land(name, bytes.NewReader(data), io.Discard)).To(Succeed())
		})
	})
	b.Run("mutual TLS", func(b *testing.B) {
		g := NewWithT(b)
		here, there := bareTLS(b, g)
		perCore(b, benchBytes, func() {
			go func() { _, _ = here.Write(data) }()
			_, err := io.CopyN(io.Discard, there, benchBytes)
			g.Expect(err).NotTo(HaveOccurred())
		})
	})
	b.Run("all of it", func(b *testing.B) { // a file read and hashed, sent, hashed, written and fsynced
		g, dir := NewWithT(b), b.TempDir()
		here, there := bareTLS(b, g)
		from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
		g.Expect(os.WriteFile(from, data, 0o600)).To(Succeed())
		perCore(b, benchBytes, func() {
			sent := make(chan error, 1)
			go func() { sent <- send(from, here) }()
			g.Expect(land(to, io.LimitReader(there, benchBytes), sha256.New())).To(Succeed())
			g.Expect(<-sent).To(Succeed())
		})
	})
}

// bareTLS returns both ends of a connection.
func bareTLS(b *testing.B, g Gomega) (here, there *tls.Conn) {
	config := mutualTLS(g)
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	g.Expect(err).NotTo(HaveOccurred())
	accepted := make(chan *tls.Conn, 1)
	go func() {
		conn, _ := l.Accept()
		c, _ := conn.(*tls.Conn)
		_ = c.Handshake()
		accepted <- c
	}()
	d := tls.Dialer{Config: config}
	conn, err := d.DialContext(context.Background(), "tcp", l.Addr().String())
	g.Expect(err).NotTo(HaveOccurred())
	here, there = conn.(*tls.Conn), <-accepted
	b.Cleanup(func() { _, _, _ = here.Close(), there.Close(), l.Close() })
	return here, there
}

// send hashes a file and writes it to w.
func send(name string, w io.Writer) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{io.TeeReader(f, sha256.New())}, make([]byte, 256<<10))
	return err
}

// land writes r to a file, also to also, fsyncs and removes it.
func land(name string, r io.Reader, also io.Writer) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{io.TeeReader(r, also)}, make([]byte, 256<<10)); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Remove(name)
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
			perCore(b, int64(size), func() {
				g.Expect(s.Put(b.Context(), bytes.NewReader(data), d)).To(Succeed())
				g.Expect(s.Delete(b.Context(), d)).To(Succeed())
			})
		})
	}
}
