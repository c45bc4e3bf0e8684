package blob

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	// offsetHeader says how much of an upload is on the peer's disk, in bytes from its start on.
	offsetHeader = "Upload-Offset"
	// maxAsked bounds the digests of one question.
	maxAsked = 16 << 10
	// maxSources and maxSourcesText bound the places that a peer is told to copy from.
	maxSources     = 32
	maxSourcesText = 16 << 10
)

// part is the bytes from First to Last, both included, of Total.
type part struct{ First, Last, Total int64 }

func (p part) size() int64 { return p.Last - p.First + 1 }

func (p part) String() string { return fmt.Sprintf("bytes %d-%d/%d", p.First, p.Last, p.Total) }

// parsePart reads a Content-Range of RFC 9110 that is wholly known.
func parsePart(text string) (part, error) {
	bad := fmt.Errorf("%w: Content-Range %.80q is not bytes FIRST-LAST/TOTAL", ErrBadRequest, text)
	span, ok := strings.CutPrefix(text, "bytes ")
	if !ok {
		return part{}, bad
	}
	first, rest, _ := strings.Cut(span, "-")
	last, total, _ := strings.Cut(rest, "/")
	p := part{number(first), number(last), number(total)}
	if p.First < 0 || p.Last < p.First || p.Total <= p.Last {
		return part{}, bad
	}
	return p, nil
}

// number reads digits and nothing but digits; -1 if they are not.
func number(text string) int64 {
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || strings.HasPrefix(text, "+") {
		return -1
	}
	return int64(n) // it has 63 bits
}

// errRange says that a range lies outside.
var errRange = errors.New("range outside of the blob")

// parseRange reads a Range of RFC 9110 for a blob of size bytes. It is the whole if the text is empty, not understood or
// asks for several parts, or the blob is empty, for it may be ignored; a range that begins behind the end is errRange.
func parseRange(text string, size int64) (offset, n int64, err error) {
	first, last, ok := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	from, to := number(first), number(last)
	switch {
	case !strings.HasPrefix(text, "bytes=") || !ok || size == 0:
		return 0, size, nil
	case first == "" && to >= 0: // the last bytes
		if to == 0 {
			return 0, 0, errRange
		}
		return max(0, size-to), min(to, size), nil
	case last == "":
		to = math.MaxInt64
	}
	if from < 0 || to < from {
		return 0, size, nil
	}
	if from >= size {
		return 0, 0, errRange
	}
	return from, min(to, size-1) - from + 1, nil
}

// readOffset reads how much of an upload a peer has; 0 if it does not say, or makes no sense.
func readOffset(h http.Header) int64 {
	return max(0, number(h.Get(offsetHeader)))
}

// offsetIn returns how much of an upload a peer has that refused with err.
func offsetIn(err error) int64 {
	if refused, ok := errors.AsType[*StatusError](err); ok {
		return refused.offset
	}
	return 0
}

// readSources reads the bases of peers, one a line.
func readSources(r io.Reader) ([]string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSourcesText+1))
	if err != nil {
		return nil, err
	}
	from := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(text) > maxSourcesText || len(from) > maxSources {
		return nil, fmt.Errorf("%w: more than %d places to copy from, or %s of text", ErrBadRequest, maxSources, bytesText(maxSourcesText))
	}
	for _, base := range from {
		if u, err := url.Parse(base); err != nil || u.Scheme != "http" || u.Host == "" {
			return nil, fmt.Errorf("%w: %.80q is no place to copy from", ErrBadRequest, base)
		}
	}
	return from, nil
}

// readDigests reads digests of 32 bytes each.
func readDigests(r io.Reader) ([]Digest, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxAsked*int64(len(Digest{}))+1))
	if err != nil {
		return nil, err
	}
	if len(raw)%len(Digest{}) != 0 || len(raw) > maxAsked*len(Digest{}) {
		return nil, fmt.Errorf("%w: %d bytes are not digests of %d bytes, or more than %d of them", ErrBadRequest, len(raw), len(Digest{}), maxAsked)
	}
	all := make([]Digest, len(raw)/len(Digest{}))
	for i := range all {
		copy(all[i][:], raw[i*len(Digest{}):])
	}
	return all, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum tells pieces apart that differ by accident. It proves nothing.
func checksum(before uint32, p []byte) uint32 { return crc32.Update(before, castagnoli, p) }
