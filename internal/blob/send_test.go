package blob_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

var _ = Describe("Sending a large blob", Label("DATA-1"), func() {
	const size = 20*mib + 12345
	var (
		data  []byte
		d     blob.Digest
		there *blob.Store
		dir   string
	)

	BeforeEach(func() {
		noLeaks()
		data = noise(size, 7)
		d = blob.Sum(data)
		there, dir = openStore(blob.Options{})
	})

	send := func(ctx context.Context, n *network, r io.Reader) error {
		return blob.NewClient(n).Put(ctx, "http://a", d, size, r)
	}

	DescribeTable("brings every byte", func(ctx SpecContext, size int) {
		data := noise(size, 3)
		n := serveAll(map[string]http.Handler{"a": blob.Handler(there, everyone)})
		Expect(blob.NewClient(n).Put(ctx, "http://a", blob.Sum(data), int64(size), bytes.NewReader(data))).To(Succeed())
		Expect(readAll(ctx, there, blob.Sum(data))).To(Equal(data))
		Expect(there.Used()).To(BeEquivalentTo(size))
	},
		Entry("in one part", 4*mib),
		Entry("in one part and a byte", 4*mib+1),
		Entry("in parts", 12*mib),
		Entry("in parts and a piece", 13*mib+1),
	)

	It("goes on by itself when the connection breaks, and at most a part is sent twice", func(ctx SpecContext) {
		wire := &tripwire{Handler: blob.Handler(there, everyone), after: 11 * mib}
		n := serveAll(map[string]http.Handler{"a": wire})
		wire.trip = n.peers["a"].hangUp
		r := &counter{r: bytes.NewReader(data)}
		Expect(send(ctx, n, r)).To(Succeed())
		Expect(readAll(ctx, there, d)).To(Equal(data))
		Expect(wire.n.Load()).To(And(BeNumerically(">=", size), BeNumerically("<=", size+4*mib)))
		Expect(r.n).To(BeEquivalentTo(size), "each byte is read once")
	})

	DescribeTable("goes on where it was when both begin another life", func(ctx SpecContext, reader func(r io.Reader) io.Reader) {
		given, die := context.WithCancel(ctx)
		wire := &tripwire{Handler: blob.Handler(there, everyone), after: 11 * mib, trip: die}
		p := servePeer(NewWithT(GinkgoTB()), wire)
		t := blob.NewTransport(p.dial)
		Expect(blob.NewClient(t).Put(given, base, d, size, reader(bytes.NewReader(data)))).To(MatchError(context.Canceled))
		Expect(t.Close()).To(Succeed())
		p.stop()
		Expect(there.Has(d)).To(BeFalse(), "half of it is not visible")
		Expect(there.Close()).To(Succeed())

		there = reopen(dir, blob.Options{})
		wire.Handler = blob.Handler(there, everyone)
		n := serveAll(map[string]http.Handler{"a": wire})
		Expect(send(ctx, n, reader(bytes.NewReader(data)))).To(Succeed())
		Expect(readAll(ctx, there, d)).To(Equal(data))
		Expect(wire.n.Load()).To(And(BeNumerically(">=", size), BeNumerically("<=", size+4*mib)))
		Expect(files(filepath.Join(dir, "tmp"))).To(BeEmpty())
	},
		Entry("from a file", func(r io.Reader) io.Reader { return r }),
		Entry("from what cannot seek", func(r io.Reader) io.Reader { return &counter{r: r} }),
	)

	It("is begun anew when what the other had has suffered", func(ctx SpecContext) {
		given, die := context.WithCancel(ctx)
		n := serveAll(map[string]http.Handler{"a": &tripwire{Handler: blob.Handler(there, everyone), after: 11 * mib, trip: die}})
		Expect(send(given, n, bytes.NewReader(data))).NotTo(Succeed())
		Eventually(ctx, func() []string { return files(filepath.Join(dir, "tmp")) }).Should(HaveLen(1))
		Eventually(ctx, func() error { return there.Close() }).Should(Succeed())
		flip(filepath.Join(dir, files(dir)[0]), 5)
		again := reopen(dir, blob.Options{})
		m := serveAll(map[string]http.Handler{"a": blob.Handler(again, everyone)})
		Expect(send(ctx, m, &counter{r: bytes.NewReader(data)})).To(And(MatchError(blob.ErrMismatch), MatchError(ContainSubstring("send it again"))))
		Expect(send(ctx, m, &counter{r: bytes.NewReader(data)})).To(Succeed())
		Expect(readAll(ctx, again, d)).To(Equal(data))
	}, NodeTimeout(failAfter))

	It("is refused, and leaves nothing, when the bytes are not its own", func(ctx SpecContext) {
		n := serveAll(map[string]http.Handler{"a": blob.Handler(there, everyone)})
		Expect(send(ctx, n, bytes.NewReader(noise(size, 8)))).To(MatchError(blob.ErrMismatch))
		Expect(files(dir)).To(BeEmpty())
		Expect(there.Used()).To(BeZero())
	})

	It("reads one part ahead of the one that travels, and no further", func(ctx SpecContext) {
		var given atomic.Int64
		ahead := make(chan struct{})
		source := bytes.NewReader(data)
		r := readerFunc(func(p []byte) (int, error) {
			n, err := source.Read(p)
			if given.Add(int64(n)) == 8*mib {
				close(ahead)
			}
			return n, err
		})
		var first sync.Once
		inner := blob.Handler(there, everyone)
		n := serveAll(map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			defer GinkgoRecover()
			if req.Method == http.MethodPut {
				first.Do(func() {
					Eventually(ctx, ahead).WithTimeout(failAfter).Should(BeClosed(), "the next part is read before this one is taken")
					Expect(given.Load()).To(BeEquivalentTo(8 * mib))
				})
			}
			inner.ServeHTTP(w, req)
		})})
		Expect(send(ctx, n, r)).To(Succeed())
		Expect(readAll(ctx, there, d)).To(Equal(data))
	}, NodeTimeout(failAfter))

	It("ends when its reader does, and says after how much", func(ctx SpecContext) {
		n := serveAll(map[string]http.Handler{"a": blob.Handler(there, everyone)})
		Expect(send(ctx, n, bytes.NewReader(data[:10*mib]))).To(And(MatchError(io.ErrUnexpectedEOF), MatchError(ContainSubstring("10485760 of"))))
	})

	It("meets a full disk in mid-transfer: the others are not harmed, and there is room for them", func(ctx SpecContext) {
		small, _, err := there.Add(ctx, bytes.NewReader(noise(100, 1)))
		Expect(err).NotTo(HaveOccurred())
		full, fullDir := openStore(blob.Options{MaxBytes: 21 * mib})
		n := serveAll(map[string]http.Handler{"a": blob.Handler(full, everyone)})
		Expect(blob.NewClient(n).Send(ctx, "http://a", small, there)).To(Succeed())
		other := noise(mib, 2)
		Expect(send(ctx, n, bytes.NewReader(data))).To(Succeed())
		Expect(blob.NewClient(n).Put(ctx, "http://a", blob.Sum(other), mib, bytes.NewReader(other))).To(MatchError(blob.ErrFull))
		Expect(full.Verify(ctx, small)).To(Succeed())
		Expect(files(filepath.Join(fullDir, "tmp"))).To(BeEmpty())
	})

	DescribeTable("gives up on a peer that says it has", func(ctx SpecContext, status int, offset, sentence string) {
		n := serveAll(map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusNotFound)
				return
			}
			w.Header().Set("Upload-Offset", offset)
			w.WriteHeader(status)
		})})
		r := &counter{r: bytes.NewReader(data)}
		Expect(send(ctx, n, r)).To(MatchError(ContainSubstring(sentence)))
		Expect(r.n).To(BeNumerically("<=", 8*mib))
	},
		Entry("more than it was sent", 202, strconv.Itoa(9*mib), "has 9437184 bytes, where 0 to 4194304 are right"),
		Entry("nothing, again and again", 202, "0", "takes nothing"),
		Entry("nothing, and wants it elsewhere", 409, "0", "takes nothing"),
		Entry("nonsense", 202, "-5", "takes nothing"),
		Entry("a number that is none", 409, "99999999999999999999999", "takes nothing"),
	)

	It("does not go on from where a peer says that is past the end", func(ctx SpecContext) {
		n := serveAll(map[string]http.Handler{"a": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.Header().Set("Upload-Offset", "999999999999")
				w.WriteHeader(http.StatusNotFound)
				return
			}
			blob.Handler(there, everyone).ServeHTTP(w, r)
		})})
		Expect(send(ctx, n, bytes.NewReader(data))).To(MatchError(ContainSubstring("has 0 bytes, where 20971520 to 20983865 are right")))
	})

	It("refuses parts that make no sense", func(ctx SpecContext) {
		n := serveAll(map[string]http.Handler{"a": blob.Handler(there, everyone)})
		put := func(span string, body []byte) (int, string) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://a/blob/"+d.String(), bytes.NewReader(body))
			Expect(err).NotTo(HaveOccurred())
			req.Header.Set("Content-Range", span)
			resp, err := n.RoundTrip(req)
			Expect(err).NotTo(HaveOccurred())
			Expect(resp.Body.Close()).To(Succeed())
			return resp.StatusCode, resp.Header.Get("Upload-Offset")
		}
		status, _ := put("bytes 0-9/100", make([]byte, 11))
		Expect(status).To(Equal(400))
		status, _ = put("bytes 0-/100", make([]byte, 11))
		Expect(status).To(Equal(400))
		status, _ = put("bytes 0-0/9999999999999999", make([]byte, 1))
		Expect(status).To(Equal(413))
		status, offset := put("bytes 1048576-2097151/20983865", make([]byte, mib))
		Expect(status).To(Equal(409))
		Expect(offset).To(Equal("0"))
		status, offset = put("bytes 0-2097160/20983865", make([]byte, 2*mib+9))
		Expect(status).To(Equal(202))
		Expect(offset).To(Equal("2097152"), "what is no whole piece is not kept")
	})
})
