package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

// s3 is an object store with one bucket, and how often it was asked.
type s3 struct {
	*counting
	objects *s3mem.Backend
	url     string
}

// serveS3 starts an object store that ends with the spec, and gives this process keys for it.
func serveS3() *s3 {
	GinkgoHelper()
	objects := s3mem.New()
	Expect(objects.CreateBucket("depot")).To(Succeed())
	s := &s3{counting: &counting{Handler: gofakes3.New(objects).Server()}, objects: objects}
	server := httptest.NewServer(s)
	DeferCleanup(server.Close)
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "spec", "AWS_SECRET_ACCESS_KEY": "spec", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "none", "AWS_SHARED_CREDENTIALS_FILE": "none", "AWS_PROFILE": "",
	} {
		GinkgoT().Setenv(name, value)
	}
	s.url = "s3://depot" + s3Params(server.URL)
	return s
}

// s3Params has checksums only where they are required: the server does not know those of an object in parts.
func s3Params(endpoint string) string {
	return "?region=eu-central-1&use_path_style=true&endpoint=" + endpoint +
		"&request_checksum_calculation=when_required&response_checksum_validation=when_required"
}

// open opens a backend that is closed with the spec.
func open(ctx context.Context, url string, opt blob.Options) blob.Backend {
	GinkgoHelper()
	opt.Log = specLog()
	b, err := blob.Open(ctx, url, opt)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(b.Close)
	return b
}

