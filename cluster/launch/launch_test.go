package launch_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gleak"

	"github.com/urbancompute/ucp/cluster/launch"
	"github.com/urbancompute/ucp/config"
)

const soon = 20 * time.Second

var _ = Describe("Launching a cluster file", func() {
	BeforeEach(func() {
		before := gleak.Goroutines()
		DeferCleanup(func() {
			Eventually(gleak.Goroutines).WithTimeout(soon).ShouldNot(gleak.HaveLeaked(before))
		})
	})

	It("starts the brokers, then the others, each as a process of its own, and says where they are", func(ctx SpecContext) {
		r := start(configOf(clusterOf(e1, b1, b2)))
		Eventually(ctx, told[launch.AllUp](r)).Should(HaveLen(1))
		ups := all[launch.NodeUp](r)
		Expect(namesUp(r)[:2]).To(ConsistOf("b1", "b2"))
		Expect(namesUp(r)[2:]).To(Equal([]string{"e1"}))
		for _, up := range ups {
			Expect(up.PID).NotTo(Equal(os.Getpid()))
			Expect(up.ID).To(Equal("id-of-" + up.Node.Name))
			Expect(up.Address).To(Equal(up.Node.Listen()))
			Expect(up.Starts).To(Equal(1))
		}
	}, SpecTimeout(soon))

	It("ends all nodes when it is told to, and leaves no process and no lock", func(ctx SpecContext) {
		cluster := clusterOf(b1, e1)
		r := start(configOf(cluster))
		Eventually(ctx, told[launch.AllUp](r)).Should(HaveLen(1))
		r.stop()
		Eventually(ctx, r.done).Should(Receive(BeNil()))
		for _, up := range all[launch.NodeUp](r) {
			Expect(gone(up.PID)).To(BeTrue())
		}
		Expect(all[launch.NodeKilled](r)).To(BeEmpty())
		Expect(entries(cluster.Dir)).To(ConsistOf("ca", "nodes", "clients"))
		Expect(entries(cluster.NodeDir("e1"))).To(ConsistOf("identity", "node.yaml", "log"))
	}, SpecTimeout(soon))

	It("kills a node that does not end when it is asked to", func(ctx SpecContext) {
		cfg := configOf(clusterOf(b1, behaving("e1", "deaf")))
		cfg.Grace = time.Second
		r := start(cfg)
		Eventually(ctx, told[launch.AllUp](r)).Should(HaveLen(1))
		r.stop()
		Eventually(ctx, r.done).Should(Receive(BeNil()))
		var killed []string
		for _, e := range all[launch.NodeKilled](r) {
			killed = append(killed, e.Node.Name)
			Expect(gone(e.PID)).To(BeTrue())
		}
		Expect(killed).To(ContainElement("e1"))
	}, SpecTimeout(soon))

	It("starts a node again that died, with the same id", func(ctx SpecContext) {
		r := start(configOf(clusterOf(b1, e1)))
		Eventually(ctx, told[launch.AllUp](r)).Should(HaveLen(1))
		first := all[launch.NodeUp](r)[1]
		Expect(syscall.Kill(first.PID, syscall.SIGKILL)).To(Succeed())
		Eventually(ctx, told[launch.NodeUp](r)).Should(HaveLen(3))
		died := all[launch.NodeDied](r)
		Expect(died).To(HaveLen(1))
		Expect(died[0].Node.Name).To(Equal("e1"))
		Expect(died[0].Reason).To(MatchError("its process was ended by signal 9 (killed)"))
		again := all[launch.NodeUp](r)[2]
		Expect(again.PID).NotTo(Equal(first.PID))
		Expect(again.Starts).To(Equal(2))
		Expect(all[launch.AllUp](r)).To(HaveLen(1))
	}, SpecTimeout(soon))

	It("waits longer each time before it starts a node that keeps dying", func(ctx SpecContext) {
		r := start(configOf(clusterOf(b1, behaving("e1", "crash-after-first"))))
		Eventually(ctx, told[launch.AllUp](r)).Should(HaveLen(1))
		Expect(syscall.Kill(all[launch.NodeUp](r)[1].PID, syscall.SIGKILL)).To(Succeed())
		Eventually(ctx, told[launch.NodeUp](r)).Should(HaveLen(3))
		var pauses []time.Duration
		for _, e := range all[launch.NodeDied](r) {
			pauses = append(pauses, e.Pause)
		}
		Expect(pauses).To(Equal([]time.Duration{10 * time.Millisecond, 20 * time.Millisecond, 40 * time.Millisecond}))
	}, SpecTimeout(soon))

	DescribeTable("fails when a node does not come up at first, and ends the others",
		func(ctx SpecContext, how, reason string) {
			cfg := configOf(clusterOf(b1, behaving("e1", how)))
			cfg.Patience = 2 * time.Second
			r := start(cfg)
			var err error
			Eventually(ctx, r.done).Should(Receive(&err))
			var start *launch.StartError
			Expect(err).To(BeAssignableToTypeOf(start))
			Expect(err).To(MatchError(HavePrefix("node e1 did not start: " + reason + " (its log: ")))
			Expect(all[launch.AllUp](r)).To(BeEmpty())
			Expect(gone(all[launch.NodeUp](r)[0].PID)).To(BeTrue())
		},
		Entry("with the reason it reports", SpecTimeout(soon), "refuse", "the moon is full"),
		Entry("with its exit code when it reports none", SpecTimeout(soon), "crash", "its process ended with exit code 3"),
		Entry("when it says nothing for too long", SpecTimeout(soon), "mute", "it is not up after 2s"),
	)

	It("fails when the program of the nodes does not exist", func(ctx SpecContext) {
		cfg := configOf(clusterOf(b1))
		cfg.Program = []string{"/does/not/exist"}
		Expect(launch.Run(ctx, cfg)).To(MatchError(ContainSubstring("its process cannot be started")))
	}, SpecTimeout(soon))

	It("can be stopped while nodes are still starting", func(ctx SpecContext) {
		r := start(configOf(clusterOf(b1, behaving("e1", "mute"))))
		Eventually(ctx, told[launch.NodeUp](r)).Should(HaveLen(1))
		r.stop()
		Eventually(ctx, r.done).Should(Receive(BeNil()))
	}, SpecTimeout(soon))

	It("refuses a second launch of one file", func(ctx SpecContext) {
		cfg := configOf(clusterOf(b1))
		r := start(cfg)
		Eventually(ctx, told[launch.AllUp](r)).Should(HaveLen(1))
		Expect(launch.Run(ctx, cfg)).To(MatchError(fmt.Sprintf("%s is launched here already, by process %d: end that launch with %q",
			cfg.Cluster.File, os.Getpid(), "ucp launch --stop "+cfg.Cluster.File)))
	}, SpecTimeout(soon))

	It("refuses a file without a node for this machine, naming the hosts", func(ctx SpecContext) {
		cfg := configOf(clusterOf(b1, b2))
		cfg.Local = func(string) bool { return false }
		err := launch.Run(ctx, cfg)
		Expect(err).To(MatchError(launch.ErrNoNodes))
		Expect(err).To(MatchError(ContainSubstring("127.0.0.1")))
		Expect(cfg.Cluster.Dir).NotTo(BeADirectory())
	}, SpecTimeout(soon))
})

