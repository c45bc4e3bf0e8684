package cluster

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/blob"
	"github.com/urbancompute/ucp/internal/roster"
)

// depot looks after what a datastore or a broker keeps: copies are made where they are missing, and what nothing needs any more is deleted (DATA-3).
type depot struct {
	blobs     *blobs
	log       *slog.Logger
	retention time.Duration
	bandwidth *rate.Limiter
	ask       asks
	now       func() time.Time
	cancel    context.CancelFunc
	work      sync.WaitGroup

	free, used atomic.Uint64
	copied     atomic.Uint64 // blobs
	trimmed    atomic.Uint64
	deleted    atomic.Uint64
}

// need says whether any record needs a blob, as brokers put it: all but the first mean yes.
type need byte

const (
	unneeded need = iota
	_             // needed
	urgent        // by a job of an emergency
)

// asks finds out which of some blobs are needed by any record. It fails when nobody can tell.
type asks func(ctx context.Context, digests []blob.Digest) (needed []need, err error)

const (
	// measureEvery is how old what a datastore tells of its room may be.
	measureEvery = 2 * time.Second
	// settle is how long datastores may come and go before copies are made: one that is started again is back by then.
	settle = 5 * time.Second
	// copyEvery is how often copies are looked for although no datastore came or went.
	copyEvery = 10 * time.Minute
	// batch is how many blobs are asked about at once.
	batch = 512
	// fresh is how old a blob may be for which nobody has submitted what needs it.
	fresh = 10 * time.Minute
	// budgetStep is the step of the bandwidth's budget, in bytes.
	budgetStep = 64 << 10
)

func startDepot(b *blobs, cfg config.Datastore, ask asks, log *slog.Logger) *depot {
	ctx, cancel := context.WithCancel(context.Background())
	d := &depot{
		blobs: b, log: log, retention: cfg.Retention, bandwidth: rate.NewLimiter(rate.Limit(cfg.Bandwidth), budgetStep), ask: ask, now: wallClock, cancel: cancel,
	}
	d.measure(ctx)
	d.work.Go(func() { each(ctx, measureEvery, nil, d.measure) })
	d.work.Go(func() { each(ctx, min(max(d.retention/4, time.Second), copyEvery), nil, d.sweep) })
	d.work.Go(func() { d.replicate(ctx) })
	return d
}

// each does something every so often, and when it is told to, until ctx ends.
func each(ctx context.Context, every time.Duration, now <-chan time.Time, do func(context.Context)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-now:
		case <-ctx.Done():
			return
		}
		do(ctx)
	}
}

func (d *depot) close() {
	if d == nil {
		return
	}
	d.cancel()
	d.work.Wait()
}

// Room implements actors.Depot. What is not known counts as plenty.
func (d *depot) Room() (free, used uint64) { return d.free.Load(), d.used.Load() }

// Known implements actors.Depot.
func (d *depot) Known(s roster.Stores) { d.blobs.Known(s) }

func (d *depot) measure(ctx context.Context) {
	space, err := d.blobs.kept.Space(ctx)
	if err != nil {
		d.log.Warn("room for bytes cannot be measured", "err", err)
		return
	}
	free := uint64(max(0, space.Free))
	if space.Free < 0 {
		free = math.MaxInt64
	}
	d.free.Store(free)
	d.used.Store(uint64(max(0, space.Used)))
}

// replicate makes copies when datastores come or go, once that has settled, and now and then.
func (d *depot) replicate(ctx context.Context) {
	settled := time.NewTimer(settle)
	defer settled.Stop()
	d.work.Go(func() { d.notice(ctx, settled) })
	each(ctx, copyEvery, settled.C, d.copyAll)
}

// notice waits for news of where bytes are kept.
func (d *depot) notice(ctx context.Context, settled *time.Timer) {
	var last []string
	for {
		select {
		case <-d.blobs.news:
			known := d.blobs.where()
			now := placesOf(known)
			if !slices.Equal(now, last) {
				settled.Reset(settle)
			}
			last = now
		case <-ctx.Done():
			return
		}
	}
}

