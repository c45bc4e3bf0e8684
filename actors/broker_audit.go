package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
)

// The audit (SYNC-8): two brokers whose vectors are equal and whose ledgers are not compare sums of ranges, and each gets back what it lost or finds
// damaged.
//
//	a   SyncAudit: sums of all ranges      ──▶
//	    ◀── SyncSums: the records of one range that differs, and their sums    b
//	    what b lacks, SyncWant: what a lacks  ──▶
//	    ◀── SyncRepair

// maxSums bounds the records told of at a time.
const maxSums = 2048

func (b *Broker) audit(ctx actor.Context, peer string) {
	sums := make([]uint64, ledger.Ranges)
	for i := range sums {
		sums[i] = b.replica.Range(i)
	}
	b.hold(func() { ctx.Send(b.sync, &auditReady{peer, sums}) })
}

// audited answers with the records of the first range that differs, after looking for damage of our own.
func (b *Broker) audited(ctx actor.Context, msg *audited) {
	for i, sum := range msg.ranges {
		if i >= ledger.Ranges || sum == b.replica.Range(i) {
			continue
		}
		b.scrub(i)
		told := &sumsReady{msg.peer, i, b.sums(i)}
		b.hold(func() { ctx.Send(b.sync, told) })
		return
	}
}

func (b *Broker) sums(i int) []ledger.KeySum {
	all := b.replica.Sums(i)
	return all[:min(len(all), maxSums)]
}

// scrub drops records that no longer are what was stored.
func (b *Broker) scrub(i int) {
	for _, key := range b.replica.Verify(i) {
		b.note("damage found", jobID(key), key.ID)
		b.replica.Lost(key)
		b.dropped(key)
	}
}

// summed compares a range with a peer's: sends what it lacks or holds in another version, and asks for what this broker lacks.
func (b *Broker) summed(ctx actor.Context, msg *summed) {
	if msg.index >= ledger.Ranges {
		return
	}
	b.scrub(msg.index)
	differ, lacking, extra := ledger.Compare(b.sums(msg.index), msg.sums)
	b.repair(ctx, msg.peer, b.records(append(extra, differ...)))
	if want := append(lacking, differ...); len(want) > 0 {
		b.hold(func() { ctx.Send(b.sync, &wantReady{msg.peer, want}) })
	}
}

func (b *Broker) wanted(ctx actor.Context, msg *wanted) {
	b.repair(ctx, msg.peer, b.records(msg.keys))
}

func (b *Broker) records(keys []ledger.Key) []ledger.Record {
	var recs []ledger.Record
	for _, k := range keys {
		if rec, ok := b.replica.Get(k); ok {
			recs = append(recs, rec)
		}
	}
	return recs
}

// repair sends records to a peer that lost them.
func (b *Broker) repair(ctx actor.Context, peer string, recs []ledger.Record) {
	if len(recs) > 0 {
		b.hold(func() { ctx.Send(b.sync, &repairReady{peer, recs, b.journal, b.replica.Behind()}) })
	}
}

func jobID(k ledger.Key) job.ID {
	if k.Kind == ledger.Job {
		return job.ID(k.ID)
	}
	return ""
}
