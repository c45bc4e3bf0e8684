package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
)

// What is kept of transfers that nobody goes on with.
const (
	maxPartials  = 256
	partialAge   = 24 * time.Hour
	partialBytes = 16 << 30    // of all that rest; half of the store's limit if that is less
	partialRest  = time.Minute // after which nobody seems to go on with one: an upload pauses between its parts
)

// partials are the half-received blobs that nobody works on just now, the one left first in front.
type partials struct {
	now func() time.Time

	mu   sync.Mutex
	idle []*partial
	busy map[Digest]*partial // somebody works on them
	most int64               // bytes of all idle ones together
}

// take returns what is there of d for its caller to go on with, nil if there is nothing. It works on d exclusively.
func (ps *partials) take(d Digest) *partial {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	i := slices.IndexFunc(ps.idle, func(p *partial) bool { return p.digest == d })
	if i < 0 {
		return nil
	}
	p := ps.idle[i]
	ps.idle = slices.Delete(ps.idle, i, i+1)
	ps.note(p)
	return p
}

// offset returns how many bytes of d are there from its start on.
func (ps *partials) offset(d Digest) int64 {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p, ok := ps.busy[d]; ok {
		return p.offset()
	}
	for _, p := range ps.idle {
		if p.digest == d {
			return p.offset()
		}
	}
	return 0
}

// begin notes that somebody works on p.
func (ps *partials) begin(p *partial) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.note(p)
}

func (ps *partials) note(p *partial) {
	if ps.busy == nil {
		ps.busy = map[Digest]*partial{}
	}
	ps.busy[p.digest] = p
}

// end notes that nobody works on p any longer.
func (ps *partials) end(p *partial) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.busy[p.digest] == p {
		delete(ps.busy, p.digest)
	}
}

// keep leaves p for somebody to go on with. Its caller works on it no longer.
func (ps *partials) keep(p *partial) {
	p.used = ps.now()
	ps.mu.Lock()
	delete(ps.busy, p.digest)
	ps.idle = append(ps.idle, p)
	ps.mu.Unlock()
	ps.trim()
}

// trim drops what is too old or too much.
func (ps *partials) trim() {
	for _, p := range ps.excess(ps.now()) {
		p.drop()
	}
}

func (p *partial) rests(now time.Time) bool { return now.Sub(p.used) > partialRest }

// excess takes out what is too old, and the oldest of what is too much.
func (ps *partials) excess(now time.Time) []*partial {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	n, bytes := 0, int64(0)
	for i, p := range slices.Backward(ps.idle) { // the youngest first
		n, bytes = n+1, bytes+p.size
		if n > maxPartials || bytes > ps.most && p.rests(now) || now.Sub(p.used) > partialAge {
			old := slices.Clone(ps.idle[:i+1])
			ps.idle = slices.Delete(ps.idle, 0, i+1)
			return old
		}
	}
	return nil
}

func (ps *partials) spareable() int64 {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var n int64
	for _, p := range ps.idle {
		if p.rests(ps.now()) {
			n += p.size
		}
	}
	return n
}

// spare drops the one that was left first, if it rests.
func (ps *partials) spare() bool {
	ps.mu.Lock()
	if len(ps.idle) == 0 || !ps.idle[0].rests(ps.now()) {
		ps.mu.Unlock()
		return false
	}
	p := ps.idle[0]
	ps.idle = slices.Delete(ps.idle, 0, 1)
	ps.mu.Unlock()
	p.drop()
	return true
}

// close closes the files, and leaves them for the next process.
func (ps *partials) close() error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	var errs []error
	for _, p := range ps.idle {
		errs = append(errs, p.file.Close())
	}
	ps.idle = nil
	return errors.Join(errs...)
}

// resume returns what is there of d, if it is of a blob of that size; else a new one, for which there is room.
func (in *intake) resume(d Digest, size int64) (*partial, error) {
	p := in.partials.take(d)
	if p != nil && p.size == size {
		return p, nil
	}
	if p != nil {
		p.drop()
	}
	return in.createPartial(d, size)
}

// sweep removes what a crash left below tempDir, but for parts of blobs that a transfer can go on with.
func (in *intake) sweep() error {
	if err := in.root.Mkdir(tempDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, err := fs.ReadDir(in.root.FS(), tempDir)
	if err != nil {
		return err
	}
	in.partials.most = partialBytes
	if in.budget.limit > 0 {
		in.partials.most = min(in.partials.most, in.budget.limit/2)
	}
	for _, e := range entries {
		if err := in.pickUp(e.Name()); err != nil {
			return err
		}
	}
	slices.SortFunc(in.partials.idle, func(a, b *partial) int { return a.used.Compare(b.used) })
	in.partials.trim()
	return nil
}

// pickUp takes in one file below tempDir, or removes it.
func (in *intake) pickUp(name string) error {
	digits, _, _ := strings.Cut(name, ".")
	if d, err := Parse(digits); err == nil && strings.HasSuffix(name, partSuffix) {
		p, err := in.openPartial(d, tempDir+"/"+name)
		if err == nil {
			in.budget.holds(p.size, p.unwritten())
			in.partials.idle = append(in.partials.idle, p)
			return nil
		}
		in.log.Info("part of a blob cannot be gone on with", "blob", d.String(), "err", err)
	}
	return in.root.RemoveAll(tempDir + "/" + name)
}

// takePart takes the next part of an upload, and returns how much of it is on disk then. When that is all, it is on the
// shelf. Its caller works on d exclusively.
func (in *intake) takePart(ctx context.Context, d Digest, span part, r io.Reader) (offset int64, err error) {
	p, err := in.resume(d, span.Total)
	if err != nil {
		return 0, err
	}
	if offset = p.offset(); span.First != offset {
		in.partials.keep(p)
		return offset, fmt.Errorf("%w: %d bytes are here", ErrOffset, offset)
	}
	for offset <= span.Last && err == nil {
		if _, n := p.span(int(offset / pieceBytes)); offset+n > span.Last+1 {
			break // no part of a piece: it would not be found again
		}
		if _, err = p.receive(ctx, int(offset/pieceBytes), r); err == nil {
			err = p.catchUp(ctx)
		}
		offset = p.offset()
	}
	switch {
	case err == nil && offset == span.Total:
		err = p.publish(ctx)
	case errors.Is(err, ErrFull):
		p.drop() // so that others have room
	default:
		in.partials.keep(p)
	}
	if err != nil && offset == span.Total {
		offset = 0
	}
	return offset, err
}
