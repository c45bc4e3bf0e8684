package wasm

import (
	"io"
	"sync"
	"time"

	esys "github.com/tetratelabs/wazero/experimental/sys"
)

// outbox collects frames for the node and sends many with one write: when there is much, when the oldest has waited long
// enough, and before the worker waits for anything.
type outbox struct {
	w io.Writer

	mu     sync.Mutex
	buf    []byte
	last   time.Time // of sending, or of the start of the run
	timer  *time.Timer
	ticked bool // the timer is running
}

func newOutbox(w io.Writer) *outbox { return &outbox{w: w} }

// begin marks the start of a run: what it prints in its first moments goes out together.
func (o *outbox) begin(at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = at
}

// print adds output of the guest in frames of type t.
func (o *outbox) print(t frameType, data []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(data) > 0 {
		n := min(len(data), chunkBytes)
		var start int
		o.buf, start = beginFrame(o.buf, t)
		o.buf = endFrame(append(o.buf, data[:n]...), start)
		data = data[n:]
		if len(o.buf) >= flushBytes {
			o.flushLocked()
		}
	}
	o.age()
}

// age sends what has waited long enough, and sees to it that the rest is sent even if the guest prints no more.
func (o *outbox) age() {
	switch {
	case len(o.buf) == 0:
	case now().Sub(o.last) >= flushAfter:
		o.flushLocked()
	case o.ticked:
	case o.timer == nil:
		o.ticked = true
		o.timer = time.AfterFunc(flushAfter, o.tick)
	default:
		o.ticked = true
		o.timer.Reset(flushAfter)
	}
}

func (o *outbox) tick() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ticked = false
	o.flushLocked()
}

// send adds a frame built by add and sends everything.
func (o *outbox) send(add func([]byte) []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf = add(o.buf)
	o.flushLocked()
}

func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flushLocked()
}

// flushLocked holds the lock across its write on purpose: the order of frames is the order of writes, and who else wants to
// write has to wait for the pipe in any case.
func (o *outbox) flushLocked() {
	if len(o.buf) == 0 {
		return
	}
	if _, err := o.w.Write(o.buf); err != nil {
		exitOrphan() // the node is gone, and we with it
	}
	o.buf = o.buf[:0]
	o.last = now()
}

// stream is a standard output of the guest: counted, and cut at its limit.
type stream struct {
	out       *outbox
	frame     frameType
	left      int64
	truncated bool
}

// Write sends what the limit leaves of p and says that all of it was written: the guest goes on.
func (s *stream) Write(p []byte) (int, error) {
	keep := p
	if int64(len(p)) > s.left {
		keep, s.truncated = p[:s.left], true
	}
	s.left -= int64(len(keep))
	s.out.print(s.frame, keep)
	return len(p), nil
}

// stdin is the standard input of the guest, pulled from the node when the guest reads and not before.
type stdin struct {
	w      *child
	run    uint64
	buf    []byte
	pulled bool // an answer is on its way
	ended  bool
}

// Read waits for input.
func (s *stdin) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(s.buf) == 0 && !s.ended {
		s.pull()
		s.receive()
	}
	if len(s.buf) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.buf)
	s.buf = s.buf[n:]
	return n, nil
}

// Poll waits until there is input or its end, or for the time given; below 0 without end.
func (s *stdin) Poll(flag esys.Pflag, timeoutMillis int32) (bool, esys.Errno) {
	if flag != esys.POLLIN {
		return false, esys.ENOTSUP
	}
	if len(s.buf) > 0 || s.ended {
		return true, 0
	}
	s.pull()
	if !s.w.readable(timeoutMillis) {
		return false, 0
	}
	s.receive()
	return len(s.buf) > 0 || s.ended, 0
}

func (s *stdin) pull() {
	if s.pulled {
		return
	}
	s.pulled = true
	s.w.out.send(func(b []byte) []byte { return appendEmpty(b, framePull) })
}

// receive takes one answer. What belongs to an earlier run is dropped.
func (s *stdin) receive() {
	t, payload := s.w.next()
	if t != frameData {
		exitConfused("got frame %d while waiting for standard input", t)
	}
	run, last, data, err := decodeData(payload)
	if err != nil {
		exitConfused("%v", err)
	}
	if run == s.run {
		s.buf, s.ended, s.pulled = append(s.buf[:0], data...), last, false
	}
}