// placesOf says where copies go, and which: in a pause those for an emergency alone.
func placesOf(s roster.Stores) []string {
	places := []string{strconv.FormatBool(s.Paused)}
	for _, x := range s.Up() {
		places = append(places, x.Node)
	}
	return places
}

// copyAll goes through all blobs here and has those copied that too few datastores have.
func (d *depot) copyAll(ctx context.Context) {
	round := &round{depot: d, failed: map[string]bool{}}
	err := d.inBatches(ctx, round.copy)
	if err != nil && ctx.Err() == nil {
		d.log.Warn("copies are not all made", "err", err)
	}
	if round.made > 0 {
		d.log.Info("copies made", "blobs", round.made, "total", d.copied.Load())
	}
	if round.spared > 0 {
		d.log.Info("copies given up that others have", "blobs", round.spared, "total", d.trimmed.Load())
	}
}

// inBatches calls do for all blobs here, some at a time.
func (d *depot) inBatches(ctx context.Context, do func(context.Context, []blob.Info) error) error {
	var some []blob.Info
	err := d.blobs.kept.Walk(ctx, func(b blob.Info) error {
		if some = append(some, b); len(some) < batch {
			return nil
		}
		err := do(ctx, some)
		some = nil
		return err
	})
	if err == nil && len(some) > 0 {
		err = do(ctx, some)
	}
	return err
}

// round is one walk through all blobs.
type round struct {
	*depot
	failed map[string]bool // datastores that could not be asked, or took nothing
	made   int
	spared int // surplus copies that were given up
}

// copy makes the missing copies of some blobs, as far as it is this node's turn. While copies are paused it makes those that an emergency's jobs need.
func (r *round) copy(ctx context.Context, some []blob.Info) error {
	known := r.blobs.where()
	if len(known.Up()) == 0 {
		return nil
	}
	has := r.holders(ctx, known, some)
	r.trim(ctx, known, has, some)
	var mine []blob.Info
	for _, b := range some {
		if len(r.missing(known, has, b)) > 0 && r.turn(known, has, b.Digest) {
			mine = append(mine, b)
		}
	}
	for _, b := range r.wanted(ctx, mine, known.Paused) {
		for _, s := range r.missing(known, has, b) {
			if err := r.send(ctx, s, b); err != nil {
				r.failed[s.Node] = true
				r.log.Warn("copy not made", "blob", b.Digest.Short(), "datastore", s.Name, "err", err)
			}
			if ctx.Err() != nil || r.blobs.where().Paused != known.Paused { // then another round begins soon
				return ctx.Err()
			}
		}
	}
	return nil
}

// holders asks all datastores which of some blobs they have.
func (r *round) holders(ctx context.Context, known roster.Stores, some []blob.Info) map[string]map[blob.Digest]bool {
	digests := make([]blob.Digest, len(some))
	for i, b := range some {
		digests[i] = b.Digest
	}
	has := map[string]map[blob.Digest]bool{}
	for _, s := range known.Up() {
		if r.failed[s.Node] || s.Node == r.blobs.self {
			continue
		}
		here, err := r.blobs.plain.HasAll(ctx, base(s.Node), digests)
		if err != nil {
			r.failed[s.Node] = true
			r.log.Debug("datastore cannot be asked what it has", "datastore", s.Name, "err", err)
			continue
		}
		has[s.Node] = map[blob.Digest]bool{}
		for i := range here {
			has[s.Node][digests[i]] = here[i]
		}
	}
	return has
}

// missing returns the datastores that should have a blob, can be asked, and lack it.
func (r *round) missing(known roster.Stores, has map[string]map[blob.Digest]bool, b blob.Info) []roster.Store {
	here := func(node string) bool { return node == r.blobs.self || has[node][b.Digest] }
	should := known.Should(b.Digest, uint64(b.Size), here)
	return slices.DeleteFunc(should, func(s roster.Store) bool { return here(s.Node) || r.failed[s.Node] })
}

