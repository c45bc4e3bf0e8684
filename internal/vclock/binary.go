package vclock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrMalformed is wrapped by every refusal to decode.
var ErrMalformed = errors.New("malformed clock")

// AppendBinary appends the canonical encoding of c to dst. Equal clocks have equal encodings. Decode reads it back
// provided that c keeps within MaxEntries and its keys are Valid.
func (c Clock) AppendBinary(dst []byte) []byte { return c.AppendDelta(dst, Clock{}) }

// Decode reads a clock from the front of src and returns what follows it. It takes only what AppendBinary writes.
func Decode(src []byte) (c Clock, rest []byte, err error) { return Clock{}.ApplyDelta(src) }

// AppendDelta appends what c knows beyond since, so that since.ApplyDelta gives since.Merge(c). An entry that since
// already has costs one to two bytes when it moved a little, since both sides can name it by its place.
//
//	delta   = uvarint(2·changed + (1 if any are added)) change* [uvarint(added) entry*]
//	change  = uvarint(2·(growth-1) + (1 if entries are skipped)) [uvarint(skipped)]    in the order of since
//	entry   = uvarint(length) node uvarint(incarnation) uvarint(count)                 in the order of keys
func (c Clock) AppendDelta(dst []byte, since Clock) []byte {
	changed, added := c.countDelta(since)
	dst = binary.AppendUvarint(dst, 2*uint64(changed)+flag(added > 0))
	if changed > 0 {
		dst = c.appendChanges(dst, since)
	}
	if added > 0 {
		dst = binary.AppendUvarint(dst, uint64(added))
		dst = c.appendAdded(dst, since)
	}
	return dst
}

func flag(set bool) uint64 {
	if set {
		return 1
	}
	return 0
}

// beyond yields the entries of c that since lacks or has a lower count of, with their place in since (len(since)
// where it has none) and the count there.
func (c Clock) beyond(since Clock, visit func(e *entry, place int, found bool)) {
	place := 0
	for i := range c.entries {
		e := &c.entries[i]
		for place < len(since.entries) && compareKeys(&since.entries[place], e) < 0 {
			place++
		}
		found := place < len(since.entries) && since.entries[place].key == e.key
		if !found || since.entries[place].count < e.count {
			visit(e, place, found)
		}
	}
}

func (c Clock) countDelta(since Clock) (changed, added int) {
	c.beyond(since, func(_ *entry, _ int, found bool) {
		if found {
			changed++
		} else {
			added++
		}
	})
	return changed, added
}

func (c Clock) appendChanges(dst []byte, since Clock) []byte {
	next := 0
	c.beyond(since, func(e *entry, place int, found bool) {
		if !found {
			return
		}
		skipped := uint64(place - next) //nolint:gosec // places only grow
		dst = binary.AppendUvarint(dst, 2*(e.count-since.entries[place].count-1)+flag(skipped > 0))
		if skipped > 0 {
			dst = binary.AppendUvarint(dst, skipped)
		}
		next = place + 1
	})
	return dst
}

func (c Clock) appendAdded(dst []byte, since Clock) []byte {
	c.beyond(since, func(e *entry, _ int, found bool) {
		if !found {
			dst = e.key.AppendBinary(dst)
			dst = binary.AppendUvarint(dst, e.count)
		}
	})
	return dst
}

// ApplyDelta reads a delta from the front of src and returns c with it applied, and what follows it. It takes only
// what AppendDelta writes for this c, within the bounds of this package, and allocates no more than the result needs.
func (c Clock) ApplyDelta(src []byte) (next Clock, rest []byte, err error) {
	header, rest, err := Uvarint(src)
	if err != nil {
		return Clock{}, nil, err
	}
	changed, more := header/2, header%2 == 1
	if changed > uint64(len(c.entries)) {
		return Clock{}, nil, fmt.Errorf("%d changes to %d entries: %w", changed, len(c.entries), ErrMalformed)
	}
	next = c
	if changed > 0 {
		if next, rest, err = c.applyChanges(rest, int(changed)); err != nil { //nolint:gosec // checked above
			return Clock{}, nil, err
		}
	}
	if more {
		return next.applyAdded(rest)
	}
	return next, rest, nil
}

