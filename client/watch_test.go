package client

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("Watching a job that somebody else submitted", func() {
	var (
		net *link.Memory
		b1  *brokerProbe
	)
	BeforeEach(func() {
		net = link.NewMemory()
		b1 = startBroker(net, "b1")
	})
	// is makes the broker answer every question about the job of that id with j, and refuse every other.
	is := func(id string, j Job) {
		b1.answers(func(b *brokerProbe, h heard) {
			if m, ok := h.message.(*messages.JobRequest); ok && m.GetJob() == id || ok && m.GetJob() == string(j.ID) {
				b.say(h.sender, changedTo(j))
			} else if ok {
				b.say(h.sender, &messages.Refused{Job: m.GetJob(), Code: messages.Refused_NOT_FOUND, Reason: "no such job"})
			}
		})
	}

	It("follows it to its end by the beginning of its id", func(ctx SpecContext) {
		is("job-0", running("job-0001"))
		s, err := dialTo(ctx, net, Options{}, b1).Watch(ctx, "job-0")
		Expect(err).NotTo(HaveOccurred())
		Expect(s.ID()).To(Equal("job-0001"))
		Expect((<-s.Changes()).Job.State()).To(Equal(job.StateRunning))
		_, _ = next[*messages.JobRequest](ctx, b1)
		m, follower := next[*messages.JobRequest](ctx, b1)
		Expect(m.GetWatch()).To(BeTrue())
		b1.say(follower, changedTo(done("job-0001")))
		j, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(j.State()).To(Equal(job.StateAccepted))
	}, SpecTimeout(10*time.Second))

	It("returns at once when it is over already", func(ctx SpecContext) {
		is("job-0001", done("job-0001"))
		s, err := dialTo(ctx, net, Options{}, b1).Watch(ctx, "job-0001")
		Expect(err).NotTo(HaveOccurred())
		Expect(s.Wait(ctx)).To(WithTransform(Job.State, Equal(job.StateAccepted)))
	}, SpecTimeout(10*time.Second))

	It("says that no such job is known", func(ctx SpecContext) {
		is("job-0001", done("job-0001"))
		_, err := dialTo(ctx, net, Options{}, b1).Watch(ctx, "job-0002")
		Expect(err).To(MatchError(ErrNotFound))
	}, SpecTimeout(10*time.Second))

	It("follows it once", func(ctx SpecContext) {
		is("job-0001", running("job-0001"))
		c := dialTo(ctx, net, Options{}, b1)
		_, err := c.Watch(ctx, "job-0001")
		Expect(err).NotTo(HaveOccurred())
		again, err := c.Watch(ctx, "job-0001")
		Expect(err).NotTo(HaveOccurred())
		_, err = again.Wait(ctx)
		Expect(err).To(MatchError(ContainSubstring("follows it already")))
	}, SpecTimeout(10*time.Second))
})
