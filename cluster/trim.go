package cluster

import (
	"context"
	"time"

	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/roster"
)

// lostLong is how long a datastore is lost before nobody counts on its coming back: until then it may be behind a partition, with copies of its own, and
// no copy is given up.
const lostLong = time.Hour

// trim gives up what this datastore has and need not have, as when another one came back after its copies were made anew: the copies at those that
// should have a blob are enough. Several may do so at the same time, and of one blob, knowing different things. No copy is lost by that: who gives
// one up has the others renew theirs first, and nobody gives up a copy that was renewed after it looked. So whoever is counted on either stays or has
// gone before, and then says so.
func (r *round) trim(ctx context.Context, known roster.Stores, has map[string]map[blob.Digest]bool, some []blob.Info) {
	looked := r.now()
	self, _ := known.Find(r.blobs.self)
	if self.State != roster.Up || len(r.failed) > 0 || !known.Whole(looked.Add(-lostLong)) {
		return
	}
	var surplus []blob.Info
	var keepers [][]roster.Store
	for _, b := range some {
		here := func(node string) bool { return node == r.blobs.self || has[node][b.Digest] }
		k, is := known.Surplus(r.blobs.self, b.Digest, uint64(b.Size), here)
		if is && b.Time.Before(looked.Add(-r.fresh())) {
			surplus, keepers = append(surplus, b), append(keepers, k)
		}
	}
	if len(surplus) == 0 {
		return
	}
	needed, err := r.needed(ctx, surplus) // others go by themselves, and must not be made younger
	for i := range needed {
		if needed[i] != unneeded && err == nil {
			err = r.giveUp(ctx, surplus[i], keepers[i], looked)
		}
	}
	if err != nil && ctx.Err() == nil {
		r.log.Debug("copies that others have are not given up", "err", err)
	}
}

// giveUp deletes the copy of a blob here once all keepers have renewed theirs.
func (r *round) giveUp(ctx context.Context, b blob.Info, keepers []roster.Store, looked time.Time) error {
	for _, k := range keepers {
		if _, err := r.blobs.plain.Has(ctx, base(k.Node), b.Digest); err != nil {
			return err
		}
	}
	gone, err := blob.Expire(ctx, r.blobs.kept, b.Digest, looked.Add(-r.fresh()))
	if gone {
		r.spared++
		r.trimmed.Add(1)
	}
	return err
}