func (c Clock) applyChanges(src []byte, changed int) (next Clock, rest []byte, err error) {
	entries := slices.Clone(c.entries)
	place := uint64(0)
	for range changed {
		var growth, skipped uint64
		if growth, src, err = Uvarint(src); err != nil {
			return Clock{}, nil, err
		}
		if growth%2 == 1 {
			if skipped, src, err = Uvarint(src); err != nil {
				return Clock{}, nil, err
			}
			if skipped == 0 || skipped > MaxEntries {
				return Clock{}, nil, fmt.Errorf("skips %d entries: %w", skipped, ErrMalformed)
			}
		}
		place += skipped
		if place >= uint64(len(entries)) {
			return Clock{}, nil, fmt.Errorf("change of entry %d of %d: %w", place, len(entries), ErrMalformed)
		}
		if entries[place].count += growth/2 + 1; growth/2 >= MaxCount || entries[place].count > MaxCount {
			return Clock{}, nil, fmt.Errorf("count of %s is too great: %w", entries[place].key, ErrMalformed)
		}
		place++
	}
	return Clock{entries}, src, nil
}

// leastEntry is the least number of bytes an entry takes.
const leastEntry = 4

func (c Clock) applyAdded(src []byte) (next Clock, rest []byte, err error) {
	count, src, err := Uvarint(src)
	if err != nil {
		return Clock{}, nil, err
	}
	total := count + uint64(len(c.entries))
	if count == 0 || count > uint64(len(src)/leastEntry) || total > MaxEntries {
		return Clock{}, nil, fmt.Errorf("%d new entries in %d bytes: %w", count, len(src), ErrMalformed)
	}
	added := make([]entry, count)
	for i := range added {
		if added[i], src, err = decodeEntry(src); err != nil {
			return Clock{}, nil, err
		}
		if i > 0 && added[i-1].key.Compare(added[i].key) >= 0 {
			return Clock{}, nil, fmt.Errorf("%s is out of order: %w", added[i].key, ErrMalformed)
		}
	}
	if diff := weigh(c.entries, added, nil); uint64(diff.union) != total { //nolint:gosec // a length
		return Clock{}, nil, fmt.Errorf("a new entry is already there: %w", ErrMalformed)
	}
	if len(c.entries) == 0 {
		return Clock{added}, src, nil
	}
	return Clock{join(make([]entry, 0, total), c.entries, added, nil)}, src, nil
}

func decodeEntry(src []byte) (e entry, rest []byte, err error) {
	if e.key, src, err = DecodeKey(src); err != nil {
		return entry{}, nil, err
	}
	if e.count, src, err = Uvarint(src); err != nil {
		return entry{}, nil, err
	}
	if e.count == 0 || e.count > MaxCount {
		return entry{}, nil, fmt.Errorf("count %d of %s: %w", e.count, e.key, ErrMalformed)
	}
	return e, src, nil
}

// AppendBinary appends the encoding of k to dst.
func (k Key) AppendBinary(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(k.Node)))
	dst = append(dst, k.Node...)
	return binary.AppendUvarint(dst, k.Incarnation)
}

// DecodeKey reads a key from the front of src and returns what follows it. It takes only valid keys.
func DecodeKey(src []byte) (k Key, rest []byte, err error) {
	length, src, err := Uvarint(src)
	if err != nil {
		return Key{}, nil, err
	}
	if length > MaxNode || length > uint64(len(src)) {
		return Key{}, nil, fmt.Errorf("node name of %d bytes: %w", length, ErrMalformed)
	}
	k.Node = string(src[:length])
	if k.Incarnation, src, err = Uvarint(src[length:]); err != nil {
		return Key{}, nil, err
	}
	if !k.Valid() {
		return Key{}, nil, fmt.Errorf("node name %q: %w", k.Node, ErrMalformed)
	}
	return k, src, nil
}

// Uvarint reads an unsigned varint in its shortest form from the front of src and returns what follows it.
func Uvarint(src []byte) (value uint64, rest []byte, err error) {
	value, n := binary.Uvarint(src)
	if n <= 0 || n > 1 && src[n-1] == 0 {
		return 0, nil, fmt.Errorf("bad varint: %w", ErrMalformed)
	}
	return value, src[n:], nil
}
