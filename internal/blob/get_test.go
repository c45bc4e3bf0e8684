package blob_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"github.com/urbancompute/ucp/internal/blob"
)

const mib = 1 << 20

// liar serves a store, and changes one byte of each answer that has so many.
func liar(store *blob.Store) http.Handler {
	honest := blob.Handler(store, everyone)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { honest.ServeHTTP(&twisted{w}, r) })
}

type twisted struct{ http.ResponseWriter }

func (t *twisted) Write(p []byte) (int, error) {
	p = bytes.Clone(p)
	p[len(p)/2] ^= 1
	return t.ResponseWriter.Write(p)
}

// holding returns a store that has the data.
func holding(ctx context.Context, data []byte) (*blob.Store, blob.Digest) {
	GinkgoHelper()
	s, _ := openStore(blob.Options{})
	d, _, err := s.Add(ctx, bytes.NewReader(data))
	Expect(err).NotTo(HaveOccurred())
	return s, d
}

var _ = Describe("A large blob", Label("DATA-1"), func() {
	const size = 20*mib + 12345
	var (
		data  []byte
		d     blob.Digest
		there *blob.Store
		here  *blob.Store
		dir   string
	)

	BeforeEach(func(ctx SpecContext) {
		noLeaks()
		data = noise(size, 7)
		there, d = holding(ctx, data)
		here, dir = openStore(blob.Options{})
	})

	get := func(ctx context.Context, n *network, from ...string) error {
		var bases []string
		for _, name := range from {
			bases = append(bases, "http://"+name)
		}
		return blob.NewClient(n).Get(ctx, bases, d, here)
	}

	It("comes in pieces from several nodes, each of which gives a part", func(ctx SpecContext) {
		a, b := &tripwire{Handler: blob.Handler(there, everyone)}, &tripwire{Handler: blob.Handler(there, everyone)}
		Expect(get(ctx, serveAll(map[string]http.Handler{"a": a, "b": b}), "a", "b")).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
		Expect(a.n.Load() + b.n.Load()).To(BeEquivalentTo(size))
		Expect(min(a.n.Load(), b.n.Load())).To(BeNumerically(">=", mib), "on a busy machine one may give most")
		Expect(files(filepath.Join(dir, "tmp"))).To(BeEmpty())
		Expect(here.Used()).To(BeEquivalentTo(size))
	})

	DescribeTable("comes whole, whatever its length", func(ctx SpecContext, size int) {
		data := noise(size, 3)
		there, d := holding(ctx, data)
		n := serveAll(map[string]http.Handler{"a": blob.Handler(there, everyone)})
		Expect(blob.NewClient(n).Get(ctx, []string{"http://a"}, d, here)).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
	},
		Entry("as much as may be under way", 4*mib),
		Entry("one more", 4*mib+1),
		Entry("whole pieces", 7*mib),
		Entry("less than a piece more", 8*mib+1),
	)

	It("goes on by itself when the connection breaks, and little is sent twice", func(ctx SpecContext) {
		wire := &tripwire{Handler: blob.Handler(there, everyone), after: 11 * mib}
		n := serveAll(map[string]http.Handler{"a": wire})
		wire.trip = n.peers["a"].hangUp
		Expect(get(ctx, n, "a")).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
		Expect(wire.n.Load()).To(And(BeNumerically(">=", size), BeNumerically("<=", size+4*mib)))
	})

	It("goes on where it was when the receiver begins another life", func(ctx SpecContext) {
		given, die := context.WithCancel(ctx)
		wire := &tripwire{Handler: blob.Handler(there, everyone), after: 11 * mib, trip: die}
		n := serveAll(map[string]http.Handler{"a": wire})
		Expect(get(given, n, "a")).To(MatchError(context.Canceled))
		Expect(here.Has(d)).To(BeFalse(), "half of it is not visible")
		Expect(files(dir)).To(HaveLen(1))
		Expect(here.Close()).To(Succeed())
		here = reopen(dir, blob.Options{})
		Expect(here.Used()).To(BeEquivalentTo(size), "its room is still set aside")
		Expect(get(ctx, n, "a")).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
		Expect(wire.n.Load()).To(And(BeNumerically(">=", size), BeNumerically("<=", size+4*mib)))
		Expect(here.Used()).To(BeEquivalentTo(size))
	})

	It("is begun anew when what was on disk of it has suffered", func(ctx SpecContext) {
		given, die := context.WithCancel(ctx)
		wire := &tripwire{Handler: blob.Handler(there, everyone), after: 11 * mib, trip: die}
		n := serveAll(map[string]http.Handler{"a": wire})
		Expect(get(given, n, "a")).NotTo(Succeed())
		Expect(here.Close()).To(Succeed())
		flip(filepath.Join(dir, files(dir)[0]), 5)
		here = reopen(dir, blob.Options{})
		Expect(get(ctx, n, "a")).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
	})

	It("comes from the others when one datastore vanishes in mid-transfer", func(ctx SpecContext) {
		wire := &tripwire{Handler: blob.Handler(there, everyone), after: 5 * mib}
		n := serveAll(map[string]http.Handler{"a": wire, "b": blob.Handler(there, everyone)})
		wire.trip = func() { go n.peers["a"].stop() }
		Expect(get(ctx, n, "a", "b")).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
	})

	It("is right although a transfer was cut while it hashed", func(ctx SpecContext) {
		Expect(blob.HashInTwo(ctx, &lateCancel{Context: ctx, after: 7}, here, data)).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
	})

	It("that vanishes everywhere leaves what came for the next transfer, and says so", func(ctx SpecContext) {
		gone := make(chan struct{})
		wire := &tripwire{Handler: blob.Handler(there, everyone), after: 5 * mib}
		n := serveAll(map[string]http.Handler{"a": wire})
		wire.trip = func() {
			go func() {
				n.peers["a"].stop()
				close(gone)
			}()
		}
		Expect(get(ctx, n, "a")).To(MatchError(ContainSubstring("from http://a")))
		<-gone
		Expect(here.Has(d)).To(BeFalse())
		Expect(files(dir)).To(HaveLen(1))
	})

	It("asks others for what a node does not have", func(ctx SpecContext) {
		empty, _ := openStore(blob.Options{})
		n := serveAll(map[string]http.Handler{"a": blob.Handler(empty, everyone), "b": blob.Handler(there, everyone)})
		Expect(get(ctx, n, "nowhere", "a", "b")).To(Succeed())
		Expect(get(ctx, n)).To(Succeed(), "it is here by now")
	})

	It("says of each node why it did not give it", func(ctx SpecContext) {
		empty, _ := openStore(blob.Options{})
		n := serveAll(map[string]http.Handler{"a": blob.Handler(empty, everyone)})
		err := get(ctx, n, "nowhere", "a")
		Expect(err).To(And(MatchError(blob.ErrNotFound), MatchError(ContainSubstring("no such node")), MatchError(ContainSubstring("from http://a"))))
		Expect(get(ctx, n)).To(MatchError(ContainSubstring("nobody to ask")))
	})

	DescribeTable("is right although one of several lies, who is named", func(ctx SpecContext, lies func() http.Handler) {
		log := gbytes.NewBuffer()
		here = logged(log)
		n := serveAll(map[string]http.Handler{"honest": blob.Handler(there, everyone), "crook": lies()})
		Expect(get(ctx, n, "honest", "crook")).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
		Expect(string(log.Contents())).To(And(ContainSubstring("source=http://crook"), Not(ContainSubstring("level=WARN msg=\"source gives wrong bytes for a blob\" blob="+d.String()+" source=http://honest"))))
	},
		Entry("about bytes", func() http.Handler { return liar(there) }),
		Entry("about the size", func() http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", mib-1, size+1))
				w.WriteHeader(http.StatusPartialContent)
			})
		}),
		Entry("with other parts than it was asked for", func() http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", mib-1, size))
				w.WriteHeader(http.StatusPartialContent)
				_, _ = w.Write(make([]byte, mib))
			})
		}),
	)

	It("is right although the one that is asked first claims that it is larger than a disk", func(ctx SpecContext) {
		here, _ = openStore(blob.Options{MaxBytes: 64 * mib})
		crook := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", 4*mib-1, int64(1)<<39))
			w.WriteHeader(http.StatusPartialContent)
		})
		n := serveAll(map[string]http.Handler{"crook": crook, "honest": blob.Handler(there, everyone)})
		Expect(get(ctx, n, "crook", "honest")).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
	})

	It("is right although the one that is asked first claims another size", func(ctx SpecContext) {
		other, _ := holding(ctx, noise(18*mib, 9))
		wrong := blob.Sum(noise(18*mib, 9))
		crook := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.URL.Path = "/blob/" + wrong.String()
			blob.Handler(other, everyone).ServeHTTP(w, r)
		})
		n := serveAll(map[string]http.Handler{"crook": crook, "honest": blob.Handler(there, everyone)})
		Expect(get(ctx, n, "crook", "honest")).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
	})

	It("of which nobody has the right bytes leaves nothing, and names who lied", func(ctx SpecContext) {
		n := serveAll(map[string]http.Handler{"a": liar(there), "b": liar(there)})
		Expect(get(ctx, n, "a", "b")).To(And(MatchError(blob.ErrMismatch),
			MatchError(ContainSubstring("from http://a: ")), MatchError(ContainSubstring("from http://b: "))))
		Expect(files(dir)).To(BeEmpty())
		Expect(here.Used()).To(BeZero())
	})

	It("that meets a full disk in mid-transfer leaves nothing, and others go on", func(ctx SpecContext) {
		full, fullDir := openStore(blob.Options{Reserve: 1})
		var free atomic.Int64
		free.Store(1 << 40)
		blob.SetFree(full, free.Load)
		arrived, goOn := make(chan struct{}), make(chan struct{})
		wire := &tripwire{Handler: blob.Handler(there, everyone), after: 6 * mib, trip: func() { close(arrived); <-goOn }}
		n := serveAll(map[string]http.Handler{"a": wire})
		small := noise(100, 1)
		smallHere, _, err := full.Add(ctx, bytes.NewReader(small))
		Expect(err).NotTo(HaveOccurred())
		first := make(chan error)
		go func() { first <- blob.NewClient(n).Get(ctx, []string{"http://a"}, d, full) }()
		<-arrived
		free.Store(14 * mib) // less than is set aside for what is still to come
		_, _, err = full.Add(ctx, bytes.NewReader(noise(size, 2)))
		Expect(err).To(And(MatchError(blob.ErrFull), MatchError(ContainSubstring("the disk has"))))
		close(goOn)
		Expect(<-first).To(Succeed(), "room was set aside for it")
		Expect(readAll(ctx, full, smallHere)).To(Equal(small))
		Expect(files(filepath.Join(fullDir, "tmp"))).To(BeEmpty())
	})
})

