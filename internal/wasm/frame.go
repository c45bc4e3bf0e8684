package wasm

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// The protocol between a node and its worker: frames of a little-endian uint32 length, a type byte and a payload, the length
// counting the type. Numbers are varints, strings and lists are preceded by their length. Requests are handled one at a time, so
// answers need no number; stdin data carries its run's, since a guest may end while some is on its way.
type frameType byte

const (
	frameRun  frameType = iota + 1 // node: run this
	frameLoad                      // node: the module you need is here
	frameSkip                      // node: never mind the module, the run was stopped
	frameData                      // node: some standard input, or its end

	frameNeed   // worker: I do not have this module in memory
	frameLoaded // worker: I have it now, and the guest starts
	framePull   // worker: the guest reads its standard input
	frameStdout // worker: some standard output
	frameStderr // worker: some standard error
	frameDone   // worker: the outcome
	frameBegan  // worker: the guest starts, if the node asked to be told
)

const (
	frameHeader = 5
	chunkBytes  = 64 << 10             // stdio in one frame
	maxFrame    = 2 << 20              // anything longer is a broken peer
	maxArgBytes = maxFrame - 64<<10    // arguments and environment of one run
	maxText     = 16 << 10             // trap or message of one outcome
	flushBytes  = chunkBytes / 2       // output is sent from this size on
	flushAfter  = 5 * time.Millisecond // or from this age on
)

var errFrame = errors.New("malformed frame")

// beginFrame appends a header whose length endFrame fills in.
func beginFrame(b []byte, t frameType) (frame []byte, start int) {
	return append(b, 0, 0, 0, 0, byte(t)), len(b)
}

func endFrame(b []byte, start int) []byte {
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start-4)) //nolint:gosec // frames are bounded by maxFrame
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendString(b, s)
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// frameReader reads frames; a payload is valid until the next one is read.
type frameReader struct {
	r   *bufio.Reader
	buf []byte
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, chunkBytes+frameHeader)}
}

// buffered reports whether a frame may be read without waiting.
func (f *frameReader) buffered() bool { return f.r.Buffered() > 0 }

func (f *frameReader) next() (frameType, []byte, error) {
	var h [frameHeader]byte
	if _, err := io.ReadFull(f.r, h[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(h[:])
	if n == 0 || n > maxFrame {
		return 0, nil, fmt.Errorf("%w: %d bytes", errFrame, n)
	}
	if size := int(n - 1); cap(f.buf) < size {
		f.buf = make([]byte, size)
	}
	f.buf = f.buf[:n-1]
	_, err := io.ReadFull(f.r, f.buf)
	return frameType(h[4]), f.buf, err
}

// fields takes values off a payload, remembering that one was missing.
type fields struct {
	b   []byte
	bad bool
}

func (f *fields) uint() uint64 {
	v, n := binary.Uvarint(f.b)
	if n <= 0 {
		f.bad, f.b = true, nil
		return 0
	}
	f.b = f.b[n:]
	return v
}

func (f *fields) int() int64 { return int64(f.uint()) }

func (f *fields) bytes(n uint64) []byte {
	if n > uint64(len(f.b)) {
		f.bad, f.b = true, nil
		return nil
	}
	b := f.b[:n]
	f.b = f.b[n:]
	return b
}

func (f *fields) bool() bool {
	b := f.bytes(1)
	return len(b) == 1 && b[0] != 0
}

func (f *fields) string() string { return string(f.bytes(f.uint())) }

func (f *fields) strings() []string {
	n := f.uint()
	if n > uint64(len(f.b)) { // each takes at least its length byte
		f.bad = true
		return nil
	}
	list := make([]string, 0, n)
	for range n {
		list = append(list, f.string())
	}
	return list
}

func (f *fields) err(what string) error {
	if f.bad {
		return fmt.Errorf("%s: %w", what, errFrame)
	}
	return nil
}
