package messages

import (
	"errors"
	"fmt"

	"github.com/urbancompute/ucp/internal/vclock"
)

// ErrBadStamp is wrapped by every refusal to decode a stamp. The link it came over must end: the two ends no longer
// agree on what was sent.
var ErrBadStamp = errors.New("malformed stamp")

// maxHybrid is the greatest hybrid time, as one word, that is accepted from a peer. It leaves room above what a
// NodeClock takes over, so that no stamp of an honest node is ever refused.
const maxHybrid = 1<<63 - 1

// StampDecoder reads what a StampEncoder writes, in the same order. The zero value is ready to use, by one goroutine
// at a time. Hostile bytes give an error and cost no more memory than a clock of vclock.MaxEntries.
type StampDecoder struct {
	stampState
	latest Stamp
}

// Latest is the merge of all stamps decoded since the last whole one. Merging it into the node's clock once, after the
// stamps of a batch were decoded and before their messages are delivered, makes merging each of them cheap.
func (d *StampDecoder) Latest() Stamp { return d.latest }

// Decode reads one stamp from the front of src and returns what follows it. After an error the decoder is of no use.
func (d *StampDecoder) Decode(src []byte) (s Stamp, rest []byte, err error) {
	header, rest, err := vclock.Uvarint(src)
	if err != nil {
		return Stamp{}, nil, fmt.Errorf("%w: %w", ErrBadStamp, err)
	}
	if header == stampFull {
		return Stamp{}, rest, nil
	}
	if rest, err = d.advance(header/stampKinds, int(header%stampKinds), rest); err != nil {
		return Stamp{}, nil, fmt.Errorf("%w: %w", ErrBadStamp, err)
	}
	s = Stamp{d.last, d.count}
	d.remember(s)
	return s, rest, nil
}

var (
	errNoFirst   = errors.New("the first one is not whole")
	errOwnEntry  = errors.New("its owner is among the others")
	errOutOfLine = errors.New("count or time out of bounds")
)

// advance takes the state to the next stamp, whose header carries n.
func (d *StampDecoder) advance(n uint64, kind int, src []byte) (rest []byte, err error) {
	if kind == stampFull {
		return d.restart(n-1, src)
	}
	if d.last == nil {
		return nil, errNoFirst
	}
	if rest, err = d.change(kind, src); err != nil {
		return nil, err
	}
	d.count += unzigzag(n)
	return rest, d.check()
}

func (d *StampDecoder) restart(count uint64, src []byte) (rest []byte, err error) {
	owner, src, err := vclock.DecodeKey(src)
	if err != nil {
		return nil, err
	}
	hybrid, src, err := vclock.Uvarint(src)
	if err != nil {
		return nil, err
	}
	others, rest, err := vclock.Decode(src)
	if err != nil {
		return nil, err
	}
	d.count, d.latest = count, Stamp{}
	if err := d.begin(owner, others, hybrid-count); err != nil {
		return nil, err
	}
	return rest, d.check()
}

// change reads what changed in the epoch, if anything, and begins a new one.
func (d *StampDecoder) change(kind int, src []byte) (rest []byte, err error) {
	if kind == stampSame {
		return src, nil
	}
	growth, src, err := vclock.Uvarint(src)
	if err != nil {
		return nil, err
	}
	others := d.sent
	if kind == stampWider {
		if others, src, err = others.ApplyDelta(src); err != nil {
			return nil, err
		}
	}
	return src, d.begin(d.last.owner, others, d.offset+unzigzag(growth))
}

func (d *StampDecoder) begin(owner vclock.Key, others vclock.Clock, offset uint64) error {
	if others.Get(owner) > 0 {
		return errOwnEntry
	}
	d.last = &epoch{owner: owner, others: others, offset: offset}
	d.sent, d.offset = others, offset
	return nil
}

// check refuses counts and times that no encoder gets to.
func (d *StampDecoder) check() error {
	if d.count > vclock.MaxCount || d.offset+d.count > maxHybrid {
		return errOutOfLine
	}
	return nil
}

// remember makes s the latest, unless it was overtaken by a later one. All that was sent of others is in s either way.
func (d *StampDecoder) remember(s Stamp) {
	if d.latest.IsZero() || s.hybrid() >= d.latest.hybrid() {
		d.latest = s
	}
}
