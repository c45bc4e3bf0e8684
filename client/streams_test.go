package client

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"pgregory.net/rapid"

	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

var _ = Describe("A streamed job", Label("RUN"), func() {
	var (
		net    *link.Memory
		b1     *brokerProbe
		c      *Client
		stdout *gbytes.Buffer
		told   chan string
	)
	BeforeEach(func(ctx SpecContext) {
		net = link.NewMemory()
		b1 = startBroker(net, "b1")
		b1.answers(acknowledge)
		c = dialTo(ctx, net, Options{}, b1)
		stdout, told = gbytes.NewBuffer(), make(chan string, 8)
	})
	// start submits a job that reads stdin, and returns it with the client's actor.
	start := func(ctx SpecContext, stdin io.Reader) (*Submission, func(m any)) {
		GinkgoHelper()
		s, err := c.SubmitStreamed(ctx, helloSpec, Streams{Stdin: stdin, Stdout: stdout, Notice: func(t string) { told <- t }})
		Expect(err).NotTo(HaveOccurred())
		m, client := next[*messages.SubmitJob](ctx, b1)
		spec, err := job.DecodeSpec(m.GetSpec())
		Expect(err).NotTo(HaveOccurred())
		Expect(spec.Streamed).To(BeTrue())
		return s, func(m any) { b1.ask(client, m) }
	}
	read := func(id string, n uint32, offset uint64) *messages.ReadStdin {
		return &messages.ReadStdin{Attempt: messages.AttemptToWire(attemptOf(id, n)), Offset: offset, Max: 4}
	}
	wrote := func(id string, n uint32, offset uint64, text string) *messages.OutputChunk {
		return &messages.OutputChunk{Attempt: messages.AttemptToWire(attemptOf(id, n)), Stream: 1, Offset: offset, Data: []byte(text)}
	}

	It("does not touch its input unless the program asks", func(ctx SpecContext) {
		s, say := start(ctx, iotest.ErrReader(errors.New("was read")))
		say(changedTo(done(s.ID())))
		_, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
	}, SpecTimeout(10*time.Second))

	It("gives every attempt the input from its start", func(ctx SpecContext) {
		s, say := start(ctx, strings.NewReader("abcdef"))
		for attempt := range uint32(2) {
			say(read(s.ID(), attempt, 0))
			m, sender := next[*messages.StdinChunk](ctx, b1)
			Expect(sender.Id).To(Equal(messages.ClientActor), "a gateway takes input from the job's client alone")
			Expect(string(m.GetData())).To(Equal("abcd"))
			Expect(m.GetEof()).To(BeFalse())
			Expect(m.GetAttempt().GetN()).To(Equal(attempt))
			say(read(s.ID(), attempt, 4))
			m, _ = next[*messages.StdinChunk](ctx, b1)
			Expect(string(m.GetData())).To(Equal("ef"))
			for !m.GetEof() {
				say(read(s.ID(), attempt, 6))
				m, _ = next[*messages.StdinChunk](ctx, b1)
				Expect(m.GetData()).To(BeEmpty())
			}
		}
	}, SpecTimeout(10*time.Second))

	It("is cancelled when its input cannot be read to its end, and says so", func(ctx SpecContext) {
		s, say := start(ctx, io.MultiReader(strings.NewReader("ab"), iotest.ErrReader(errors.New("disk on fire"))))
		say(read(s.ID(), 1, 0))
		next[*messages.StdinChunk](ctx, b1)
		say(read(s.ID(), 1, 2))
		m, _ := next[*messages.CancelJob](ctx, b1)
		Expect(m.GetJob()).To(Equal(s.ID()))
		_, err := s.Wait(ctx)
		Expect(err).To(MatchError(ContainSubstring("disk on fire")))
	}, SpecTimeout(10*time.Second))

	It("shows output while the program runs, and the rest of the result's at the end", func(ctx SpecContext) {
		s, say := start(ctx, nil)
		say(wrote(s.ID(), 1, 0, "hello "))
		Eventually(stdout).WithContext(ctx).Should(gbytes.Say("hello "))
		say(changedTo(over(s.ID(), &Result{Kind: job.Exited, Stdout: blobOf([]byte("hello world"))})))
		_, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(stdout.Contents())).To(Equal("hello world"))
		Expect(told).To(BeEmpty())
	}, SpecTimeout(10*time.Second))

	It("says nothing twice when a second attempt writes the same", func(ctx SpecContext) {
		s, say := start(ctx, nil)
		say(wrote(s.ID(), 1, 0, "hello "))
		say(wrote(s.ID(), 2, 0, "hel"))
		say(wrote(s.ID(), 2, 3, "lo world"))
		say(changedTo(over(s.ID(), &Result{Kind: job.Exited, Stdout: blobOf([]byte("hello world"))})))
		_, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(stdout.Contents())).To(Equal("hello world"))
	}, SpecTimeout(10*time.Second))

	It("says so when what was shown is not what was accepted, and shows that after it", func(ctx SpecContext) {
		s, say := start(ctx, nil)
		say(wrote(s.ID(), 1, 0, "12:00"))
		say(changedTo(over(s.ID(), &Result{Kind: job.Exited, Stdout: blobOf([]byte("12:01\n"))})))
		_, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(string(stdout.Contents())).To(Equal("12:0012:01\n"))
		Expect(<-told).To(ContainSubstring("first 5 bytes of stdout came from an attempt that was not accepted"))
	}, SpecTimeout(10*time.Second))

	It("says that the output was cut at its limit", func(ctx SpecContext) {
		s, say := start(ctx, nil)
		say(changedTo(over(s.ID(), &Result{Kind: job.Exited, Stdout: blobOf([]byte("xx")), Truncated: job.Truncation{Stdout: true}})))
		_, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(<-told).To(ContainSubstring("stdout was cut after 2 bytes"))
	}, SpecTimeout(10*time.Second))

	It("brings large output as bytes of its own", func(ctx SpecContext) {
		large := bytes.Repeat([]byte("0123456789abcdef"), 10_000)
		_, _, err := b1.store.Add(ctx, bytes.NewReader(large))
		Expect(err).NotTo(HaveOccurred())
		s, say := start(ctx, nil)
		say(wrote(s.ID(), 1, 0, string(large[:100])))
		say(changedTo(over(s.ID(), &Result{Kind: job.Exited, Stdout: blobOf(large)})))
		_, err = s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(stdout.Contents()).To(Equal(large))
	}, SpecTimeout(10*time.Second))

	It("reports a writer that fails", func(ctx SpecContext) {
		s, say := start(ctx, nil)
		Expect(stdout.Close()).To(Succeed())
		say(changedTo(over(s.ID(), &Result{Kind: job.Exited, Stdout: blobOf([]byte("x"))})))
		_, err := s.Wait(ctx)
		Expect(err).To(HaveOccurred())
	}, SpecTimeout(10*time.Second))
})

