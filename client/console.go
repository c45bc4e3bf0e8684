package client

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/urbancompute/ucp/messages"
)

// Streams are what a streamed job's program reads and writes. Each may be nil: an empty input, a dropped output.
type Streams struct {
	// Stdin is read only when the program asks for input. A Read that blocks for ever outlives the job.
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Notice is told, in a sentence, when what was written is not simply what the program's result says. It may be nil.
	Notice func(sentence string)
}

// maxLive bounds the live output of one job that waits for a slow writer, in bytes. What is over is left to the end.
const maxLive = 4 << 20

// console is the client's end of a streamed job. The actor offers it what arrives; it does its reading and writing in goroutines of its
// own, which live only while there is something to do.
type console struct {
	stdin  *spool
	stdout *screen
	stderr *screen

	mu      sync.Mutex
	queue   []*messages.OutputChunk
	waiting int           // bytes in queue
	idle    chan struct{} // open while a goroutine writes; nil if none does
}

// opener opens the bytes of a blob; the reader fails at the end if they are not the blob's.
type opener func(context.Context, Blob) (io.ReadCloser, error)

func newConsole(s Streams, open opener) *console {
	notice := s.Notice
	if notice == nil {
		notice = func(string) {}
	}
	return &console{
		stdin:  newSpool(s.Stdin, maxSpool),
		stdout: newScreen("stdout", s.Stdout, open, notice),
		stderr: newScreen("stderr", s.Stderr, open, notice),
	}
}

// output takes live output. It never blocks.
func (c *console) output(chunk *messages.OutputChunk) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting+len(chunk.GetData()) > maxLive {
		return
	}
	c.queue = append(c.queue, chunk)
	c.waiting += len(chunk.GetData())
	if c.idle == nil {
		c.idle = make(chan struct{})
		go c.write()
	}
}

// write writes the queue until it is empty.
func (c *console) write() {
	for {
		chunk := c.next()
		if chunk == nil {
			return
		}
		switch chunk.GetStream() {
		case 1:
			c.stdout.live(chunk.GetOffset(), chunk.GetData())
		case 2:
			c.stderr.live(chunk.GetOffset(), chunk.GetData())
		}
	}
}

func (c *console) next() *messages.OutputChunk {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue) == 0 {
		close(c.idle)
		c.idle, c.queue = nil, nil
		return nil
	}
	chunk := c.queue[0]
	c.queue[0] = nil
	c.queue = c.queue[1:]
	c.waiting -= len(chunk.GetData())
	return chunk
}

// finish waits for the live output and writes what is missing of the result's. Nothing is offered any more.
func (c *console) finish(ctx context.Context, res *Result) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	if res == nil {
		return errors.Join(c.stdout.err, c.stderr.err)
	}
	return errors.Join(
		c.stdout.complete(ctx, res.Stdout, res.Truncated.Stdout),
		c.stderr.complete(ctx, res.Stderr, res.Truncated.Stderr),
	)
}

func (c *console) settle(ctx context.Context) error {
	c.mu.Lock()
	idle := c.idle
	c.mu.Unlock()
	if idle == nil {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// close ends the input.
func (c *console) close() { c.stdin.close() }
