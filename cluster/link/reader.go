package link

import "encoding/binary"

// reader takes values from the front of bytes that a peer sent. After the first
// value that is not there, or greater than it may be, it is bad for good and
// returns zero values.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() { r.b, r.bad = nil, true }

func (r *reader) octet() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// uvarint takes a number of at most limit.
func (r *reader) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) uint32() uint32 { return uint32(r.uvarint(1<<32 - 1)) } //nolint:gosec // bounded

// bytes takes a counted string of at most limit bytes, which aliases the input.
func (r *reader) bytes(limit int) []byte {
	n := int(r.uvarint(uint64(limit))) //nolint:gosec // bounded
	if n > len(r.b) {
		r.fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) string(limit int) string { return string(r.bytes(limit)) }

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}
