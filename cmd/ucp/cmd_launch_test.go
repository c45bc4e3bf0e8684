package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

var _ = Describe("ucp launch", Label("real"), func() {
	var (
		u    person
		file string
	)
	BeforeEach(func() {
		u = somebody()
		file = u.example()
	})

	It("runs the example, lets other commands find it, and ends it on Ctrl-C with nothing left", func(ctx SpecContext) {
		u.saves("elsewhere")
		l := u.starts(ctx, "launch", file, "--output", "json")
		Eventually(ctx, l.events("node_up")).Should(HaveLen(5))
		Eventually(ctx, l.events("up")).Should(HaveLen(1))
		for _, up := range l.events("node_up")() {
			if strings.HasPrefix(up.Node, "b") {
				Expect(up.Address).To(HavePrefix("127.0.0.1:"))
			} else {
				Expect(up.Address).To(BeEmpty())
			}
			Expect(gone(up.PID)).To(BeFalse())
		}
		saved := u.contexts()
		Expect(saved.Current).To(Equal("field-lab"))
		u.runsAJob(ctx, saved.Items["field-lab"])

		Expect(l.cmd.Process.Signal(os.Interrupt)).To(Succeed())
		Expect(l.cmd.Wait()).To(Succeed())
		for _, up := range l.events("node_up")() {
			Expect(gone(up.PID)).To(BeTrue())
		}
		Expect(u.contexts().Current).To(Equal("elsewhere"))
		Expect(filepath.Glob(filepath.Join(u.dir, "net", "*"))).To(HaveLen(3), "ca, nodes and clients")
		Expect(os.ReadDir(filepath.Join(u.dir, "net", "nodes", "e1", "data", "scratch"))).To(BeEmpty())
	}, SpecTimeout(2*soon))

	It("prints one line a node for people, and what to do next", func(ctx SpecContext) {
		l := u.starts(ctx, "launch", file)
		Eventually(l.out).WithContext(ctx).Should(gbytes.Say("field-lab is up: 5 of its 5 nodes run here"))
		Expect(string(l.out.Contents())).To(And(
			MatchRegexp(`(?m)^b1 +broker +127\.0\.0\.1:\d+ +pid \d+$`),
			MatchRegexp(`(?m)^e3 +executor +dials out +pid \d+$`),
			ContainSubstring("ucp run MODULE.wasm"),
		))
	}, SpecTimeout(soon))

	It("starts a node again that was killed, and says so", func(ctx SpecContext) {
		l := u.starts(ctx, "launch", file, "--output", "json")
		Eventually(ctx, l.events("up")).Should(HaveLen(1))
		first := l.node("e2")
		Expect(syscall.Kill(first.PID, syscall.SIGKILL)).To(Succeed())
		Eventually(ctx, l.events("node_up")).Should(HaveLen(6))
		Expect(l.events("node_died")()[0].Node).To(Equal("e2"))
		again := l.node("e2")
		Expect(again.NodeID).To(Equal(first.NodeID))
		Expect(again.Starts).To(Equal(2))
	}, SpecTimeout(soon))

	It("is refused while it runs already, and ended by --stop", func(ctx SpecContext) {
		l := u.starts(ctx, "launch", file, "--output", "json")
		Eventually(ctx, l.events("up")).Should(HaveLen(1))
		second := u.runs(ctx, "launch", file)
		Expect(second.code).To(Equal(1))
		Expect(second.stderr).To(Equal(fmt.Sprintf("ucp: %s is launched here already, by process %d: end that launch with \"ucp launch --stop %s\"\n",
			file, l.cmd.Process.Pid, file)))
		Expect(u.runs(ctx, "launch", "--stop", file)).To(Equal(answer{stdout: "field-lab is stopped.\n"}))
		Expect(l.cmd.Wait()).To(Succeed())
		again := u.runs(ctx, "launch", "--stop", file)
		Expect(again.code).To(Equal(1))
		Expect(again.stderr).To(Equal("ucp: " + file + " is not launched here\n"))
	}, SpecTimeout(soon))

	It("fails in one sentence when another program has a node's port, and leaves nothing running", func(ctx SpecContext) {
		cluster, err := config.LoadCluster(file)
		Expect(err).NotTo(HaveOccurred())
		other, err := net.Listen("tcp", cluster.Nodes[1].Listen())
		Expect(err).NotTo(HaveOccurred())
		defer other.Close()
		l := u.starts(ctx, "launch", file, "--output", "json")
		Expect(codeOfProcess(l.cmd.Wait())).To(Equal(1))
		Expect(string(l.err.Contents())).To(Equal(fmt.Sprintf(
			"ucp: node b2 did not start: cannot listen on %s, since another program uses that port: end that program, or give node b2 another port (its log: %s)\n",
			cluster.Nodes[1].Listen(), filepath.Join(cluster.NodeDir("b2"), "log"))))
		Expect(l.events("up")()).To(BeEmpty())
		for _, up := range l.events("node_up")() {
			Expect(gone(up.PID)).To(BeTrue())
		}
		Expect(u.contexts().Current).To(BeEmpty())
	}, SpecTimeout(soon))

	It("takes its nodes with it when it is killed, and can be launched again", func(ctx SpecContext) {
		l := u.starts(ctx, "launch", file, "--output", "json")
		Eventually(ctx, l.events("up")).Should(HaveLen(1))
		Expect(l.cmd.Process.Kill()).To(Succeed())
		Expect(l.cmd.Wait()).NotTo(Succeed())
		for _, up := range l.events("node_up")() {
			Eventually(ctx, func() bool { return gone(up.PID) }).Should(BeTrue())
		}
		second := u.starts(ctx, "launch", file, "--output", "json")
		Eventually(ctx, second.events("up")).Should(HaveLen(1))
	}, SpecTimeout(soon))
})