// turn says whether it is for this node to copy a blob: it is the first in rank of the datastores that have it, or a broker, and none has it.
func (r *round) turn(known roster.Stores, has map[string]map[blob.Digest]bool, d blob.Digest) bool {
	for _, s := range roster.Rank(d, known.Up()) {
		switch {
		case s.Node == r.blobs.self:
			return true
		case has[s.Node][d]:
			return false
		}
	}
	return true
}

// wanted returns the blobs that are needed, or so new that what needs them may still come. Others would be copied in turns for ever, each copy being
// young again. Of what nobody can tell about, copies are made. While copies are paused only those are wanted that an emergency's jobs need.
func (r *round) wanted(ctx context.Context, some []blob.Info, paused bool) []blob.Info {
	if len(some) == 0 {
		return nil
	}
	needed, err := r.needed(ctx, some)
	switch {
	case err != nil && paused:
		r.log.Debug("which copies an emergency needs is not known", "err", err)
		return nil
	case err != nil:
		return some
	}
	var wanted []blob.Info
	for i, b := range some {
		young := r.now().Sub(b.Time) < r.fresh()
		if needed[i] == urgent || (!paused && (needed[i] != unneeded || young)) {
			wanted = append(wanted, b)
		}
	}
	return wanted
}

// fresh is how young a blob is of which nobody can say yet what becomes of it.
func (d *depot) fresh() time.Duration { return min(fresh, d.retention/2) }

func (d *depot) needed(ctx context.Context, some []blob.Info) ([]need, error) {
	digests := make([]blob.Digest, len(some))
	for i, b := range some {
		digests[i] = b.Digest
	}
	return d.ask(ctx, digests)
}

// send copies a blob to a datastore, no faster than the budget allows.
func (r *round) send(ctx context.Context, to roster.Store, b blob.Info) error {
	body, err := r.blobs.kept.Open(ctx, b.Digest)
	if errors.Is(err, blob.ErrNotFound) {
		return nil // deleted meanwhile
	}
	if err != nil {
		return err
	}
	err = r.blobs.plain.Put(ctx, base(to.Node), b.Digest, body.Size(), &slowly{ctx, body, r.bandwidth})
	if err = errors.Join(err, body.Close()); err != nil {
		return err
	}
	r.made++
	r.copied.Add(1)
	return nil
}

// slowly reads within a budget of bytes a second.
type slowly struct {
	ctx    context.Context
	r      io.Reader
	budget *rate.Limiter
}

// Read waits until what it has read is within the budget.
func (s *slowly) Read(p []byte) (int, error) {
	n, err := s.r.Read(p[:min(len(p), budgetStep)])
	if n > 0 {
		if waited := s.budget.WaitN(s.ctx, n); waited != nil {
			return 0, waited
		}
	}
	return n, err
}

// sweep deletes what nothing needs and nobody has put or asked for during the retention.
func (d *depot) sweep(ctx context.Context) {
	before := d.now().Add(-d.retention)
	var gone int
	var bytes int64
	err := d.inBatches(ctx, func(ctx context.Context, some []blob.Info) error {
		old := slices.DeleteFunc(some, func(b blob.Info) bool { return !b.Time.Before(before) })
		if len(old) == 0 {
			return nil
		}
		needed, err := d.needed(ctx, old)
		if err != nil {
			return err
		}
		for i, b := range old {
			if needed[i] != unneeded {
				continue
			}
			expired, err := blob.Expire(ctx, d.blobs.kept, b.Digest, before)
			if err != nil {
				return err
			}
			if expired {
				gone, bytes = gone+1, bytes+b.Size
			}
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		d.log.Debug("nothing more is deleted", "err", err)
	}
	if gone > 0 {
		d.log.Info("bytes deleted that nothing needs", "blobs", gone, "bytes", bytes, "total", d.deleted.Add(uint64(gone)))
	}
}
