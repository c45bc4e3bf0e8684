package lab

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"sync"
)

// process is a node's process.
type process struct {
	cmd      *exec.Cmd
	log      transcript
	upOrOver chan struct{} // closed when either is so
	over     chan struct{} // closed when it is gone and reaped
}

// transcript is what a process said. It tells when that was that its node is up.
type transcript struct {
	mu   sync.Mutex
	text []byte
	seen int // what was searched
	up   bool
	told func()
	news chan struct{} // closed when there is more; nil unless somebody waits for that
}

// upLine is what a node logs when it is up.
const upLine = `"msg":"node is up"`

// Write implements [io.Writer].
func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if !t.up && bytes.Contains(t.text[t.seen:], []byte(upLine)) {
		t.up = true
		t.told()
	}
	t.seen = max(t.seen, len(t.text)-len(upLine))
	if t.news != nil {
		close(t.news)
		t.news = nil
	}
	return len(p), nil
}

// from returns what was said after the first so many bytes, and what is closed when there is more.
func (t *transcript) from(offset int) (text string, more <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.news == nil {
		t.news = make(chan struct{})
	}
	return string(t.text[offset:]), t.news
}

// line waits for a whole line that has a text in it, after the first so many bytes, and returns it.
func (p *process) line(ctx context.Context, text string, offset int) (string, error) {
	for {
		said, more := p.log.from(offset)
		for line := range strings.Lines(said) {
			if strings.HasSuffix(line, "\n") && strings.Contains(line, text) {
				return line, nil
			}
		}
		offset += strings.LastIndexByte(said, '\n') + 1
		select {
		case <-more:
		case <-p.over:
			return "", errors.New("its process has ended")
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// String returns what was said so far.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// start starts a process.
func start(command, env []string) (*process, error) {
	p := &process{cmd: exec.Command(command[0], command[1:]...), upOrOver: make(chan struct{}), over: make(chan struct{})}
	p.log.told = sync.OnceFunc(func() { close(p.upOrOver) })
	p.cmd.Env, p.cmd.SysProcAttr = env, bound()
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	started := make(chan error)
	go p.live(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// live starts the process and waits for its end. It keeps its thread: where the kernel ends a process with its parent, it goes by the thread that
// forked.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	_ = p.cmd.Wait() // how it ended is in its state
	p.log.told()
	close(p.over)
}

func (p *process) up() bool {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return p.log.up
}

func (p *process) ended() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // fails only when there is nothing left to kill
	<-p.over
}
