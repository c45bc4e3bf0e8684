package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

var _ = Describe("A relay", Label("DATA-1"), func() {
	const size = 9*mib + 5
	var (
		data        []byte
		d           blob.Digest
		there, here *blob.Store
		relayDir    string
		behind      *tripwire
		n           *network
		client      *blob.Client
	)

	anybody := func(*http.Request, string) error { return nil }

	BeforeEach(func(ctx SpecContext) {
		noLeaks()
		data = noise(size, 4)
		there, d = holding(ctx, data)
		here, _ = openStore(blob.Options{})
		behind = &tripwire{Handler: blob.Handler(there, everyone), after: 1 << 40}
		far := serveAll(map[string]http.Handler{"node-7": behind})
		var own *blob.Store
		own, relayDir = openStore(blob.Options{})
		mux := http.NewServeMux()
		mux.Handle("/blob/", blob.Handler(own, everyone))
		mux.Handle("/relay/", blob.Relay(far, anybody, specLog()))
		n = serveAll(map[string]http.Handler{"broker": mux})
		client = blob.NewClient(n)
	})

	const through = "http://broker/relay/node-7"

	It("makes a node behind it look like one that is reached, and keeps nothing", func(ctx SpecContext) {
		Expect(client.Has(ctx, through, d)).To(BeEquivalentTo(size))
		Expect(client.Get(ctx, []string{through}, d, here)).To(Succeed())
		Expect(readAll(ctx, here, d)).To(Equal(data))
		Expect(there.Delete(ctx, d)).To(Succeed())
		Expect(client.Send(ctx, through, d, here)).To(Succeed())
		Expect(there.Verify(ctx, d)).To(Succeed())
		Expect(client.HasAll(ctx, through, []blob.Digest{d, {}})).To(Equal([]bool{true, false}))
		_, err := client.Has(ctx, through, blob.Digest{})
		Expect(err).To(MatchError(blob.ErrNotFound))
		Expect(files(relayDir)).To(BeEmpty())
	})

	It("is gone on through after a cut, as if it were not there", func(ctx SpecContext) {
		Expect(there.Delete(ctx, d)).To(Succeed())
		behind.after, behind.trip = 5*mib, n.peers["broker"].hangUp
		Expect(client.Put(ctx, through, d, size, bytes.NewReader(data))).To(Succeed())
		Expect(behind.n.Load()).To(BeNumerically("<=", size+4*mib))
		Expect(there.Verify(ctx, d)).To(Succeed())
	})

	It("goes one hop, and only to blobs", func(ctx SpecContext) {
		ask := func(path string) int {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://broker"+path, nil)
			Expect(err).NotTo(HaveOccurred())
			resp, err := n.RoundTrip(req)
			Expect(err).NotTo(HaveOccurred())
			Expect(resp.Body.Close()).To(Succeed())
			return resp.StatusCode
		}
		Expect(ask("/relay/node-7/relay/node-7/blob/" + d.String())).To(Equal(404))
		Expect(ask("/relay/node-7/metrics")).To(Equal(404))
		Expect(ask("/relay/node-7%2Fx/blob/" + d.String())).To(Equal(400))
		Expect(ask("/relay/me@elsewhere/blob/" + d.String())).To(Equal(400))
		Expect(ask("/relay/node-7/blob/..%2F..%2Fmetrics")).To(Equal(400))
	})

	It("says which node it does not reach", func(ctx SpecContext) {
		_, err := client.Has(ctx, "http://broker/relay/node-8", d)
		Expect(err).To(MatchError(blob.ErrUnreachable))
		Expect(client.Get(ctx, []string{"http://broker/relay/node-8"}, d, here)).To(
			MatchError(ContainSubstring("node node-8 is not to be reached from here")))
	})

	It("asks the owner of the node who may", func(ctx SpecContext) {
		for _, authorise := range []func(*http.Request, string) error{nil, func(_ *http.Request, node string) error { return errors.New("not " + node) }} {
			m := serveAll(map[string]http.Handler{"broker": blob.Relay(n, authorise, nil)})
			_, err := blob.NewClient(m).Has(ctx, through, d)
			Expect(err).To(MatchError(blob.ErrRefused))
		}
	})
})

