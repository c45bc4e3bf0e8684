package blob

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// digestPrefix may stand before the hex digits of a digest; String leaves it out.
const digestPrefix = "sha256:"

// Digest is the SHA-256 of a blob's bytes, and its name.
type Digest [sha256.Size]byte

// Sum returns the digest of data.
func Sum(data []byte) Digest {
	return sha256.Sum256(data)
}

// Parse reads a digest from 64 hex digits of either case, with or without "sha256:" before them.
// Everything else is refused with ErrBadDigest.
func Parse(s string) (Digest, error) {
	var d Digest
	digits := strings.TrimPrefix(s, digestPrefix)
	if len(digits) != hex.EncodedLen(len(d)) {
		return Digest{}, fmt.Errorf("%w: %.80q has %d characters, not 64", ErrBadDigest, digits, len(digits))
	}
	if _, err := hex.Decode(d[:], []byte(digits)); err != nil {
		return Digest{}, fmt.Errorf("%w: %q: %w", ErrBadDigest, digits, err)
	}
	return d, nil
}

// String returns the digest as 64 lower-case hex digits.
func (d Digest) String() string {
	return hex.EncodeToString(d[:])
}

// Short returns the first 12 hex digits, for logs and tables.
func (d Digest) Short() string {
	return hex.EncodeToString(d[:6])
}

// Compare orders digests as their texts are ordered.
func (d Digest) Compare(other Digest) int {
	return bytes.Compare(d[:], other[:])
}

// IsZero reports whether d names nothing: no known bytes hash to zero.
func (d Digest) IsZero() bool {
	return d == Digest{}
}
