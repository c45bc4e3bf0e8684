package client

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("Asking a broker", func() {
	var (
		net *link.Memory
		b1  *brokerProbe
	)
	BeforeEach(func() {
		net = link.NewMemory()
		b1 = startBroker(net, "b1")
	})
	// says makes the broker give one answer to everything.
	says := func(m any) {
		b1.answers(func(b *brokerProbe, h heard) { b.say(h.sender, m) })
	}

	It("returns a job with the names of its nodes and why it waits", func(ctx SpecContext) {
		says(&messages.JobChanged{Record: queued("job-0001").Append(nil), Waiting: "no executor", Names: map[string]string{"node-b1": "b1"}})
		c, err := dialTo(ctx, net, Options{}, b1).Job(ctx, "job-0001")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Job.State()).To(Equal(job.StateQueued))
		Expect(c.Waiting).To(Equal("no executor"))
		Expect(c.Name("node-b1")).To(Equal("b1"))
		Expect(c.Name("node-b9")).To(Equal("node-b9"))
	}, SpecTimeout(10*time.Second))

	It("returns a page of jobs and where to go on", func(ctx SpecContext) {
		says(&messages.JobsResponse{Jobs: []*messages.JobChanged{changedTo(queued("job-0001")), changedTo(done("job-0002"))}, Next: "job-0002"})
		jobs, more, err := dialTo(ctx, net, Options{}, b1).Jobs(ctx, Filter{State: job.StateQueued, Receiver: "district", Limit: 2, After: "job-0000"})
		Expect(err).NotTo(HaveOccurred())
		Expect(jobs).To(HaveLen(2))
		Expect(more).To(Equal("job-0002"))
		m, _ := next[*messages.JobsRequest](ctx, b1)
		Expect(m.GetState()).To(Equal("queued"))
		Expect(m.GetReceiver()).To(Equal("district"))
		Expect(m.GetLimit()).To(BeEquivalentTo(2))
		Expect(m.GetAfter()).To(Equal("job-0000"))
	}, SpecTimeout(10*time.Second))

	It("returns nodes and status", func(ctx SpecContext) {
		b1.answers(func(b *brokerProbe, h heard) {
			switch h.message.(type) {
			case *messages.NodesRequest:
				b.say(h.sender, &messages.NodesResponse{Nodes: []*messages.NodeInfo{{Id: "n1", Name: "e1", Roles: []string{"executor"}, Slots: 2, SeenMs: 1000}}})
			case *messages.StatusRequest:
				b.say(h.sender, &messages.StatusResponse{Name: "b1", Executors: 3, UptimeMs: 1500})
			case *messages.StoresRequest:
				b.say(h.sender, &messages.StoresResponse{Stores: []*messages.StoreInfo{
					{Node: "n2", Name: "d1", State: "up", Free: 5, Used: 3, SeenMs: 1000}, {Node: "n1", Name: "e1", State: "lost", SeenMs: 2000},
				}})
			}
		})
		c := dialTo(ctx, net, Options{}, b1)
		nodes, err := c.Nodes(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(nodes).To(Equal([]Node{
			{
				ID: "n2", Name: "d1", Roles: []string{"datastore"}, State: "up", Seen: time.Unix(1, 0).UTC(),
				Store: &Store{Node: "n2", Name: "d1", State: "up", Free: 5, Used: 3, Seen: time.Unix(1, 0).UTC()},
			},
			{
				ID: "n1", Name: "e1", Roles: []string{"executor", "datastore"}, Slots: 2, Seen: time.Unix(1, 0).UTC(),
				Store: &Store{Node: "n1", Name: "e1", State: "lost", Seen: time.Unix(2, 0).UTC()},
			},
		}))
		Expect(c.Status(ctx)).To(Equal(Status{Name: "b1", Executors: 3, Uptime: 1500 * time.Millisecond}))
	}, SpecTimeout(10*time.Second))

	It("lets a job out of its quarantine", Label("JOB-5"), func(ctx SpecContext) {
		says(changedTo(queued("job-0001")))
		c, err := dialTo(ctx, net, Options{}, b1).Reprieve(ctx, "job-0001")
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Job.ID).To(BeEquivalentTo("job-0001"))
		m, _ := next[*messages.ReprieveJob](ctx, b1)
		Expect(m.GetJob()).To(Equal("job-0001"))
	}, SpecTimeout(10*time.Second))

	It("gives a broker up, and says whose fences are awaited", Label("JOB-14"), func(ctx SpecContext) {
		says(&messages.BrokerForgotten{Journal: "J2", Waiting: []string{"J3"}})
		Expect(dialTo(ctx, net, Options{}, b1).ForgetBroker(ctx, "b2", "it burnt")).To(ConsistOf("J3"))
		m, _ := next[*messages.ForgetBroker](ctx, b1)
		Expect(m.GetBroker()).To(Equal("b2"))
		Expect(m.GetReason()).To(Equal("it burnt"))
	}, SpecTimeout(10*time.Second))

	It("says that a job is not known", func(ctx SpecContext) {
		says(&messages.Refused{Code: messages.Refused_NOT_FOUND, Reason: `no job "x" is known here`})
		_, err := dialTo(ctx, net, Options{}, b1).Cancel(ctx, "x")
		Expect(err).To(And(MatchError(ErrNotFound), MatchError(ContainSubstring("no job"))))
	}, SpecTimeout(10*time.Second))

	It("asks again when the broker was busy", func(ctx SpecContext) {
		busy := true
		b1.answers(func(b *brokerProbe, h heard) {
			if busy {
				busy = false
				b.say(h.sender, &messages.Refused{Code: messages.Refused_BUSY, RetryAfterMs: 1})
				return
			}
			b.say(h.sender, &messages.StatusResponse{Name: "b1"})
		})
		s, err := dialTo(ctx, net, Options{}, b1).Status(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Name).To(Equal("b1"))
	}, SpecTimeout(10*time.Second))

	It("asks again when the link was lost before the answer", func(ctx SpecContext) {
		c := dialTo(ctx, net, Options{}, b1)
		answered := make(chan error, 1)
		go func() {
			_, err := c.Status(ctx)
			answered <- err
		}()
		next[*messages.StatusRequest](ctx, b1)
		says(&messages.StatusResponse{})
		net.Break(b1.peer.ID, "node-client")
		Eventually(ctx, answered).Should(Receive(BeNil()))
	}, SpecTimeout(10*time.Second))

	It("gives up when the broker says nothing for as long as its patience", func(ctx SpecContext) {
		_, err := dialTo(ctx, net, Options{Patience: 10 * time.Millisecond}, b1).Status(ctx)
		Expect(err).To(And(MatchError(ErrUnreachable), MatchError(ContainSubstring("b1")), MatchError(ContainSubstring("10ms"))))
	}, SpecTimeout(10*time.Second))

	It("ends with its context", func(ctx SpecContext) {
		c := dialTo(ctx, net, Options{}, b1)
		short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
		defer cancel()
		_, err := c.Status(short)
		Expect(err).To(MatchError(context.DeadlineExceeded))
	}, SpecTimeout(10*time.Second))
})

