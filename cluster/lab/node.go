package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Setup says what a node is.
type Setup struct {
	Name  string
	Roles []string
	Seeds []string // addresses of brokers
	Slots int      // of an executor; 0: 2
	// Private keeps the address of a broker from spreading: nodes reach it only where their seeds say, over a relay if that is what they are given.
	Private bool
	Host    string   // where it listens and is reached; "": 127.0.0.1
	Flags   []string // more flags of ucp node
}

const defaultSlots = 2

// Has says whether the node has a role.
func (s *Setup) Has(role string) bool { return slices.Contains(s.Roles, role) }

// Node is one node of a lab.
type Node struct {
	Setup
	lab     *Lab
	id      string
	port    int // 0: it only dials out
	process *process
}

// ID returns the node's id, which it has from the beginning.
func (n *Node) ID() string { return n.id }

// Address is where the node listens.
func (n *Node) Address() string { return net.JoinHostPort(n.host(), strconv.Itoa(n.port)) }

func (n *Node) host() string { return cmp.Or(n.Host, "127.0.0.1") }

// File is the path of one of the node's files. Its data is in data, its key and certificate in identity.
func (n *Node) File(parts ...string) string { return n.lab.path(append([]string{n.Name}, parts...)...) }

// Start starts the node and waits until it is up.
func (n *Node) Start(ctx context.Context) error {
	if err := n.StartUnder(ctx); err != nil {
		return err
	}
	if !n.process.up() {
		return fmt.Errorf("lab: node %s did not come up: %s", n.Name, n.LastLine())
	}
	return nil
}

// StartUnder starts the node's process under another program, and waits until it is up or has ended.
func (n *Node) StartUnder(ctx context.Context, program ...string) error {
	if n.Running() {
		return fmt.Errorf("lab: node %s runs already", n.Name)
	}
	p, err := start(append(program, n.command()...), n.environment())
	if err != nil {
		return fmt.Errorf("lab: node %s: %w", n.Name, err)
	}
	n.process = p
	select {
	case <-p.upOrOver:
		return nil
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("lab: node %s is not up: %w", n.Name, errors.Join(ctx.Err(), errors.New(n.LastLine())))
	}
}

func (n *Node) command() []string {
	host := n.host()
	if n.Private {
		host = "0.0.0.0" // an address that says nothing is not told to others
	}
	words := []string{
		n.lab.cfg.Program, "node", "--name", n.Name, "--network", "lab", "--roles", strings.Join(n.Roles, ","), "--host", host, "--port", strconv.Itoa(n.port),
		"--slots", strconv.Itoa(cmp.Or(n.Slots, defaultSlots)), "--dir", n.File("data"), "--identity", n.File("identity"),
	}
	if len(n.Seeds) > 0 {
		words = append(words, "--seeds", strings.Join(n.Seeds, ","))
	}
	return append(words, n.Flags...)
}

func (n *Node) environment() []string {
	return append(slices.Clone(n.lab.cfg.Env), // of two of a name the last one counts
		"HOME="+n.File(), "UCP_CONFIG_DIR="+n.File("config"), "UCP_CACHE_DIR="+cmp.Or(n.lab.cfg.CacheDir, n.File("cache")), "UCP_LOG_FORMAT=json", "PATH="+os.Getenv("PATH"))
}

// Running says whether the node has a process, frozen or not.
func (n *Node) Running() bool { return n.process != nil && !n.process.ended() }

// Pid returns the id of the node's process.
func (n *Node) Pid() int { return n.process.cmd.Process.Pid }

// Log returns what the node's last process has said.
func (n *Node) Log() string {
	if n.process == nil {
		return ""
	}
	return n.process.log.String()
}

// Answer sends the node's process a signal and waits for the line with a text in it that it then logs.
func (n *Node) Answer(ctx context.Context, s syscall.Signal, text string) (line string, err error) {
	before := len(n.Log())
	if err := n.Signal(s); err != nil {
		return "", err
	}
	if line, err = n.process.line(ctx, text, before); err != nil {
		return "", fmt.Errorf("lab: node %s does not say %q: %w", n.Name, text, err)
	}
	return line, nil
}

// Over is closed when the node's last process has ended.
func (n *Node) Over() <-chan struct{} { return n.process.over }

// ExitCode returns the exit code of the last process, once that is over.
func (n *Node) ExitCode() int { return n.process.cmd.ProcessState.ExitCode() }

// Kill ends the node's process, if it has one, at whichever instruction it is; its data stays.
func (n *Node) Kill() {
	if n.process != nil {
		n.process.kill()
	}
}

// Freeze stops the node's process where it is. To the others it is silent; its connections stay.
func (n *Node) Freeze() error { return n.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (n *Node) Thaw() error { return n.Signal(syscall.SIGCONT) }

// Signal sends the process a signal.
func (n *Node) Signal(s syscall.Signal) error {
	if err := n.process.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("lab: node %s: %w", n.Name, err)
	}
	return nil
}

// LastLine returns the last thing that the node's last process has said.
func (n *Node) LastLine() string {
	text := strings.TrimSpace(n.Log())
	return text[strings.LastIndexByte(text, '\n')+1:]
}
