package identity_test

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/identity"
)

var today = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func newCA(name string) *identity.CA {
	GinkgoHelper()
	ca, err := identity.NewEphemeralCA(name, today)
	Expect(err).NotTo(HaveOccurred())
	return ca
}

func newNode(ca *identity.CA, name string, roles ...string) *identity.Identity {
	GinkgoHelper()
	id, err := identity.NewEphemeral(ca, identity.Subject{Name: name, Roles: roles}, today)
	Expect(err).NotTo(HaveOccurred())
	return id
}

// handshake connects two configurations and returns what each end makes of it.
func handshake(client, server *tls.Config) (state tls.ConnectionState, clientErr, serverErr error) {
	a, b := net.Pipe()
	cc, sc := tls.Client(a, client), tls.Server(b, server)
	done := make(chan error, 1)
	go func() {
		err := sc.Handshake()
		if err == nil {
			_, err = sc.Write([]byte{1})
		}
		_ = b.Close()
		done <- err
	}()
	clientErr = cc.Handshake()
	if clientErr == nil {
		_, clientErr = io.ReadFull(cc, make([]byte, 1)) // the server's refusal arrives after our handshake
	}
	_ = a.Close()
	return cc.ConnectionState(), clientErr, <-done
}

var _ = Describe("A node's identity", Label("LINK-2", "SEC-1"), func() {
	It("is a hash of its key", func() {
		id := newNode(newCA("lab"), "b1", "broker")
		Expect(string(id.ID())).To(MatchRegexp("^[a-z2-7]{26}$"))
		Expect(identity.ParseNodeID(string(id.ID()))).To(Equal(id.ID()))
		_, err := identity.ParseNodeID("b1")
		Expect(err).To(MatchError(ContainSubstring("not a node id")))
	})

	It("stays the same in its directory, where the key is private", func() {
		dir := filepath.Join(GinkgoT().TempDir(), "node")
		made, err := identity.Create(dir, newCA("lab"), identity.Subject{Name: "e1", Roles: []string{"executor"}}, today, 0)
		Expect(err).NotTo(HaveOccurred())
		opened, err := identity.Open(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(opened.Peer()).To(Equal(identity.Peer{ID: made.ID(), Name: "e1", Roles: []string{"executor"}}))
		Expect(opened.NotAfter()).To(Equal(today.Add(30 * 24 * time.Hour)))

		info, err := os.Stat(filepath.Join(dir, "node.key"))
		Expect(err).NotTo(HaveOccurred())
		Expect(info.Mode().Perm()).To(Equal(fs.FileMode(0o600)))
		files, err := os.ReadDir(dir)
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(3), "no temporary file is left")
	})

	It("keeps its key, hence its id, when it is certified again", func() {
		dir, ca := GinkgoT().TempDir(), newCA("lab")
		s := identity.Subject{Name: "e1", Roles: []string{"executor"}}
		first, err := identity.Create(dir, ca, s, today, 0)
		Expect(err).NotTo(HaveOccurred())
		again, err := identity.Create(dir, ca, s, today.Add(40*24*time.Hour), 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(again.ID()).To(Equal(first.ID()))
		Expect(again.Check(today.Add(60 * 24 * time.Hour))).To(Succeed())
	})

	It("refuses a key that others can read", func() {
		dir := GinkgoT().TempDir()
		_, err := identity.Create(dir, newCA("lab"), identity.Subject{Name: "e1", Roles: []string{"executor"}}, today, 0)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.Chmod(filepath.Join(dir, "node.key"), 0o644)).To(Succeed())
		_, err = identity.Open(dir)
		Expect(err).To(MatchError(ContainSubstring("chmod 600")))
	})

	It("refuses a certificate made for another key", func() {
		dir, ca := GinkgoT().TempDir(), newCA("lab")
		_, err := identity.NewRequest(dir)
		Expect(err).NotTo(HaveOccurred())
		pub, _, err := ed25519.GenerateKey(nil)
		Expect(err).NotTo(HaveOccurred())
		cert, err := ca.Issue(pub, identity.Subject{Name: "x", Roles: []string{"broker"}}, today, 0)
		Expect(err).NotTo(HaveOccurred())
		_, err = identity.Install(dir, ca.Certificate(), cert)
		Expect(err).To(MatchError(ContainSubstring("for another key")))
	})

	DescribeTable("refuses to certify nonsense", func(s identity.Subject, says string) {
		_, err := identity.NewEphemeral(newCA("lab"), s, today)
		Expect(err).To(MatchError(ContainSubstring(says)))
	},
		Entry("no name", identity.Subject{Roles: []string{"broker"}}, "needs a name"),
		Entry("no role", identity.Subject{Name: "n"}, "has no role"),
		Entry("an unknown role", identity.Subject{Name: "n", Roles: []string{"king"}}, `unknown role "king"`),
		Entry("a name with a newline", identity.Subject{Name: "a\nb", Roles: []string{"broker"}}, "do not print"),
	)
})

