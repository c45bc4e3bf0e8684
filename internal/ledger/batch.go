package ledger

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/urbancompute/ucp/internal/canon"
)

// A batch is how records travel: what all of them say of one thing stands together, so that it is small to begin with and compresses well.
//
//	batch   = format packed(columns) packed(bodies)
//	packed  = uvarint(2·length + (1 if deflated)) bytes
//	columns = origins n kind* creator* created* wall* logical* writes* idLength* idPlace* stateLength*
//	bodies  = id* state*
//
// Origins are named once. Seqs are told as distances from the seq told before for the same origin, times from the time before. An id that
// stands in its state, as those of jobs do, is cut out of it, and idPlace says where it was.

// batchFormat is the first byte of a batch. Another format is refused.
const batchFormat = 1

// EncodeRecords returns records as a batch.
func EncodeRecords(recs []Record) []byte {
	e := newBatchEncoder(recs)
	columns := e.columns()
	bodies := e.bodies()
	out := make([]byte, 0, 64+(len(columns)+len(bodies))/2)
	out = append(out, batchFormat)
	return appendPacked(appendPacked(out, columns), bodies)
}

type batchEncoder struct {
	recs    []Record
	names   []Origin
	ids     map[Origin]uint64
	created []uint64 // by origin: the seq told last in that column
	written []uint64
	states  [][]byte
	places  []int // where the id stands in the state, -1: nowhere
	b       []byte
}

func newBatchEncoder(recs []Record) *batchEncoder {
	e := &batchEncoder{recs: recs, ids: map[Origin]uint64{}}
	for _, rec := range recs {
		e.name(rec.Created.Origin)
		for _, d := range rec.Writes.dots {
			e.name(d.Origin)
		}
		state := rec.State.Append(nil)
		place := -1
		if rec.Key.ID != "" {
			place = bytes.Index(state, []byte(rec.Key.ID))
		}
		e.states, e.places = append(e.states, state), append(e.places, place)
	}
	slices.SortFunc(e.names, Origin.Compare)
	for i, o := range e.names {
		e.ids[o] = uint64(i)
	}
	e.created, e.written = make([]uint64, len(e.names)), make([]uint64, len(e.names))
	return e
}

func (e *batchEncoder) name(o Origin) {
	if _, ok := e.ids[o]; !ok {
		e.ids[o] = 0
		e.names = append(e.names, o)
	}
}

func (e *batchEncoder) columns() []byte {
	e.b = canon.AppendList(nil, e.names, appendOrigin)
	e.uint(uint64(len(e.recs)))
	e.column(func(rec Record) { e.uint(uint64(rec.Key.Kind)) })
	e.column(func(rec Record) { e.uint(e.ids[rec.Created.Origin]) })
	e.column(func(rec Record) { e.seq(e.created, rec.Created) })
	wall := int64(0)
	e.column(func(rec Record) {
		e.int(rec.CreatedAt.Wall - wall)
		wall = rec.CreatedAt.Wall
	})
	e.column(func(rec Record) { e.uint(uint64(rec.CreatedAt.Logical)) })
	e.column(e.writes)
	e.column(func(rec Record) { e.uint(uint64(len(rec.Key.ID))) })
	for _, p := range e.places {
		e.uint(uint64(p + 1))
	}
	for i, s := range e.states {
		e.uint(uint64(len(s) - e.cut(i)))
	}
	return e.b
}

// writes tells the newest writes of a record. The creation itself, if it is one, is told as 0.
func (e *batchEncoder) writes(rec Record) {
	e.uint(uint64(len(rec.Writes.dots)))
	for _, d := range rec.Writes.dots {
		e.uint(e.ids[d.Origin])
		if d == rec.Created {
			e.uint(0)
			continue
		}
		id := e.ids[d.Origin]
		e.uint(1 + zigzag(int64(d.Seq-e.written[id])))
		e.written[id] = d.Seq
	}
}

func (e *batchEncoder) bodies() []byte {
	b := make([]byte, 0, 256*len(e.recs))
	for _, rec := range e.recs {
		b = append(b, rec.Key.ID...)
	}
	for i, s := range e.states {
		if p := e.places[i]; p >= 0 {
			b = append(b, s[:p]...)
			s = s[p+e.cut(i):]
		}
		b = append(b, s...)
	}
	return b
}

// cut returns how much of a state is its id.
func (e *batchEncoder) cut(i int) int {
	if e.places[i] < 0 {
		return 0
	}
	return len(e.recs[i].Key.ID)
}

func (e *batchEncoder) column(tell func(Record)) {
	for _, rec := range e.recs {
		tell(rec)
	}
}

func (e *batchEncoder) uint(v uint64) { e.b = canon.AppendUint(e.b, v) }

func (e *batchEncoder) int(v int64) { e.uint(zigzag(v)) }

func (e *batchEncoder) seq(last []uint64, d Dot) {
	id := e.ids[d.Origin]
	e.int(int64(d.Seq - last[id]))
	last[id] = d.Seq
}

// zigzag makes small numbers of either sign small.
func zigzag(v int64) uint64 { return uint64(v)<<1 ^ uint64(v>>63) }

func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }

// deflaters are kept, because each has tables of a megabyte.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level exists
	}
	return w
}}

// worthPacking is the size from which on data is deflated. To set up a compressor costs more than a small push saves.
const worthPacking = 4 << 10

// appendPacked appends data, deflated if that makes it smaller.
func appendPacked(b, data []byte) []byte {
	if len(data) < worthPacking {
		return append(canon.AppendUint(b, 2*uint64(len(data))), data...)
	}
	var out bytes.Buffer
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(&out)
	_, err := w.Write(data)
	if err = errors.Join(err, w.Close()); err != nil || out.Len() >= len(data) {
		return append(canon.AppendUint(b, 2*uint64(len(data))), data...)
	}
	return append(canon.AppendUint(b, 2*uint64(out.Len())+1), out.Bytes()...)
}

// unpack takes packed data off the front of b. Unpacked it may not be longer than limit.
func unpack(b []byte, limit int) (data, rest []byte, err error) {
	header, rest, err := takeUint(b)
	if err != nil {
		return nil, nil, err
	}
	length := header / 2
	if length > uint64(len(rest)) {
		return nil, nil, fmt.Errorf("packed data of %d bytes in %d: %w", length, len(rest), canon.ErrMalformed)
	}
	data, rest = rest[:length], rest[length:]
	if header%2 == 1 {
		if data, err = inflate(data, limit); err != nil {
			return nil, nil, err
		}
	}
	if len(data) > limit {
		return nil, nil, fmt.Errorf("more than %d bytes: %w", limit, canon.ErrMalformed)
	}
	return data, rest, nil
}

// inflate stops as soon as there is more than the limit, so that a bomb of a few bytes costs no more than that.
func inflate(b []byte, limit int) ([]byte, error) {
	src := bytes.NewReader(b)
	r := flate.NewReader(src)
	var out bytes.Buffer
	_, err := io.Copy(&out, io.LimitReader(r, int64(limit)+1))
	if err != nil || src.Len() > 0 && out.Len() <= limit {
		return nil, fmt.Errorf("deflated data: %w", canon.ErrMalformed)
	}
	return out.Bytes(), nil
}

func takeUint(b []byte) (v uint64, rest []byte, err error) {
	for i := range min(len(b), 10) {
		v |= uint64(b[i]&0x7f) << (7 * i)
		if b[i] < 0x80 {
			return v, b[i+1:], nil
		}
	}
	return 0, nil, fmt.Errorf("number: %w", canon.ErrMalformed)
}
