package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

var _ = Describe("A broker's journal", Label("JOB-1", "real"), func() {
	var (
		u   person
		lab *oneNode
	)
	BeforeEach(func() {
		u = somebody()
		lab = u.hasOneNode()
	})

	It("has every job that was acknowledged, whenever its process is killed, and each ends", func(ctx SpecContext) {
		var (
			mu           sync.Mutex
			acknowledged []*client.Submission
		)
		n := lab.starts(ctx)
		c := lab.client(ctx)
		submitting, enough := context.WithCancel(ctx)
		var submitters sync.WaitGroup
		for range 4 {
			submitters.Go(func() {
				for submitting.Err() == nil {
					if s, err := c.Submit(submitting, lab.noopJob()); err == nil {
						mu.Lock()
						acknowledged = append(acknowledged, s)
						mu.Unlock()
					}
				}
			})
		}
		for range 8 {
			time.Sleep(time.Duration(50+rand.IntN(250)) * time.Millisecond) // a process is killed at any time
			Expect(n.cmd.Process.Kill()).To(Succeed())
			Expect(n.cmd.Wait()).NotTo(Succeed())
			n = lab.starts(ctx)
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

	It("lets a client find, after a restart, a result that it was told of before", func(ctx SpecContext) {
		n := lab.starts(ctx)
		first := lab.client(ctx)
		s, err := first.Submit(ctx, lab.noopJob())
		Expect(err).NotTo(HaveOccurred())
		before, err := s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		Expect(n.cmd.Process.Kill()).To(Succeed())
		Expect(n.cmd.Wait()).NotTo(Succeed())
		lab.starts(ctx)
		after, err := lab.client(ctx).Job(ctx, s.ID())
		Expect(err).NotTo(HaveOccurred())
		Expect(after.Job.State()).To(Equal(job.StateAccepted))
		Expect(after.Job.Current().Verdict.Result).To(Equal(before.Current().Verdict.Result))
	}, SpecTimeout(soon))

	It("is begun anew when it is gone, and says so in the ids of the jobs it takes: nothing that the lost one owned is taken for its own", func(ctx SpecContext) {
		n := lab.starts(ctx)
		before := lab.submits(ctx, lab.client(ctx), 1)
		Expect(n.cmd.Process.Kill()).To(Succeed())
		Expect(n.cmd.Wait()).NotTo(Succeed())
		Expect(os.RemoveAll(lab.data())).To(Succeed())
		lab.starts(ctx)
		c := lab.client(ctx)
		_, err := c.Job(ctx, before[0])
		Expect(err).To(MatchError(client.ErrNotFound))
		var out bytes.Buffer
		s, err := c.SubmitStreamed(ctx, lab.noopJob(), client.Streams{Stdout: &out})
		Expect(err).NotTo(HaveOccurred())
		_, err = s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
		node := before[0][strings.Index(before[0], "-"):]
		Expect(s.ID()).To(MatchRegexp(node + "-[A-Z2-7]{16}$"))
	}, SpecTimeout(soon))

	It("stops the node, in one sentence, when an fsync fails, and has what was acknowledged when the disk is well again", func(ctx SpecContext) {
		strace := tool("strace", "to let fsync fail")
		failing := []string{"-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"}
		n := lab.starts(ctx)
		c := lab.client(ctx)
		taken := lab.submits(ctx, c, 20)
		sabotage := exec.CommandContext(ctx, strace, append(failing, "-p", strconv.Itoa(n.cmd.Process.Pid))...)
		Expect(sabotage.Start()).To(Succeed())
		taken = append(taken, lab.submits(ctx, c, 1000)...)
		Expect(codeOfProcess(n.cmd.Wait())).To(Equal(1), "%s", n.err.Contents())
		Expect(sabotage.Wait()).To(Succeed())
		Expect(string(n.err.Contents())).To(MatchRegexp(`(?m)^ucp: node b1 cannot go on: .*input/output error$`))

		refused := lab.startsUnder(ctx, append([]string{strace}, failing...)...)
		Expect(codeOfProcess(refused.cmd.Wait())).To(Equal(1))
		Expect(string(refused.err.Contents())).To(MatchRegexp(`(?m)^ucp: .*input/output error$`))

		lab.starts(ctx)
		well := lab.client(ctx)
		for i, id := range taken {
			_, err := well.Job(ctx, id)
			Expect(err).NotTo(HaveOccurred(), "%d of %d", i, len(taken))
		}
	}, SpecTimeout(2*soon))

	It("refuses new jobs when the disk is full, says so, and takes them when there is room again", func(ctx SpecContext) {
		u.hasASmallDisk(lab.data(), 96<<20)
		lab.starts(ctx)
		c := lab.client(ctx)
		s, err := c.Submit(ctx, lab.noopJob())
		Expect(err).NotTo(HaveOccurred())
		_, err = s.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())

		ballast := filepath.Join(lab.data(), "ballast")
		Expect(os.WriteFile(ballast, make([]byte, 48<<20), 0o600)).To(Succeed())
		for range 2 { // the first one meets the full disk, the second a broker that knows
			waiting, giveUp := context.WithTimeout(ctx, 3*time.Second)
			_, err = c.Submit(waiting, lab.noopJob())
			giveUp()
			Expect(err).To(MatchError(ContainSubstring("this broker's disk is full; what it took is safe, free some space or ask another broker")))
		}

		Expect(os.Remove(ballast)).To(Succeed())
		again, err := c.Submit(ctx, lab.noopJob())
		Expect(err).NotTo(HaveOccurred())
		_, err = again.Wait(ctx)
		Expect(err).NotTo(HaveOccurred())
	}, SpecTimeout(2*soon))

	DescribeTable("is refused in a sentence that says what to do", func(ctx SpecContext, spoil func(dir string), sentence string) {
		n := lab.starts(ctx)
		Expect(n.cmd.Process.Kill()).To(Succeed())
		Expect(n.cmd.Wait()).NotTo(Succeed())
		dir := filepath.Join(lab.data(), "journal")
		spoil(dir)
		refused := u.runs(ctx, "node", "--config", lab.file)
		Expect(refused.code).To(Equal(1))
		Expect(refused.stderr).To(HavePrefix("ucp: journal " + dir + ": "))
		Expect(refused.stderr).To(ContainSubstring(sentence))
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

// oneNode is a network of one broker and executor, whose process comes and goes.
type oneNode struct {
	u             person
	file, address string
	admits        *identity.Identity
	noop          client.Blob
}

// hasOneNode makes the files of such a network.
func (u person) hasOneNode() *oneNode {
	GinkgoHelper()
	port := strconv.Itoa(freePort())
	ca, err := identity.NewEphemeralCA("lab", time.Now())
	Expect(err).NotTo(HaveOccurred())
	_, err = identity.Create(filepath.Join(u.dir, "identity"), ca, identity.Subject{Name: "b1", Roles: []string{"broker", "executor"}}, time.Now(), 0)
	Expect(err).NotTo(HaveOccurred())
	admits, err := identity.NewEphemeral(ca, identity.Subject{Name: "client", Roles: []string{identity.RoleClient}}, time.Now())
	Expect(err).NotTo(HaveOccurred())
	return &oneNode{
		u: u, admits: admits, address: "127.0.0.1:" + port,
		file: u.file("node.yaml", "name: b1", "network: lab", "roles: [broker, executor]", "host: 127.0.0.1", "port: "+port, "dir: data",
			"identity: identity", "slots: 2"),
	}
}

func (l *oneNode) data() string { return filepath.Join(l.u.dir, "data") }

// starts starts the node's process, which comes up.
func (l *oneNode) starts(ctx context.Context) *process { return l.startsUnder(ctx) }

// startsUnder starts the node's process under another program, and waits until it is up or has ended.
func (l *oneNode) startsUnder(ctx context.Context, program ...string) *process {
	GinkgoHelper()
	n := l.u.startsUnder(ctx, program, "node", "--config", l.file)
	up := func() bool { return bytes.Contains(n.err.Contents(), []byte(`"msg":"node is up"`)) }
	Eventually(ctx, func() bool { return up() || gone(n.cmd.Process.Pid) }).Should(BeTrue())
	if len(program) == 0 {
		Expect(up()).To(BeTrue(), "%s", n.err.Contents())
	}
	return n
}

// client returns a client of the network, which the spec closes. The first one brings the module along.
func (l *oneNode) client(ctx context.Context) *client.Client {
	GinkgoHelper()
	c, err := client.Dial(ctx, client.Options{Addresses: []string{l.address}, Identity: l.admits})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { _ = c.Close() })
	l.noop, err = c.PutBytes(ctx, wasm.Noop())
	Expect(err).NotTo(HaveOccurred())
	return c
}

// noopJob is a job that the network keeps when it is done.
func (l *oneNode) noopJob() *client.Spec { return &client.Spec{Module: l.noop, Retention: time.Hour} }

// submits hands in up to n jobs one after the other, until one is not acknowledged for a while, and returns those that were.
func (l *oneNode) submits(ctx context.Context, c *client.Client, n int) (acknowledged []string) {
	for range n {
		soon, giveUp := context.WithTimeout(ctx, 2*time.Second)
		s, err := c.Submit(soon, l.noopJob())
		giveUp()
		if err != nil {
			break
		}
		acknowledged = append(acknowledged, s.ID())
	}
	return acknowledged
}

// hasASmallDisk puts a file system of so many bytes where a directory is to be.
func (u person) hasASmallDisk(dir string, bytes int) {
	GinkgoHelper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		Skip("SKIPPED: only root on Linux can mount a small disk; a full disk is not tried here")
	}
	Expect(os.MkdirAll(dir, 0o700)).To(Succeed())
	Expect(syscall.Mount("none", dir, "tmpfs", 0, "size="+strconv.Itoa(bytes))).To(Succeed())
	DeferCleanup(func() { Expect(syscall.Unmount(dir, syscall.MNT_DETACH)).To(Succeed()) })
}

// tool finds a program of the system's.
func tool(name, why string) string {
	GinkgoHelper()
	path, err := exec.LookPath(name)
	if err != nil {
		Skip(fmt.Sprintf("SKIPPED: %s is not installed; it is needed %s", name, why))
	}
	return path
}