var _ = Describe("A network's CA", Label("SEC-1", "SEC-6"), func() {
	It("names the network by its certificate's hash, not by its name", func() {
		a, b := newCA("lab"), newCA("lab")
		Expect(a.Name()).To(Equal(b.Name()))
		Expect(a.Network()).NotTo(Equal(b.Network()))
	})

	It("is opened where it was created, and never created twice", func() {
		dir := filepath.Join(GinkgoT().TempDir(), "ca")
		_, err := identity.OpenCA(dir)
		Expect(err).To(MatchError(fs.ErrNotExist))
		ca, err := identity.CreateCA(dir, "lab", today)
		Expect(err).NotTo(HaveOccurred())
		_, err = identity.CreateCA(dir, "lab", today)
		Expect(err).To(MatchError(identity.ErrExists))
		again, err := identity.OpenOrCreateCA(dir, "lab", today)
		Expect(err).NotTo(HaveOccurred())
		Expect(again.Network()).To(Equal(ca.Network()))
		Expect(again.Trust.Verify(chainOf(newNode(ca, "b1", "broker")), today)).To(HaveField("Name", "b1"))
	})

	It("refuses a request whose sender does not hold the key", func() {
		request, err := identity.NewRequest(GinkgoT().TempDir())
		Expect(err).NotTo(HaveOccurred())
		request[len(request)-1] ^= 1
		_, err = newCA("lab").IssueFor(request, identity.Subject{Name: "x", Roles: []string{"broker"}}, today, 0)
		Expect(err).To(MatchError(ContainSubstring("certificate request")))
	})
})

var _ = Describe("A TLS connection", Label("LINK-2", "LINK-6", "SEC-1", "SEC-6"), func() {
	var ca *identity.CA
	var client, server *identity.Identity
	BeforeEach(func() {
		ca = newCA("lab")
		client, server = newNode(ca, "e1", "executor"), newNode(ca, "b1", "datastore", "broker")
	})

	It("tells who the peer is and what it may be", func() {
		state, ce, se := handshake(client.TLS(at(today), server.ID(), "x"), server.TLS(at(today), "", "x"))
		Expect(errors.Join(ce, se)).NotTo(HaveOccurred())
		peer, err := client.Trust().PeerOf(state)
		Expect(err).NotTo(HaveOccurred())
		Expect(peer).To(Equal(identity.Peer{ID: server.ID(), Name: "b1", Roles: []string{"broker", "datastore"}}))
		Expect(peer.Has("broker")).To(BeTrue())
		Expect(peer.Has("client")).To(BeFalse())
	})

	It("refuses a node of another network, on both ends", func() {
		stranger := newNode(newCA("lab"), "e1", "executor")
		var foreign *identity.ForeignError
		_, ce, _ := handshake(stranger.TLS(at(today), "", "x"), server.TLS(at(today), "", "x"))
		Expect(errors.As(ce, &foreign)).To(BeTrue(), "%v", ce)
		Expect(ce).To(MatchError(ContainSubstring("another network")))
		blind := stranger.TLS(at(today), "", "x")
		blind.VerifyConnection = nil // an attacker does not check
		_, _, se := handshake(blind, server.TLS(at(today), "", "x"))
		Expect(errors.As(se, &foreign)).To(BeTrue(), "%v", se)
	})

	It("refuses a peer that is not the one expected", func() {
		var impostor *identity.ImpostorError
		_, ce, _ := handshake(client.TLS(at(today), client.ID(), "x"), server.TLS(at(today), "", "x"))
		Expect(errors.As(ce, &impostor)).To(BeTrue(), "%v", ce)
		Expect(impostor.Got).To(Equal(server.ID()))
	})

	It("tells an expired certificate and a wrong clock from an intruder, and how to mend them", func() {
		late, early := today.Add(31*24*time.Hour), today.Add(-10*365*24*time.Hour)
		var expired *identity.ExpiredError
		_, ce, _ := handshake(client.TLS(at(late), "", "x"), server.TLS(at(late), "", "x"))
		Expect(errors.As(ce, &expired)).To(BeTrue(), "%v", ce)
		Expect(ce).To(MatchError(ContainSubstring("renew the certificate with `ucp join`")))
		var unborn *identity.NotYetValidError
		_, ce, _ = handshake(client.TLS(at(early), "", "x"), server.TLS(at(early), "", "x"))
		Expect(errors.As(ce, &unborn)).To(BeTrue(), "%v", ce)
		Expect(ce).To(MatchError(ContainSubstring("set the clock")))
		Expect(client.Check(late)).To(BeAssignableToTypeOf(expired))
		Expect(client.Check(early)).To(BeAssignableToTypeOf(unborn))
	})

	It("refuses a peer without a certificate", func() {
		naked := client.TLS(at(today), "", "x")
		naked.Certificates = nil
		_, _, se := handshake(naked, server.TLS(at(today), "", "x"))
		Expect(se).To(HaveOccurred())
	})

	It("refuses a certificate that claims the id of another node", func() {
		stolen := client.TLS(at(today), "", "x")
		stolen.Certificates[0].Certificate = chainOf(server) // without the server's key
		_, _, se := handshake(stolen, server.TLS(at(today), "", "x"))
		Expect(se).To(HaveOccurred())
	})
})

