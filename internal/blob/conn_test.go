package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/internal/blob"
)

var _ = Describe("The connection below", Label("DATA-1"), func() {
	var (
		store  *blob.Store
		client *blob.Client
		t      *blob.Transport
		remote *peer
		hello  = blob.Sum([]byte("hello"))
	)

	BeforeEach(func() {
		noLeaks()
		store, _ = openStore(blob.Options{})
		client, t, remote = connect(blob.Handler(store, everyone))
	})

	It("is dialled again when it broke", func(ctx SpecContext) {
		for range 20 {
			Expect(client.Put(ctx, base, hello, 5, strings.NewReader("hello"))).To(Succeed())
			remote.hangUp()
			_, err := client.Has(ctx, base, hello)
			Expect(err).NotTo(HaveOccurred(), "a question is asked again by itself")
		}
		Expect(remote.dials.Load()).To(BeNumerically(">=", 20))
	})

	It("is dialled once for many who come at the same time", func(ctx SpecContext) {
		Expect(store.Put(ctx, strings.NewReader("hello"), hello)).To(Succeed())
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				defer GinkgoRecover()
				_, err := client.Has(ctx, base, hello)
				Expect(err).NotTo(HaveOccurred())
			})
		}
		wg.Wait()
		Expect(remote.dials.Load()).To(BeEquivalentTo(1))
	})

	It("that cannot be made says to whom", func(ctx SpecContext) {
		_, err := client.Has(ctx, "http://elsewhere", hello)
		Expect(err).To(MatchError(ContainSubstring("no such node")))
		Expect(err).To(MatchError(ContainSubstring("dial elsewhere")))
	})

	It("fails requests under way and later ones when it is closed", func(ctx SpecContext) {
		arrived := make(chan struct{})
		client, t, _ := connect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-r.Context().Done()
		}))
		failed := make(chan error)
		go func() {
			_, err := client.Has(ctx, base, hello)
			failed <- err
		}()
		<-arrived
		Expect(t.Close()).To(Succeed())
		Eventually(ctx, failed).Should(Receive(HaveOccurred()))
		_, err := client.Has(ctx, base, hello)
		Expect(err).To(MatchError(blob.ErrClosed))
	}, NodeTimeout(failAfter))

	It("leaves nothing behind when it is closed while dialling", func(ctx SpecContext) {
		dialling := make(chan struct{})
		t := blob.NewTransport(func(ctx context.Context, _ string) (net.Conn, error) {
			close(dialling)
			<-ctx.Done()
			return nil, context.Cause(ctx)
		})
		failed := make(chan error)
		go func() {
			_, err := blob.NewClient(t).Has(ctx, base, hello)
			failed <- err
		}()
		<-dialling
		Expect(t.Close()).To(Succeed())
		Eventually(ctx, failed).Should(Receive(MatchError(blob.ErrClosed)))
	}, NodeTimeout(failAfter))

	It("ends at once for one who speaks no HTTP/2", func(ctx SpecContext) {
		conn, err := remote.dial(ctx, "peer")
		Expect(err).NotTo(HaveOccurred())
		defer conn.Close()
		_, err = io.WriteString(conn, "GET /blob/"+helloDigest+" HTTP/1.1\r\nHost: peer\r\n\r\n")
		Expect(err).NotTo(HaveOccurred())
		answer, _ := io.ReadAll(conn)
		Expect(answer).To(BeEmpty())
		_, err = client.Has(ctx, base, hello)
		Expect(err).To(MatchError(blob.ErrNotFound), "others are served on")
	})

	It("holds one window of a blob whose receiver does not read", func(ctx SpecContext) {
		data := noise(32<<20, 1)
		d, _, err := store.Add(ctx, bytes.NewReader(data))
		Expect(err).NotTo(HaveOccurred())
		sent := &sentBytes{Handler: blob.Handler(store, everyone)}
		_, t, _ = connect(sent)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/blob/"+d.String(), nil)
		Expect(err).NotTo(HaveOccurred())
		resp, err := t.RoundTrip(req)
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, sent.n.Load).Should(BeNumerically(">=", 3<<20))
		Expect(sent.n.Load()).To(BeNumerically("<=", 5<<20))
		Expect(io.ReadAll(resp.Body)).To(Equal(data))
		Expect(resp.Body.Close()).To(Succeed())
	}, NodeTimeout(failAfter))
})

// TestFrozenPeer runs in virtual time, where only goroutines of one bubble and no sockets may take part: not a spec.
func TestFrozenPeer(t *testing.T) {
	for name, behave := range map[string]func(net.Conn){
		"one that reads and never answers":  func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"one that reads nothing any longer": func(c net.Conn) { _, _ = io.ReadFull(c, make([]byte, 24)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				here, there := net.Pipe()
				go behave(there)
				transport := blob.NewTransport(func(context.Context, string) (net.Conn, error) { return here, nil })
				start := time.Now()
				_, err := blob.NewClient(transport).Has(t.Context(), base, blob.Digest{})
				g.Expect(err).To(HaveOccurred())
				g.Expect(time.Since(start)).To(BeNumerically("<=", 30*time.Second))
				g.Expect(errors.Join(transport.Close(), there.Close())).To(Succeed())
			})
		})
	}
}

// serveNothing answers 201 to everything, on the far end of a pipe whose near end it returns.
func serveNothing() net.Conn {
	here, there := net.Pipe()
	go blob.ServeConn(there, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	}))
	return here
}

// TestImpatientDialler has two want one connection, and the one who dials for both give up.
func TestImpatientDialler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		dials := 0
		transport := blob.NewTransport(func(ctx context.Context, _ string) (net.Conn, error) {
			if dials++; dials == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return serveNothing(), nil
		})
		ask := func(ctx context.Context) <-chan error {
			answer := make(chan error, 1)
			go func() {
				_, err := blob.NewClient(transport).Has(ctx, base, blob.Digest{})
				answer <- err
			}()
			synctest.Wait()
			return answer
		}
		impatient, giveUp := context.WithCancel(t.Context())
		first, second := ask(impatient), ask(t.Context())
		giveUp()
		g.Expect(<-first).To(MatchError(context.Canceled))
		g.Expect(<-second).To(Succeed())
		g.Expect(dials).To(Equal(2))
		g.Expect(transport.Close()).To(Succeed())
	})
}

// TestIdleConnection lets a connection outlive the time a server keeps one that nobody uses.
func TestIdleConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		dials := 0
		transport := blob.NewTransport(func(context.Context, string) (net.Conn, error) {
			dials++
			return serveNothing(), nil
		})
		for range 3 {
			err := blob.NewClient(transport).Put(t.Context(), base, blob.Digest{}, 5, strings.NewReader("hello"))
			g.Expect(err).NotTo(HaveOccurred())
			time.Sleep(time.Hour)
		}
		g.Expect(dials).To(Equal(3))
		g.Expect(transport.Close()).To(Succeed())
	})
}
