package link_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/link"
)

var _ = Describe("The port of a node", func() {
	var w *tcpWorld
	BeforeEach(func() { w = newTCPWorld() })

	// stranger is a node of another network.
	stranger := func(options ...option) *node {
		GinkgoHelper()
		return start(newTCPWorld(), "stranger", false, options...)
	}

	It("refuses a node of another network, and both say so", Label("LINK-6"), func(ctx SpecContext) {
		b, s := start(w, "b", true), stranger()
		began := time.Now()
		_, err := s.links.Connected(ctx, b.addr())
		var foreign *identity.ForeignError
		Expect(errors.As(err, &foreign)).To(BeTrue(), "%v", err)
		Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
		Eventually(ctx, b.log.text).Should(ContainSubstring("connection refused"))
		Expect(b.links.Peers()).To(BeEmpty())
	}, SpecTimeout(patience))

	It("refuses a certificate of another CA also from a client that does not check ours", Label("LINK-6"), func(ctx SpecContext) {
		b := start(w, "b", true)
		id, err := identity.NewEphemeral(newTCPWorld().ca, identity.Subject{Name: "intruder", Roles: []string{"broker"}}, time.Now())
		Expect(err).NotTo(HaveOccurred())
		cfg := id.TLS(time.Now, "", "ucp-link/1")
		cfg.VerifyConnection = nil
		conn, err := tls.Dial("tcp", b.addr(), cfg)
		if err == nil { // in TLS 1.3 the client is done before it is refused
			_, err = io.ReadAll(conn)
		}
		Expect(err).To(HaveOccurred())
		Eventually(ctx, b.log.text).Should(And(ContainSubstring("intruder"), ContainSubstring("another network")))
	}, SpecTimeout(patience))

	It("refuses an expired certificate with the command that mends it", Label("LINK-6", "SEC-6"), func(ctx SpecContext) {
		late := func() time.Time { return time.Now().Add(31 * 24 * time.Hour) }
		b := start(w, "b", true)
		_, err := link.Start(link.Config{System: newSystem(), Identity: w.ids["b"], Now: late, Log: slog.New(slog.DiscardHandler)})
		var expired *identity.ExpiredError
		Expect(errors.As(err, &expired)).To(BeTrue(), "a node knows it of itself: %v", err)

		fresh, err := identity.NewEphemeral(w.ca, identity.Subject{Name: "fresh", Roles: []string{"broker"}}, late())
		Expect(err).NotTo(HaveOccurred())
		a := start(w, "a", false, func(c *link.Config) { c.Identity, c.Now = fresh, late })
		_, err = a.links.Connected(ctx, b.addr())
		Expect(errors.As(err, &expired)).To(BeTrue(), "and of others: %v", err)
		Expect(err).To(MatchError(ContainSubstring("ucp join")))
	}, SpecTimeout(patience))

	DescribeTable("survives what is no node", Label("LINK-6"), func(ctx SpecContext, said []byte) {
		b := start(w, "b", true)
		conn, err := net.Dial("tcp", b.addr())
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = conn.Close() }()
		_, err = conn.Write(said)
		Expect(err).NotTo(HaveOccurred())
		Expect(io.Copy(io.Discard, conn)).Error().Should(Or(Succeed(), HaveOccurred())) // until it hangs up
		Eventually(ctx, b.log.text).Should(ContainSubstring("connection refused"))
		a := start(w, "a", false)
		join(ctx, a, b)
	},
		Entry("plain HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), SpecTimeout(patience)),
		Entry("plain HTTP/2, which is gRPC without TLS", []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), SpecTimeout(patience)),
		Entry("noise", bytes.Repeat([]byte{0x16, 0x03, 0xff, 0x41}, 1000), SpecTimeout(patience)),
	)

	It("says when what it dials does not speak TLS", Label("LINK-5"), func(ctx SpecContext) {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = lis.Close() }()
		go func() {
			for conn, err := lis.Accept(); err == nil; conn, err = lis.Accept() {
				_, _ = conn.Write([]byte("SSH-2.0-OpenSSH\r\n"))
				_ = conn.Close()
			}
		}()
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		_, err = start(w, "a", false).links.Connected(short, lis.Addr().String())
		Expect(err).To(MatchError(ContainSubstring("does not speak TLS")))
	}, SpecTimeout(patience))

	It("says which port is in use", Label("LINK-5"), func(SpecContext) {
		b := start(w, "b", true)
		cfg := link.Config{System: newSystem(), Now: time.Now, Log: slog.New(slog.DiscardHandler), Listen: b.addr()}
		w.configure(&cfg, "c", []string{"broker"})
		_, err := link.Start(cfg)
		Expect(err).To(MatchError(And(ContainSubstring(b.addr()), ContainSubstring("in use by another process"))))
	}, SpecTimeout(patience))

	It("is reached over IPv6, and at an address other than the one it is bound to", Label("LINK-5"), func(ctx SpecContext) {
		if lis, err := net.Listen("tcp", "[::1]:0"); err != nil {
			Skip("this machine has no IPv6 loopback: " + err.Error())
		} else {
			_ = lis.Close()
		}
		b := start(w, "b", true, func(c *link.Config) { c.Listen, c.Advertise = "[::]:0", []string{"gate.example:7420"} })
		_, port, err := net.SplitHostPort(b.addr())
		Expect(err).NotTo(HaveOccurred())
		a := start(w, "a", false)
		for _, host := range []string{"::1", "127.0.0.1"} {
			addr := net.JoinHostPort(host, port)
			_, err = a.links.Connected(ctx, addr)
			Expect(err).NotTo(HaveOccurred())
			Expect(a.links.Peers()).To(ConsistOf(HaveField("Advertise", []string{"gate.example:7420"})))
			a.links.Hangup(addr)
			Eventually(ctx, a.peers).Should(BeEmpty())
		}
	}, SpecTimeout(patience))

	It("serves other protocols beside links, with the same identities", Label("DATA-1"), func(ctx SpecContext) {
		b, a := start(w, "b", true), start(w, "a", false)
		Expect(b.links.Handle("echo/1", func(c net.Conn, p identity.Peer) {
			_, _ = c.Write([]byte("hello " + p.Name))
		})).To(Succeed())
		Expect(b.links.Handle("echo/1", nil)).To(MatchError(ContainSubstring("has a handler already")))
		conn, peer, err := a.links.DialALPN(ctx, b.addr(), "echo/1", b.id)
		Expect(err).NotTo(HaveOccurred())
		Expect(peer.ID).To(Equal(b.id))
		Expect(io.ReadAll(conn)).To(BeEquivalentTo("hello a"))
		Expect(conn.Close()).To(Succeed())

		_, _, err = a.links.DialALPN(ctx, b.addr(), "echo/1", a.id)
		var impostor *identity.ImpostorError
		Expect(errors.As(err, &impostor)).To(BeTrue(), "%v", err)
		_, _, err = a.links.DialALPN(ctx, b.addr(), "unheard/1", b.id)
		Expect(err).To(HaveOccurred())
	}, SpecTimeout(patience))
})
