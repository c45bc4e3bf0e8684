package messages

import (
	"sync/atomic"

	"github.com/urbancompute/ucp/internal/vclock"
)

// Stamp is the vector clock and the hybrid time of one message. It is an immutable value of two words. The zero Stamp
// is no stamp, which is what clients send.
type Stamp struct {
	epoch *epoch
	count uint64
}

// epoch is what successive stamps of one node have in common: all but their own count.
type epoch struct {
	// owner is the node that stamped, as its clock counts it.
	owner vclock.Key
	// others is what the owner knew of all other nodes.
	others vclock.Clock
	// offset is the hybrid time of a stamp, as one word, less its count. Within an epoch both grow in step.
	offset uint64
	// clock is the NodeClock that made the epoch, nil if it came over a link.
	clock *NodeClock
	// covered is who merged stamps of this epoch last, and up to which.
	covered atomic.Pointer[coverage]
}

// IsZero reports whether s is no stamp.
func (s Stamp) IsZero() bool { return s.epoch == nil }

// Owner is the node and incarnation that stamped the message.
func (s Stamp) Owner() vclock.Key {
	if s.IsZero() {
		return vclock.Key{}
	}
	return s.epoch.owner
}

// Count is the owner's own count: with Owner it names the message.
func (s Stamp) Count() uint64 { return s.count }

// Clock is the whole vector clock. It is put together on each call.
func (s Stamp) Clock() vclock.Clock {
	if s.IsZero() {
		return vclock.Clock{}
	}
	return s.epoch.others.With(s.epoch.owner, s.count)
}

// Hybrid is the hybrid logical time of the stamp.
func (s Stamp) Hybrid() vclock.Hybrid {
	if s.IsZero() {
		return vclock.Hybrid{}
	}
	return vclock.Unpack(s.hybrid())
}

// hybrid is the hybrid time as one word.
func (s Stamp) hybrid() uint64 { return s.epoch.offset + s.count }

// String prints the clock, {b1:3 b2:7}.
func (s Stamp) String() string { return s.Clock().String() }

// Stamped is a message with its stamp, as it lies in mailboxes and on its way to a link. It is not changed once made:
// it may be read by several.
type Stamped struct {
	Stamp   Stamp
	Message any
}

// Unstamp is the message inside, if m is a *Stamped, and m itself otherwise. It is for those who see messages as they
// travel: actors without stamping middleware, subscribers to dead letters, futures whose answer came over a link.
func Unstamp(m any) any {
	if stamped, ok := m.(*Stamped); ok {
		return stamped.Message
	}
	return m
}
