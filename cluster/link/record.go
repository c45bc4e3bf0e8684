package link

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/vclock"
	"github.com/urbancompute/ucp/messages"
)

// kind says what a record is.
type kind byte

const (
	kindUser kind = iota + 1
	kindWatch
	kindUnwatch
	kindTerminated
	kindDeadLetter // the target's message found nobody
	kindRefused    // the peer would not take the target's message
	kindAcks

	kindMask = 0x07

	flagSender        = 0x08
	flagTargetRequest = 0x10
	flagSenderRequest = 0x20
	flagStamp         = 0x40
)

const (
	// maxReason bounds the reasons that travel in frames, in bytes.
	maxReason = 512
	// maxRecords bounds the records of one batch, hence what parsing it costs.
	maxRecords = 8 << 10
	// itemBytes is what a queued record costs beyond its encoding.
	itemBytes = 96
	// recordBytes bounds an encoded record without its body, names and stamp.
	recordBytes = 40
)

// errMalformed is wrapped by all errors about frames that no honest peer sends.
var errMalformed = errors.New("malformed frame")

// item is a record on its way out, kept until the peer has confirmed it.
type item struct {
	kind           kind
	why            byte // kindTerminated: actor.TerminatedReason; kindRefused: messages.Refused_Code
	target, sender string
	targetRequest  uint32
	senderRequest  uint32
	typeID         uint32
	message        proto.Message // kindUser
	text           string        // kindRefused
}

// system reports whether losing the item would break a promise of the actor
// system, so that it goes also when the queue is full.
func (it *item) system() bool {
	return it.kind == kindWatch || it.kind == kindUnwatch || it.kind == kindTerminated
}

// encoder writes the records of one lane.
type encoder struct {
	names  nameEncoder
	stamps messages.StampEncoder
}

// append encodes an item. On an error dst is returned as it was, and the peer's
// decoder will not miss anything.
//
//	record = head [type len body | why | why len text] target [sender] [requests] [stamp]
func (e *encoder) append(dst []byte, it *item, stamp messages.Stamp) ([]byte, error) {
	start := len(dst)
	dst = append(dst, it.head(stamp))
	var err error
	switch it.kind { //nolint:exhaustive // the others have no payload
	case kindUser:
		if dst, err = appendMessage(dst, it); err != nil {
			return dst[:start], err
		}
	case kindTerminated:
		dst = append(dst, it.why)
	case kindRefused:
		dst = appendString(append(dst, it.why), it.text)
	}
	dst = e.names.append(dst, it.target)
	if it.sender != "" {
		dst = e.names.append(dst, it.sender)
	}
	dst = appendRequest(appendRequest(dst, it.targetRequest), it.senderRequest)
	if !stamp.IsZero() {
		dst = e.stamps.Append(dst, stamp)
	}
	return dst, nil
}

func (it *item) head(stamp messages.Stamp) byte {
	head := byte(it.kind)
	if it.sender != "" {
		head |= flagSender
	}
	if it.targetRequest != 0 {
		head |= flagTargetRequest
	}
	if it.senderRequest != 0 {
		head |= flagSenderRequest
	}
	if !stamp.IsZero() {
		head |= flagStamp
	}
	return head
}

// appendMessage relies on proto.Size having been called.
func appendMessage(dst []byte, it *item) ([]byte, error) {
	opts := proto.MarshalOptions{UseCachedSize: true}
	dst = binary.AppendUvarint(dst, uint64(it.typeID))
	dst = binary.AppendUvarint(dst, uint64(opts.Size(it.message)))
	return opts.MarshalAppend(dst, it.message)
}

// record is an item as it arrived. Body aliases the batch.
type record struct {
	kind           kind
	why            byte
	target, sender *name
	targetRequest  uint32
	senderRequest  uint32
	typeID         uint32
	body           []byte
	stamp          messages.Stamp
	acks           [lanes]uint64
}

// decoder reads the records of one lane. It is of no use after an error.
type decoder struct {
	names    nameDecoder
	stamps   messages.StampDecoder
	maxFrame int
	// owner is whose stamps may come: the peer's, in its present incarnation.
	owner vclock.Key
}

// decode appends the records of a batch to recs.
func (d *decoder) decode(b []byte, recs []record) ([]record, error) {
	r := reader{b: b}
	for len(r.b) > 0 {
		if len(recs) == maxRecords {
			return recs, fmt.Errorf("%w: more than %d records", errMalformed, maxRecords)
		}
		recs = append(recs, record{})
		if err := d.one(&r, &recs[len(recs)-1]); err != nil {
			return recs, err
		}
	}
	return recs, nil
}

func (d *decoder) one(r *reader, rec *record) error {
	head := r.octet()
	rec.kind = kind(head & kindMask)
	if rec.kind == kindAcks {
		rec.acks = readAcks(r)
		return r.err(rec.kind)
	}
	d.payload(r, rec)
	rec.target = d.names.read(r)
	if head&flagSender != 0 {
		rec.sender = d.names.read(r)
	}
	if head&flagTargetRequest != 0 {
		rec.targetRequest = r.uint32()
	}
	if head&flagSenderRequest != 0 {
		rec.senderRequest = r.uint32()
	}
	if err := r.err(rec.kind); err != nil {
		return err
	}
	if rec.sender == nil && rec.kind != kindUser && rec.kind != kindDeadLetter && rec.kind != kindRefused {
		return fmt.Errorf("%w: a watch without a watcher", errMalformed)
	}
	if head&flagStamp != 0 {
		return d.stamp(r, rec)
	}
	return nil
}

// payload reads what depends on the kind.
func (d *decoder) payload(r *reader, rec *record) {
	switch rec.kind {
	case kindUser:
		rec.typeID = r.uint32()
		rec.body = r.bytes(d.maxFrame)
	case kindTerminated:
		rec.why = r.octet()
		if rec.why > byte(actor.TerminatedReason_NotFound) {
			r.fail()
		}
	case kindRefused:
		rec.why = r.octet()
		rec.body = r.bytes(maxReason)
	case kindWatch, kindUnwatch, kindDeadLetter:
	default:
		r.fail()
	}
}

func (d *decoder) stamp(r *reader, rec *record) (err error) {
	if rec.stamp, r.b, err = d.stamps.Decode(r.b); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	if !rec.stamp.IsZero() && rec.stamp.Owner() != d.owner {
		return fmt.Errorf("%w: stamp of %s from %s", errMalformed, rec.stamp.Owner(), d.owner)
	}
	return nil
}

func (r *reader) err(k kind) error {
	if r.bad {
		return fmt.Errorf("%w: record of kind %d", errMalformed, k)
	}
	return nil
}

func appendAcks(dst []byte, acks [lanes]uint64) []byte {
	dst = append(dst, byte(kindAcks))
	for _, n := range acks {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

func readAcks(r *reader) (acks [lanes]uint64) {
	for i := range acks {
		acks[i] = r.uvarint(1 << 32)
	}
	return acks
}