var _ = Describe("A spool", func() {
	It("answers any attempt at any offset with the source's bytes, in memory and on disk", func(ctx SpecContext) {
		source := bytes.Repeat([]byte("the quick brown fox "), 3*spoolMemory/20)
		s := newSpool(iotest.HalfReader(bytes.NewReader(source)), maxSpool)
		defer s.close()
		for attempt := range 2 {
			Expect(bytes.Equal(drain(ctx, s, uint32(attempt)), source)).To(BeTrue())
		}
		Expect(s.file).NotTo(BeNil(), "the spec wants to see the file at work")
		Expect(filepath.Glob(filepath.Join(os.TempDir(), "ucp-stdin-*"))).To(BeEmpty(), "the file has no name")
	}, SpecTimeout(20*time.Second))

	It("fails rather than take a part for the whole when the input is larger than its limit", func(ctx SpecContext) {
		s := newSpool(strings.NewReader("123456789"), 4)
		broken := make(chan error, 1)
		s.broken = func(err error) { broken <- err }
		s.ask(want{&messages.ReadStdin{}, func(*messages.StdinChunk) { Fail("it answered") }})
		var err error
		Eventually(ctx, broken).Should(Receive(&err))
		Expect(err).To(MatchError(ContainSubstring("more than 4 bytes of input")))
	}, SpecTimeout(10*time.Second))

	It("keeps one question an attempt", func(ctx SpecContext) {
		r, w := io.Pipe()
		s := newSpool(r, maxSpool)
		answers := make(chan uint64, 8)
		for offset := range uint64(3) {
			s.ask(want{&messages.ReadStdin{Offset: offset}, func(m *messages.StdinChunk) { answers <- m.GetOffset() }})
		}
		_, err := w.Write([]byte("abcdef"))
		Expect(err).NotTo(HaveOccurred())
		Eventually(ctx, answers).Should(Receive(BeEquivalentTo(2)))
		Expect(answers).To(BeEmpty())
		s.close()
		Expect(w.Close()).To(Succeed())
	}, SpecTimeout(10*time.Second))
})

// drain reads a spool as an executor does.
func drain(ctx context.Context, s *spool, n uint32) (all []byte) {
	GinkgoHelper()
	for {
		answers := make(chan *messages.StdinChunk, 1)
		s.ask(want{
			&messages.ReadStdin{Attempt: &messages.AttemptName{N: n}, Offset: uint64(len(all)), Max: 1 << 20},
			func(m *messages.StdinChunk) { answers <- m },
		})
		select {
		case m := <-answers:
			if all = append(all, m.GetData()...); m.GetEof() {
				return all
			}
		case <-ctx.Done():
			Fail("no answer")
		}
	}
}

// Whatever attempts write, in whatever pieces, with whatever lost: who writes what the result says ends with exactly the result.
func TestScreenEndsWithTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		truth := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "truth")
		var shown bytes.Buffer
		s := newScreen("stdout", &shown, inlineOnly, func(n string) { t.Fatalf("unexpected notice: %s", n) })
		for range rapid.IntRange(0, 20).Draw(t, "chunks") {
			from := rapid.IntRange(0, len(truth)).Draw(t, "from")
			to := rapid.IntRange(from, len(truth)).Draw(t, "to")
			s.live(uint64(from), truth[from:to])
			if !bytes.HasPrefix(truth, shown.Bytes()) {
				t.Fatalf("%q was shown of %q", shown.Bytes(), truth)
			}
		}
		if err := s.complete(context.Background(), blobOf(truth), false); err != nil || !bytes.Equal(shown.Bytes(), truth) {
			t.Fatalf("%q was shown of %q: %v", shown.Bytes(), truth, err)
		}
	})
}
