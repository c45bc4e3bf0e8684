package blob_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing/iotest"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/internal/blob"
)

var _ = Describe("A store", Label("DATA-1"), func() {
	DescribeTable("gives back what was put into it, of any size", func(ctx SpecContext, size int) {
		s, _ := openStore(blob.Options{})
		data := noise(size, 1)
		d := blob.Sum(data)
		Expect(s.Put(ctx, bytes.NewReader(data), d)).To(Succeed())
		Expect(readAll(ctx, s, d)).To(Equal(data))
		Expect(s.Size(ctx, d)).To(BeEquivalentTo(size))
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
		Expect(s.Delete(ctx, d)).To(Succeed())
		Expect(s.Delete(ctx, d)).To(Succeed())
		Expect(s.Has(d)).To(BeFalse())
		Expect(s.Used()).To(BeZero())
		Expect(files(dir)).To(BeEmpty())
		_, err = s.Open(ctx, d)
		Expect(err).To(MatchError(blob.ErrNotFound))
		Expect(s.Put(ctx, bytes.NewReader(noise(1000, 1)), d)).To(Succeed())
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
		_, _, err = s.Path(ctx, blob.Sum([]byte("hello")))
		Expect(err).To(HaveOccurred())
	})
})
