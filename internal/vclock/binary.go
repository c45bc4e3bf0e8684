package vclock

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unique"
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

// beyond calls visit for each entry i of c that since lacks or has a lower count of, with its place in since, which
// has its key if found.
func (c Clock) beyond(since Clock, visit func(i, place int, found bool)) {
	place := 0
	for i := range c.keys {
		for place < len(since.keys) && since.keys[place] != c.keys[i] && since.keys[place].Compare(c.keys[i]) < 0 {
			place++
		}
		found := place < len(since.keys) && since.keys[place] == c.keys[i]
		if !found || since.counts[place] < c.counts[i] {
			visit(i, place, found)
		}
		if found {
			place++
		}
	}
}

func (c Clock) countDelta(since Clock) (changed, added int) {
	c.beyond(since, func(_, _ int, found bool) {
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
	c.beyond(since, func(i, place int, found bool) {
		if !found {
			return
		}
		skipped := uint64(place - next)
		dst = binary.AppendUvarint(dst, 2*(c.counts[i]-since.counts[place]-1)+flag(skipped > 0))
		if skipped > 0 {
			dst = binary.AppendUvarint(dst, skipped)
		}
		next = place + 1
	})
	return dst
}

func (c Clock) appendAdded(dst []byte, since Clock) []byte {
	c.beyond(since, func(i, _ int, found bool) {
		if !found {
			dst = c.keys[i].AppendBinary(dst)
			dst = binary.AppendUvarint(dst, c.counts[i])
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
	if changed > uint64(len(c.keys)) {
		return Clock{}, nil, fmt.Errorf("%d changes to %d entries: %w", changed, len(c.keys), ErrMalformed)
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
	next = Clock{c.keys, slices.Clone(c.counts)}
	place := uint64(0)
	for range changed {
		var growth, skipped uint64
		if growth, skipped, src, err = decodeChange(src); err != nil {
			return Clock{}, nil, err
		}
		if place += skipped; place >= uint64(len(c.keys)) {
			return Clock{}, nil, fmt.Errorf("change of entry %d of %d: %w", place, len(c.keys), ErrMalformed)
		}
		if next.counts[place] += growth; next.counts[place] > MaxCount {
			return Clock{}, nil, fmt.Errorf("count of %s is too great: %w", c.keys[place], ErrMalformed)
		}
		place++
	}
	return next, src, nil
}

func decodeChange(src []byte) (growth, skipped uint64, rest []byte, err error) {
	header, rest, err := Uvarint(src)
	if err != nil || header%2 == 0 {
		return header/2 + 1, 0, rest, err
	}
	if skipped, rest, err = Uvarint(rest); err != nil {
		return 0, 0, nil, err
	}
	if skipped == 0 || skipped > MaxEntries {
		return 0, 0, nil, fmt.Errorf("skips %d entries: %w", skipped, ErrMalformed)
	}
	return header/2 + 1, skipped, rest, nil
}

// leastEntry is the least number of bytes an entry takes.
const leastEntry = 4

func (c Clock) applyAdded(src []byte) (next Clock, rest []byte, err error) {
	count, src, err := Uvarint(src)
	if err != nil {
		return Clock{}, nil, err
	}
	if count == 0 || count > uint64(len(src)/leastEntry) || count > uint64(MaxEntries-len(c.keys)) {
		return Clock{}, nil, fmt.Errorf("%d new entries in %d bytes: %w", count, len(src), ErrMalformed)
	}
	added := withRoom(int(count)) //nolint:gosec // checked above
	for range count {
		if src, err = added.decodeEntry(src); err != nil {
			return Clock{}, nil, err
		}
	}
	if diff := weigh(c, added, nil); diff.common > 0 {
		return Clock{}, nil, fmt.Errorf("a new entry is already there: %w", ErrMalformed)
	}
	if len(c.keys) == 0 {
		return added, src, nil
	}
	return c.join(added, len(c.keys)+len(added.keys), nil), src, nil
}

// decodeEntry reads an entry that comes after those of c and appends it.
func (c *Clock) decodeEntry(src []byte) (rest []byte, err error) {
	key, src, err := DecodeKey(src)
	if err != nil {
		return nil, err
	}
	count, rest, err := Uvarint(src)
	if err != nil {
		return nil, err
	}
	if count == 0 || count > MaxCount {
		return nil, fmt.Errorf("count %d of %s: %w", count, key, ErrMalformed)
	}
	if last := len(c.keys) - 1; last >= 0 && c.keys[last].Compare(key) >= 0 {
		return nil, fmt.Errorf("%s is out of order: %w", key, ErrMalformed)
	}
	c.append([]Key{key}, []uint64{count})
	return rest, nil
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
	// One copy of each name for the whole process makes comparing keys, the bulk of comparing clocks, a comparison of
	// pointers.
	k.Node = unique.Make(string(src[:length])).Value()
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