var _ = Describe("ucp node", func() {
	var u person
	BeforeEach(func() { u = somebody() })

	DescribeTable("refuses", func(ctx SpecContext, code int, sentence string, args ...string) {
		refused := u.runs(ctx, append([]string{"node"}, args...)...)
		Expect(refused.stderr).To(ContainSubstring(sentence))
		Expect(refused.code).To(Equal(code))
	},
		Entry("a node that is to do nothing", 2, "roles is missing: say what e1 does", "--name", "e1"),
		Entry("a setting of the wrong type", 2, `invalid argument "many" for "--slots" flag: must be a whole number`, "--slots", "many"),
		Entry("a file that does not exist", 2, "cannot read the configuration: open /none.yaml", "--config", "/none.yaml"),
		Entry("to report to a launch that there is not", 2, "no launch started this process", "--launched"),
		Entry("a node without an identity, saying who makes one", 1, "ucp: node e1 has no identity in", "--name", "e1", "--roles", "executor"),
	)

	When("it runs", Label("real"), func() {
		var file string
		BeforeEach(func() {
			port := strconv.Itoa(freePort())
			file = u.file("node.yaml", "name: b1", "network: lab", "roles: [broker, executor]", "host: 127.0.0.1", "port: "+port, "dir: b1")
			ca, err := identity.NewEphemeralCA("lab", time.Now())
			Expect(err).NotTo(HaveOccurred())
			subject := identity.Subject{Name: "b1", Roles: []string{"broker", "executor"}}
			_, err = identity.Create(filepath.Join(u.dir, "b1", "identity"), ca, subject, time.Now(), 0)
			Expect(err).NotTo(HaveOccurred())
		})

		DescribeTable("ends cleanly on", func(ctx SpecContext, signal os.Signal) {
			n := u.starts(ctx, "node", "--config", file)
			Eventually(n.err).WithContext(ctx).Should(gbytes.Say(`"msg":"node is up","node":"b1"`))
			Expect(n.cmd.Process.Signal(signal)).To(Succeed())
			Expect(n.cmd.Wait()).To(Succeed())
			Expect(filepath.Join(u.dir, "b1", "node.pid")).NotTo(BeAnExistingFile())
		},
			Entry(nil, SpecTimeout(soon), syscall.SIGTERM),
			Entry(nil, SpecTimeout(soon), syscall.SIGINT),
		)

		It("tells on SIGUSR1 what its process uses, and goes on", func(ctx SpecContext) {
			n := u.starts(ctx, "node", "--config", file)
			Eventually(n.err).WithContext(ctx).Should(gbytes.Say("node is up"))
			for range 2 {
				Expect(n.cmd.Process.Signal(syscall.SIGUSR1)).To(Succeed())
				Eventually(n.err).WithContext(ctx).Should(gbytes.Say(
					`"msg":"state of the process","node":"b1","goroutines":[1-9]\d+,"heap_bytes":[1-9]\d{5,},"open_descriptors":[1-9]\d+,"uptime_ms":\d+,"pid":\d+}`))
			}
		}, SpecTimeout(soon))

		It("keeps a second process away from its data", func(ctx SpecContext) {
			n := u.starts(ctx, "node", "--config", file)
			Eventually(n.err).WithContext(ctx).Should(gbytes.Say("node is up"))
			second := u.runs(ctx, "node", "--config", file, "--port", strconv.Itoa(freePort()))
			Expect(second.code).To(Equal(1))
			Expect(second.stderr).To(HavePrefix(fmt.Sprintf("ucp: node b1 runs already, as process %d: ", n.cmd.Process.Pid)))
		}, SpecTimeout(soon))

		It("says who it is when its certificate is not for its role", func(ctx SpecContext) {
			refused := u.runs(ctx, "node", "--config", file, "--roles", "datastore")
			Expect(refused.code).To(Equal(1))
			Expect(refused.stderr).To(ContainSubstring("node b1 is to be a datastore, but its certificate in "))
		}, SpecTimeout(soon))

		It("says in one sentence that its port is taken", func(ctx SpecContext) {
			other, err := net.Listen("tcp", "127.0.0.1:0")
			Expect(err).NotTo(HaveOccurred())
			defer other.Close()
			_, port, _ := net.SplitHostPort(other.Addr().String())
			refused := u.runs(ctx, "node", "--config", file, "--port", port)
			Expect(refused).To(Equal(answer{code: 1, stderr: "ucp: cannot listen on " + other.Addr().String() +
				", since another program uses that port: end that program, or give node b1 another port\n"}))
		}, SpecTimeout(soon))
	})
})

