package actors

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/data"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

// Named data (DATA-2). A put is a record of its own; what it means for others of its name is package data's to say.

// keepRemoval is how long a removal is kept: a job that was submitted before it may still end and be forgotten within that time.
const keepRemoval = 7 * 24 * time.Hour

// putData writes down what a client puts under a name, or that it removes it. The same id twice is one put.
func (b *Broker) putData(ctx actor.Context, q *putData) {
	if b.stale(ctx, q.seen, q.put.ID) {
		return
	}
	if b.disk.full { // that says nothing of the ledger, and so waits for no disk
		ctx.Send(ctx.Sender(), diskFull(job.ID(q.put.ID)))
		return
	}
	if was, ok := b.dataRecord(q.put.ID); ok {
		b.putAgain(ctx, was, q.put)
		return
	}
	ids, hidden := b.knownOf(q.put.Name).Replaced()
	if refused := b.refuseData(q.put, hidden); refused != nil {
		b.reply(ctx, refused)
		return
	}
	r := q.put
	r.Broker, r.At = b.ID, b.hybrid()
	b.writeData(ctx, r, ids)
	b.acknowledgeData(ctx, r, hidden)
}

func (b *Broker) putAgain(ctx actor.Context, was, put data.Record) {
	if !was.Same(put) {
		b.reply(ctx, &messages.Refused{Code: messages.Refused_CONFLICT, Job: put.ID, Reason: fmt.Sprintf("%s is the id of something else that was put; use a new id", put.ID)})
		return
	}
	b.acknowledgeData(ctx, was, len(was.Replaces))
}

// refuseData says why a put cannot be taken. One that is older than what was forgotten may be one that others have replaced since.
func (b *Broker) refuseData(put data.Record, hidden int) *messages.Refused {
	switch upto := b.dataForgottenUpTo(); {
	case job.ID(put.ID).Time() <= upto:
		return &messages.Refused{
			Code: messages.Refused_RENAMED, Job: put.ID, Broker: b.name(), AfterMs: uint64(max(0, upto)),
			Reason: "puts of that time are forgotten here, and this may have been one: put it under a new id",
		}
	case put.Deleted && hidden == 0:
		return noData(put.Name, data.Standing{})
	}
	return nil
}

// writeData writes a record, after marking those that it replaces: who has it has the marks.
func (b *Broker) writeData(ctx actor.Context, r data.Record, replaces []string) {
	r.Replaces = replaces
	for _, id := range replaces {
		if old, ok := b.dataRecord(id); ok {
			old.Gone = true
			b.commitData(ctx, old)
		}
	}
	b.commitData(ctx, r)
}

func (b *Broker) commitData(ctx actor.Context, r data.Record) {
	old, _ := b.dataRecord(r.ID)
	rec := b.put(ctx, ledger.Normal, dataKey(r.ID), dataState{r})
	b.dataMoved(ctx, old, rec.State.(dataState).Record)
}

func (b *Broker) dataRecord(id string) (data.Record, bool) {
	rec, ok := b.replica.Get(dataKey(id))
	if !ok {
		return data.Record{}, false
	}
	return rec.State.(dataState).Record, true
}

// dataMoved keeps everything that follows from a record's change, by whomever.
func (b *Broker) dataMoved(ctx actor.Context, old, r data.Record) {
	b.catalog.follow(r)
	b.horizon.ended.note(r.Gone, dataKey(r.ID))
	if old.ID == "" && r.Deleted && !r.Gone {
		b.keepRemoved(r)
	}
	b.referData(old, r)
	b.dataChanged(ctx, r.Name)
}

// replaceMerged marks what a record of another broker replaces, and the record itself if one that is here replaces it. Its broker has marked them, and
// may have forgotten them by now, while it was alone.
func (b *Broker) replaceMerged(ctx actor.Context, r data.Record) {
	gone := r.Replaces
	for _, id := range b.catalog.get(r.Name).puts {
		if o, _ := b.dataRecord(id); o.Supersedes(r.ID) {
			gone = with(slices.Clone(gone), r.ID)
		}
	}
	for _, id := range gone {
		if old, ok := b.dataRecord(id); ok && !old.Gone && old.Name == r.Name {
			old.Gone = true
			b.commitData(ctx, old)
		}
	}
}

// referData is the one place where bytes begin to be needed because a record names them, or cease to be because it is gone.
func (b *Broker) referData(old, r data.Record) {
	needed := func(r data.Record) bool { return !r.Gone && r.Blob.Elsewhere() }
	if needed(r) {
		b.refs.note(dataKey(r.ID), []*job.Blob{&r.Blob}, false)
	} else {
		b.refs.drop(dataKey(r.ID))
	}
	if needed(r) && !needed(old) && b.Bytes != nil {
		b.Bytes([]*job.Blob{&r.Blob})
	}
}

