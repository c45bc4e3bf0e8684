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
	size  int // bytes on the wire, once sent
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

func (b *batch) full(more int) bool {
	return len(b.items) == batchItems || len(b.items) > 0 && len(*b.buf)+more > batchBytes
}

// queue is the state of one lane to a peer.
//
//	put → open → sealed → (credit) sent, unacked → acknowledged
type queue struct {
	enc      encoder
	sealed   []*batch // full, waiting for credit
	open     *batch   // being filled
	unacked  []*batch // sent, not confirmed
	cost     int      // of all of the above
	inFlight int      // bytes of unacked
}

// room returns the open batch, which has room for an item of that size.
func (q *queue) room(at Lane, size int) *batch {
	if q.open != nil && q.open.full(size) {
		q.sealed, q.open = append(q.sealed, q.open), nil
	}
	if q.open == nil {
		q.open = newBatch(at)
	}
	return q.open
}

// next returns the batch to send now, if the credit allows for it.
func (q *queue) next(window int) *batch {
	b := q.open
	if len(q.sealed) > 0 {
		b = q.sealed[0]
	}
	if b == nil || q.inFlight > 0 && q.inFlight+len(*b.buf) > window {
		return nil
	}
	if b == q.open {
		q.open = nil
	} else {
		q.sealed[0] = nil
		q.sealed = q.sealed[1:]
	}
	b.size = len(*b.buf)
	q.inFlight += b.size
	q.unacked = append(q.unacked, b)
	return b
}

// confirm forgets the oldest n batches. It reports whether there were as many.
func (q *queue) confirm(n uint64) bool {
	if n > uint64(len(q.unacked)) {
		return false
	}
	for i, b := range q.unacked[:n] {
		q.inFlight -= b.size
		q.cost -= b.cost
		q.unacked[i] = nil
		b.recycle()
	}
	if q.unacked = q.unacked[n:]; len(q.unacked) == 0 {
		q.unacked = nil
	}
	return true
}

func (q *queue) empty() bool { return q.open == nil && len(q.sealed) == 0 && len(q.unacked) == 0 }
