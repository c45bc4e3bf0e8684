package client

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/urbancompute/ucp/messages"
)

// Submission is a job that this client gave to the network and follows to its end. It is safe for concurrent use.
type Submission struct {
	id       string
	spec     []byte
	console  *console // nil unless the job is streamed
	release  func()   // gives back its place in the client's window
	acked    chan struct{}
	done     chan struct{}
	changes  chan Change
	ackLevel atomic.Uint32
	waits    atomic.Pointer[RefusedError] // why brokers did not take it when last asked

	// Written by the client's actor before it closes done.
	last Change
	err  error

	// Written by the client's actor before it closes settled.
	settled   chan struct{}
	final     Change
	unsettled error
}

func newSubmission(id string, spec []byte, console *console, release func()) *Submission {
	return &Submission{
		id: id, spec: spec, console: console, release: release,
		acked: make(chan struct{}), done: make(chan struct{}), settled: make(chan struct{}), changes: make(chan Change, 1),
	}
}

// ID returns the job's id. It names the job at every broker of the network.
func (s *Submission) ID() string { return s.id }

// Durability returns on how many disks the job was when it was acknowledged: it survives the loss of one disk less. 0: brokers keep it in memory,
// or it was over before its acknowledgement came.
func (s *Submission) Durability() int { return int(s.ackLevel.Load()) }

// Changes delivers the job whenever it changed, and is closed after the last change. Who reads slowly misses changes in
// between, never the last. There is one channel: of several readers each sees some changes.
func (s *Submission) Changes() <-chan Change { return s.changes }

// Wait returns the job when it is over, with its live output printed to the end if it is streamed. The error says why nothing more can be
// learned of it; a job that failed, or was cancelled, is no error.
func (s *Submission) Wait(ctx context.Context) (Job, error) {
	select {
	case <-s.done:
	case <-ctx.Done():
		return Job{}, fmt.Errorf("job %s: %w", s.id, context.Cause(ctx))
	}
	if s.err != nil {
		return Job{}, fmt.Errorf("job %s: %w", s.id, s.err)
	}
	if s.console != nil {
		if err := s.console.finish(ctx, resultOf(s.last.Job)); err != nil {
			return s.last.Job, fmt.Errorf("job %s: %w", s.id, err)
		}
	}
	return s.last.Job, nil
}

// Final returns the job when its end is final, which is at once or soon after [Submission.Wait] where brokers can talk to each other, and when a partition
// is over where they cannot. Superseded in the change says that the end which Wait returned does not stand, and this one does. The error says why that
// cannot be learned: an [ErrUnfollowed] if too many other jobs ended provisionally since, so that [Client.Job] has to be asked.
func (s *Submission) Final(ctx context.Context) (Change, error) {
	select {
	case <-s.settled:
	case <-ctx.Done():
		return Change{}, fmt.Errorf("job %s: its end is not known to be final: %w", s.id, context.Cause(ctx))
	}
	if s.unsettled != nil {
		return Change{}, fmt.Errorf("job %s: %w", s.id, s.unsettled)
	}
	return s.final, nil
}

// acknowledged, changed, ended and settle are called by the client's actor alone.
func (s *Submission) acknowledged(durability uint32) {
	s.ackLevel.Store(durability)
	select {
	case <-s.acked:
	default:
		close(s.acked)
	}
}

// changed replaces a change that nobody has read yet: the channel holds one and has one writer, so it never blocks.
func (s *Submission) changed(c Change) {
	select {
	case <-s.changes:
	default:
	}
	s.changes <- c
}

// ended is called once. With a nil err, c is the job's last change.
func (s *Submission) ended(c Change, err error) {
	s.last, s.err = c, err
	if err == nil {
		s.changed(c)
	}
	close(s.changes)
	close(s.done)
	if err != nil {
		s.settle(Change{}, err)
	}
	if s.console != nil {
		s.console.close()
	}
	s.release()
}

// settle is called once, after ended.
func (s *Submission) settle(c Change, err error) {
	s.final, s.unsettled = c, err
	close(s.settled)
}

