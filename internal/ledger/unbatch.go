package ledger

import (
	"fmt"

	"github.com/urbancompute/ucp/internal/canon"
)

// DecodeRecords returns the records of a batch, which may not take more than limit bytes when it is unpacked.
func DecodeRecords(b []byte, decode Decoder, limit int) ([]Record, error) {
	columns, bodies, err := unpackBatch(b, limit)
	if err != nil {
		return nil, fmt.Errorf("ledger batch: %w", err)
	}
	d := newBatchDecoder(columns)
	if err := d.columns(); err != nil {
		return nil, fmt.Errorf("ledger batch: %w", err)
	}
	if err := d.bodies(bodies, decode); err != nil {
		return nil, fmt.Errorf("ledger batch: %w", err)
	}
	return d.recs, nil
}

func unpackBatch(b []byte, limit int) (columns, bodies []byte, err error) {
	if len(b) == 0 || b[0] != batchFormat {
		return nil, nil, fmt.Errorf("unknown format: %w", canon.ErrMalformed)
	}
	columns, rest, err := unpack(b[1:], limit)
	if err != nil {
		return nil, nil, err
	}
	bodies, rest, err = unpack(rest, limit-len(columns))
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes left over: %w", len(rest), canon.ErrMalformed)
	}
	return columns, bodies, err
}

// batchDecoder reads columns. Like the reader in it, it goes on with zeros after the first error.
type batchDecoder struct {
	r        *canon.Reader
	names    []Origin
	created  []uint64 // by origin: the seq told last in that column
	written  []uint64
	recs     []Record
	creators []int
	ids      []int // lengths
	places   []int
	states   []int // lengths without the ids that were cut out
	bad      bool
}

// leastColumns is how many bytes a record takes in the columns at least: one in each.
const leastColumns = 9

func newBatchDecoder(columns []byte) *batchDecoder {
	d := &batchDecoder{r: canon.NewReader(columns)}
	d.names = canon.List(d.r, readOrigin)
	d.created, d.written = make([]uint64, len(d.names)), make([]uint64, len(d.names))
	n := d.r.Uint64()
	if n > uint64(len(columns)/leastColumns) {
		d.bad, n = true, 0
	}
	d.recs, d.creators = make([]Record, n), make([]int, n)
	return d
}

func (d *batchDecoder) columns() error {
	d.column(func(_ int, rec *Record) { rec.Key.Kind = Kind(d.r.Byte()) })
	d.column(func(i int, rec *Record) { d.creators[i], rec.Created.Origin = d.origin() })
	d.column(func(i int, rec *Record) { rec.Created.Seq = d.next(d.created, d.creators[i], d.r.Uint64()) })
	wall := int64(0)
	d.column(func(_ int, rec *Record) {
		wall += unzigzag(d.r.Uint64())
		rec.CreatedAt.Wall = wall
	})
	d.column(func(_ int, rec *Record) { rec.CreatedAt.Logical = d.r.Uint32() })
	d.column(func(_ int, rec *Record) { rec.Writes.dots = d.writes(rec.Created) })
	d.ids, d.places, d.states = d.lengths(), d.lengths(), d.lengths()
	if err := d.r.Err(); err != nil {
		return err
	}
	return d.check()
}

func (d *batchDecoder) check() error {
	if d.bad {
		return canon.ErrMalformed
	}
	for i := range d.recs {
		if err := d.recs[i].check(); err != nil {
			return err
		}
	}
	return nil
}

// column reads something of each record, until there is nothing left.
func (d *batchDecoder) column(read func(int, *Record)) {
	for i := range d.recs {
		if d.bad = d.bad || !d.r.More(); d.bad {
			return
		}
		read(i, &d.recs[i])
	}
}

// origin reads the number of an origin.
func (d *batchDecoder) origin() (int, Origin) {
	v := d.r.Uint64()
	if v >= uint64(len(d.names)) {
		d.bad = true
		return -1, Origin{}
	}
	return int(v), d.names[v] //nolint:gosec // it is bounded
}

// next returns the seq that is told as a distance.
func (d *batchDecoder) next(last []uint64, origin int, distance uint64) uint64 {
	if origin < 0 {
		return 0
	}
	last[origin] += uint64(unzigzag(distance))
	return last[origin]
}

// writes reads the newest writes of a record.
func (d *batchDecoder) writes(created Dot) []Dot {
	var dots []Dot
	for n := d.r.Uint64(); n > 0 && d.r.More() && !d.bad; n-- {
		id, o := d.origin()
		seq := created.Seq
		if v := d.r.Uint64(); v > 0 {
			seq = d.next(d.written, id, v-1)
		}
		dots = append(dots, Dot{o, seq})
	}
	return dots
}

// lengths reads numbers that are lengths of something in the bodies, or places in it. What they add up to is checked there.
func (d *batchDecoder) lengths() []int {
	out := make([]int, len(d.recs))
	d.column(func(i int, _ *Record) { out[i] = int(d.r.Uint(31)) }) //nolint:gosec // 31 bits
	return out
}

// bodies fills in what the columns are about.
func (d *batchDecoder) bodies(b []byte, decode Decoder) error {
	for i := range d.recs {
		if d.ids[i] > len(b) {
			return canon.ErrMalformed
		}
		d.recs[i].Key.ID, b = string(b[:d.ids[i]]), b[d.ids[i]:]
	}
	for i := range d.recs {
		if d.states[i] > len(b) {
			return canon.ErrMalformed
		}
		rec := &d.recs[i]
		state, err := restoreID(b[:d.states[i]:d.states[i]], rec.Key.ID, d.places[i])
		if err != nil {
			return err
		}
		if rec.State, err = decode(rec.Key.Kind, state); err != nil {
			return fmt.Errorf("record %s: %w", rec.Key.ID, err)
		}
		b = b[d.states[i]:]
	}
	if len(b) > 0 {
		return canon.ErrMalformed
	}
	return nil
}

// restoreID puts the id back to where it was cut out of a state.
func restoreID(state []byte, id string, place int) ([]byte, error) {
	if place == 0 {
		return state, nil
	}
	place--
	if place > len(state) {
		return nil, canon.ErrMalformed
	}
	out := make([]byte, 0, len(state)+len(id))
	out = append(append(out, state[:place]...), id...)
	return append(out, state[place:]...), nil
}
