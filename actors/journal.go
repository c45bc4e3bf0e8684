package actors

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/canon"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/mutant"
)

// Journal is a broker's disk.
type Journal interface {
	Disk[Batch]
	// Load returns everything that is durable.
	Load() (Saved, error)
}

// Batch is what a broker writes down at once.
type Batch struct {
	Records []SavedRecord
	Vector  []byte            // ledger.Vector; empty: unchanged
	Meta    map[string][]byte // what else the broker must know after a start
}

// SavedRecord is the canonical encoding of a record; none means that the record is forgotten.
type SavedRecord struct {
	Key   ledger.Key
	Bytes []byte
}

// Saved is what a disk holds.
type Saved struct {
	Records []SavedRecord
	Vector  []byte
	Meta    map[string][]byte
}

func (b *Batch) empty() bool {
	return len(b.Records) == 0 && len(b.Vector) == 0 && len(b.Meta) == 0
}

// add puts what o says behind what b says.
func (b *Batch) add(o Batch) {
	b.Records = append(b.Records, o.Records...)
	if len(o.Vector) > 0 {
		b.Vector = o.Vector
	}
	if b.Meta == nil {
		b.Meta = map[string][]byte{}
	}
	maps.Copy(b.Meta, o.Meta)
}

// appendBatch asks the journal for a batch to be written; journaled says that it and all before it are on disk.
type (
	appendBatch struct {
		batch Batch
		upto  uint64
	}
	journaled struct {
		upto uint64
		full bool // no: the disk is full, and it is tried again
	}
)

// journaler is the broker's way to its disk, by group commit. The broker supervises it.
type journaler struct {
	commits[Batch]
	upto  uint64 // of what is gathered
	wrote uint64 // of what is being written
}

func newJournaler(n *Node, disk Journal) *actor.Props {
	return n.props(func() actor.Actor { return &journaler{commits: commits[Batch]{Node: n, disk: disk}} })
}

// Receive gathers batches and writes one at a time.
func (j *journaler) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *appendBatch:
		j.next.add(msg.batch)
		j.upto = msg.upto
		j.write(ctx)
	case *batchWritten:
		if full := !j.written(ctx, msg.err); full {
			ctx.Send(ctx.Parent(), &journaled{full: true})
			return
		}
		ctx.Send(ctx.Parent(), &journaled{upto: j.wrote})
		j.write(ctx)
	case *tryAgain:
		j.send(ctx)
	case *actor.Stopping:
		j.stop()
	}
}

func (j *journaler) write(ctx actor.Context) {
	if !j.busy && !j.next.empty() {
		j.wrote = j.upto
		j.commits.write(ctx)
	}
}

// What a broker keeps beside its records.
const (
	metaJournal     = "journal"      // its id
	metaFirst       = "first"        // it is the first one of this node
	metaKey         = "key"          // of the MAC of attempts
	metaBehind      = "behind"       // others forgot while it was away
	metaHorizon     = "horizon"      // up to where this broker has forgotten
	metaDropped     = "dropped"      // when the youngest id was made of the jobs that it has forgotten
	metaDroppedData = "dropped-data" // the same of named data
	metaTime        = "time"         // a hybrid time that all it wrote is before
)

// heldBack is what must not leave before the writes up to at are on disk.
type heldBack struct {
	at   uint64
	do   func()
	full func() // what whoever waits is told, once, when the disk turns out to be full; nil: nothing
}

// disk is the broker's side of its journal: what is not written yet, and what waits for it.
type disk struct {
	pid     *actor.PID // nil: everything is in memory
	batch   Batch
	moved   bool // the vector has changed since the last batch
	written uint64
	synced  uint64
	waiting []heldBack
	before  []version // what writes that are not synced yet replaced, in the order of the writes
	full    bool
}

// version is a record as it was before a write.
type version struct {
	at  uint64 // the batch of that write
	key ledger.Key
	rec *ledger.Record // nil: there was none
}

func (d *disk) clean() bool { return d.batch.empty() && !d.moved }

// save notes a record for the next batch, and what it was before, if it was.
func (b *Broker) save(before *ledger.Record, rec ledger.Record) {
	if d := &b.disk; d.pid != nil {
		d.batch.Records = append(d.batch.Records, SavedRecord{rec.Key, rec.Append(nil)})
		d.before = append(d.before, version{d.written + 1, rec.Key, before})
		d.moved = true
	}
}

func versionOf(rec ledger.Record, had bool) *ledger.Record {
	if !had {
		return nil
	}
	return &rec
}

// unsave notes that a record is forgotten.
func (b *Broker) unsave(key ledger.Key) {
	if b.disk.pid != nil {
		b.disk.batch.Records = append(b.disk.batch.Records, SavedRecord{Key: key})
	}
}

func (b *Broker) saveMeta(name string, value []byte) {
	if b.disk.pid == nil {
		return
	}
	if b.disk.batch.Meta == nil {
		b.disk.batch.Meta = map[string][]byte{}
	}
	b.disk.batch.Meta[name] = value
}