var _ = Describe("ucp dev", func() {
	var u person
	BeforeEach(func() { u = somebody() })

	DescribeTable("refuses with code 2", func(ctx SpecContext, sentence string, args ...string) {
		refused := u.runs(ctx, append([]string{"dev"}, args...)...)
		Expect(refused).To(Equal(answer{code: 2, stderr: "ucp: " + sentence + "\n"}))
	},
		Entry("no executor", "--executors must be from 1 to 64, not 0", "--executors", "0"),
		Entry("a port that is none", "--port must be from 0 to 65535, not 70000", "--port", "70000"),
		Entry("fewer than no slots", "--slots must be from 0 to 4096, not -1", "--slots", "-1"),
	)

	It("runs a network that other commands use, and leaves nothing of it", Label("real"), func(ctx SpecContext) {
		u.saves("elsewhere")
		d := u.starts(ctx, "dev", "--port", "0", "--executors", "3", "--slots", "1", "--output", "json")
		Eventually(ctx, d.events("up")).Should(HaveLen(1))
		saved := u.contexts()
		Expect(saved.Current).To(Equal("dev"))
		u.runsAJob(ctx, saved.Items["dev"])
		second := u.runs(ctx, "dev", "--port", "0")
		Expect(second.code).To(Equal(1))
		Expect(second.stderr).To(HavePrefix(fmt.Sprintf("ucp: \"ucp dev\" runs already, as process %d", d.cmd.Process.Pid)))

		Expect(d.cmd.Process.Signal(os.Interrupt)).To(Succeed())
		Expect(d.cmd.Wait()).To(Succeed())
		Expect(string(d.err.Contents())).To(BeEmpty())
		Expect(u.contexts().Names()).To(Equal([]string{"elsewhere"}))
		Expect(u.contexts().Current).To(Equal("elsewhere"))
		Expect(os.ReadDir(filepath.Join(u.dir, "data"))).To(BeEmpty())
	}, SpecTimeout(2*soon))

	It("says that its port is taken", Label("real"), func(ctx SpecContext) {
		other, err := net.Listen("tcp", "127.0.0.1:0")
		Expect(err).NotTo(HaveOccurred())
		defer other.Close()
		_, port, _ := net.SplitHostPort(other.Addr().String())
		refused := u.runs(ctx, "dev", "--port", port)
		Expect(refused.code).To(Equal(1))
		Expect(refused.stderr).To(HavePrefix("ucp: cannot listen on " + other.Addr().String() + ", since another program uses that port"))
		Expect(u.contexts().Names()).To(BeEmpty())
	}, SpecTimeout(soon))
})