// Submit gives a job to the network and returns when it is acknowledged: it is then written down and will be done. The submitter in the
// spec is filled in by the broker. Refusals are a [*RefusedError]; what passes is tried again until ctx ends.
//
// When ctx ends before the acknowledgement the job may have been taken all the same; the error names its id, with which
// [Client.Cancel] ends it.
func (c *Client) Submit(ctx context.Context, spec *Spec) (*Submission, error) {
	return c.submit(ctx, spec, nil)
}

// SubmitStreamed is Submit for a job whose client stays: the program reads the client's own input as it asks for it, and its output is
// written while it comes. [Submission.Wait] returns when all of it is written.
func (c *Client) SubmitStreamed(ctx context.Context, spec *Spec, streams Streams) (*Submission, error) {
	streamed := *spec
	streamed.Streamed = true
	return c.submit(ctx, &streamed, &streams)
}

func (c *Client) submit(ctx context.Context, spec *Spec, streams *Streams) (*Submission, error) {
	encoded, err := c.encode(ctx, spec)
	if err != nil {
		return nil, err
	}
	release, err := c.enter(ctx)
	if err != nil {
		return nil, err
	}
	at, err := c.route(ctx)
	if err != nil {
		release()
		return nil, err
	}
	return c.submitAt(ctx, string(at.peer.ID), encoded, streams, release)
}

// maxRenamed bounds how often one job gets a new id because a broker would not have the one before.
const maxRenamed = 3

// submitAt gives a job an id that names broker, and hands it in. A broker that began a new journal, or whose network has forgotten jobs of that
// time, asks for another id and says which.
func (c *Client) submitAt(ctx context.Context, broker string, spec []byte, streams *Streams, release func()) (*Submission, error) {
	var err error
	for range maxRenamed {
		var id string
		if id, err = c.ids.next(broker); err != nil {
			release()
			return nil, err
		}
		var console *console
		if streams != nil {
			console = newConsole(*streams, c.open)
			console.stdin.broken = func(err error) { c.tell(&inputFailed{id, err}) }
		}
		s := newSubmission(id, spec, console, release)
		c.tell(&submit{s})
		if err = c.awaitAcknowledgement(ctx, s); err == nil {
			return s, nil
		}
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.code != messages.Refused_RENAMED {
			return nil, err
		}
		broker = refused.broker
		c.ids.after(refused.after)
		if release, err = c.enter(ctx); err != nil { // the place of the one before was given back with it
			return nil, err
		}
	}
	release()
	return nil, err
}

func (c *Client) awaitAcknowledgement(ctx context.Context, s *Submission) error {
	select {
	case <-s.acked:
		return nil
	case <-s.done:
		if s.err != nil {
			return fmt.Errorf("job %s: %w", s.id, s.err)
		}
		return nil
	case <-ctx.Done():
		c.tell(&abandon{s.id})
		if why := s.waits.Load(); why != nil {
			return fmt.Errorf("job %s is not acknowledged: %w (%w)", s.id, why, context.Cause(ctx))
		}
		return fmt.Errorf("job %s is not acknowledged and may have been taken or not: %w", s.id, context.Cause(ctx))
	}
}

// encode checks a spec and returns its canonical encoding, with large inline bytes moved out.
func (c *Client) encode(ctx context.Context, spec *Spec) ([]byte, error) {
	spec, err := c.lighten(ctx, spec)
	if err != nil {
		return nil, err
	}
	if err := spec.Valid(); err != nil {
		return nil, invalid("%s", err)
	}
	encoded := spec.Append(nil)
	if len(encoded) > maxSpec {
		return nil, invalid("the job's description has %d bytes, %d are allowed; put arguments into files", len(encoded), maxSpec)
	}
	return encoded, nil
}

// Abandon stops following a job; the network goes on with it. Wait then returns an error that is context.Canceled.
func (c *Client) Abandon(s *Submission) { c.tell(&abandon{s.id}) }

var errAbandoned = fmt.Errorf("no longer followed: %w", context.Canceled)

// resultOf returns what an over job's program left, nil if it has no result.
func resultOf(j Job) *Result {
	if v, _ := j.Winner(); v != nil {
		return v.Result
	}
	return nil
}
