package cluster

import (
	"bytes"
	"context"
	"sync"

	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/job"
)

// lent are bytes that travel with records, and that executors were told to ask this node for, since their deployments had no room for them. They are
// stored when somebody asks. What has fallen out is lent again with the next attempt.
type lent struct {
	mu    sync.Mutex
	bytes map[blob.Digest][]byte
	order []blob.Digest // the oldest first
}

// maxLent bounds them; each has at most as many bytes as travel with a record, and most are the ledger's own.
const maxLent = 4096

// lend has bytes ready for whoever asks. It does not block.
func (l *lent) lend(all []*job.Blob) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.bytes == nil {
		l.bytes = map[blob.Digest][]byte{}
	}
	for _, b := range all {
		d := blob.Digest(b.Digest)
		if _, have := l.bytes[d]; have {
			continue
		}
		if len(l.order) == maxLent {
			delete(l.bytes, l.order[0])
			l.order = l.order[1:]
		}
		l.bytes[d] = b.Inline
		l.order = append(l.order, d)
	}
}

// storeInto stores bytes if they are lent, and says whether they were.
func (l *lent) storeInto(ctx context.Context, kept blob.Backend, d blob.Digest) (bool, error) {
	l.mu.Lock()
	b, ok := l.bytes[d]
	l.mu.Unlock()
	if !ok {
		return false, nil
	}
	return true, kept.Put(ctx, bytes.NewReader(b), d)
}