func contents(ctx context.Context, b blob.Backend, d blob.Digest) ([]byte, error) {
	r, err := b.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func list(ctx context.Context, b blob.Backend) []blob.Info {
	GinkgoHelper()
	var all []blob.Info
	Expect(b.Walk(ctx, func(i blob.Info) error { all = append(all, i); return nil })).To(Succeed())
	return all
}

var _ = Describe("A datastore's backend", Label("DATA-4"), func() {
	for _, kind := range []struct {
		name string
		url  func() string
	}{
		{"of a directory", func() string { return "file://" + GinkgoT().TempDir() }},
		{"of an object store", func() string { return serveS3().url }},
		{"of memory", func() string { return "mem://" }},
	} {
		url := kind.url
		Describe(kind.name, func() {
			DescribeTable("gives back what was put into it, whole or in part", func(ctx SpecContext, size int) {
				b := open(ctx, url(), blob.Options{})
				data := noise(size, 1)
				d := blob.Sum(data)
				Expect(b.Put(ctx, bytes.NewReader(data), d)).To(Succeed())
				Expect(contents(ctx, b, d)).To(Equal(data))
				Expect(b.Size(ctx, d)).To(BeEquivalentTo(size))
				r, err := b.OpenRange(ctx, d, int64(size)/2, 100)
				Expect(err).NotTo(HaveOccurred())
				Expect(io.ReadAll(r)).To(Equal(data[size/2 : min(size, size/2+100)]))
				Expect(r.Close()).To(Succeed())
			},
				Entry("one byte", 1),
				Entry("some", 300<<10),
				Entry("more than one upload's part", 17*mib),
			)

			It("keeps nothing of bytes of another name, nor of a reader that fails", func(ctx SpecContext) {
				b := open(ctx, url(), blob.Options{})
				Expect(b.Put(ctx, strings.NewReader("goodbye"), blob.Sum([]byte("hello")))).To(MatchError(blob.ErrMismatch))
				cut := io.MultiReader(bytes.NewReader(noise(9*mib, 1)), readerFunc(func([]byte) (int, error) { return 0, errors.New("cable pulled") }))
				Expect(b.Put(ctx, cut, blob.Sum(noise(9*mib, 1)))).To(MatchError(ContainSubstring("cable pulled")))
				Expect(list(ctx, b)).To(BeEmpty())
				_, err := b.Size(ctx, blob.Sum([]byte("hello")))
				Expect(err).To(MatchError(blob.ErrNotFound))
				_, err = b.Open(ctx, blob.Sum([]byte("hello")))
				Expect(err).To(MatchError(blob.ErrNotFound))
				_, err = b.OpenRange(ctx, blob.Sum([]byte("hello")), 0, 1)
				Expect(err).To(MatchError(blob.ErrNotFound))
			})

			It("is walked through in order, with sizes and dates, and deletes", func(ctx SpecContext) {
				b := open(ctx, url(), blob.Options{})
				start := time.Now().Add(-2 * time.Second)
				for i := range 20 {
					_, _, err := b.Add(ctx, bytes.NewReader(noise(i+1, uint64(i))))
					Expect(err).NotTo(HaveOccurred())
				}
				all := list(ctx, b)
				Expect(all).To(HaveLen(20))
				Expect(slices.IsSortedFunc(all, func(a, b blob.Info) int { return a.Digest.Compare(b.Digest) })).To(BeTrue())
				for _, i := range all {
					Expect(i.Size).To(BeNumerically("~", 10, 11))
					Expect(i.Time).To(BeTemporally(">", start))
				}
				Expect(b.Delete(ctx, all[3].Digest)).To(Succeed())
				Expect(b.Delete(ctx, all[3].Digest)).To(Succeed())
				Expect(list(ctx, b)).To(HaveLen(19))
				enough := errors.New("enough")
				Expect(b.Walk(ctx, func(blob.Info) error { return enough })).To(MatchError(enough))
			})

			It("gives a blob that is put again a new date, and does not read it", func(ctx SpecContext) {
				b := open(ctx, url(), blob.Options{})
				for i := range 5 { // others, with no dates of their own
					_, _, err := b.Add(ctx, bytes.NewReader(noise(i+10, 1)))
					Expect(err).NotTo(HaveOccurred())
				}
				d, _, err := b.Add(ctx, strings.NewReader("hello"))
				Expect(err).NotTo(HaveOccurred())
				dated := func() time.Time {
					all := list(ctx, b)
					return all[slices.IndexFunc(all, func(i blob.Info) bool { return i.Digest == d })].Time
				}
				before := dated()
				r := &counter{r: strings.NewReader("hello")}
				Eventually(ctx, func() time.Time {
					Expect(b.Put(ctx, r, d)).To(Succeed())
					return dated()
				}).Should(BeTemporally(">", before))
				Expect(r.n).To(BeZero())
				Expect(b.Delete(ctx, d)).To(Succeed())
				Expect(list(ctx, b)).To(HaveLen(5))
			}, NodeTimeout(failAfter))

			It("says what is used and left, refuses when it is full, and has room again", func(ctx SpecContext) {
				at := url()
				b := open(ctx, at, blob.Options{MaxBytes: 1000})
				d, _, err := b.Add(ctx, bytes.NewReader(noise(900, 1)))
				Expect(err).NotTo(HaveOccurred())
				Expect(b.Space(ctx)).To(Equal(blob.Space{Used: 900, Limit: 1000, Free: 100}))
				_, _, err = b.Add(ctx, bytes.NewReader(noise(101, 2)))
				Expect(err).To(MatchError(blob.ErrFull))
				if at != "mem://" {
					again := open(ctx, at, blob.Options{MaxBytes: 1000})
					Expect(again.Space(ctx)).To(HaveField("Used", BeEquivalentTo(900)), "counted anew")
				}
				Expect(b.Delete(ctx, d)).To(Succeed())
				Expect(b.Put(ctx, bytes.NewReader(noise(900, 1)), d)).To(Succeed())
			})

			It("serves others: transfers in pieces, ranges, questions for many", func(ctx SpecContext) {
				b := open(ctx, url(), blob.Options{})
				n := serveAll(map[string]http.Handler{"a": blob.Handler(b, everyone)})
				client := blob.NewClient(n)
				data := noise(9*mib+1, 5)
				d := blob.Sum(data)
				Expect(client.Put(ctx, "http://a", d, int64(len(data)), bytes.NewReader(data))).To(Succeed())
				other := open(ctx, "mem://", blob.Options{})
				Expect(client.Get(ctx, []string{"http://a"}, d, other)).To(Succeed())
				Expect(contents(ctx, other, d)).To(Equal(data))
				asked := []blob.Digest{{1}, d, {2}, d}
				Expect(client.HasAll(ctx, "http://a", asked)).To(Equal([]bool{false, true, false, true}))
				Expect(client.HasAll(ctx, "http://a", nil)).To(BeEmpty())
				Expect(client.HasAll(ctx, "http://a", make([]blob.Digest, 17_000))).To(HaveLen(17_000))
			})
		})
	}

	It("of an object store keeps what is under way for the next life where it is told to", func(ctx SpecContext) {
		depot, spool := serveS3(), GinkgoT().TempDir()
		there, d := holding(ctx, noise(20*mib, 1))
		given, die := context.WithCancel(ctx)
		wire := &tripwire{Handler: blob.Handler(there, everyone), after: 11 * mib, trip: die}
		n := serveAll(map[string]http.Handler{"a": wire})
		first, err := blob.Open(ctx, depot.url, blob.Options{Spool: spool})
		Expect(err).NotTo(HaveOccurred())
		Expect(blob.NewClient(n).Get(given, []string{"http://a"}, d, first)).NotTo(Succeed())
		Expect(first.Close()).To(Succeed())
		second := open(ctx, depot.url, blob.Options{Spool: spool})
		Expect(list(ctx, second)).To(BeEmpty())
		Expect(blob.NewClient(n).Get(ctx, []string{"http://a"}, d, second)).To(Succeed())
		Expect(wire.n.Load()).To(BeNumerically("<=", 24*mib))
		Expect(contents(ctx, second, d)).To(HaveLen(20 * mib))
		Expect(files(spool)).To(BeEmpty())
	})

	It("of an object store that fails in mid-upload says so, and shows nothing", func(ctx SpecContext) {
		depot := serveS3()
		b := open(ctx, depot.url, blob.Options{MaxBytes: 1 << 30})
		whole := depot.Handler
		depot.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPut && r.URL.Query().Get("partNumber") == "2" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			whole.ServeHTTP(w, r)
		})
		_, _, err := b.Add(ctx, bytes.NewReader(noise(17*mib, 1)))
		Expect(err).To(MatchError(ContainSubstring("s3://depot: blob ")))
		depot.Handler = whole
		Expect(list(ctx, b)).To(BeEmpty())
		Expect(b.Space(ctx)).To(HaveField("Used", BeZero()))
	})

	It("of an object store removes what is damaged there, once it has looked twice", func(ctx SpecContext) {
		depot := serveS3()
		b := open(ctx, depot.url, blob.Options{})
		d, _, err := b.Add(ctx, strings.NewReader("hello"))
		Expect(err).NotTo(HaveOccurred())
		key := "blobs/2c/" + d.String()
		_, err = depot.objects.PutObject("depot", key, map[string]string{}, strings.NewReader("jello"), 5, nil)
		Expect(err).NotTo(HaveOccurred())
		_, err = contents(ctx, b, d)
		Expect(err).To(MatchError(blob.ErrCorrupt))
		Expect(list(ctx, b)).To(BeEmpty())
	})

	DescribeTable("is not opened from", func(ctx SpecContext, url, sentence string) {
		_, err := blob.Open(ctx, url, blob.Options{})
		Expect(err).To(And(MatchError(blob.ErrBadURL), MatchError(ContainSubstring(sentence))))
	},
		Entry("a path", "/var/lib/ucp", "has no scheme; write file:///DIRECTORY or s3://BUCKET"),
		Entry("another scheme", "gs://depot", "gs:// is not supported"),
		Entry("two slashes too few", "file:var", "three slashes"),
		Entry("a host", "file://var/lib", "three slashes"),
		Entry("a bucket without a name", "s3://", "write s3://BUCKET"),
		Entry("a path in a bucket", "s3://depot/blobs", "nothing but parameters behind it"),
		Entry("parameters that mean nothing", "s3://depot?regoin=eu", "regoin"),
		Entry("no URL", "s3://de pot", "invalid character"),
	)

	It("says that there is no such bucket", func(ctx SpecContext) {
		url := strings.Replace(serveS3().url, "depot", "attic", 1)
		_, err := blob.Open(ctx, url, blob.Options{})
		Expect(err).To(And(MatchError(blob.ErrNotFound), MatchError(ContainSubstring("s3://attic: blob not found: there is no such bucket"))))
	})

	It("says that there are no keys", func(ctx SpecContext) {
		depot := serveS3()
		Expect(os.Unsetenv("AWS_ACCESS_KEY_ID")).To(Succeed())
		Expect(os.Unsetenv("AWS_SECRET_ACCESS_KEY")).To(Succeed())
		_, err := blob.Open(ctx, depot.url, blob.Options{})
		Expect(err).To(And(MatchError(blob.ErrRefused), MatchError(ContainSubstring("set AWS_ACCESS_KEY_ID"))))
	})

	It("says that these keys may not", func(ctx SpecContext) {
		depot := serveS3()
		depot.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
		_, err := blob.Open(ctx, depot.url, blob.Options{})
		Expect(err).To(And(MatchError(blob.ErrRefused), MatchError(ContainSubstring("may not use it"))))
	})
})

