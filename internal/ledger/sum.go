package ledger

import "math/bits"

// Three odd numbers without a pattern; all brokers must use the same.
const (
	mixA = 0x9e3779b97f4a7c15
	mixB = 0xd1342543de82ef95
	mixC = 0xaf251af3b0f025b5
)

// sum64 digests b: 64 bits against accidents, not against malice. Brokers compare these sums, so it never changes.
func sum64[T ~string | ~[]byte](seed uint64, b T) uint64 {
	h := seed ^ mixA
	i := 0
	for ; i+8 <= len(b); i += 8 {
		h = mix(h^word(b[i:i+8]), mixB)
	}
	tail := uint64(0)
	for shift := 0; i < len(b); i, shift = i+1, shift+8 {
		tail |= uint64(b[i]) << shift
	}
	return mix(mix(h^tail, mixB)^uint64(len(b)), mixC)
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func word[T ~string | ~[]byte](b T) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}
