package cluster

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/job"
)

// copies brings to a broker the bytes that its jobs name, before anybody asks for them: the broker that took a job may be gone by then, and the job
// would be on two disks and what it runs on one. Where there are datastores those keep the bytes, and brokers need not.
type copies struct {
	blobs  *blobs
	log    *slog.Logger
	wanted chan blob.Digest
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	pending map[blob.Digest]bool
}

const (
	// maxCopies bounds what waits to be brought; what is over is brought when it is needed, as if there were no copies.
	maxCopies    = 10_000
	copiers      = 2
	copyTries    = 5
	copyPatience = 2 * time.Minute
)

func startCopies(b *blobs, log *slog.Logger) *copies {
	ctx, cancel := context.WithCancel(context.Background())
	c := &copies{blobs: b, log: log, wanted: make(chan blob.Digest, maxCopies), cancel: cancel, pending: map[blob.Digest]bool{}}
	for range copiers {
		c.work.Go(func() { c.copy(ctx) })
	}
	return c
}

// want has bytes brought that are not here. It does not block.
func (c *copies) want(all []*job.Blob) {
	if len(c.blobs.where().Up()) > 0 {
		return
	}
	for _, b := range all {
		if d := blob.Digest(b.Digest); b.Elsewhere() && c.expect(d) {
			select {
			case c.wanted <- d:
			default:
				c.settle(d)
				c.log.Warn("too much to copy at once, left to who needs it", "blob", d.Short())
			}
		}
	}
}

// expect notes that bytes are on their way, and says whether they were not yet.
func (c *copies) expect(d blob.Digest) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pending[d] {
		return false
	}
	c.pending[d] = true
	return true
}

func (c *copies) settle(d blob.Digest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, d)
}

func (c *copies) copy(ctx context.Context) {
	for {
		select {
		case d := <-c.wanted:
			if err := c.bring(ctx, d); err != nil && ctx.Err() == nil {
				c.log.Warn("bytes of a job are not copied", "blob", d.Short(), "err", err)
			}
			c.settle(d)
		case <-ctx.Done():
			return
		}
	}
}

// bring gets bytes from whichever broker has them. They may still be on their way there.
func (c *copies) bring(ctx context.Context, d blob.Digest) (err error) {
	for try := range copyTries {
		if c.blobs.store.Has(d) {
			return nil
		}
		patience, done := context.WithTimeout(ctx, copyPatience)
		err = c.blobs.bring(patience, d)
		done()
		if err == nil {
			return nil
		}
		pause, over := context.WithTimeout(ctx, time.Second<<try)
		<-pause.Done()
		over()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return err
}

func (c *copies) close() {
	c.cancel()
	c.work.Wait()
}
