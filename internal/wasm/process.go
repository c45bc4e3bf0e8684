package wasm

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
)

// process is a worker process as its node sees it.
type process struct {
	pid       int
	requests  *os.File // frames to it
	answers   *os.File // frames from it
	lifeline  *os.File
	log       *crashLog
	proc      *os.Process
	exited    chan struct{} // closed when it is gone and reaped
	answered  atomic.Bool   // it has come up
	state     *os.ProcessState
	killOnce  sync.Once
	closeOnce sync.Once
}

// startProcess starts a worker. It blocks for as long as a fork takes.
func startProcess(exe string, s workerSettings) (*process, error) {
	pipes, err := newPipes()
	if err != nil {
		return nil, fmt.Errorf("worker process: %w", err)
	}
	answers, err := polled(pipes[1].r)
	if err != nil {
		return nil, fmt.Errorf("worker process: %w", err)
	}
	p := &process{
		requests: pipes[0].w, answers: answers, lifeline: pipes[2].w,
		log: &crashLog{}, exited: make(chan struct{}),
	}
	cmd := exec.Command(exe, s.args()...)
	cmd.Env, cmd.Dir, cmd.SysProcAttr = []string{}, "/", sandboxed()
	cmd.Stderr = p.log
	cmd.ExtraFiles = []*os.File{fdRequests - 3: pipes[0].r, fdAnswers - 3: pipes[1].w, fdLifeline - 3: pipes[2].r}
	started := make(chan error)
	go p.live(cmd, started)
	err = <-started
	for _, f := range cmd.ExtraFiles {
		_ = f.Close() // the child has its own
	}
	if err != nil {
		p.close()
		return nil, fmt.Errorf("worker process: %w", err)
	}
	return p, nil
}

// pipe is read and written with calls that block: a slot's answer comes within microseconds, which Go's poller would double.
type pipe struct{ r, w *os.File }

func newPipes() (pipes [3]pipe, err error) {
	for i := range pipes {
		if pipes[i], err = newPipe(); err != nil {
			for _, p := range pipes[:i] {
				_, _ = p.r.Close(), p.w.Close()
			}
			return pipes, err
		}
	}
	return pipes, nil
}

// live starts the process and waits for its end. It keeps its thread for all that time: the system sends the death signal of a
// parent when the thread that forked ends, not the process.
func (p *process) live(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	if err == nil {
		p.proc, p.pid = cmd.Process, cmd.Process.Pid
	}
	started <- err
	if err != nil {
		return
	}
	_ = cmd.Wait() // how it ended is in the state
	p.state = cmd.ProcessState
	close(p.exited)
}

// gone says whether it has ended.
func (p *process) gone() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// kill ends the process without asking it. It may be called again.
func (p *process) kill() {
	p.killOnce.Do(func() { _ = p.proc.Kill() }) // it fails only when there is nothing left to kill
}

// close gives up the node's ends of the pipes, which alone would end the process too.
func (p *process) close() {
	p.closeOnce.Do(func() {
		for _, f := range []*os.File{p.requests, p.answers, p.lifeline} {
			_ = f.Close() // pipes have nothing to flush
		}
	})
}

// epitaph says how a process that nobody killed came to its end. It is called after exited is closed.
func (p *process) epitaph() string {
	s := "the worker process died: " + p.state.String()
	if line := p.log.firstLine(); line != "" {
		s += ": " + line
	}
	return s
}

// crashLog keeps the beginning of what a worker says about itself, which is where a crash names its cause.
type crashLog struct {
	mu sync.Mutex
	b  []byte
}

const crashLogBytes = 4 << 10

// Write keeps what there is room for.
func (l *crashLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p[:min(len(p), crashLogBytes-len(l.b))]...)
	return len(p), nil
}

func (l *crashLog) firstLine() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return firstLine(strings.TrimSpace(string(l.b)))
}
