package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// stallAfter is how long a source may keep us waiting without one byte.
const stallAfter = 30 * time.Second

var errStalled = fmt.Errorf("no byte came for %s", stallAfter)

// Get brings a blob from peers that have it into a backend, which keeps it only if it hashes to d. A blob that is already
// there, or on its way there, is not asked for.
//
// A small blob is asked of one peer after the other, in one request. Of a large one pieces of 1 MiB are asked for, four at
// a time, of all peers together; a peer that fails is left out. What is on disk when a transfer is cut, or the process
// ends, is not asked for again by the next one. If the whole turns out wrong, each peer is tried alone; those that lied are
// named in the log, and in the error if none told the truth.
func (c *Client) Get(ctx context.Context, bases []string, d Digest, into Backend) error {
	in := into.arrivals()
	return in.ensure(ctx, d, func() error {
		if len(bases) == 0 {
			return fmt.Errorf("%w: there is nobody to ask", ErrNotFound)
		}
		first := c.fetching(in, d, bases)
		err := first.run(ctx, in.partials.take(d))
		if err == nil || ctx.Err() != nil || !first.doubtful(err) {
			return err
		}
		return c.fromEachAlone(ctx, first, err)
	})
}

// fromEachAlone finds out who tells the truth, after several together did not.
func (c *Client) fromEachAlone(ctx context.Context, first *fetching, together error) error {
	errs := []error{together}
	for _, s := range first.sources {
		alone := c.fetching(first.in, first.digest, []string{s.base})
		err := alone.run(ctx, nil)
		if err == nil {
			first.nameLiars(alone)
			return nil
		}
		if errors.Is(err, ErrMismatch) {
			first.accuse(s)
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// fetching brings one blob from some sources.
type fetching struct {
	client *Client
	in     *intake
	digest Digest

	mu       sync.Mutex
	sources  []*peerSource
	todo     []int // pieces that nobody brings yet
	fault    error // of our own: all stop
	conflict bool  // sources disagree about the size
	resumed  bool  // some pieces are of an earlier transfer
	size     int64
	brought  map[int]delivery // by piece
}

// delivery is who brought a piece, and what it looked like.
type delivery struct {
	by    *peerSource
	check uint32
}

// peerSource is a peer that is asked for pieces.
type peerSource struct {
	base  string
	busy  int   // pieces that it is asked for just now
	err   error // why it is left out
	final bool  // it is not worth another try
}

func (c *Client) fetching(in *intake, d Digest, bases []string) *fetching {
	f := &fetching{client: c, in: in, digest: d, brought: map[int]delivery{}}
	for _, base := range bases {
		f.sources = append(f.sources, &peerSource{base: base})
	}
	return f
}

// doubtful reports whether err may be the doing of one source, or of an earlier transfer, that spoilt what the others gave.
func (f *fetching) doubtful(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conflict || errors.Is(err, ErrMismatch) && (f.resumed || len(f.sources) > 1) && len(f.brought) > 0
}

// run brings the blob, from what there is of it already.
func (f *fetching) run(ctx context.Context, p *partial) error {
	if p == nil {
		var whole bool
		var err error
		if p, whole, err = f.begin(ctx); whole || err != nil {
			return err
		}
	} else {
		f.resumed, f.size = true, p.size
	}
	if err := f.rest(ctx, p); err != nil {
		f.leave(p, err)
		return err
	}
	err := p.publish(ctx)
	if errors.Is(err, ErrMismatch) {
		return fmt.Errorf("from %s: %w", f.names(), err)
	}
	return err
}

// leave keeps what is there of a blob for the next transfer, unless there is no room for it or it is in doubt.
func (f *fetching) leave(p *partial, err error) {
	if f.conflict || errors.Is(err, ErrFull) || len(p.missing()) == len(p.have) {
		p.drop()
		return
	}
	f.in.partials.keep(p)
}

func (f *fetching) names() string {
	if len(f.sources) == 1 {
		return f.sources[0].base
	}
	return fmt.Sprintf("%s and %d more together", f.sources[0].base, len(f.sources)-1)
}

// begin asks one source after the other for as much as may be under way. That is all of a small blob; of a large one it is
// the first pieces, and the rest is the caller's.
func (f *fetching) begin(ctx context.Context) (p *partial, whole bool, err error) {
	var errs []error
	for _, s := range f.sources {
		p, whole, err := f.beginWith(ctx, s)
		if whole || p != nil {
			return p, whole, nil
		}
		s.err, s.final = err, true
		if errs = append(errs, fmt.Errorf("from %s: %w", s.base, err)); ctx.Err() != nil {
			break
		}
	}
	return nil, false, errors.Join(errs...)
}

func (f *fetching) beginWith(ctx context.Context, s *peerSource) (p *partial, whole bool, err error) {
	asked, body, resp, err := f.ask(ctx, s, fmt.Sprintf("bytes=0-%d", largeBytes-1))
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if resp.StatusCode != http.StatusPartialContent {
		err = f.in.fillFrom(asked, f.digest, body, resp.ContentLength)
		return nil, err == nil, err
	}
	span, err := parsePart(resp.Header.Get("Content-Range"))
	if err != nil || span.First != 0 || span.size() != min(largeBytes, span.Total) {
		return nil, false, errors.Join(errors.New("the peer gives another part than it was asked for"), err)
	}
	if p, err = f.in.createPartial(f.digest, span.Total); err != nil {
		return nil, false, err
	}
	f.size = span.Total
	for i := 0; i < pieces(span.size()); i++ {
		if err := f.piece(asked, s, p, i, body); err != nil {
			f.outcome(s, i, err)
			break
		}
		if err := p.catchUp(ctx); err != nil {
			f.outcome(s, i, err)
			break
		}
	}
	return p, false, nil
}

// ask makes one request for a range. The body ends with an error when it stalls; the context ends with the body.
func (f *fetching) ask(ctx context.Context, s *peerSource, span string) (context.Context, io.ReadCloser, *http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(stallAfter, func() { cancel(errStalled) })
	resp, err := f.client.do(ctx, request{
		method: http.MethodGet, base: s.base, path: f.digest.String(), header: http.Header{"Range": {span}},
	})
	if err != nil {
		if timer.Stop(); ctx.Err() != nil {
			err = errors.Join(err, context.Cause(ctx))
		}
		cancel(nil)
		return ctx, nil, nil, err
	}
	return ctx, &watched{ReadCloser: resp.Body, timer: timer, cancel: cancel}, resp, nil
}

// watched ends a body that stalls.
type watched struct {
	io.ReadCloser
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

// Read waits for the next bytes, but not for ever.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.timer.Reset(stallAfter)
	}
	return n, err
}

// Close ends the request.
func (w *watched) Close() error {
	w.timer.Stop()
	defer w.cancel(nil)
	return w.ReadCloser.Close()
}

// piece takes piece i from r.
func (f *fetching) piece(ctx context.Context, s *peerSource, p *partial, i int, r io.Reader) error {
	check, err := p.receive(ctx, i, r)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.brought[i] = delivery{s, check}
	return nil
}

// rest brings the pieces that are missing. While that gets on, sources whose connection broke are tried again.
func (f *fetching) rest(ctx context.Context, p *partial) error {
	for {
		missing := p.missing()
		if len(missing) == 0 {
			return nil
		}
		f.round(ctx, p, missing)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if f.fault != nil {
			return f.fault
		}
		if left := len(p.missing()); left > 0 && (left == len(missing) || !f.revive()) {
			return f.failures()
		}
	}
}

// round brings pieces from the sources that are not left out, a few at a time.
func (f *fetching) round(ctx context.Context, p *partial, missing []int) {
	f.todo = missing
	var workers sync.WaitGroup
	for range flightBytes / pieceBytes {
		workers.Go(func() {
			for {
				s, i, ok := f.next()
				if !ok || ctx.Err() != nil {
					return
				}
				f.outcome(s, i, f.bring(ctx, s, p, i))
			}
		})
	}
	workers.Wait()
}

// next returns a piece to bring, and from which source: the one that is asked for least.
func (f *fetching) next() (s *peerSource, piece int, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.sources {
		if x.err == nil && (s == nil || x.busy < s.busy) {
			s = x
		}
	}
	if s == nil || len(f.todo) == 0 || f.fault != nil {
		return nil, 0, false
	}
	piece = f.todo[0]
	f.todo = f.todo[1:]
	s.busy++
	return s, piece, true
}

// outcome notes how a piece went. One that failed is somebody else's next.
func (f *fetching) outcome(s *peerSource, piece int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.busy = max(0, s.busy-1)
	if err == nil {
		return
	}
	f.todo = slices.Insert(f.todo, 0, piece)
	if _, ours := errors.AsType[*diskFault](err); ours {
		f.fault = err
		return
	}
	_, refused := errors.AsType[*StatusError](err)
	s.err, s.final = err, refused || errors.Is(err, errWrongSize) || errors.Is(err, errStalled)
	f.conflict = f.conflict || errors.Is(err, errWrongSize)
	f.in.log.Debug("source of a blob is left out", "blob", f.digest.String(), "source", s.base, "err", err)
}

var errWrongSize = errors.New("the peer has a blob of another size")

// bring asks a source for one piece.
func (f *fetching) bring(ctx context.Context, s *peerSource, p *partial, i int) (err error) {
	offset, n := p.span(i)
	want := part{offset, offset + n - 1, p.size}
	asked, body, resp, err := f.ask(ctx, s, fmt.Sprintf("bytes=%d-%d", want.First, want.Last))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	got, err := parsePart(resp.Header.Get("Content-Range"))
	if resp.StatusCode != http.StatusPartialContent || err != nil {
		return fmt.Errorf("%w, or gives no parts of it", errWrongSize)
	}
	if got.Total != want.Total {
		return fmt.Errorf("%w: %d bytes, where others have %d", errWrongSize, got.Total, want.Total)
	}
	if got != want {
		return fmt.Errorf("%w: the peer gives %s, not %s", ErrBadRequest, got, want)
	}
	if err := f.piece(asked, s, p, i, body); err != nil {
		return err
	}
	return p.catchUp(ctx) // not in the time that the source has: after a restart it takes a while
}

// revive has sources whose connection broke tried again, and reports whether there are any.
func (f *fetching) revive() bool {
	some := false
	for _, s := range f.sources {
		if !s.final {
			s.err, some = nil, true
		}
	}
	return some
}

func (f *fetching) failures() error {
	var errs []error
	for _, s := range f.sources {
		if s.err != nil {
			errs = append(errs, fmt.Errorf("from %s: %w", s.base, s.err))
		}
	}
	return errors.Join(errs...)
}

// nameLiars compares what came from several sources with what came from one that told the truth.
func (f *fetching) nameLiars(truth *fetching) {
	accused := map[*peerSource]bool{}
	for i, got := range f.brought {
		if right, ok := truth.brought[i]; f.size != truth.size || !ok || right.check != got.check {
			accused[got.by] = true
		}
	}
	for _, s := range f.sources {
		if accused[s] {
			f.accuse(s)
		}
	}
}

func (f *fetching) accuse(s *peerSource) {
	f.in.log.Warn("source gives wrong bytes for a blob", "blob", f.digest.String(), "source", s.base)
}
