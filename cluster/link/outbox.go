package link

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/messages"
)

// Why a message was not sent. Errors wrap these.
var (
	// ErrNotConnected says that there is no link to the node.
	ErrNotConnected = errors.New("not connected")
	// ErrBusy says that the queue to the peer is full.
	ErrBusy = errors.New("queue is full")
	// ErrTooLarge says that a message is larger than a frame may be.
	ErrTooLarge = errors.New("too large for a frame")
	// ErrNotSendable says that a message is none that may cross a link.
	ErrNotSendable = errors.New("cannot cross a link")
)

// outbox is what one node has to say to one peer over one connection: two lanes,
// bounded, with credit, and the confirmations for what the peer said. It does
// no I/O: the writer takes batches from it.
type outbox struct {
	limits Limits
	clock  *messages.NodeClock
	now    func() time.Time
	wake   chan struct{} // tells the writer to look again

	mu       sync.Mutex
	pace     pace
	lanes    [lanes]queue
	acks     [lanes]uint64 // to confirm
	ackBytes int           // received since the last confirmation
	ackDue   bool          // confirm also when there is nothing else to send
	ackTimed bool          // confirmNow will be called
	last     [][]byte      // frames sent when all else is sent and confirmed
	idle     bool          // the writer waits for wake
	closed   error
}

func newOutbox(limits Limits, clock *messages.NodeClock, now func() time.Time) *outbox {
	return &outbox{limits: limits, clock: clock, now: now, pace: newPace(limits.Window), wake: make(chan struct{}, 1)}
}

// put queues an item, with its stamp or a new one. It never blocks. The error
// is ErrBusy, ErrTooLarge, ErrNotSendable or why the outbox was closed. An
// overflow of system records is fatal: the session must end, because it can
// keep its promises no longer.
func (o *outbox) put(at Lane, it *item, stamp messages.Stamp) (fatal bool, err error) {
	size, err := o.measure(it)
	if err != nil {
		return false, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed != nil {
		return false, o.closed
	}
	q := &o.lanes[at]
	if bound := o.bound(at, it); q.cost+size+itemBytes > bound {
		return it.system(), fmt.Errorf("%s %w: %d of %d bytes", at, ErrBusy, q.cost, bound)
	}
	b := q.room(at, size, o.pace.piece())
	if stamp.IsZero() && o.clock != nil {
		stamp = o.clock.Tick()
	}
	before := len(*b.buf)
	if *b.buf, err = q.enc.append(*b.buf, it, stamp); err != nil {
		return false, fmt.Errorf("%w: %w", ErrNotSendable, err)
	}
	b.items = append(b.items, *it)
	cost := len(*b.buf) - before + itemBytes
	b.cost += cost
	q.cost += cost
	o.signal()
	return false, nil
}

// measure bounds the encoded size of an item.
func (o *outbox) measure(it *item) (int, error) {
	size := recordBytes + len(it.target) + len(it.sender) + len(it.text)
	if it.kind == kindUser {
		size += proto.Size(it.message)
	}
	if size > o.limits.Frame {
		return 0, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, o.limits.Frame)
	}
	if len(it.target) > maxID || len(it.sender) > maxID {
		return 0, fmt.Errorf("%w: actor name of more than %d bytes", ErrTooLarge, maxID)
	}
	return size, nil
}

// bound is how much may be queued. System records have as much again.
func (o *outbox) bound(at Lane, it *item) int {
	bound := o.limits.Queue
	if at == Urgent {
		bound = o.limits.UrgentQueue
	}
	if it.system() {
		bound *= 2
	}
	return bound
}

// signal wakes the writer if it waits. The caller holds mu.
func (o *outbox) signal() {
	if o.idle {
		o.idle = false
		o.wake <- struct{}{} // there is room: the writer takes it before it is idle again
	}
}