// flush hands what the message under way changed to the journal.
func (b *Broker) flush(ctx actor.Context) {
	d := &b.disk
	if d.pid == nil || d.clean() {
		return
	}
	d.batch.Vector = b.replica.Vector().Append(nil)
	b.saveMeta(metaTime, canon.AppendUint(nil, b.hybrid().Pack()))
	d.written++
	ctx.Send(d.pid, &appendBatch{d.batch, d.written})
	d.batch, d.moved = Batch{}, false
}

// hold does what depends on all that was written so far, once that is on disk: nothing leaves a broker before its fsync (SYNC-9). What is held
// is done in order. What is told must be put together before: when it is let go, the ledger may hold later writes that are not on disk yet.
func (b *Broker) hold(do func()) { b.holdOr(do, nil) }

// holdOr is hold for somebody who is to hear it if the disk is full.
func (b *Broker) holdOr(do, full func()) {
	d := &b.disk
	at := d.written
	if !d.clean() {
		at++
	}
	if d.pid == nil || d.synced == at {
		do()
		return
	}
	d.waiting = append(d.waiting, heldBack{at, do, full})
}

// reply answers the message under way once everything the answer may rest on is on disk.
func (b *Broker) reply(ctx actor.Context, answer any) {
	to := ctx.Sender()
	b.hold(func() { ctx.Send(to, answer) })
}

// journaled goes on with what waited for the disk.
func (b *Broker) journaled(msg *journaled) {
	d := &b.disk
	if d.full != msg.full {
		d.full = msg.full
		b.log.Warn("disk", "full", d.full)
	}
	if msg.full {
		for i := range d.waiting {
			if full := d.waiting[i].full; full != nil {
				d.waiting[i].full = nil
				full()
			}
		}
		return
	}
	d.synced = msg.upto
	written := slices.IndexFunc(d.before, func(v version) bool { return v.at > d.synced })
	if written < 0 {
		written = len(d.before)
	}
	d.before = slices.Delete(d.before, 0, written)
	for len(d.waiting) > 0 && d.waiting[0].at <= d.synced {
		do := d.waiting[0].do
		d.waiting = d.waiting[1:]
		do()
	}
}

// read answers a question. While the disk is full nothing that is not on it may be told, and what is on it is: answer is asked again then, and
// finds jobs as they were before the writes that wait.
func (b *Broker) read(ctx actor.Context, answer func() any) {
	if b.disk.full {
		ctx.Respond(answer())
		return
	}
	to, now := ctx.Sender(), answer()
	told := false
	send := func(m any) {
		if !told {
			ctx.Send(to, m)
		}
		told = true
	}
	b.holdOr(func() { send(now) }, func() { send(answer()) })
}

// onDisk returns the versions of records on the disk that writes which wait have replaced here. Only a full disk is asked for them.
func (d *disk) onDisk() map[ledger.Key]*ledger.Record {
	if !d.full {
		return nil
	}
	versions := map[ledger.Key]*ledger.Record{}
	for _, v := range slices.Backward(d.before) {
		versions[v.key] = v.rec
	}
	return versions
}

// readable returns the jobs that may be told of, and each of them.
func (b *Broker) readable() (each iter.Seq[job.Job], get func(job.ID) (job.Job, bool)) {
	versions := b.disk.onDisk()
	told := func(rec ledger.Record) (job.Job, bool) {
		if v, replaced := versions[rec.Key]; replaced {
			if v == nil {
				return job.Job{}, false
			}
			rec = *v
		}
		return rec.State.(jobState).Job, true
	}
	each = func(yield func(job.Job) bool) {
		for rec := range b.replica.All(ledger.Job) {
			if j, ok := told(rec); ok && !yield(j) {
				return
			}
		}
	}
	return each, func(id job.ID) (job.Job, bool) {
		rec, ok := b.replica.Get(jobKey(id))
		if !ok {
			return job.Job{}, false
		}
		return told(rec)
	}
}

// durable says whether this broker has a disk.
func (b *Broker) durable() bool { return b.disk.pid != nil }

// load fills the replica from what was saved.
func load(replica *ledger.Replica, saved Saved) error {
	for _, s := range saved.Records {
		rec, err := ledger.DecodeRecord(s.Bytes, decodeState)
		if err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		if mutant.On(mutant.DedupeForgotten) {
			rec.State = undecided(rec.State)
		}
		replica.Restore(rec)
	}
	if h := saved.Meta[metaHorizon]; len(h) > 0 {
		v, err := ledger.DecodeVector(h)
		if err != nil {
			return fmt.Errorf("journal: horizon: %w", err)
		}
		replica.RestoreHorizon(v)
	}
	if len(saved.Vector) == 0 || mutant.On(mutant.VectorReset) {
		return nil
	}
	v, err := ledger.DecodeVector(saved.Vector)
	if err != nil {
		return fmt.Errorf("journal: vector: %w", err)
	}
	replica.Adopt(v)
	return nil
}
