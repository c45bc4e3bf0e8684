// Package canon is the canonical binary encoding of replicated values: unsigned varints, and byte strings with their length before
// them, in a fixed order. One value has exactly one encoding, so equal hashes of encodings mean equal values. Protobuf makes no such
// promise, which is why records carry these bytes inside its messages.
package canon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// ErrMalformed is wrapped by every decoding error.
var ErrMalformed = errors.New("malformed encoding")

// AppendUint appends v.
func AppendUint[T ~uint8 | ~uint32 | ~uint64](b []byte, v T) []byte {
	return binary.AppendUvarint(b, uint64(v))
}

// AppendBool appends v as 0 or 1.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendString appends s with its length before it.
func AppendString[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendDuration appends d in nanoseconds. Negative durations are not representable and become 0.
func AppendDuration(b []byte, d time.Duration) []byte { return AppendUint(b, uint64(max(d, 0))) }

// AppendList appends the number of items and then each of them.
func AppendList[T any](b []byte, items []T, item func([]byte, T) []byte) []byte {
	b = AppendUint(b, uint64(len(items)))
	for _, it := range items {
		b = item(b, it)
	}
	return b
}

// Reader takes values off an encoding in the order they were appended. After the first error every further value is zero; ask Err once at
// the end.
type Reader struct {
	b   []byte
	err error
}

// NewReader returns a Reader of b, which must not change while it is read. Decoded byte strings are copies.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err returns what went wrong, or an error if bytes are left over.
func (r *Reader) Err() error {
	if r.err == nil && len(r.b) > 0 {
		return fmt.Errorf("%d bytes left over: %w", len(r.b), ErrMalformed)
	}
	return r.err
}

// More says whether there are values left to take.
func (r *Reader) More() bool { return len(r.b) > 0 }

// Fail ends the reading: what was read last is well formed and yet not what is written there, such as a second encoding of something.
func (r *Reader) Fail(what string) { r.fail(what) }

func (r *Reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w", what, ErrMalformed)
	}
	r.b = nil
}

// Uint takes an unsigned number of at most bits bits. A number that is not in its shortest form is refused: it would be a second encoding.
func (r *Reader) Uint(bits int) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || (n > 1 && r.b[n-1] == 0) || (bits < 64 && v>>bits != 0) {
		r.fail("number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Uint32 takes a number of at most 32 bits.
func (r *Reader) Uint32() uint32 { return uint32(r.Uint(32)) } //nolint:gosec // Uint checks the bits

// Uint64 takes a number of at most 64 bits.
func (r *Reader) Uint64() uint64 { return r.Uint(64) }

// Byte takes a number of at most 8 bits.
func (r *Reader) Byte() uint8 { return uint8(r.Uint(8)) } //nolint:gosec // Uint checks the bits

// Bool takes a truth value.
func (r *Reader) Bool() bool {
	v := r.Uint(8)
	if v > 1 {
		r.fail("truth value")
	}
	return v == 1
}

// Bytes takes a byte string; nil if it is empty.
func (r *Reader) Bytes() []byte {
	n := r.Uint64()
	if n > uint64(len(r.b)) {
		r.fail("byte string")
		return nil
	}
	if n == 0 {
		return nil
	}
	s := append([]byte(nil), r.b[:n]...)
	r.b = r.b[n:]
	return s
}

// String takes a byte string as text.
func (r *Reader) String() string {
	n := r.Uint64()
	if n > uint64(len(r.b)) {
		r.fail("text")
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// Duration takes a duration.
func (r *Reader) Duration() time.Duration {
	v := r.Uint64()
	if v > uint64(1<<63-1) {
		r.fail("duration")
		return 0
	}
	return time.Duration(v)
}

// Fixed fills dst with the bytes of a fixed-size value.
func (r *Reader) Fixed(dst []byte) {
	if len(r.b) < len(dst) {
		r.fail("fixed-size value")
		return
	}
	copy(dst, r.b)
	r.b = r.b[len(dst):]
}

// List takes a list whose every item is at least one byte long; nil if it is empty.
func List[T any](r *Reader, item func(*Reader) T) []T {
	n := r.Uint64()
	if n > uint64(len(r.b)) {
		r.fail("list")
		return nil
	}
	if n == 0 {
		return nil
	}
	items := make([]T, 0, min(n, 1024))
	for range n {
		items = append(items, item(r))
		if r.err != nil {
			return nil
		}
	}
	return items
}
