package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing/iotest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/blob"
)

// openStore opens a store in a directory of its own that the spec cleans up.
func openStore(opt blob.Options) (*blob.Store, string) {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	return reopen(dir, opt), dir
}

func reopen(dir string, opt blob.Options) *blob.Store {
	GinkgoHelper()
	opt.Log = specLog()
	s, err := blob.OpenStore(dir, opt)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	return s
}

// noise returns n bytes that depend on seed alone.
func noise(n int, seed uint64) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(data)
	return data
}

func readAll(ctx context.Context, s *blob.Store, d blob.Digest) ([]byte, error) {
	GinkgoHelper()
	r, err := s.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// files lists what lies in dir, by path relative to it.
func files(dir string) []string {
	GinkgoHelper()
	var found []string
	Expect(filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			relative, _ := filepath.Rel(dir, path)
			found = append(found, relative)
		}
		return err
	})).To(Succeed())
	return found
}

// flip inverts one bit of a file behind the store's back, and leaves its size and date as they were.
func flip(path string, offset int) {
	GinkgoHelper()
	info, err := os.Stat(path)
	Expect(err).NotTo(HaveOccurred())
	data, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	data[offset] ^= 1
	Expect(os.WriteFile(path, data, 0o600)).To(Succeed())
	Expect(os.Chtimes(path, info.ModTime(), info.ModTime())).To(Succeed())
}

var _ = Describe("A store", Label("DATA-1"), func() {
	DescribeTable("gives back what was put into it, of any size", func(ctx SpecContext, size int) {
		s, _ := openStore(blob.Options{})
		data := noise(size, 1)
		d := blob.Sum(data)
		Expect(s.Put(ctx, bytes.NewReader(data), d)).To(Succeed())
		Expect(readAll(ctx, s, d)).To(Equal(data))
		Expect(s.Size(d)).To(BeEquivalentTo(size))
		Expect(s.Used()).To(BeEquivalentTo(size))
	},
		Entry("empty", 0),
		Entry("one byte", 1),
		Entry("one chunk less one", 256<<10-1),
		Entry("exactly one chunk", 256<<10),
		Entry("one chunk and one", 256<<10+1),
		Entry("several chunks", 3<<20+17),
	)

	It("gives back whatever was put into it, however it came in pieces", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{})
		rapid.Check(GinkgoT(), func(t *rapid.T) {
			data := rapid.SliceOfN(rapid.Byte(), 0, 4096).Draw(t, "data")
			d, n, err := s.Add(ctx, iotest.HalfReader(bytes.NewReader(data)))
			if err != nil || d != blob.Sum(data) || n != int64(len(data)) {
				t.Fatalf("added %d of %d bytes as %s: %v", n, len(data), d, err)
			}
			back, err := readAll(ctx, s, d)
			if err != nil || !bytes.Equal(back, data) {
				t.Fatalf("got other bytes back: %v", err)
			}
		})
	})

	It("takes the bytes of a file and says what they are called", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{})
		file := filepath.Join(GinkgoT().TempDir(), "module.wasm")
		Expect(os.WriteFile(file, []byte("hello"), 0o600)).To(Succeed())
		d, size, err := s.PutFile(ctx, file)
		Expect(err).NotTo(HaveOccurred())
		Expect(d.String()).To(Equal(helloDigest))
		Expect(size).To(BeEquivalentTo(5))
		Expect(files(dir)).To(ConsistOf(filepath.Join("2c", helloDigest)))
	})

	It("says which file it could not take", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{})
		_, _, err := s.PutFile(ctx, "no/such/file.wasm")
		Expect(err).To(And(MatchError(fs.ErrNotExist), MatchError(ContainSubstring("no/such/file.wasm"))))
	})

	It("remembers its blobs and its size when opened again", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{})
		d, _, err := s.Add(ctx, bytes.NewReader(noise(1000, 1)))
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Close()).To(Succeed())
		again := reopen(dir, blob.Options{})
		Expect(again.Has(d)).To(BeTrue())
		Expect(again.Used()).To(BeEquivalentTo(1000))
	})

	It("deletes, twice if asked, and has room again", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{MaxBytes: 1000})
		d, _, err := s.Add(ctx, bytes.NewReader(noise(1000, 1)))
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Delete(d)).To(Succeed())
		Expect(s.Delete(d)).To(Succeed())
		Expect(s.Has(d)).To(BeFalse())
		Expect(s.Used()).To(BeZero())
		Expect(files(dir)).To(BeEmpty())
		_, err = s.Open(ctx, d)
		Expect(err).To(MatchError(blob.ErrNotFound))
		Expect(s.Put(ctx, bytes.NewReader(noise(1000, 1)), d)).To(Succeed())
	})
})

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
		_, err := again.Path(ctx, d)
		Expect(err).To(MatchError(blob.ErrCorrupt))
	})

	It("is noticed by Path when the file looks different", func(ctx SpecContext) {
		Expect(store.Path(ctx, d)).To(Equal(path))
		flip(path, 7)
		Expect(os.Chtimes(path, modified, modified)).To(Succeed())
		_, err := store.Path(ctx, d)
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

var _ = Describe("After a crash", Label("DATA-1"), func() {
	It("what was half-written is swept, what was whole stays", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{})
		d, _, err := s.Add(ctx, strings.NewReader("hello"))
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Close()).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, "tmp", "LEFTOVER"), noise(1000, 1), 0o600)).To(Succeed())
		again := reopen(dir, blob.Options{})
		Expect(files(dir)).To(ConsistOf(filepath.Join("2c", helloDigest)))
		Expect(again.Used()).To(BeEquivalentTo(5))
		Expect(again.Verify(ctx, d)).To(Succeed())
	})

	It("a directory that cannot be opened is named", func() {
		file := filepath.Join(GinkgoT().TempDir(), "file")
		Expect(os.WriteFile(file, nil, 0o600)).To(Succeed())
		_, err := blob.OpenStore(file, blob.Options{})
		Expect(err).To(MatchError(ContainSubstring(file)))
	})

	It("a link in the place of a blob leads nowhere outside", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{})
		secret := filepath.Join(GinkgoT().TempDir(), "secret")
		Expect(os.WriteFile(secret, []byte("hello"), 0o600)).To(Succeed())
		Expect(os.Mkdir(filepath.Join(dir, "2c"), 0o700)).To(Succeed())
		Expect(os.Symlink(secret, filepath.Join(dir, "2c", helloDigest))).To(Succeed())
		_, err := s.Open(ctx, blob.Sum([]byte("hello")))
		Expect(err).To(HaveOccurred())
		_, err = s.Path(ctx, blob.Sum([]byte("hello")))
		Expect(err).To(HaveOccurred())
	})
})
