package launch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/urbancompute/ucp/cluster/launch"
	"github.com/urbancompute/ucp/config"
)

// fakeNode is a node process that does what the label behave of its file says.
func fakeNode(file string) {
	node, err := config.LoadNode(file, config.NewEnvironment(nil, 1000), nil)
	if err != nil {
		fail(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	reporter, err := launch.NewReporter()
	if err != nil {
		fail(err)
	}
	switch node.Labels["behave"] {
	case "refuse":
		_ = reporter.Failed(errors.New("the moon is full"))
		fail(errors.New("the moon is full"))
	case "crash":
		os.Exit(3)
	case "mute":
		<-stop
		os.Exit(0)
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		up(reporter, node)
		select {}
	case "crash-after-first":
		crashAfterFirst(node)
	}
	up(reporter, node)
	<-stop
	os.Exit(0)
}

func up(reporter *launch.Reporter, node config.Node) {
	if err := reporter.Up("id-of-"+node.Name, node.Listen()); err != nil {
		fail(err)
	}
}

// crashAfterFirst crashes the second and third time that the node is started.
func crashAfterFirst(node config.Node) {
	for _, crash := range []bool{false, true, true} {
		mark := filepath.Join(node.Dir, fmt.Sprintf("%v-%d", crash, len(marks(node.Dir))))
		if len(marks(node.Dir)) >= 3 {
			return
		}
		if crash == (len(marks(node.Dir)) > 0) {
			_ = os.MkdirAll(node.Dir, 0o700)
			_ = os.WriteFile(mark, nil, 0o600)
			if crash {
				os.Exit(3)
			}
			return
		}
	}
}

func marks(dir string) []os.DirEntry {
	entries, _ := os.ReadDir(dir)
	return entries
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// fakeLaunch is a launch in a process of its own, which prints its events.
func fakeLaunch(file string) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	cluster, err := config.LoadCluster(file)
	if err != nil {
		fail(err)
	}
	cfg := configOf(cluster)
	cfg.Events = func(e launch.Event) {
		switch e := e.(type) {
		case launch.NodeUp:
			fmt.Printf("up %s %d\n", e.Node.Name, e.PID)
		case launch.AllUp:
			fmt.Println("all up")
		}
	}
	if err := launch.Run(ctx, cfg); err != nil {
		fail(err)
	}
	os.Exit(0)
}

// quickExit keeps the race detector from waiting a second at the end of each process.
const quickExit = "GORACE=atexit_sleep_ms=0"

func configOf(cluster config.Cluster) launch.Config {
	return launch.Config{
		Cluster: cluster, Local: func(host string) bool { return host == "127.0.0.1" },
		Program: []string{os.Args[0], "fake-node"}, Env: append(os.Environ(), quickExit), Now: time.Now,
		Patience: 20 * time.Second, Grace: soon, Restart: 10 * time.Millisecond,
	}
}

// clusterFile writes a cluster file with the given nodes and returns its path.
func clusterFile(nodes ...string) string {
	GinkgoHelper()
	file := filepath.Join(GinkgoT().TempDir(), "cluster.yaml")
	text := "network: lab\ndir: net\nnodes:\n  - " + strings.Join(nodes, "\n  - ") + "\n"
	Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
	return file
}

func clusterOf(nodes ...string) config.Cluster {
	GinkgoHelper()
	cluster, err := config.LoadCluster(clusterFile(nodes...))
	Expect(err).NotTo(HaveOccurred())
	return cluster
}

const (
	b1 = "{name: b1, host: 127.0.0.1, port: 7420, roles: [broker]}"
	b2 = "{name: b2, host: 127.0.0.1, port: 7422, roles: [broker]}"
	e1 = "{name: e1, host: 127.0.0.1, port: 0, roles: [executor]}"
)

// behaving is an executor that behaves in a way fakeNode knows.
func behaving(name, how string) string {
	return fmt.Sprintf("{name: %s, host: 127.0.0.1, port: 0, roles: [executor], labels: {behave: %s}}", name, how)
}

// running is a launch in this process.
type running struct {
	mu     sync.Mutex
	events []launch.Event
	done   chan error
	stop   context.CancelFunc
}

// start runs a launch until the spec ends it, or ends.
func start(cfg launch.Config) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{done: make(chan error, 1), stop: cancel}
	cfg.Events = func(e launch.Event) {
		r.mu.Lock()
		defer r.mu.Unlock()
		fmt.Fprintf(GinkgoWriter, "%T %+v\n", e, e)
		r.events = append(r.events, e)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.done <- launch.Run(ctx, cfg)
	}()
	DeferCleanup(func() {
		cancel()
		<-ended
	})
	return r
}

// all returns the events of type E so far.
func all[E launch.Event](r *running) []E {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []E
	for _, e := range r.events {
		if e, is := e.(E); is {
			found = append(found, e)
		}
	}
	return found
}

// told returns a poll for the events of type E.
func told[E launch.Event](r *running) func() []E { return func() []E { return all[E](r) } }

func namesUp(r *running) []string {
	var names []string
	for _, e := range all[launch.NodeUp](r) {
		names = append(names, e.Node.Name)
	}
	return names
}

// gone reports whether there is no process of that id, or one that has ended and whose parent has not looked yet.
func gone(pid int) bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // where there is such a thing
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || strings.Contains(string(stat), ") Z ")
}