var _ = Describe("Having a node copy a blob itself", Label("DATA-4"), func() {
	It("moves it between the two, and nothing through who asked", func(ctx SpecContext) {
		there, d := holding(ctx, noise(9*mib, 1))
		here, _ := openStore(blob.Options{})
		far := serveAll(map[string]http.Handler{"source": blob.Handler(there, everyone)})
		fetch := func(ctx context.Context, d blob.Digest, from []string) error {
			return blob.NewClient(far).Get(ctx, from, d, here)
		}
		wire := &tripwire{Handler: blob.Handler(here, everyone, blob.Fetching(fetch))}
		client := blob.NewClient(serveAll(map[string]http.Handler{"copier": wire}))
		Expect(client.Copy(ctx, "http://copier", d, []string{"http://nowhere", "http://source"})).To(Succeed())
		Expect(here.Verify(ctx, d)).To(Succeed())
		Expect(client.Copy(ctx, "http://copier", d, []string{"http://nowhere"})).To(Succeed(), "it has it by now")
		Expect(wire.n.Load()).To(BeNumerically("<", 200))

		Expect(client.Copy(ctx, "http://copier", blob.Digest{1}, []string{"http://source"})).To(MatchError(blob.ErrNotFound))
		Expect(client.Copy(ctx, "http://copier", blob.Digest{1}, []string{"http://nowhere"})).To(MatchError(blob.ErrUnreachable))
	})

	It("is refused by one that does not copy, and for what is no place", func(ctx SpecContext) {
		here, _ := openStore(blob.Options{})
		client := blob.NewClient(serveAll(map[string]http.Handler{"a": blob.Handler(here, everyone)}))
		Expect(client.Copy(ctx, "http://a", blob.Digest{1}, []string{"http://b"})).To(MatchError(blob.ErrRefused))
		Expect(client.Copy(ctx, "http://a", blob.Digest{1}, []string{"ftp://b"})).To(MatchError(ContainSubstring("no place to copy from")))
		Expect(client.Copy(ctx, "http://a", blob.Digest{1}, slices.Repeat([]string{"http://b"}, 33))).To(MatchError(ContainSubstring("more than 32 places")))
	})
})