// acknowledgeData answers a client once its put is on disk here and at one more broker, or says that it is here alone.
func (b *Broker) acknowledgeData(ctx actor.Context, r data.Record, hidden int) {
	rec, _ := b.replica.Get(dataKey(r.ID))
	client, session := ctx.Sender(), sessionOf(rec.Writes, b.hybrid())
	tell := func(disks uint32) {
		if r.Deleted {
			ctx.Send(client, &messages.DataRemoved{Removed: narrow(hidden), Session: session})
			return
		}
		ctx.Send(client, &messages.DataPut{Id: r.ID, Durability: disks, Replaced: narrow(hidden), Session: session})
	}
	dot := b.dotOf(dataKey(r.ID))
	switch {
	case !b.durable():
		tell(0)
	case dot.Seq == 0: // another broker has taken it
		copies := b.copies(dataKey(r.ID))
		b.hold(func() { tell(copies) })
	default:
		b.holdOr(func() {
			b.awaitSecond(dot, func(confirmed bool) {
				if confirmed {
					tell(2)
				} else {
					tell(1)
				}
			})
		}, func() { ctx.Send(client, diskFull(job.ID(r.ID))) })
	}
}

// awaitSecond calls done when a write, which is on disk here, is on a second one, or with false when nobody is there who could have it in time.
func (b *Broker) awaitSecond(d ledger.Dot, done func(confirmed bool)) {
	if !b.anyBrokerInReach() {
		done(b.confirmed(d))
		return
	}
	b.whenHeld(d, b.Now().Add(ackPatience), done)
}

// makerMoved follows a job that makes named data, or needs some.
func (b *Broker) makerMoved(ctx actor.Context, j job.Job) {
	if len(j.Spec.Data) > 0 {
		b.catalog.needing(j.ID, b.needs(j))
	}
	if len(j.Spec.Results) == 0 {
		return
	}
	keys := data.Keys(j)
	b.catalog.making(j.ID, keys)
	for _, key := range keys {
		b.dataChanged(ctx, key)
	}
}

// needs returns the names that an unfinished job waits for, in order: also those of others, which may close a cycle.
func (b *Broker) needs(j job.Job) []string {
	if v, _ := j.Decided(); v != nil {
		return nil
	}
	var keys []string
	for _, d := range j.Spec.Data {
		keys = append(keys, d.Name)
	}
	return slices.Compact(slices.Sorted(slices.Values(keys)))
}

// dataChanged notes that a name, or something that a pattern stands for, has moved. The jobs that wait for it are told once, however much moves
// before the broker comes to it.
func (b *Broker) dataChanged(ctx actor.Context, key string) {
	for _, id := range b.catalog.consumers(key) {
		if len(b.stirred) == 0 {
			ctx.Send(ctx.Self(), &dataStirred{})
		}
		b.stirred[id] = struct{}{}
	}
}

func (b *Broker) dataStirred(ctx actor.Context) {
	ids := slices.Sorted(maps.Keys(b.stirred))
	clear(b.stirred)
	for _, id := range ids {
		b.inputsKnown(ctx, id)
	}
	b.schedule(ctx)
}

// named says how the named data stands that a job needs, as far as is known here. A job that has seen it final does not hear it again: package job
// sees to that.
func (b *Broker) named(consumer job.Job, d job.DataInput) job.Input {
	below, ok := strings.CutSuffix(d.Name, "*")
	if !ok {
		return data.Need(consumer, d.Name, []data.Known{b.knownOf(d.Name)})
	}
	source := b.dataNow()
	var known []data.Known
	for e := range b.catalog.below(below, "") {
		known = append(known, source.entry(*e))
		if len(known) > 2*data.MaxFiles {
			break // more than may be, whatever they are
		}
	}
	for _, p := range data.Patterns(d.Name) {
		known = append(known, source.entry(b.catalog.get(p)))
	}
	return data.Need(consumer, d.Name, known)
}

// keepResults puts down what a job made whose record is about to be forgotten, where it is still to be had under its name.
func (b *Broker) keepResults(ctx actor.Context, j job.Job) {
	_, by := j.Winner()
	t, _ := j.Tenure(by)
	for i, f := range data.Made(j) {
		known := b.knownOf(f.Name)
		if v, ok := known.Stand().MadeBy(j.ID); ok {
			r := v.Record
			r.ID, r.Broker = fmt.Sprintf("%s.%d", j.ID, i), t.Node // no client can give that id: it has a dot
			b.writeData(ctx, r, known.Outlived(j))
		}
	}
}

// keepRemoved notes when a removal may go. Brokers do it one after the other, so that nearly always one does.
func (b *Broker) keepRemoved(r data.Record) {
	ago := time.Duration(max(0, b.hybrid().Wall-r.At.Wall)) * time.Millisecond
	turn := time.Duration(max(0, slices.Index(b.ranked(job.ID(r.ID), ""), b.journal))) * time.Minute
	b.removals.add(job.ID(r.ID), b.Now().Add(max(0, keepRemoval-ago)+turn))
}

// endRemovals writes down that removals need not be kept any longer.
func (b *Broker) endRemovals(ctx actor.Context, now time.Time) {
	for _, id := range b.removals.due(now) {
		switch r, ok := b.dataRecord(string(id)); {
		case !ok || r.Gone:
		case !b.knownOf(r.Name).Spent(r):
			b.removals.add(id, now.Add(time.Hour))
		default:
			r.Gone = true
			b.commitData(ctx, r)
		}
	}
}
