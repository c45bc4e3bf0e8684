package messages

import (
	"encoding/binary"

	"github.com/urbancompute/ucp/internal/vclock"
)

// The kinds of encoded stamps, in the lowest two bits of their first varint. The rest of it is, but for stampFull, the
// growth of the owner's count since the last stamp, as a signed number in zigzag form.
//
//	stamp = uvarint(growth·4 + kind) …
//	        stampSame                                            nothing else has changed
//	        stampLater  uvarint(offset's growth, zigzag)         the epoch's time offset has
//	        stampWider  uvarint(offset's growth, zigzag) delta   and entries have, see vclock.Clock.AppendDelta
//	        stampFull   owner uvarint(hybrid) clock              with count+1 in place of the growth; 0 means no stamp
const (
	stampSame = iota
	stampLater
	stampWider
	stampFull
	stampKinds = 4
)

// StampEncoder writes the stamps of one node for one peer, each as what has changed since the last one: the technique
// of Singhal and Kshemkalyani (An efficient implementation of vector clocks, 1992), with the entries named by their
// place in what was sent before. It must see every stamp of the link in the order of its frames; a new connection
// needs a new encoder and a new decoder. The zero value is ready to use, by one goroutine at a time.
//
// Stamps may be written out of order, when an urgent message overtakes others. The owner's count and the hybrid time
// are always exact. The entries of other nodes that the peer was already sent are not taken back: the decoded stamp
// knows at least what the stamp knew, and at most what was sent so far, which the peer has merged anyway.
type StampEncoder struct {
	stampState
}

// stampState is what both ends of a link know of the stamps that crossed it.
type stampState struct {
	last   *epoch // the encoder's: of the last stamp; the decoder's: its own copy
	sent   vclock.Clock
	count  uint64
	offset uint64
}

// Append appends the encoding of s to dst. Consecutive stamps that share an epoch take one to three bytes.
func (e *StampEncoder) Append(dst []byte, s Stamp) []byte {
	switch {
	case s.IsZero():
		return append(dst, stampFull)
	case s.epoch == e.last:
		dst = e.appendHeader(dst, s, stampSame)
	case e.last == nil || e.last.owner != s.epoch.owner:
		dst = e.appendFull(dst, s)
	default:
		dst = e.appendChanges(dst, s)
	}
	e.count = s.count
	return dst
}

func (e *StampEncoder) appendHeader(dst []byte, s Stamp, kind uint64) []byte {
	return binary.AppendUvarint(dst, zigzag(s.count-e.count)*stampKinds+kind)
}

func (e *StampEncoder) appendChanges(dst []byte, s Stamp) []byte {
	sent, widened := e.sent.MergeIf(s.epoch.others, nil)
	switch {
	case sent.Len() > vclock.MaxEntries: // it holds nodes that the owner no longer counts
		return e.appendFull(dst, s)
	case widened:
		dst = e.appendHeader(dst, s, stampWider)
		dst = binary.AppendUvarint(dst, zigzag(s.epoch.offset-e.offset))
		dst = s.epoch.others.AppendDelta(dst, e.sent)
	case s.epoch.offset != e.offset:
		dst = e.appendHeader(dst, s, stampLater)
		dst = binary.AppendUvarint(dst, zigzag(s.epoch.offset-e.offset))
	default:
		dst = e.appendHeader(dst, s, stampSame)
	}
	e.last, e.sent, e.offset = s.epoch, sent, s.epoch.offset
	return dst
}

func (e *StampEncoder) appendFull(dst []byte, s Stamp) []byte {
	dst = binary.AppendUvarint(dst, (s.count+1)*stampKinds+stampFull)
	dst = s.epoch.owner.AppendBinary(dst)
	dst = binary.AppendUvarint(dst, s.hybrid())
	dst = s.epoch.others.AppendBinary(dst)
	e.last, e.sent, e.offset = s.epoch, s.epoch.others, s.epoch.offset
	return dst
}

// zigzag maps a difference of two words to a number that is small if the difference is near zero on either side.
func zigzag(difference uint64) uint64 { return difference<<1 ^ -(difference >> 63) }

// unzigzag is the inverse of zigzag.
func unzigzag(n uint64) uint64 { return n>>1 ^ -(n & 1) }
