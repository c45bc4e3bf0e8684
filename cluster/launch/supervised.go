package launch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urbancompute/ucp/config"
)

// steady is how long a node has to be up for its next pause to be the shortest again.
const steady = 10 * time.Second

// maxPause is the longest a node that keeps dying waits for its next start.
const maxPause = 10 * time.Second

// supervised is one node of a launch, on one goroutine.
type supervised struct {
	cfg    Config
	node   config.Node
	tell   func(Event)
	starts int
	died   int // times in a row
}

// run keeps the node running until ctx ends. It calls up when the node is up for the first time, and returns a [*StartError]
// when it never was.
func (s *supervised) run(ctx context.Context, up func()) error {
	for !ended(ctx) {
		p, reason := s.start(ctx)
		if p != nil {
			if s.starts == 1 {
				up()
			}
			reason = s.watch(ctx, p)
		}
		if p == nil && s.starts == 1 && !ended(ctx) {
			return &StartError{Node: s.node, Log: logOf(s.cfg.Cluster, s.node), Err: reason}
		}
		if !ended(ctx) {
			s.pause(ctx, reason)
		}
	}
	return nil
}

func ended(ctx context.Context) bool { return ctx.Err() != nil }

// start starts the node's process and waits until it is up. It returns no process when that fails, or ctx ends first.
func (s *supervised) start(ctx context.Context) (*process, error) {
	s.starts++
	p, err := startProcess(append(slices.Clip(s.cfg.Program), nodeFile(s.cfg.Cluster, s.node)),
		s.cfg.Env, logOf(s.cfg.Cluster, s.node))
	if err != nil {
		return nil, fmt.Errorf("its process cannot be started: %w", err)
	}
	first, err := s.await(ctx, p)
	if err != nil {
		s.end(p)
		return nil, err
	}
	s.tell(NodeUp{Node: s.node, ID: first.ID, Address: first.Address, PID: p.proc.Pid, Starts: s.starts})
	return p, nil
}

// await waits for the process to report that it is up.
func (s *supervised) await(ctx context.Context, p *process) (report, error) {
	patience := time.NewTimer(s.cfg.Patience)
	defer patience.Stop()
	reports := p.reports
	for {
		select {
		case <-ctx.Done():
			return report{}, ctx.Err()
		case line, open := <-reports:
			if open && line.Failure == "" {
				return line, nil
			}
			if open {
				return report{}, errors.New(line.Failure)
			}
			reports = nil // what is left to come is its end
		case <-p.exited:
			p.bury()
			return report{}, p.epitaph()
		case <-patience.C:
			return report{}, fmt.Errorf("it is not up after %s", config.FormatDuration(s.cfg.Patience))
		}
	}
}

// watch waits until the process dies, and returns why; or until ctx ends, and then ends the process.
func (s *supervised) watch(ctx context.Context, p *process) error {
	began := s.cfg.Now()
	select {
	case <-ctx.Done():
		s.end(p)
		return ctx.Err()
	case <-p.exited:
	}
	p.bury()
	if s.cfg.Now().Sub(began) >= steady {
		s.died = 0
	}
	return p.epitaph()
}

func (s *supervised) end(p *process) {
	if p.end(s.cfg.Grace) {
		s.tell(NodeKilled{Node: s.node, PID: p.proc.Pid})
	}
}

// pause tells why the node died and waits until it is to be started again, or ctx ends.
func (s *supervised) pause(ctx context.Context, reason error) {
	pause := min(s.cfg.Restart<<min(s.died, 16), maxPause)
	s.died++
	s.tell(NodeDied{Node: s.node, Reason: reason, Pause: pause})
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
