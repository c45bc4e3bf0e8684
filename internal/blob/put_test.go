package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing/iotest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

var _ = Describe("Bytes that do not belong into a store", Label("DATA-1"), func() {
	var (
		store *blob.Store
		dir   string
	)

	BeforeEach(func() {
		store, dir = openStore(blob.Options{MaxBytes: 1 << 20, MaxBlobBytes: 600 << 10})
	})

	AfterEach(func() {
		Expect(files(dir)).To(BeEmpty(), "something was left behind")
		Expect(store.Used()).To(BeZero(), "space is still set aside")
	})

	It("are refused when they hash to another name", func(ctx SpecContext) {
		err := store.Put(ctx, strings.NewReader("goodbye"), blob.Sum([]byte("hello")))
		Expect(err).To(And(MatchError(blob.ErrMismatch), MatchError(ContainSubstring(blob.Sum([]byte("goodbye")).String()))))
	})

	It("are refused when their reader fails, and say how", func(ctx SpecContext) {
		broken := errors.New("cable pulled")
		r := io.MultiReader(bytes.NewReader(noise(300<<10, 1)), iotest.ErrReader(broken))
		Expect(store.Put(ctx, r, blob.Sum(nil))).To(MatchError(broken))
	})

	It("are refused when their reader is cut off, which is not its end", func(ctx SpecContext) {
		data := noise(300<<10, 1)
		r := io.MultiReader(bytes.NewReader(data), iotest.ErrReader(io.ErrUnexpectedEOF))
		Expect(store.Put(ctx, r, blob.Sum(data))).To(MatchError(io.ErrUnexpectedEOF))
	})

	It("are refused when there are too many of them for one blob, before all are read", func(ctx SpecContext) {
		r := &counter{r: bytes.NewReader(noise(10<<20, 1))}
		_, _, err := store.Add(ctx, r)
		Expect(err).To(And(MatchError(blob.ErrTooLarge), MatchError(ContainSubstring("600.0 KiB"))))
		Expect(r.n).To(BeNumerically("<=", 1<<20))
	})

	It("are refused when there is no disk below them", func(ctx SpecContext) {
		Expect(os.RemoveAll(filepath.Join(dir, "tmp"))).To(Succeed())
		_, _, err := store.Add(ctx, strings.NewReader("hello"))
		Expect(err).To(MatchError(fs.ErrNotExist))
	})

	It("are no longer read once the context ends, and leave nothing", func(ctx SpecContext) {
		given, cancel := context.WithCancelCause(ctx)
		changed := errors.New("the user changed their mind")
		r := io.MultiReader(bytes.NewReader(noise(1000, 1)), readerFunc(func([]byte) (int, error) {
			cancel(changed)
			return 1, nil
		}), endless{})
		_, _, err := store.Add(given, r)
		Expect(err).To(MatchError(changed))
	})
})

var _ = Describe("A full store", Label("DATA-1"), func() {
	It("says how full it is, keeps what it has and takes what still fits", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{MaxBytes: 3 << 20})
		d, _, err := s.Add(ctx, bytes.NewReader(noise(2<<20, 1)))
		Expect(err).NotTo(HaveOccurred())
		_, _, err = s.Add(ctx, bytes.NewReader(noise(2<<20, 2)))
		Expect(err).To(And(MatchError(blob.ErrFull), MatchError(ContainSubstring("of 3.0 MiB in use"))))
		Expect(readAll(ctx, s, d)).To(HaveLen(2 << 20))
		_, _, err = s.Add(ctx, bytes.NewReader(noise(1<<20, 3)))
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Used()).To(BeEquivalentTo(3 << 20))
	})

	It("never holds more than its limit, whoever puts at the same time", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{MaxBytes: 1 << 20})
		var wg sync.WaitGroup
		for i := range uint64(8) {
			wg.Go(func() {
				if _, _, err := s.Add(ctx, bytes.NewReader(noise(400<<10, i))); err != nil {
					Expect(err).To(MatchError(blob.ErrFull))
				}
			})
		}
		wg.Wait()
		Expect(len(files(dir))).To(BeNumerically("<=", 2))
		Expect(s.Used()).To(BeEquivalentTo(len(files(dir)) * 400 << 10))
	})
})

var _ = Describe("Putting one blob several times", Label("DATA-1"), func() {
	It("does the work once, at the same time or later", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{})
		data := noise(1<<20, 1)
		d := blob.Sum(data)
		readers := make([]counter, 16)
		var wg sync.WaitGroup
		for i := range readers {
			readers[i].r = bytes.NewReader(data)
			wg.Go(func() {
				defer GinkgoRecover()
				Expect(s.Put(ctx, &readers[i], d)).To(Succeed())
			})
		}
		wg.Wait()
		var total int64
		for i := range readers {
			total += readers[i].n
		}
		Expect(total).To(BeEquivalentTo(1 << 20))
		Expect(files(dir)).To(HaveLen(1))
		Expect(s.Used()).To(BeEquivalentTo(1 << 20))
	})

	It("goes on with the next one's bytes when the first one's fail", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{})
		d := blob.Sum([]byte("hello"))
		started, goOn := make(chan struct{}), make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- s.Put(ctx, readerFunc(func([]byte) (int, error) {
				close(started)
				<-goOn
				return 0, errors.New("cable pulled")
			}), d)
		}()
		<-started
		second := make(chan error, 1)
		go func() { second <- s.Put(ctx, strings.NewReader("hello"), d) }()
		close(goOn)
		Expect(<-first).To(MatchError(ContainSubstring("cable pulled")))
		Expect(<-second).To(Succeed())
		Expect(s.Has(d)).To(BeTrue())
	})

	It("lets a waiting one go when its context ends", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{})
		d := blob.Sum([]byte("hello"))
		started, goOn := make(chan struct{}), make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- s.Put(ctx, io.MultiReader(readerFunc(func([]byte) (int, error) {
				close(started)
				<-goOn
				return 0, io.EOF
			}), strings.NewReader("hello")), d)
		}()
		<-started
		waiting, cancel := context.WithCancel(ctx)
		cancel()
		Expect(s.Put(waiting, strings.NewReader("hello"), d)).To(MatchError(context.Canceled))
		close(goOn)
		Expect(<-first).To(Succeed())
	})
})