var _ = Describe("What is left of transfers", Label("DATA-1"), func() {
	// cut leaves a part of a blob in the store.
	cut := func(ctx context.Context, into *blob.Store, seed uint64) (*network, blob.Digest, error) {
		there, d := holding(ctx, noise(6*mib, seed))
		given, die := context.WithCancel(ctx)
		n := serveAll(map[string]http.Handler{"a": &tripwire{Handler: blob.Handler(there, everyone), after: 5 * mib, trip: die}}) // the first 4 MiB are on disk then
		return n, d, blob.NewClient(n).Get(given, []string{"http://a"}, d, into)
	}

	It("is bounded in bytes, and the newest is kept", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{MaxBytes: 26 * mib})
		clock := time.Now()
		blob.SetClock(s, func() time.Time { return clock })
		for seed := range uint64(3) {
			_, _, err := cut(ctx, s, seed)
			Expect(err).To(HaveOccurred())
			clock = clock.Add(time.Hour)
		}
		Expect(files(dir)).To(HaveLen(2))
		Expect(s.Used()).To(BeEquivalentTo(12 * mib))
	})

	It("gives way to what comes whole", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{MaxBytes: 13 * mib})
		_, _, err := cut(ctx, s, 1)
		Expect(err).To(HaveOccurred())
		Expect(s.Used()).To(BeEquivalentTo(6 * mib))
		_, _, err = s.Add(ctx, bytes.NewReader(noise(12*mib, 2)))
		Expect(err).To(MatchError(blob.ErrFull), "somebody may be about to go on with it")
		blob.SetClock(s, func() time.Time { return time.Now().Add(time.Hour) })
		_, _, err = s.Add(ctx, bytes.NewReader(noise(12*mib, 2)))
		Expect(err).NotTo(HaveOccurred())
		Expect(files(filepath.Join(dir, "tmp"))).To(BeEmpty())
		Expect(s.Used()).To(BeEquivalentTo(12 * mib))
	})

	It("is swept when it is too old, or cannot be read", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{})
		_, _, err := cut(ctx, s, 1)
		Expect(err).To(HaveOccurred())
		_, _, err = cut(ctx, s, 2)
		Expect(err).To(HaveOccurred())
		Expect(s.Close()).To(Succeed())
		left := files(dir)
		Expect(left).To(HaveLen(2))
		Expect(os.Chtimes(filepath.Join(dir, left[0]), modified, modified)).To(Succeed())
		Expect(os.Truncate(filepath.Join(dir, left[1]), 5*mib)).To(Succeed())
		again := reopen(dir, blob.Options{})
		Expect(files(dir)).To(BeEmpty())
		Expect(again.Used()).To(BeZero())
	})

	It("is gone on with by another who puts the same blob", func(ctx SpecContext) {
		s, dir := openStore(blob.Options{})
		_, d, err := cut(ctx, s, 1)
		Expect(err).To(HaveOccurred())
		wire := &tripwire{Handler: blob.Handler(s, everyone), after: 1 << 40}
		n := serveAll(map[string]http.Handler{"s": wire})
		Expect(blob.NewClient(n).Put(ctx, "http://s", d, 6*mib, bytes.NewReader(noise(6*mib, 1)))).To(Succeed())
		Expect(s.Verify(ctx, d)).To(Succeed())
		Expect(files(filepath.Join(dir, "tmp"))).To(BeEmpty())
	})
})

// lateCancel is a context that has ended once it was asked so often.
type lateCancel struct {
	context.Context
	after int
}

func (c *lateCancel) Err() error {
	if c.after--; c.after < 0 {
		return context.Canceled
	}
	return nil
}

// logged returns a store that logs to w.
func logged(w io.Writer) *blob.Store {
	GinkgoHelper()
	s, err := blob.OpenStore(GinkgoT().TempDir(), blob.Options{Log: logTo(w)})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(s.Close)
	return s
}
