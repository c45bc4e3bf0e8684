package blob

import (
	"context"
	"sync"
	"sync/atomic"
)

// sideBySide is how many questions are put to an object store at the same time.
const sideBySide = 16

// each runs work for 0 to n-1, several at a time, and returns the first error, after which no more is begun.
func each(ctx context.Context, n int, work func(ctx context.Context, i int) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, sideBySide) {
		workers.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := work(ctx, int(i)); err != nil {
					stop(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}