var _ = Describe("A disk that is nearly full", Label("DATA-4"), func() {
	It("keeps its reserve: the store refuses before it is gone", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{Reserve: 1 << 30})
		blob.SetFree(s, func() int64 { return 1<<30 + 1000 })
		_, _, err := s.Add(ctx, bytes.NewReader(noise(1001, 1)))
		Expect(err).To(And(MatchError(blob.ErrFull), MatchError(ContainSubstring("of which 1.0 GiB stay free"))))
		Expect(s.Space(ctx)).To(HaveField("Free", BeEquivalentTo(1000)))
		_, _, err = s.Add(ctx, bytes.NewReader(noise(1000, 1)))
		Expect(err).NotTo(HaveOccurred())
		Expect(files(dir)).To(HaveLen(1))
	})

	It("is asked how much is left", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{Reserve: 1 << 60})
		_, _, err := s.Add(ctx, strings.NewReader("hello"))
		Expect(err).To(MatchError(blob.ErrFull))
	})
})

var _ = Describe("An executor's cache", Label("DATA-5"), func() {
	add := func(ctx context.Context, s *blob.Store, seed uint64) blob.Digest {
		GinkgoHelper()
		d, _, err := s.Add(ctx, bytes.NewReader(noise(1000, seed)))
		Expect(err).NotTo(HaveOccurred())
		return d
	}

	It("forgets what was not used for longest, and only as much as it must", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{MaxBytes: 3500, Evict: true})
		a, b, c := add(ctx, s, 1), add(ctx, s, 2), add(ctx, s, 3)
		Expect(readAll(ctx, s, a)).To(HaveLen(1000))
		d := add(ctx, s, 4)
		Expect(s.Has(b)).To(BeFalse())
		Expect(s.Has(a) && s.Has(c) && s.Has(d)).To(BeTrue())
		Expect(s.Put(ctx, bytes.NewReader(noise(1000, 3)), c)).To(Succeed())
		add(ctx, s, 5)
		Expect(s.Has(a)).To(BeFalse())
		Expect(s.Has(c)).To(BeTrue(), "it was put again")
		Expect(s.Used()).To(BeEquivalentTo(3000))
	})

	It("never forgets what is being read or was handed out and not released", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{MaxBytes: 2000, Evict: true})
		a, b := add(ctx, s, 1), add(ctx, s, 2)
		path, release, err := s.Path(ctx, a)
		Expect(err).NotTo(HaveOccurred())
		r, err := s.Open(ctx, b)
		Expect(err).NotTo(HaveOccurred())
		_, _, err = s.Add(ctx, bytes.NewReader(noise(1000, 3)))
		Expect(err).To(MatchError(blob.ErrFull))
		Expect(path).To(BeAnExistingFile())
		Expect(s.Has(b)).To(BeTrue())
		release()
		release() // twice is once
		c := add(ctx, s, 3)
		Expect(path).NotTo(BeAnExistingFile())
		Expect(s.Has(b) && s.Has(c)).To(BeTrue())
		Expect(r.Close()).To(Succeed())
		add(ctx, s, 4)
		Expect(s.Has(b)).To(BeFalse())
		_, _, err = s.Path(ctx, b)
		Expect(err).To(MatchError(blob.ErrNotFound))
	})

	It("forgets another when the oldest is held", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{MaxBytes: 3000, Evict: true})
		a := add(ctx, s, 1)
		_, release, err := s.Path(ctx, a)
		Expect(err).NotTo(HaveOccurred())
		defer release()
		b, c := add(ctx, s, 2), add(ctx, s, 3)
		add(ctx, s, 4)
		Expect(s.Has(a) && s.Has(c)).To(BeTrue())
		Expect(s.Has(b)).To(BeFalse())
	})

	It("forgets nothing for what does not fit even then", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{MaxBytes: 2000, Evict: true})
		a, b := add(ctx, s, 1), add(ctx, s, 2)
		n := serveAll(map[string]http.Handler{"a": blob.Handler(s, everyone)})
		data := noise(2001, 3)
		Expect(blob.NewClient(n).Put(ctx, "http://a", blob.Sum(data), 2001, bytes.NewReader(data))).To(MatchError(blob.ErrFull))
		Expect(s.Has(a) && s.Has(b)).To(BeTrue())
	})

	It("remembers the order of use by date when opened again, and is not above its limit", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{})
		a, b, c := add(ctx, s, 1), add(ctx, s, 2), add(ctx, s, 3)
		Expect(s.Close()).To(Succeed())
		for i, d := range []blob.Digest{b, a, c} {
			at := modified.Add(time.Duration(i) * time.Hour)
			Expect(os.Chtimes(filepath.Join(dir, d.String()[:2], d.String()), at, at)).To(Succeed())
		}
		again := reopen(dir, blob.Options{MaxBytes: 2000, Evict: true})
		Expect(again.Has(b)).To(BeFalse())
		add(ctx, again, 4)
		Expect(again.Has(a)).To(BeFalse())
		Expect(again.Has(c)).To(BeTrue())
	})

	It("keeps its bound, and what is read whole, whoever uses it at the same time", func(ctx SpecContext) {
		s, _ := openStore(blob.Options{MaxBytes: 10_000, Evict: true})
		Expect(blob.Each(ctx, 400, func(i int) error {
			data := noise(1000, uint64(i%23))
			d := blob.Sum(data)
			if err := s.Put(ctx, bytes.NewReader(data), d); err != nil && !errors.Is(err, blob.ErrFull) {
				return err
			}
			if used := s.Used(); used > 10_000 {
				return errors.New("above its bound")
			}
			path, release, err := s.Path(ctx, d)
			if errors.Is(err, blob.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			defer release()
			back, err := os.ReadFile(path)
			if err == nil && !bytes.Equal(back, data) {
				err = errors.New("other bytes")
			}
			return err
		})).To(Succeed())
	})
})
