package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

var _ = Describe("A flipped bit on disk", Label("DATA-1"), func() {
	var (
		store *blob.Store
		dir   string
		data  []byte
		d     blob.Digest
		path  string
	)

	BeforeEach(func(ctx SpecContext) {
		store, dir = openStore(blob.Options{})
		data = noise(600<<10, 1)
		d = blob.Sum(data)
		Expect(store.Put(ctx, bytes.NewReader(data), d)).To(Succeed())
		path = filepath.Join(dir, d.String()[:2], d.String())
	})

	DescribeTable("is noticed by whoever reads, before the last bytes are handed out", func(ctx SpecContext, damage func()) {
		damage()
		back, err := readAll(ctx, store, d)
		Expect(err).To(MatchError(blob.ErrCorrupt))
		Expect(len(back)).To(BeNumerically("<", len(data)))
	},
		Entry("in the first byte", func() { flip(path, 0) }),
		Entry("in the middle", func() { flip(path, 300<<10) }),
		Entry("in the last byte", func() { flip(path, 600<<10-1) }),
		Entry("a file cut short", func() { Expect(os.Truncate(path, 100)).To(Succeed()) }),
		Entry("a file emptied", func() { Expect(os.Truncate(path, 0)).To(Succeed()) }),
		Entry("a file cut short and filled up with zeros", func() {
			Expect(os.Truncate(path, 100)).To(Succeed())
			Expect(os.Truncate(path, 600<<10)).To(Succeed())
		}),
	)

	It("is noticed when the file is cut short while it is read", func(ctx SpecContext) {
		r, err := store.Open(ctx, d)
		Expect(err).NotTo(HaveOccurred())
		defer r.Close()
		Expect(os.Truncate(path, 300<<10)).To(Succeed())
		_, err = io.ReadAll(r)
		Expect(err).To(MatchError(blob.ErrCorrupt))
	})

	It("costs the blob, so that it can be put again", func(ctx SpecContext) {
		flip(path, 7)
		Expect(store.Verify(ctx, d)).To(MatchError(blob.ErrCorrupt))
		Expect(store.Has(d)).To(BeFalse())
		Expect(store.Used()).To(BeZero())
		Expect(store.Put(ctx, bytes.NewReader(data), d)).To(Succeed())
		Expect(store.Verify(ctx, d)).To(Succeed())
	})

	It("keeps a store that was opened again from giving out the file's path", func(ctx SpecContext) {
		flip(path, 7)
		again := reopen(dir, blob.Options{})
		_, _, err := again.Path(ctx, d)
		Expect(err).To(MatchError(blob.ErrCorrupt))
	})

	It("is noticed by Path when the file looks different", func(ctx SpecContext) {
		found, release, err := store.Path(ctx, d)
		Expect(err).NotTo(HaveOccurred())
		defer release()
		Expect(found).To(Equal(path))
		flip(path, 7)
		Expect(os.Chtimes(path, modified, modified)).To(Succeed())
		_, _, err = store.Path(ctx, d)
		Expect(err).To(MatchError(blob.ErrCorrupt))
	})

	It("is told once when many notice it at the same time", func(ctx SpecContext) {
		flip(path, 7)
		var told atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if errors.Is(store.Verify(ctx, d), blob.ErrCorrupt) {
					told.Add(1)
				}
			})
		}
		wg.Wait()
		Expect(told.Load()).To(BeEquivalentTo(1))
		Expect(store.Used()).To(BeZero())
	})
})

var _ = Describe("Reading", Label("DATA-1"), func() {
	It("ends with its context", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{})
		d, _, err := s.Add(ctx, bytes.NewReader(noise(1<<20, 1)))
		Expect(err).NotTo(HaveOccurred())
		given, cancel := context.WithCancel(ctx)
		r, err := s.Open(given, d)
		Expect(err).NotTo(HaveOccurred())
		defer r.Close()
		Expect(io.CopyN(io.Discard, r, 1000)).To(BeEquivalentTo(1000))
		cancel()
		_, err = io.ReadAll(r)
		Expect(err).To(MatchError(context.Canceled))
	})
})