var _ = Describe("A client's session", Label("CLK-5"), func() {
	var (
		net *link.Memory
		b1  *brokerProbe
	)
	BeforeEach(func() {
		net = link.NewMemory()
		b1 = startBroker(net, "b1")
	})

	It("is empty at first and goes with every question after an acknowledgement", func(ctx SpecContext) {
		b1.answers(acknowledge)
		c := dialTo(ctx, net, Options{Patience: time.Millisecond}, b1)
		_, err := c.Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		m, _ := next[*messages.SubmitJob](ctx, b1)
		Expect(m.GetSession()).To(BeEmpty())
		_, _ = c.Job(ctx, "job-0001")
		asked, _ := next[*messages.JobRequest](ctx, b1)
		Expect(asked.GetSession()).To(Equal(sessionAt("j1", 1, nil)))
	}, SpecTimeout(10*time.Second))

	It("is refused as stale by a broker that is behind it", func(ctx SpecContext) {
		b1.answers(func(b *brokerProbe, h heard) {
			b.say(h.sender, &messages.Refused{Code: messages.Refused_STALE, Reason: "j1 is at 3 here, the session at 7"})
		})
		_, err := dialTo(ctx, net, Options{Session: sessionAt("j1", 7, nil)}, b1).Job(ctx, "job-0001")
		Expect(err).To(And(MatchError(ErrStale), MatchError(ContainSubstring("at 7"))))
		asked, _ := next[*messages.JobRequest](ctx, b1)
		Expect(asked.GetSession()).To(Equal(sessionAt("j1", 7, nil)))
	}, SpecTimeout(10*time.Second))

	It("is sealed by the broker for another process, which sends it with the seal", func(ctx SpecContext) {
		sealed := sessionAt("j1", 9, []byte("a seal"))
		b1.answers(func(b *brokerProbe, h heard) {
			switch h.message.(type) {
			case *messages.SealSession:
				b.say(h.sender, &messages.SessionSealed{Session: sealed})
			case *messages.StatusRequest, *messages.NodesRequest:
				b.say(h.sender, &messages.NodesResponse{})
			case *messages.StoresRequest:
				b.say(h.sender, &messages.StoresResponse{})
			}
		})
		c := dialTo(ctx, net, Options{}, b1)
		Expect(c.Session(ctx)).To(Equal(sealed))
		Expect(c.Close()).To(Succeed())
		_, err := dialTo(ctx, net, Options{Session: sealed}, b1).Nodes(ctx)
		Expect(err).NotTo(HaveOccurred())
		asked, _ := next[*messages.NodesRequest](ctx, b1)
		Expect(asked.GetSession()).To(Equal(sealed))
	}, SpecTimeout(10*time.Second))

	It("keeps a seal until something is learned that it does not cover", func() {
		var s session
		Expect(s.merge(sessionAt("j1", 9, []byte("seal")))).To(Succeed())
		Expect(s.merge(sessionAt("j1", 4, nil))).To(Succeed())
		Expect(s.bytes()).To(Equal(sessionAt("j1", 9, []byte("seal"))), "an older answer")
		Expect(s.merge(sessionAt("j1", 10, nil))).To(Succeed())
		Expect(s.bytes()).To(Equal(sessionAt("j1", 10, nil)))
		Expect(s.merge(sessionAt("j1", 10, []byte("new")))).To(Succeed())
		Expect(s.bytes()).To(Equal(sessionAt("j1", 10, []byte("new"))))
		Expect(s.merge(sessionAt("j2", 1, []byte("other")))).To(Succeed())
		Expect(s.seal).To(BeNil())
		Expect(s.vector.Dots()).To(HaveLen(2))
	})

	It("is refused when it cannot be read", func(ctx SpecContext) {
		_, err := Dial(ctx, Options{Addresses: []string{"b1:7420"}, Session: []byte("nonsense")})
		Expect(err).To(MatchError(ErrInvalid))
	}, SpecTimeout(10*time.Second))
})

var _ = Describe("Processes that share an identity", Label("LINK-2"), func() {
	It("are told apart: each gets its own answers, and none loses its connection to another", func(ctx SpecContext) {
		net := link.NewMemory()
		b1 := startBroker(net, "b1")
		b1.answers(acknowledge)
		var subs []*Submission
		for range 3 {
			s, err := dialTo(ctx, net, Options{}, b1).Submit(ctx, helloSpec)
			Expect(err).NotTo(HaveOccurred())
			subs = append(subs, s)
		}
		senders := map[string]bool{}
		for _, s := range subs {
			m, client := next[*messages.SubmitJob](ctx, b1)
			Expect(m.GetJob()).To(Equal(s.ID()))
			Expect(messages.NodeOf(client.Address)).To(Equal("node-client"))
			senders[client.Address] = true
			b1.say(client, changedTo(done(s.ID())))
		}
		Expect(senders).To(HaveLen(3))
		for _, s := range subs {
			_, err := s.Wait(ctx)
			Expect(err).NotTo(HaveOccurred())
		}
		Expect(b1.links.Peers()).To(HaveLen(3))
	}, SpecTimeout(10*time.Second))
})
