package client

import (
	"context"
	"errors"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("Submitting a job", Label("JOB-1"), func() {
	var (
		net *link.Memory
		b1  *brokerProbe
	)
	BeforeEach(func() {
		net = link.NewMemory()
		b1 = startBroker(net, "b1")
	})

	It("names the job by a ULID and the broker first asked", func(ctx SpecContext) {
		b1.answers(acknowledge)
		s, err := dialTo(ctx, net, Options{}, b1).Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.ID()).To(MatchRegexp("^[0-9A-HJKMNP-TV-Z]{26}-node-b1$"))
		Expect(job.ID(s.ID()).Valid()).To(Succeed())
	}, SpecTimeout(10*time.Second))

	It("returns when the job is acknowledged, and says on how many disks it is", func(ctx SpecContext) {
		b1.answers(acknowledge)
		s, err := dialTo(ctx, net, Options{}, b1).Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Durability()).To(Equal(2))
		m, sender := next[*messages.SubmitJob](ctx, b1)
		Expect(m.GetWatch()).To(BeTrue())
		Expect(sender.Id).To(Equal(messages.ClientActor))
	}, SpecTimeout(10*time.Second))

	It("returns the job when it is over", func(ctx SpecContext) {
		b1.answers(perform)
		s, err := dialTo(ctx, net, Options{}, b1).Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(j.State()).To(Equal(job.StateAccepted))
	}, SpecTimeout(10*time.Second))

	It("tells every reader of changes the last one, however slow", func(ctx SpecContext) {
		b1.answers(acknowledge)
		s, err := dialTo(ctx, net, Options{}, b1).Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		_, client := next[*messages.SubmitJob](ctx, b1)
		for _, j := range []Job{queued(s.ID()), running(s.ID()), done(s.ID())} {
			b1.say(client, changedTo(j))
		}
		_, err = s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		var last Change
		for c := range s.Changes() {
			last = c
		}
		Expect(last.Job.State()).To(Equal(job.StateAccepted))
	}, SpecTimeout(10*time.Second))

	It("follows a job after a provisional end until that is final, and says whether another one stands", Label("JOB-7"), func(ctx SpecContext) {
		b1.answers(acknowledge)
		s, err := dialTo(ctx, net, Options{}, b1).Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		_, client := next[*messages.SubmitJob](ctx, b1)
		b1.say(client, changedTo(done(s.ID())))
		_, err = s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		soon, enough := context.WithTimeout(ctx, 20*time.Millisecond)
		defer enough()
		_, err = s.Final(soon)
		Expect(err).To(MatchError(context.DeadlineExceeded))

		other := changedTo(over(s.ID(), &Result{Kind: job.Exited, ExitCode: 3}))
		other.Superseded = true
		b1.say(client, other)
		last := changedTo(over(s.ID(), &Result{Kind: job.Exited, ExitCode: 3}))
		last.Final = true
		b1.say(client, last)
		c, err := s.Final(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Superseded).To(BeTrue())
		Expect(c.Job.Current().Verdict.Result.ExitCode).To(BeEquivalentTo(3))
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(j.Current().Verdict.Result.ExitCode).To(BeZero(), "what was told first")
	}, SpecTimeout(10*time.Second))

	It("asks again for a job with a provisional end when it has another link, and lets the oldest go where too many have one", func(ctx SpecContext) {
		b1.answers(acknowledge)
		c := dialTo(ctx, net, Options{}, b1)
		s, err := c.Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		_, client := next[*messages.SubmitJob](ctx, b1)
		b1.say(client, changedTo(done(s.ID())))
		_, err = s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		net.Break(b1.peer.ID, "node-client")
		asked, _ := next[*messages.JobRequest](ctx, b1)
		Expect(asked.GetJob()).To(Equal(s.ID()))
		for range maxSettling {
			more, err := c.Submit(ctx, helloSpec)
			Expect(err).NotTo(HaveOccurred())
			_, client = next[*messages.SubmitJob](ctx, b1)
			b1.say(client, changedTo(done(more.ID())))
			_, err = more.Wait(ctx)
			Expect(err).NotTo(HaveOccurred())
		}
		_, err = s.Final(ctx)
		Expect(err).To(MatchError(ErrUnfollowed))
	}, SpecTimeout(30*time.Second))

	It("submits again under the same id when the link was lost before the acknowledgement", func(ctx SpecContext) {
		c := dialTo(ctx, net, Options{}, b1)
		submitted := goSubmit(ctx, c)
		first, _ := next[*messages.SubmitJob](ctx, b1)
		b1.answers(perform)
		net.Break(b1.peer.ID, "node-client")
		second, _ := next[*messages.SubmitJob](ctx, b1)
		Expect(second.GetJob()).To(Equal(first.GetJob()))
		Expect(second.GetSpec()).To(Equal(first.GetSpec()))
		var s *Submission
		Eventually(ctx, submitted).Should(Receive(&s))
		Expect(s.ID()).To(Equal(first.GetJob()))
	}, SpecTimeout(10*time.Second))

	It("asks again for an acknowledged job when the link was lost, and does not submit it", func(ctx SpecContext) {
		b1.answers(acknowledge)
		s, err := dialTo(ctx, net, Options{}, b1).Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		next[*messages.SubmitJob](ctx, b1)
		net.Break(b1.peer.ID, "node-client")
		var again heard
		Eventually(ctx, b1.heard).Should(Receive(&again))
		Expect(again.message).To(BeAssignableToTypeOf(&messages.JobRequest{}))
		Expect(again.message.(*messages.JobRequest).GetWatch()).To(BeTrue())
		b1.say(again.sender, changedTo(done(s.ID())))
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(j.State()).To(Equal(job.StateAccepted))
	}, SpecTimeout(10*time.Second))

	It("goes on at another broker when the first is gone", func(ctx SpecContext) {
		b2 := startBroker(net, "b2")
		b1.answers(acknowledge)
		c := dialTo(ctx, net, Options{}, b1, b2)
		s, err := c.Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		b1.stop()
		m, client := next[*messages.JobRequest](ctx, b2)
		Expect(m.GetJob()).To(Equal(s.ID()))
		b2.say(client, changedTo(done(s.ID())))
		_, err = s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		name, _ := c.Broker()
		Expect(name).To(Equal("b2"))
	}, SpecTimeout(20*time.Second))

	It("comes again when the broker is busy", func(ctx SpecContext) {
		refusals := 2
		b1.answers(func(b *brokerProbe, h heard) {
			if m, ok := h.message.(*messages.SubmitJob); ok && refusals > 0 {
				refusals--
				b.say(h.sender, &messages.Refused{Code: messages.Refused_BUSY, Reason: "full", RetryAfterMs: 5, Job: m.GetJob()})
				return
			}
			acknowledge(b, h)
		})
		s, err := dialTo(ctx, net, Options{}, b1).Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		for range 3 {
			m, _ := next[*messages.SubmitJob](ctx, b1)
			Expect(m.GetJob()).To(Equal(s.ID()))
		}
	}, SpecTimeout(10*time.Second))

	It("says why brokers did not take it when the context ends before one does", func(ctx SpecContext) {
		b1.answers(func(b *brokerProbe, h heard) {
			if m, ok := h.message.(*messages.SubmitJob); ok {
				b.say(h.sender, &messages.Refused{Code: messages.Refused_BUSY, Reason: "no room for the moon", RetryAfterMs: 5, Job: m.GetJob()})
			}
		})
		short, cancel := context.WithCancelCause(ctx)
		failed := make(chan error, 1)
		c := dialTo(ctx, net, Options{}, b1)
		go func() {
			_, err := c.Submit(short, helloSpec)
			failed <- err
		}()
		for range 2 {
			next[*messages.SubmitJob](ctx, b1)
		}
		cancel(errors.New("enough"))
		var err error
		Eventually(ctx, failed).Should(Receive(&err))
		Expect(err).To(And(MatchError(ErrBusy), MatchError(ContainSubstring("no room for the moon")), MatchError(ContainSubstring("enough"))))
	}, SpecTimeout(10*time.Second))

	DescribeTable("is submitted under another id when the broker asks for one that ends otherwise",
		func(ctx SpecContext, submit func(context.Context, *Client) (*Submission, error)) {
			b1.answers(func(b *brokerProbe, h heard) {
				if m, ok := h.message.(*messages.SubmitJob); ok && !strings.HasSuffix(m.GetJob(), "-again") {
					b.say(h.sender, &messages.Refused{Code: messages.Refused_RENAMED, Reason: "anew", Job: m.GetJob(), Broker: "b1-again"})
					return
				}
				perform(b, h)
			})
			s, err := submit(ctx, dialTo(ctx, net, Options{}, b1))
			Expect(err).NotTo(HaveOccurred())
			Expect(s.ID()).To(HaveSuffix("-b1-again"))
			_, err = s.Wait(ctx)
			Expect(err).NotTo(HaveOccurred())
		},
		Entry("left to the network", func(ctx context.Context, c *Client) (*Submission, error) { return c.Submit(ctx, helloSpec) }, SpecTimeout(10*time.Second)),
		Entry("with its client's own input and output", func(ctx context.Context, c *Client) (*Submission, error) {
			return c.SubmitStreamed(ctx, helloSpec, Streams{Stdin: strings.NewReader("in")})
		}, SpecTimeout(10*time.Second)),
	)

	DescribeTable("ends with the broker's reason when it is refused for good",
		func(ctx SpecContext, code messages.Refused_Code, is error) {
			b1.answers(func(b *brokerProbe, h heard) {
				b.say(h.sender, &messages.Refused{Code: code, Reason: "because of the moon", Job: h.message.(*messages.SubmitJob).GetJob()})
			})
			_, err := dialTo(ctx, net, Options{}, b1).Submit(ctx, helloSpec)
			Expect(err).To(MatchError(is))
			Expect(err).To(MatchError(ContainSubstring("because of the moon")))
			Expect(errors.As(err, new(*RefusedError))).To(BeTrue())
		},
		Entry("as invalid", messages.Refused_INVALID, ErrInvalid, SpecTimeout(10*time.Second)),
		Entry("as another job of that id", messages.Refused_CONFLICT, ErrConflict, SpecTimeout(10*time.Second)),
	)

	It("names the job in the error when the context ends before the acknowledgement", func(ctx SpecContext) {
		c := dialTo(ctx, net, Options{}, b1)
		short, cancel := context.WithCancelCause(ctx)
		failed := make(chan error, 1)
		go func() {
			_, err := c.Submit(short, helloSpec)
			failed <- err
		}()
		m, _ := next[*messages.SubmitJob](ctx, b1)
		cancel(errors.New("enough"))
		var err error
		Eventually(ctx, failed).Should(Receive(&err))
		Expect(err).To(And(MatchError(ContainSubstring(m.GetJob())), MatchError(ContainSubstring("enough"))))
	}, SpecTimeout(10*time.Second))

	It("refuses a spec without a module before anybody is asked", func(ctx SpecContext) {
		_, err := dialTo(ctx, net, Options{}, b1).Submit(ctx, &Spec{})
		Expect(err).To(And(MatchError(ErrInvalid), MatchError(ContainSubstring("no module"))))
		Expect(b1.heard).To(BeEmpty())
	}, SpecTimeout(10*time.Second))

	It("waits for room when its window is full", func(ctx SpecContext) {
		b1.answers(acknowledge)
		c := dialTo(ctx, net, Options{Window: 1}, b1)
		first, err := c.Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		defer cancel()
		_, err = c.Submit(short, helloSpec)
		Expect(err).To(MatchError(ContainSubstring("1 jobs of this client are under way")))
		_, client := next[*messages.SubmitJob](ctx, b1)
		b1.say(client, changedTo(done(first.ID())))
		_, err = c.Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
	}, SpecTimeout(10*time.Second))

	It("stops following an abandoned job", func(ctx SpecContext) {
		b1.answers(acknowledge)
		c := dialTo(ctx, net, Options{}, b1)
		s, err := c.Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		c.Abandon(s)
		_, err = s.Wait(ctx)
		Expect(err).To(MatchError(context.Canceled))
	}, SpecTimeout(10*time.Second))

	It("ends what it follows when it is closed", func(ctx SpecContext) {
		b1.answers(acknowledge)
		c := dialTo(ctx, net, Options{}, b1)
		s, err := c.Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		Expect(c.Close()).To(Succeed())
		_, err = s.Wait(ctx)
		Expect(err).To(MatchError(ErrClosed))
	}, SpecTimeout(10*time.Second))
})

func goSubmit(ctx context.Context, c *Client) <-chan *Submission {
	submitted := make(chan *Submission, 1)
	go func() {
		defer GinkgoRecover()
		s, err := c.Submit(ctx, helloSpec)
		Expect(err).NotTo(HaveOccurred())
		submitted <- s
	}()
	return submitted
}
