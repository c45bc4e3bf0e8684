package launch

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// process is a node process as its launch sees it.
type process struct {
	proc     *os.Process
	reports  <-chan report // closed when there will be no more
	ours     []*os.File    // our ends of its pipes
	exited   chan struct{} // closed when it is gone and reaped
	state    *os.ProcessState
	lastWord string // what it said of its own end
}

// startProcess runs command, with the environment env, as a node that appends to the file log what it cannot say to its own.
func startProcess(command, env []string, log string) (*process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer output.Close() //nolint:errcheck // the child has its own
	pipes, err := newPipes()
	if err != nil {
		return nil, err
	}
	defer closeAll(pipes.theirs)
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env, cmd.SysProcAttr = env, ownSession()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pipes.theirs[0], output, output
	cmd.ExtraFiles = []*os.File{reportFD - 3: pipes.theirs[1]}

	p := &process{ours: pipes.ours, exited: make(chan struct{})}
	started := make(chan error)
	go p.live(cmd, started)
	if err := <-started; err != nil {
		closeAll(pipes.ours)
		return nil, err
	}
	reports := make(chan report, 2)
	p.reports = reports
	go readReports(pipes.ours[1], reports)
	return p, nil
}

// live starts the process and waits for its end. It keeps its thread for all that time: the system sends the death signal of a
// parent when the thread that forked ends, not the process.
func (p *process) live(cmd *exec.Cmd, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := cmd.Start()
	p.proc = cmd.Process
	started <- err
	if err != nil {
		return
	}
	_ = cmd.Wait() // how it ended is in the state
	p.state = cmd.ProcessState
	close(p.exited)
}

// pipeEnds are the two pipes between a launch and a node: the lifeline on its standard input, and its report.
type pipeEnds struct{ ours, theirs []*os.File }

func newPipes() (pipeEnds, error) {
	lifelineR, lifelineW, err := os.Pipe()
	if err != nil {
		return pipeEnds{}, err
	}
	reportR, reportW, err := os.Pipe()
	if err != nil {
		closeAll([]*os.File{lifelineR, lifelineW})
		return pipeEnds{}, err
	}
	return pipeEnds{ours: []*os.File{lifelineW, reportR}, theirs: []*os.File{lifelineR, reportW}}, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // pipes have nothing to flush
	}
}

// end asks the process to end, kills it after grace, and waits until it is gone. It reports whether it had to be killed.
func (p *process) end(grace time.Duration) (killed bool) {
	_ = p.proc.Signal(syscall.SIGTERM) // fails only when there is nothing left to end
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-p.exited:
	case <-patience.C:
		killed = true
		_ = p.proc.Kill() // likewise
		<-p.exited
	}
	p.bury()
	return killed
}

// lastWordPatience is how long a report may stay open after its process is gone: something inherited it that should not have.
const lastWordPatience = time.Second

// bury waits until the process is gone, keeps its last word and gives up what belonged to it.
func (p *process) bury() {
	<-p.exited
	closing := time.AfterFunc(lastWordPatience, func() { closeAll(p.ours) })
	for line := range p.reports {
		p.hear(line)
	}
	closing.Stop()
	closeAll(p.ours)
}

func (p *process) hear(line report) {
	if line.Failure != "" {
		p.lastWord = line.Failure
	}
}

// epitaph says how a process came to its end that nobody ended, after bury.
func (p *process) epitaph() error {
	if p.lastWord != "" {
		return errors.New(p.lastWord)
	}
	if status, ok := p.state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return fmt.Errorf("its process was ended by signal %d (%s)", status.Signal(), status.Signal())
	}
	return fmt.Errorf("its process ended with exit code %d", p.state.ExitCode())
}