// take returns the next frame to send: urgent before normal, confirmations
// with either, or alone when they are due. It returns nil when there is nothing
// to send now; the writer then waits for wake.
func (o *outbox) take() (frame *[]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for at := Urgent; at >= Normal; at-- {
		q, piece := &o.lanes[at], o.pace.piece()
		size := q.size(piece)
		if size == 0 || q.inFlight > 0 && q.inFlight+size > o.pace.window {
			continue
		}
		if o.ackDue && q.cut != nil { // it is long until a frame comes that they could ride on
			return o.confirmation()
		}
		return o.frame(at, q, piece)
	}
	if o.ackDue {
		return o.confirmation()
	}
	if len(o.last) > 0 && o.lanes[Urgent].empty() && o.lanes[Normal].empty() {
		last := o.last[0]
		o.last = o.last[1:]
		return &last
	}
	o.idle = true
	return nil
}

// frame takes the next frame of a lane.
func (o *outbox) frame(at Lane, q *queue, piece int) *[]byte {
	now := o.now()
	idle := o.lanes[Normal].inFlight+o.lanes[Urgent].inFlight == 0
	frame, ends := q.next(at, piece)
	f := flight{batch: ends, size: len(*frame), sent: now, arrived: o.pace.arrived}
	more := q.size(piece)
	f.full = more > 0 && q.inFlight+f.size+more > o.pace.window
	if f.prompt = f.full || idle && o.pace.probes(now); f.prompt {
		(*frame)[0] |= framePrompt
	}
	q.sent(f)
	if ends != nil {
		*frame = o.appendDueAcks(*frame)
	}
	return frame
}

// confirmation is a frame that carries nothing else.
func (o *outbox) confirmation() *[]byte {
	frame := buffers.Get(1)
	(*frame)[0] = frameControl
	*frame = o.appendDueAcks(*frame)
	return frame
}

func (o *outbox) appendDueAcks(dst []byte) []byte {
	if o.ackBytes > 0 {
		dst = appendAcks(dst, o.acks)
		o.acks, o.ackBytes = [lanes]uint64{}, 0
	}
	o.ackDue = false
	return dst
}

// received notes that a frame of the peer was handled, to be confirmed, at once
// if it is prompt. It reports whether the caller must see to confirmNow being
// called after a while.
func (o *outbox) received(at Lane, size int, prompt bool) (first bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first, o.ackTimed = !o.ackTimed, true
	o.acks[at]++
	if o.ackBytes += size; prompt || o.ackBytes >= o.limits.Window/4 {
		o.ackDue = true
		o.signal()
	}
	return first
}

// confirmNow makes confirmations due that have waited for company long enough.
func (o *outbox) confirmNow() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ackTimed = false
	if o.ackBytes > 0 {
		o.ackDue = true
		o.signal()
	}
}

// confirmed forgets what the peer has handled.
func (o *outbox) confirmed(acks [lanes]uint64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now()
	for at, n := range acks {
		arrived := func(f flight) {
			o.pace.arrived += uint64(f.size)
			o.pace.confirmed(f, now)
		}
		if !o.lanes[at].confirm(n, arrived) {
			return fmt.Errorf("%w: confirms what was not sent", errMalformed)
		}
	}
	o.signal()
	return nil
}

// finish takes nothing more, for the reason given if it is the first, and lets
// the writer send frame once everything before it was confirmed.
func (o *outbox) finish(frame []byte, reason error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed == nil {
		o.closed = reason
	}
	o.last = append(o.last, frame)
	o.signal()
}

// leftover is an item that the peer has not confirmed.
type leftover struct {
	item
	sent bool // it may have arrived
}

// drain closes the outbox and returns what it holds, in order.
func (o *outbox) drain(reason error) (left []leftover) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed, o.last = reason, nil
	for at := range o.lanes {
		q := &o.lanes[at]
		for _, f := range q.unacked {
			if f.batch != nil {
				left = appendLeft(left, f.batch, true)
			}
		}
		if q.cut != nil { // its end has not left
			left = appendLeft(left, q.cut, false)
		}
		for _, b := range q.sealed {
			left = appendLeft(left, b, false)
		}
		if q.open != nil {
			left = appendLeft(left, q.open, false)
		}
		*q = queue{}
	}
	return left
}

func appendLeft(left []leftover, b *batch, sent bool) []leftover {
	for _, it := range b.items {
		left = append(left, leftover{item: it, sent: sent})
	}
	return left
}

// held returns how many bytes count against the bounds.
func (o *outbox) held() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.lanes[Normal].cost + o.lanes[Urgent].cost
}