var _ = Describe("A node that only dials out", Label("DATA-1"), func() {
	It("is read from over a connection that it made, again when it makes another", func(ctx SpecContext) {
		noLeaks()
		there, d := holding(ctx, noise(9*mib, 4))
		reader := blob.NewTransport(func(context.Context, string) (net.Conn, error) {
			return nil, errors.New("it cannot be dialled")
		})
		DeferCleanup(reader.Close)
		client := blob.NewClient(reader)
		_, err := client.Has(ctx, "http://shy", d)
		Expect(err).To(MatchError(ContainSubstring("cannot be dialled")))
		var served sync.WaitGroup
		for range 2 {
			accepted, dialled := socketPair(ctx)
			served.Go(func() { blob.ServeBack(dialled, blob.Handler(there, everyone)) })
			used := make(chan error, 1)
			inUse := make(chan struct{})
			go func() { close(inUse); used <- reader.Use(ctx, "shy", accepted) }()
			<-inUse
			Eventually(ctx, func() error { _, err := client.Has(ctx, "http://shy", d); return err }).Should(Succeed())
			here, _ := openStore(blob.Options{})
			Expect(client.Get(ctx, []string{"http://shy"}, d, here)).To(Succeed())
			Expect(here.Verify(ctx, d)).To(Succeed())
			Expect(dialled.Close()).To(Succeed())
			Expect(<-used).To(Succeed())
			_, err := client.Has(ctx, "http://shy", d)
			Expect(err).To(MatchError(ContainSubstring("cannot be dialled")))
		}
		served.Wait()
	}, NodeTimeout(failAfter))

	It("is let go when the reader has enough", func(ctx SpecContext) {
		noLeaks()
		there, _ := openStore(blob.Options{})
		reader := blob.NewTransport(nil)
		accepted, dialled := socketPair(ctx)
		served := make(chan struct{})
		go func() { defer close(served); blob.ServeBack(dialled, blob.Handler(there, everyone)) }()
		given, enough := context.WithCancel(ctx)
		used := make(chan error, 1)
		go func() { used <- reader.Use(given, "shy", accepted) }()
		enough()
		Expect(<-used).To(MatchError(context.Canceled))
		<-served
		Expect(reader.Close()).To(Succeed())
		late, other := net.Pipe()
		Expect(reader.Use(ctx, "shy", late)).To(MatchError(blob.ErrClosed))
		_, err := other.Write([]byte("too late"))
		Expect(err).To(MatchError(io.ErrClosedPipe))
	}, NodeTimeout(failAfter))
})

// socketPair returns the two ends of a connection on loopback.
func socketPair(ctx context.Context) (accepted, dialled net.Conn) {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	dialled, err = new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	Expect(err).NotTo(HaveOccurred())
	accepted, err = l.Accept()
	Expect(err).NotTo(HaveOccurred())
	return accepted, dialled
}

// TestServedBackForDays lets a connection that cannot be dialled again be silent for longer than a server keeps others.
func TestServedBackForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		accepted, dialled := net.Pipe()
		go blob.ServeBack(dialled, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusOK)
		}))
		reader := blob.NewTransport(nil)
		used := make(chan error, 1)
		go func() { used <- reader.Use(t.Context(), "shy", accepted) }()
		synctest.Wait()
		for range 3 {
			_, err := blob.NewClient(reader).Has(t.Context(), "http://shy", blob.Digest{})
			g.Expect(err).NotTo(HaveOccurred())
			time.Sleep(time.Hour)
		}
		g.Expect(reader.Close()).To(Succeed())
		g.Expect(<-used).To(Succeed())
	})
}