// chainOf digs the certificate chain out of a TLS configuration.
func chainOf(id *identity.Identity) [][]byte {
	return id.TLS(at(today), "").Certificates[0].Certificate
}

var _ = Describe("A seal", Label("SEC-3"), func() {
	It("is verified by any member, also after the certificate's time", func() {
		ca := newCA("lab")
		e1 := newNode(ca, "e1", "executor")
		raw, err := e1.Sign("result", []byte("42")).MarshalBinary()
		Expect(err).NotTo(HaveOccurred())
		var s identity.Seal
		Expect(s.UnmarshalBinary(raw)).To(Succeed())
		Expect(newNode(ca, "c", "client").Trust().VerifySeal("result", []byte("42"), s)).To(Equal(e1.Peer()))
	})

	It("is worth nothing for other bytes, another purpose or another network", func() {
		ca := newCA("lab")
		s := newNode(ca, "e1", "executor").Sign("result", []byte("42"))
		_, err := ca.VerifySeal("result", []byte("43"), s)
		Expect(err).To(MatchError(identity.ErrBadSeal))
		_, err = ca.VerifySeal("session", []byte("42"), s)
		Expect(err).To(MatchError(identity.ErrBadSeal))
		var foreign *identity.ForeignError
		_, err = newCA("lab").VerifySeal("result", []byte("42"), s)
		Expect(errors.As(err, &foreign)).To(BeTrue())
	})

	It("refuses malformed bytes without harm", func() {
		raw, err := newNode(newCA("lab"), "e1", "executor").Sign("result", nil).MarshalBinary()
		Expect(err).NotTo(HaveOccurred())
		for cut := range len(raw) {
			var s identity.Seal
			if s.UnmarshalBinary(raw[:cut]) == nil {
				_, err := newCA("lab").VerifySeal("result", nil, s)
				Expect(err).To(HaveOccurred())
			}
		}
	})
})

var _ = Describe("A node's incarnation", Label("CLK-4"), func() {
	It("grows with every start, also within a second and when the clock goes back", func() {
		dir := GinkgoT().TempDir()
		var last uint64
		for _, now := range []time.Time{today, today, today.Add(time.Hour), today.Add(-time.Hour), time.Unix(0, 0)} {
			next, err := identity.NextIncarnation(dir, now)
			Expect(err).NotTo(HaveOccurred())
			Expect(next).To(BeNumerically(">", last))
			last = next
		}
	})

	It("is a new one when the disk was restored from a copy", func() {
		dir := GinkgoT().TempDir()
		_, err := identity.NextIncarnation(dir, today)
		Expect(err).NotTo(HaveOccurred())
		copied, err := os.ReadFile(filepath.Join(dir, "incarnation"))
		Expect(err).NotTo(HaveOccurred())
		used := map[uint64]bool{}
		for i := range 5 {
			next, err := identity.NextIncarnation(dir, today.Add(time.Duration(i)*time.Second))
			Expect(err).NotTo(HaveOccurred())
			Expect(used).NotTo(HaveKey(next))
			used[next] = true
			Expect(os.WriteFile(filepath.Join(dir, "incarnation"), copied, 0o600)).To(Succeed())
		}
	})

	It("refuses a damaged file instead of starting over", func() {
		dir := GinkgoT().TempDir()
		Expect(os.WriteFile(filepath.Join(dir, "incarnation"), []byte("12x"), 0o600)).To(Succeed())
		_, err := identity.NextIncarnation(dir, today)
		Expect(err).To(MatchError(ContainSubstring("damaged")))
	})
})
