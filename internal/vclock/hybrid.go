package vclock

import (
	"cmp"
	"fmt"
	"time"
)

// Hybrid is a hybrid logical time (Kulkarni, Demirbas, Madappa, Avva and Leone: Logical Physical Clocks and Consistent
// Snapshots in Globally Distributed Databases, 2014). It respects causality like a Lamport clock and is, as long as
// the clocks of the machines are about right, within their error of the wall clock. The zero value is before all others.
//
// As in the paper it fits into one word: 48 bits of milliseconds and 16 bits to count what happens within one.
type Hybrid struct {
	// Wall is in milliseconds since 1970-01-01 UTC.
	Wall int64
	// Logical orders the events of one millisecond; less than 65536.
	Logical uint32
}

const (
	logicalBits = 16
	maxLogical  = 1<<logicalBits - 1
	// maxWall is in the year 10889: a clock further off is taken for this one.
	maxWall = 1<<48 - 1
)

// Compare is -1, 0 or 1 when h is before, at or after other.
func (h Hybrid) Compare(other Hybrid) int {
	return cmp.Or(cmp.Compare(h.Wall, other.Wall), cmp.Compare(h.Logical, other.Logical))
}

// Next is the time of the next event, a send or a write, after h: the wall clock (ms) if that has moved on, else h
// with the logical part counted up.
func (h Hybrid) Next(wall int64) Hybrid {
	switch {
	case wall > h.Wall:
		return Hybrid{Wall: wall}
	case h.Logical < maxLogical:
		return Hybrid{h.Wall, h.Logical + 1}
	}
	return Hybrid{Wall: h.Wall + 1}
}

// Merge is the latest of h, other and the wall clock (ms): what a node knows after it received other. The Next event
// after it is the paper's receive event.
func (h Hybrid) Merge(other Hybrid, wall int64) Hybrid {
	latest := h
	if other.Compare(latest) > 0 {
		latest = other
	}
	if wall > latest.Wall {
		latest = Hybrid{Wall: wall}
	}
	return latest
}

// Pack puts h into one word that compares as h does. Times before 1970 become the zero time.
func (h Hybrid) Pack() uint64 {
	wall := uint64(min(max(h.Wall, 0), maxWall))
	return wall<<logicalBits | uint64(min(h.Logical, maxLogical))
}

// Unpack is the inverse of Pack.
func Unpack(word uint64) Hybrid {
	return Hybrid{
		Wall:    int64(word >> logicalBits),
		Logical: uint32(word & maxLogical),
	}
}

// Time is the wall part as a time in UTC.
func (h Hybrid) Time() time.Time { return time.UnixMilli(h.Wall).UTC() }

// String is the time in RFC 3339 with the logical part behind: 2026-01-02T15:04:05.678Z+3.
func (h Hybrid) String() string {
	return fmt.Sprintf("%s+%d", h.Time().Format("2006-01-02T15:04:05.000Z07:00"), h.Logical)
}
