package sim

import (
	"bytes"
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/urbancompute/ucp/actors"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
)

// Disk is where a broker's journal lies, or an executor's results do. What was written is durable when an fsync that began after it has ended; a crash keeps, of what was
// written later, some batches from the first on, each whole.
type Disk struct {
	node    *Node
	rng     *rand.Rand
	durable store
	pending []*write // written, not durable; the first syncing of them are on their way
	syncing int
	slow    int // an fsync takes so many times as long
	full    bool
	refused time.Duration // when it last refused a write for that
	old     []store       // what it held at earlier times
	born    int           // journals begun on it, or on one that it replaced
	harmed  int           // times that it lost what was durable
}

// store is what a disk holds. Its maps are not changed once it is one of the old ones.
type store struct {
	records map[ledger.Key][]byte
	vector  []byte
	meta    map[string][]byte
	at      time.Duration
}

type write struct {
	batch Batch
	done  func(error)
	life  *life
}

func newDisk(n *Node) *Disk { return &Disk{node: n, rng: n.rng, durable: emptyStore(), slow: 1} }

// newShelf returns a disk for an executor's results, which has random numbers of its own.
func newShelf(n *Node) *Disk {
	d := newDisk(n)
	d.rng = n.w.stream("shelf " + n.Name)
	return d
}

func emptyStore() store { return store{records: map[ledger.Key][]byte{}, meta: map[string][]byte{}} }

func (s store) clone(at time.Duration) store {
	return store{maps.Clone(s.records), s.vector, maps.Clone(s.meta), at}
}

func (s *store) apply(b Batch) {
	for _, r := range b.Records {
		if r.Bytes == nil {
			delete(s.records, r.Key)
		} else {
			s.records[r.Key] = r.Bytes
		}
	}
	if b.Vector != nil {
		s.vector = b.Vector
	}
	maps.Copy(s.meta, b.Meta)
}

// Load returns everything durable, in a fixed order.
func (d *Disk) Load() (Saved, error) {
	saved := Saved{Vector: d.durable.vector, Meta: maps.Clone(d.durable.meta)}
	for k, b := range d.durable.records {
		saved.Records = append(saved.Records, SavedRecord{Key: k, Bytes: b})
	}
	slices.SortFunc(saved.Records, func(a, b SavedRecord) int {
		return cmp.Or(cmp.Compare(a.Key.Kind, b.Key.Kind), cmp.Compare(a.Key.ID, b.Key.ID))
	})
	if len(d.durable.meta) == 0 && len(d.durable.records) == 0 {
		d.born++
	}
	return saved, nil
}

// Born is how many journals the node has begun, the present one included: the note that outlives the disk.
func (d *Disk) Born() int { return d.born }

// Write takes a batch; done is called once it is durable, or never if the process ends before.
func (d *Disk) Write(b Batch, done func(error)) {
	w := d.node.w
	w.mu.Lock()
	defer w.mu.Unlock()
	l := d.node.life
	if l == nil || l.dead {
		return
	}
	if d.full {
		w.Faults.add("write to a full disk")
		d.refused = w.now
		w.plan(l, 10*time.Microsecond, func() { done(actors.ErrFull) })
		return
	}
	if d == d.node.Disk {
		w.chronicle.written(d.node, b)
	}
	d.pending = append(d.pending, &write{b, done, l})
	if d.syncing == 0 {
		d.sync()
	}
}

// sync begins an fsync of everything pending; the next one begins when it ends.
func (d *Disk) sync() {
	d.syncing = len(d.pending)
	if d.syncing == 0 {
		return
	}
	w, l := d.node.w, d.pending[0].life
	took := w.settings.Disks.Sync
	if w.settings.Disks.Jitter {
		took = time.Duration(float64(took) * (0.3 + d.rng.ExpFloat64()))
	}
	w.plan(l, took*time.Duration(d.slow), func() {
		synced := d.pending[:d.syncing]
		d.pending = d.pending[d.syncing:]
		for _, x := range synced {
			d.durable.apply(x.batch)
		}
		for _, x := range synced {
			x.done(nil)
		}
		d.sync()
	})
}

// crash is what a sudden end does: some of what was written and not synced survives, from the first on.
func (d *Disk) crash() {
	kept := 0
	if len(d.pending) > 0 {
		kept = d.rng.IntN(len(d.pending) + 1)
	}
	for _, x := range d.pending[:kept] {
		d.durable.apply(x.batch)
	}
	for _, x := range d.pending[kept:] {
		if d == d.node.Disk {
			d.node.w.chronicle.unwrote(d.node, x.batch)
		}
	}
	if lost := len(d.pending) - kept; lost > 0 {
		d.node.w.Faults.add("unsynced write lost")
		d.node.w.tell(d.node.Name, "loses %d unsynced writes of %d", lost, len(d.pending))
	}
	d.pending, d.syncing = nil, 0
}

// Remember keeps a copy of what the disk holds now, to roll back to.
func (d *Disk) Remember() {
	d.old = append(d.old, d.durable.clone(d.node.w.now))
}

// lose replaces the disk by a blank one.
func (d *Disk) lose() {
	d.durable, d.old = emptyStore(), nil
	d.harmed++
	d.node.w.chronicle.losesSight(d.node)
}

// rollBack puts back the state that the disk had at that time, or before, and says whether there is one that differs.
func (d *Disk) rollBack(to time.Duration) bool {
	for _, s := range slices.Backward(d.old) {
		if s.at <= to {
			differs := !maps.EqualFunc(s.records, d.durable.records, bytes.Equal) || !bytes.Equal(s.vector, d.durable.vector)
			d.durable = s.clone(s.at)
			if differs {
				d.harmed++
				c, journal := d.node.w.chronicle, string(s.meta["journal"])
				c.rolledBack[journal] = true
				c.losesSight(d.node)
				c.seenLost[journal] = c.witnesses(d.node)
				c.unsaid(d.node)
			}
			return differs
		}
	}
	return false
}

// record is the durable record of a job, empty if there is none.
func (d *Disk) record(id job.ID) SavedRecord {
	k := ledger.Key{Kind: ledger.Job, ID: string(id)}
	return SavedRecord{Key: k, Bytes: d.durable.records[k]}
}

// latest is what was last written of a record, on its way to the disk or there.
func (d *Disk) latest(k ledger.Key) SavedRecord {
	last := SavedRecord{Key: k, Bytes: d.durable.records[k]}
	for _, x := range d.pending {
		for _, r := range x.batch.Records {
			if r.Key == k && r.Bytes != nil {
				last = r
			}
		}
	}
	return last
}

// has says whether the disk has a record, or will have it when everything written is durable.
func (d *Disk) has(k ledger.Key) bool {
	has := d.holds(k)
	for _, x := range d.pending {
		for _, r := range x.batch.Records {
			if r.Key == k {
				has = r.Bytes != nil
			}
		}
	}
	return has
}

// holds says whether the disk has a record for good.
func (d *Disk) holds(k ledger.Key) bool {
	_, ok := d.durable.records[k]
	return ok
}
