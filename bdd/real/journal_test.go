package real_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

var _ = Describe("A broker's journal", Label("JOB-1", "real"), func() {
	var (
		l *lab
		n *node
	)
	BeforeEach(func() {
		l = newLab()
		n = l.alone("b1")
	})

	It("has every job that was acknowledged, whenever its process is killed, and each ends", func(ctx SpecContext) {
		var (
			mu           sync.Mutex
			acknowledged []*client.Submission
		)
		n.start(ctx)
		c := l.client(ctx, n)
		submitting, enough := context.WithCancel(ctx)
		var submitters sync.WaitGroup
		for range 4 {
			submitters.Go(func() {
				for submitting.Err() == nil {
					if s, err := c.Submit(submitting, l.nothing()); err == nil {
						mu.Lock()
						acknowledged = append(acknowledged, s)
						mu.Unlock()
					}
				}
			})
		}
		for range 8 {
			time.Sleep(time.Duration(50+rand.IntN(250)) * time.Millisecond) // a process is killed at any time
			n.Kill()
			n.start(ctx)
		}
		enough()
		submitters.Wait()
		Expect(len(acknowledged)).To(BeNumerically(">", 20))
		for _, s := range acknowledged {
			j, err := s.Wait(ctx)
			Expect(err).NotTo(HaveOccurred(), "of %d", len(acknowledged))
			Expect(j.State()).To(Equal(job.StateAccepted))
		}
	}, SpecTimeout(3*soon))

	It("has, after a restart, a result that a client was told of before", func(ctx SpecContext) {
		n.start(ctx)
		s, err := l.client(ctx, n).Submit(ctx, l.nothing())
		Expect(err).NotTo(HaveOccurred())
		before, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		n.Kill()
		n.start(ctx)
		after, err := l.client(ctx, n).Job(ctx, s.ID())
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Job.State()).To(Equal(job.StateAccepted))
		Expect(after.Job.Current().Verdict.Result).To(Equal(before.Current().Verdict.Result))
	}, SpecTimeout(soon))

	It("is begun anew when it is gone, and says so in the ids of the jobs it takes: nothing that the lost one owned is taken for its own", func(ctx SpecContext) {
		n.start(ctx)
		before := l.submits(ctx, l.client(ctx, n), 1)
		n.Kill()
		Expect(os.RemoveAll(n.File("data"))).To(Succeed())
		n.start(ctx)
		c := l.client(ctx, n)
		_, err := c.Job(ctx, before[0])
		Expect(err).To(MatchError(client.ErrNotFound))
		s, err := c.SubmitStreamed(ctx, l.nothing(), client.Streams{})
		Expect(err).NotTo(HaveOccurred())
		_, err = s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		named := before[0][strings.Index(before[0], "-"):]
		Expect(s.ID()).To(MatchRegexp(named + "-[A-Z2-7]{16}$"))
	}, SpecTimeout(soon))

	It("stops the node, in one sentence, when an fsync fails, and has what was acknowledged when the disk is well again", func(ctx SpecContext) {
		strace := tool("strace", "to let fsync fail")
		failing := []string{"-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"}
		n.start(ctx)
		c := l.client(ctx, n)
		taken := l.submits(ctx, c, 20)
		sabotage := exec.CommandContext(ctx, strace, append(failing, "-p", strconv.Itoa(n.Pid()))...)
		Expect(sabotage.Start()).To(Succeed())
		taken = append(taken, l.submits(ctx, c, 1000)...)
		Expect(n.code(ctx)).To(Equal(1))
		Expect(sabotage.Wait()).To(Succeed())
		Expect(n.Log()).To(MatchRegexp(`(?m)^ucp: node b1 cannot go on: .*input/output error$`))

		n.startUnder(ctx, append([]string{strace}, failing...)...)
		Expect(n.code(ctx)).To(Equal(1))
		Expect(n.Log()).To(MatchRegexp(`(?m)^ucp: .*input/output error$`))

		n.start(ctx)
		well := l.client(ctx, n)
		for i, id := range taken {
			_, err := well.Job(ctx, id)
			Expect(err).NotTo(HaveOccurred(), "%d of %d", i, len(taken))
		}
	}, SpecTimeout(2*soon))

	It("refuses new jobs when the disk is full, says so, and takes them when there is room again", func(ctx SpecContext) {
		hasASmallDisk(n.File("data"), 96<<20)
		n.start(ctx)
		c := l.client(ctx, n)
		s, err := c.Submit(ctx, l.nothing())
		Expect(err).NotTo(HaveOccurred())
		_, err = s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())

		ballast := n.File("data", "ballast")
		Expect(os.WriteFile(ballast, make([]byte, 48<<20), 0o600)).To(Succeed())
		for range 2 { // the first one meets the full disk, the second a broker that knows
			waiting, giveUp := context.WithTimeout(ctx, 3*time.Second)
			_, err = c.Submit(waiting, l.nothing())
			giveUp()
			Expect(err).To(MatchError(ContainSubstring("this broker's disk is full; what it took is safe, free some space or ask another broker")))
		}

		Expect(os.Remove(ballast)).To(Succeed())
		again, err := c.Submit(ctx, l.nothing())
		Expect(err).NotTo(HaveOccurred())
		_, err = again.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
	}, SpecTimeout(2*soon))

	DescribeTable("is refused in a sentence that says what to do", func(ctx SpecContext, spoil func(dir string), sentence string) {
		n.start(ctx)
		n.Kill()
		dir := n.File("data", "journal")
		spoil(dir)
		n.startUnder(ctx)
		Expect(n.code(ctx)).To(Equal(1))
		Expect(n.Log()).To(And(ContainSubstring("ucp: journal "+dir+": "), ContainSubstring(sentence)))
	},
		Entry("if a newer program wrote it", SpecTimeout(soon), func(dir string) {
			Expect(os.WriteFile(filepath.Join(dir, "FORMAT"), []byte("7\n"), 0o600)).To(Succeed())
		}, "it has format 7, and this one knows formats up to 1: run that version, or give this node another dir"),
		Entry("if it is damaged", SpecTimeout(soon), func(dir string) {
			found, err := filepath.Glob(filepath.Join(dir, "MANIFEST-*"))
			Expect(err).NotTo(HaveOccurred())
			Expect(os.Truncate(found[0], 3)).To(Succeed())
		}, "and start the node again: it goes on as a new broker"),
	)
})