// example is the cluster file of the examples, on ports that are free.
func (u person) example() string {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "cluster.yaml"))
	Expect(err).NotTo(HaveOccurred())
	replaced := strings.NewReplacer("7420", strconv.Itoa(freePort()), "7422", strconv.Itoa(freePort()),
		"7421", strconv.Itoa(freePort()), "../.ucp/field-lab", "net").Replace(string(text))
	return u.file("cluster.yaml", replaced)
}

// saves makes a network called name the user's current one.
func (u person) saves(name string) {
	GinkgoHelper()
	err := config.UpdateContexts(context.Background(), filepath.Join(u.dir, "config", "contexts.yaml"), func(c *config.Contexts) error {
		return errors.Join(c.Put(name, config.Context{Network: name, Brokers: []string{"10.9.9.9:7420"}}), c.Use(name))
	})
	Expect(err).NotTo(HaveOccurred())
}

// runsAJob runs a real job on a saved network.
func (u person) runsAJob(ctx context.Context, network config.Context) {
	GinkgoHelper()
	id, err := identity.Open(network.Identity)
	Expect(err).NotTo(HaveOccurred())
	c, err := client.Dial(ctx, client.Options{Addresses: network.Brokers, Identity: id})
	Expect(err).NotTo(HaveOccurred())
	defer c.Close()
	module, err := c.PutBytes(ctx, wasm.Noop())
	Expect(err).NotTo(HaveOccurred())
	s, err := c.Submit(ctx, &client.Spec{Module: module})
	Expect(err).NotTo(HaveOccurred())
	j, err := s.Wait(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(j.State()).To(Equal(job.StateAccepted))
}

// freePort returns a port that nobody uses just now.
func freePort() int {
	GinkgoHelper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// process is ucp in a process of its own, with what it says.
type process struct {
	cmd      *exec.Cmd
	out, err *gbytes.Buffer

	mu    sync.Mutex
	lines []launchLine
}

// starts starts ucp; it is ended with the spec.
func (u person) starts(ctx context.Context, args ...string) *process {
	GinkgoHelper()
	p := &process{cmd: u.command(ctx, args...), out: gbytes.NewBuffer(), err: gbytes.NewBuffer()}
	reader, writer := io.Pipe()
	p.cmd.Stdout = io.MultiWriter(p.out, writer, GinkgoWriter)
	p.cmd.Stderr = io.MultiWriter(p.err, GinkgoWriter)
	Expect(p.cmd.Start()).To(Succeed())
	go p.read(reader)
	DeferCleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			_ = p.cmd.Wait()
		}
		_ = writer.Close()
	})
	return p
}

// read keeps the lines of JSON that the process prints.
func (p *process) read(r io.Reader) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		var line launchLine
		if json.Unmarshal(lines.Bytes(), &line) != nil {
			continue
		}
		p.mu.Lock()
		p.lines = append(p.lines, line)
		p.mu.Unlock()
	}
}

// events returns a poll for the lines about one kind of event.
func (p *process) events(kind string) func() []launchLine {
	return func() []launchLine {
		p.mu.Lock()
		defer p.mu.Unlock()
		var found []launchLine
		for _, line := range p.lines {
			if line.Event == kind {
				found = append(found, line)
			}
		}
		return found
	}
}

// node returns the last line that says that node is up.
func (p *process) node(name string) launchLine {
	var last launchLine
	for _, line := range p.events("node_up")() {
		if line.Node == name {
			last = line
		}
	}
	return last
}

// gone reports whether there is no process of that id, or one that has ended and whose parent has not looked yet.
func gone(pid int) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // where there is such a thing
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || strings.Contains(string(stat), ") Z ")
}

// codeOfProcess returns the exit code in what Wait returned.
func codeOfProcess(err error) int {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return 0
}
