package link

import "sync"

// Lane is one of the two ordered queues to a peer. Messages of one lane arrive
// in the order they were sent; an urgent message overtakes all normal ones that
// have not left yet.
type Lane int

// The lanes.
const (
	Normal Lane = iota
	Urgent
	lanes = 2
)

// String names the lane.
func (l Lane) String() string {
	if l == Urgent {
		return "urgent"
	}
	return "normal"
}

const (
	// batchBytes is when a batch is full. One record more may be in it.
	batchBytes = 64 << 10
	// batchItems is when a batch is full of tiny records.
	batchItems = maxRecords / 2
)

// batch is a frame in the making, and what was put in it.
type batch struct {
	buf   *[]byte // nil once it was handed to the carrier
	items []item
	cost  int // bytes counted against the queue's bound
}

// batches keeps the slices of items: a busy link fills hundreds a second.
var batches = sync.Pool{New: func() any { return new(batch) }}

// newBatch returns an empty batch for a lane.
func newBatch(at Lane) *batch {
	b := batches.Get().(*batch)
	b.buf = buffers.Get(1)
	(*b.buf)[0] = byte(frameNormal + int(at)) //nolint:gosec // 0 or 1
	return b
}

// recycle gives back a batch that was sent and confirmed.
func (b *batch) recycle() {
	clear(b.items)
	*b = batch{items: b.items[:0]}
	batches.Put(b)
}

// full says that an item of that size goes into another batch. On a slow link batches are small, so that none has to be cut.
func (b *batch) full(more, piece int) bool {
	return len(b.items) == batchItems || len(b.items) > 0 && len(*b.buf)+more > min(batchBytes, piece)
}

// queue is the state of one lane to a peer.
//
//	put → open → sealed → (credit) cut → sent, unacked → acknowledged
type queue struct {
	enc      encoder
	sealed   []*batch // full, waiting for credit
	open     *batch   // being filled
	cut      *batch   // being sent in pieces
	done     int      // bytes of cut that were sent
	unacked  []flight // sent, not confirmed
	cost     int      // of all of the above
	inFlight int      // bytes of unacked
}

// room returns the open batch, which has room for an item of that size.
func (q *queue) room(at Lane, size, piece int) *batch {
	if q.open != nil && q.open.full(size, piece) {
		q.sealed, q.open = append(q.sealed, q.open), nil
	}
	if q.open == nil {
		q.open = newBatch(at)
	}
	return q.open
}

// size returns how long the next frame is, 0 if there is none.
func (q *queue) size(piece int) int {
	switch b := q.head(); {
	case q.cut != nil:
		return min(1+len(*q.cut.buf)-q.done, piece)
	case b != nil:
		return min(len(*b.buf), piece)
	}
	return 0
}

// head is the batch that is next when none is being cut.
func (q *queue) head() *batch {
	if len(q.sealed) > 0 {
		return q.sealed[0]
	}
	return q.open
}

// next returns the frame to send now: a batch, or a piece of one that is longer than piece, and the batch that it ends. The credit allows for it.
func (q *queue) next(at Lane, piece int) (frame *[]byte, ends *batch) {
	if q.cut == nil {
		b := q.pop()
		if len(*b.buf) <= piece {
			frame, b.buf = b.buf, nil
			return frame, b
		}
		q.cut, q.done = b, 1 // each piece has a head of its own
	}
	b := q.cut
	n := min(len(*b.buf)-q.done, piece-1)
	frame = buffers.Get(1)
	(*frame)[0] = byte(frameNormal + int(at)) //nolint:gosec // 0 or 1
	*frame = append(*frame, (*b.buf)[q.done:q.done+n]...)
	if q.done += n; q.done < len(*b.buf) {
		(*frame)[0] |= frameMore
		return frame, nil
	}
	buffers.Put(b.buf)
	b.buf, q.cut = nil, nil
	return frame, b
}

func (q *queue) pop() *batch {
	b := q.head()
	if len(q.sealed) == 0 {
		q.open = nil
		return b
	}
	q.sealed[0] = nil
	q.sealed = q.sealed[1:]
	return b
}

// sent notes a frame that is under way.
func (q *queue) sent(f flight) {
	q.inFlight += f.size
	q.unacked = append(q.unacked, f)
}

// confirm forgets the oldest n frames and tells each. It reports whether there were as many.
func (q *queue) confirm(n uint64, each func(flight)) bool {
	if n > uint64(len(q.unacked)) {
		return false
	}
	for i, f := range q.unacked[:n] {
		q.inFlight -= f.size
		each(f)
		q.unacked[i] = flight{}
		if f.batch != nil {
			q.cost -= f.batch.cost
			f.batch.recycle()
		}
	}
	if q.unacked = q.unacked[n:]; len(q.unacked) == 0 {
		q.unacked = nil
	}
	return true
}

func (q *queue) empty() bool {
	return q.open == nil && len(q.sealed) == 0 && q.cut == nil && len(q.unacked) == 0
}
