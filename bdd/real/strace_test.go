package real_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("A broker", Label("JOB-1", "real"), func() {
	var (
		l *lab
		n *node
	)
	BeforeEach(func() {
		l = newLab()
		n = l.alone("b1")
	})
	has := func(ctx context.Context, acknowledged []string) {
		GinkgoHelper()
		c := l.client(ctx, n)
		for i, id := range acknowledged {
			_, err := c.Job(ctx, id)
			Expect(err).NotTo(HaveOccurred(), "%d of %d", i, len(acknowledged))
		}
	}

	It("that is killed in an fsync, whichever, has what it acknowledged", func(ctx SpecContext) {
		strace := tool("strace", "to kill it in an fsync")
		var acknowledged []string
		for _, nth := range []int{1, 2, 3, 7, 20} { // of each of its threads
			n.startUnder(ctx, strace, "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", fmt.Sprintf("inject=fsync,fdatasync:signal=KILL:when=%d", nth))
			trying, enough := context.WithCancel(ctx)
			go func() {
				<-n.Over()
				enough()
			}()
			if c, err := l.dial(trying, n); err == nil {
				acknowledged = append(acknowledged, l.submits(trying, c, 1000)...)
				Expect(c.Close()).To(Succeed())
			}
			enough()
			Eventually(ctx, n.Over()).Should(BeClosed())
			n.start(ctx)
			has(ctx, acknowledged)
			n.Kill()
		}
		Expect(len(acknowledged)).To(BeNumerically(">", 3))
	}, SpecTimeout(4*soon))

	DescribeTable("whose disk has no room for a write, after it said that it has, stops, says so, and has what it acknowledged", func(ctx SpecContext, nth int) {
		strace := tool("strace", "to let a write fail")
		n.start(ctx)
		acknowledged := l.submits(ctx, l.client(ctx, n), 20)
		words := []string{"-f", "-o", "/dev/null", "-p", strconv.Itoa(n.Pid()), "-e", fmt.Sprintf("inject=write,pwrite64,writev:error=ENOSPC:when=%d+", nth)}
		logs, err := filepath.Glob(n.File("data", "journal", "*.log"))
		Expect(err).NotTo(HaveOccurred())
		Expect(logs).NotTo(BeEmpty())
		for _, log := range logs {
			words = append(words, "-P", log)
		}
		c, err := l.dial(ctx, n)
		Expect(err).NotTo(HaveOccurred())
		defer c.Close()
		sabotage := exec.CommandContext(ctx, strace, words...)
		Expect(sabotage.Start()).To(Succeed())
		taken := l.submits(ctx, c, 1000)
		Expect(len(taken)).To(BeNumerically("<", 1000))
		acknowledged = append(acknowledged, taken...)
		Expect(n.code(ctx)).To(Equal(1))
		Expect(n.Log()).To(MatchRegexp(`(?m)^ucp: node b1 cannot go on: .*no space left on device$`))
		Expect(sabotage.Wait()).To(Succeed())
		n.start(ctx)
		has(ctx, acknowledged)
	},
		Entry("at once", SpecTimeout(2*soon), 1),
		Entry("later", SpecTimeout(2*soon), 10),
	)
})
