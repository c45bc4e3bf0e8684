package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// event is a line that ucp launch prints with --output json.
type event struct {
	Event     string   `json:"event"`
	Node      string   `json:"node"`
	NodeID    string   `json:"node_id"`
	Roles     []string `json:"roles"`
	Address   string   `json:"address"`
	PID       int      `json:"pid"`
	Starts    int      `json:"starts"`
	Reason    string   `json:"reason"`
	RestartMS int64    `json:"restart_ms"`
	Context   string   `json:"context"`
}

// network is the launched network, as its launch tells of it.
type network struct {
	dir   string // launch directory
	cmd   *exec.Cmd
	heard chan struct{} // closed when the launch says no more

	mu    sync.Mutex
	said  []event
	nodes map[string]event // by name: how it last came up
}

// startNetwork starts ucp launch. It is called from the main thread, with which the launch ends at the latest.
func startNetwork(ucp, file string, env []string) (*network, error) {
	n := &network{dir: filepath.Join(filepath.Dir(file), "network"), heard: make(chan struct{}), nodes: map[string]event{}}
	n.cmd = exec.Command(ucp, "launch", "--output", "json", file)
	n.cmd.Env, n.cmd.SysProcAttr = env, apart()
	stderr, err := os.Create(n.stderr())
	if err != nil {
		return nil, err
	}
	defer stderr.Close() //nolint:errcheck // the launch has its own
	n.cmd.Stderr = stderr
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.cmd.Start(); err != nil {
		return nil, err
	}
	go n.listen(out)
	return n, nil
}

// stderr is the file with what the launch complains of.
func (n *network) stderr() string { return filepath.Join(filepath.Dir(n.dir), "launch.err") }

// listen keeps what the launch tells.
func (n *network) listen(out io.Reader) {
	defer close(n.heard)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		n.mu.Lock()
		n.said = append(n.said, e)
		if e.Event == "node_up" {
			n.nodes[e.Node] = e
		}
		n.mu.Unlock()
	}
}

// await returns the first event that ok accepts, also if it was told before. It fails when the launch ends first.
func (n *network) await(ctx context.Context, what string, ok func(event) bool) (found event, err error) {
	return found, eventually(ctx, what, func() (bool, error) {
		ended := n.silent()
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, found = range n.said {
			if ok(found) {
				return true, nil
			}
		}
		if ended {
			return false, fmt.Errorf("ucp launch ended: %s", strings.TrimSpace(readFile(n.stderr())))
		}
		return false, nil
	})
}

// silent says that the launch will tell nothing more.
func (n *network) silent() bool {
	select {
	case <-n.heard:
		return true
	default:
		return false
	}
}

// node returns how the node called name last came up.
func (n *network) node(name string) event {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.nodes[name]
}

// name returns the name of the node with that id.
func (n *network) name(id string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, e := range n.nodes {
		if e.NodeID == id {
			return name
		}
	}
	return id
}

// saved is the name under which the launch saved the network.
func (n *network) saved() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.said {
		if e.Context != "" {
			return e.Context
		}
	}
	return ""
}

// log is the file with what the node called name says.
func (n *network) log(name string) string { return filepath.Join(n.dir, "nodes", name, "log") }

// maxComplaints bounds the log lines shown of one node.
const maxComplaints = 5

// complaints returns the last warnings and errors of the launch and its nodes.
func (n *network) complaints() []string {
	if n == nil {
		return nil
	}
	all := last(slices.Collect(strings.Lines(readFile(n.stderr()))), maxComplaints)
	for _, name := range append(brokers, executors...) {
		var severe []string
		for line := range strings.Lines(readFile(n.log(name))) {
			if strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, `"level":"ERROR"`) || !strings.HasPrefix(line, "{") {
				severe = append(severe, line)
			}
		}
		all = append(all, last(severe, maxComplaints)...)
	}
	return all
}

func last(lines []string, n int) []string { return lines[max(0, len(lines)-n):] }

// endPatience is how long the launch may take to end all nodes: it kills them after five seconds.
const endPatience = 20 * time.Second

// stop ends the network as Ctrl-C does, and returns how long that took. The error says what was wrong with how it ended.
func (n *network) stop() (time.Duration, error) {
	began := time.Now()
	if err := n.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	tooLong := time.AfterFunc(endPatience, func() { _ = n.cmd.Process.Signal(syscall.SIGKILL) }) // fails when it has ended
	defer tooLong.Stop()
	<-n.heard
	if err := n.cmd.Wait(); err != nil {
		return time.Since(began), fmt.Errorf("ucp launch ended badly: %w: %s", err, strings.TrimSpace(readFile(n.stderr())))
	}
	return time.Since(began), nil
}