var _ = Describe("A launch that is another process", func() {
	It("is ended by stop, with its nodes", func(ctx SpecContext) {
		file := clusterFile(b1, e1)
		l := launched(ctx, file)
		pid, err := launch.Stop(ctx, load(file))
		Expect(err).NotTo(HaveOccurred())
		Expect(pid).To(Equal(l.cmd.Process.Pid))
		Expect(l.cmd.Wait()).To(Succeed())
		for _, pid := range l.nodes {
			Expect(gone(pid)).To(BeTrue())
		}
	}, SpecTimeout(soon))

	It("takes its nodes with it when it is killed, and its pid file holds nothing then", func(ctx SpecContext) {
		if !pdeathsig {
			Skip("SKIPPED: only Linux kills the children of a process that was killed")
		}
		file := clusterFile(b1, e1)
		l := launched(ctx, file)
		Expect(l.cmd.Process.Kill()).To(Succeed())
		Expect(l.cmd.Wait()).NotTo(Succeed())
		for _, pid := range l.nodes {
			Eventually(ctx, func() bool { return gone(pid) }).Should(BeTrue())
		}
		_, err := launch.Stop(ctx, load(file))
		Expect(err).To(MatchError(launch.ErrNotRunning))
		r := start(configOf(load(file)))
		Eventually(ctx, told[launch.AllUp](r)).Should(HaveLen(1))
	}, SpecTimeout(soon))

	It("that does not end is named, with the command that ends it", func(ctx SpecContext) {
		file := clusterFile(b1)
		l := launched(ctx, file)
		Expect(l.cmd.Process.Signal(syscall.SIGSTOP)).To(Succeed())
		brief, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		pid, err := launch.Stop(brief, load(file))
		Expect(err).To(MatchError(ContainSubstring(fmt.Sprintf("kill -9 %d", pid))))
		Expect(l.cmd.Process.Signal(syscall.SIGCONT)).To(Succeed())
		Expect(l.cmd.Wait()).To(Succeed())
	}, SpecTimeout(soon))
})

// process is a launch in a process of its own.
type process struct {
	cmd   *exec.Cmd
	nodes []int
}

// launched starts a launch of file and waits until all its nodes are up.
func launched(ctx context.Context, file string) process {
	GinkgoHelper()
	p := process{cmd: exec.CommandContext(ctx, os.Args[0], "fake-launch", file)}
	p.cmd.Env = append(os.Environ(), quickExit)
	p.cmd.Stderr = GinkgoWriter
	out, err := p.cmd.StdoutPipe()
	Expect(err).NotTo(HaveOccurred())
	Expect(p.cmd.Start()).To(Succeed())
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "all up"; {
		var name string
		var pid int
		_, err := fmt.Sscanf(lines.Text(), "up %s %d", &name, &pid)
		Expect(err).NotTo(HaveOccurred())
		p.nodes = append(p.nodes, pid)
	}
	return p
}

func load(file string) config.Cluster {
	GinkgoHelper()
	cluster, err := config.LoadCluster(file)
	Expect(err).NotTo(HaveOccurred())
	return cluster
}

func entries(dir string) []string {
	GinkgoHelper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	Expect(err).NotTo(HaveOccurred())
	for i := range found {
		found[i] = strings.TrimPrefix(found[i], dir+"/")
	}
	return found
}
