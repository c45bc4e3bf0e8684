package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"github.com/urbancompute/ucp/internal/blob"
)

// noLeaks fails the spec if goroutines that it started outlive it. Call it first.
func noLeaks() {
	before := gleak.Goroutines()
	DeferCleanup(func(ctx SpecContext) {
		Eventually(ctx, gleak.Goroutines).ShouldNot(gleak.HaveLeaked(before))
	}, NodeTimeout(failAfter))
}

var _ = Describe("Moving a blob between two nodes", Label("DATA-1"), func() {
	var (
		here, there       *blob.Store
		hereDir, thereDir string
		client            *blob.Client
		remote            *peer
	)

	BeforeEach(func() {
		noLeaks()
		here, hereDir = openStore(blob.Options{})
		there, thereDir = openStore(blob.Options{MaxBytes: 20 << 20, MaxBlobBytes: 10 << 20})
		client, _, remote = connect(blob.Handler(there, everyone))
	})

	DescribeTable("brings every byte there and back", func(ctx SpecContext, size int) {
		data := noise(size, 1)
		d := blob.Sum(data)
		Expect(client.Put(ctx, base, d, int64(size), bytes.NewReader(data))).To(Succeed())
		Expect(readAll(ctx, there, d)).To(Equal(data))
		Expect(client.Has(ctx, base, d)).To(BeEquivalentTo(size))
		Expect(client.Get(ctx, []string{base}, d, here)).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
		Expect(remote.dials.Load()).To(BeEquivalentTo(1))
	},
		Entry("none", 0),
		Entry("one", 1),
		Entry("a frame and one", 16<<10+1),
		Entry("more than a window", 9<<20+3),
	)

	It("sends from a store what the other has not", func(ctx SpecContext) {
		d, _, err := here.Add(ctx, bytes.NewReader(noise(1<<20, 1)))
		Expect(err).NotTo(HaveOccurred())
		Expect(client.Send(ctx, base, d, here)).To(Succeed())
		Expect(client.Send(ctx, base, d, here)).To(Succeed())
		Expect(there.Verify(ctx, d)).To(Succeed())
	})

	It("does not read what the other has already", func(ctx SpecContext) {
		data := noise(1<<20, 1)
		d, _, err := there.Add(ctx, bytes.NewReader(data))
		Expect(err).NotTo(HaveOccurred())
		r := &counter{r: bytes.NewReader(data)}
		Expect(client.Put(ctx, base, d, 1<<20, r)).To(Succeed())
		Expect(r.n).To(BeZero())
	})

	It("asks once when many want the same blob", func(ctx SpecContext) {
		requests := &counting{Handler: blob.Handler(there, everyone)}
		client, _, _ := connect(requests)
		d, _, err := there.Add(ctx, bytes.NewReader(noise(3<<20, 1)))
		Expect(err).NotTo(HaveOccurred())
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				defer GinkgoRecover()
				Expect(client.Get(ctx, []string{base}, d, here)).To(Succeed())
			})
		}
		wg.Wait()
		Expect(requests.n.Load()).To(BeEquivalentTo(1))
	})

	It("carries many at once over one connection", func(ctx SpecContext) {
		var wg sync.WaitGroup
		for i := range uint64(64) {
			wg.Go(func() {
				defer GinkgoRecover()
				data := noise(50<<10, i)
				d := blob.Sum(data)
				Expect(client.Put(ctx, base, d, int64(len(data)), bytes.NewReader(data))).To(Succeed())
				Expect(client.Get(ctx, []string{base}, d, here)).To(Succeed())
			})
		}
		wg.Wait()
		Expect(remote.dials.Load()).To(BeEquivalentTo(1))
	})

	Describe("that goes wrong", func() {
		AfterEach(func(ctx SpecContext) {
			Eventually(ctx, func() []string { return append(files(hereDir), files(thereDir)...) }).Should(BeEmpty())
			Eventually(ctx, func() int64 { return here.Used() + there.Used() }).Should(BeZero())
		}, NodeTimeout(failAfter))

		It("says that there is no such blob", func(ctx SpecContext) {
			err := client.Get(ctx, []string{base}, blob.Sum([]byte("hello")), here)
			Expect(err).To(And(MatchError(blob.ErrNotFound), MatchError(ContainSubstring(helloDigest))))
			_, err = client.Has(ctx, base, blob.Sum([]byte("hello")))
			Expect(err).To(MatchError(blob.ErrNotFound))
		})

		It("refuses bytes of another name", func(ctx SpecContext) {
			err := client.Put(ctx, base, blob.Sum([]byte("hello")), 7, strings.NewReader("goodbye"))
			Expect(err).To(MatchError(blob.ErrMismatch))
		})

		It("refuses a blob above the limit before it is sent", func(ctx SpecContext) {
			r := &counter{r: endless{}}
			err := client.Put(ctx, base, blob.Sum(nil), 11<<20, r)
			Expect(err).To(And(MatchError(blob.ErrTooLarge), MatchError(ContainSubstring("10.0 MiB"))))
			Expect(r.n).To(BeNumerically("<=", 8<<20), "at most one window, and the next one, which is read meanwhile")
		})

		It("refuses a body that ends too early", func(ctx SpecContext) {
			data := noise(1<<20, 1)
			err := client.Put(ctx, base, blob.Sum(data), 1<<20, bytes.NewReader(data[:1<<19]))
			Expect(err).To(HaveOccurred())
		})

		It("refuses a body that goes on too long", func(ctx SpecContext) {
			err := client.Put(ctx, base, blob.Sum([]byte("hello")), 5, strings.NewReader("hello, hello"))
			Expect(err).To(HaveOccurred())
			// The five bytes announced were right: they may be kept.
			Expect(there.Delete(ctx, blob.Sum([]byte("hello")))).To(Succeed())
		})

		It("stops when the context ends while sending", func(ctx SpecContext) {
			given, cancel := context.WithCancel(ctx)
			r := io.MultiReader(bytes.NewReader(noise(100<<10, 1)), readerFunc(func([]byte) (int, error) {
				cancel()
				return 0, context.Canceled
			}))
			Expect(client.Put(given, base, blob.Sum(nil), 1<<20, r)).To(MatchError(context.Canceled))
		})

		It("stops when the context ends while receiving", func(ctx SpecContext) {
			given, cancel := context.WithCancel(ctx)
			client, _, _ := connect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Length", "1000000")
				_, _ = w.Write(noise(1000, 1))
				_ = http.NewResponseController(w).Flush()
				cancel()
				<-r.Context().Done()
			}))
			Expect(client.Get(given, []string{base}, blob.Sum(nil), here)).To(MatchError(context.Canceled))
		})

		It("keeps nothing of a peer that lies about the bytes", func(ctx SpecContext) {
			client, _, _ := connect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = io.WriteString(w, "goodbye")
			}))
			Expect(client.Get(ctx, []string{base}, blob.Sum([]byte("hello")), here)).To(MatchError(blob.ErrMismatch))
		})

		It("keeps nothing of a peer that goes away half-way", func(ctx SpecContext) {
			client, _, _ := connect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", "1000")
				_, _ = w.Write(noise(500, 1))
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}))
			Expect(client.Get(ctx, []string{base}, blob.Sum(noise(1000, 1)), here)).NotTo(Succeed())
		})

		It("does not show a hostile peer's control characters, nor all of its novel", func(ctx SpecContext) {
			client, _, _ := connect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "\x1b[2J\x07gone"+strings.Repeat("x", 1<<20), http.StatusTeapot)
			}))
			err := client.Get(ctx, []string{base}, blob.Sum([]byte("hello")), here)
			Expect(err).To(MatchError(ContainSubstring("peer answers 418: ?[2J?gone")))
			Expect(len(err.Error())).To(BeNumerically("<", 700))
		})
	})

	It("refuses politely when the other is full", func(ctx SpecContext) {
		for i := range uint64(2) {
			_, _, err := there.Add(ctx, bytes.NewReader(noise(9<<20, i)))
			Expect(err).NotTo(HaveOccurred())
		}
		data := noise(3<<20, 9)
		err := client.Put(ctx, base, blob.Sum(data), 3<<20, bytes.NewReader(data))
		Expect(err).To(And(MatchError(blob.ErrFull), MatchError(ContainSubstring("18.0 MiB of 20.0 MiB in use"))))
	})

	It("cuts a blob off that turns out damaged, and the next one hears it is gone", func(ctx SpecContext) {
		data := noise(1<<20, 1)
		d, _, err := there.Add(ctx, bytes.NewReader(data))
		Expect(err).NotTo(HaveOccurred())
		flip(filepath.Join(thereDir, d.String()[:2], d.String()), 12345)
		Expect(client.Get(ctx, []string{base}, d, here)).NotTo(Succeed())
		Expect(here.Has(d)).To(BeFalse())
		Expect(client.Get(ctx, []string{base}, d, here)).To(MatchError(blob.ErrNotFound))
	})

	It("sends what was verified before without another look, and removes it when the other end finds it damaged", func(ctx SpecContext) {
		for i, size := range []int{1 << 20, 9 << 20} {
			d, _, err := here.Add(ctx, bytes.NewReader(noise(size, uint64(20+i))))
			Expect(err).NotTo(HaveOccurred())
			flip(filepath.Join(hereDir, d.String()[:2], d.String()), 12345)
			Expect(client.Send(ctx, base, d, here)).To(And(MatchError(blob.ErrMismatch), MatchError(blob.ErrCorrupt)))
			Expect([]bool{here.Has(d), there.Has(d)}).To(Equal([]bool{false, false}))
		}
	})

	It("asks the owner of the node who may", func(ctx SpecContext) {
		client, _, _ := connect(blob.Handler(there, func(r *http.Request) error {
			if name := r.TLS.PeerCertificates[0].Subject.CommonName; name != "executor-2" {
				return errors.New(name + " may not touch blobs here")
			}
			return nil
		}))
		err := client.Put(ctx, base, blob.Sum([]byte("hello")), 5, strings.NewReader("hello"))
		Expect(err).To(And(MatchError(blob.ErrRefused), MatchError(ContainSubstring("executor-1 may not touch blobs here"))))
		Expect(there.Has(blob.Sum([]byte("hello")))).To(BeFalse())
	})

	It("lets nobody do anything when nobody was asked", func(ctx SpecContext) {
		client, _, _ := connect(blob.Handler(there, nil))
		Expect(client.Get(ctx, []string{base}, blob.Sum(nil), here)).To(MatchError(blob.ErrRefused))
	})
})
