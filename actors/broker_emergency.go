package actors

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/emergency"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/messages"
)

// Emergencies (EMG-1 to EMG-5): what was declared anywhere changes what every broker that hears of it starts, at once.
//
//	declared, or heard of ─▶ level ─▶ queue: who starts
//	                               ├▶ high: attempts that have not begun are set aside; critical: those that run too
//	                               └▶ copies of other jobs' bytes wait

// emergencies are those that this broker knows of, and how long it has known what it knows.
type emergencies struct {
	board emergency.Board
	since map[string]time.Time // when this broker heard that one was declared, or that it is over
	level emergency.Level      // what its jobs are held to just now
	later map[job.ID]bool      // jobs of others whose bytes are to be copied when the emergency allows for it
}

// keepEmergency is how long an emergency that is over is shown, unless the settings say otherwise.
const keepEmergency = 7 * 24 * time.Hour

// maxPreempted is how often one job makes room for emergencies: one that was set aside more often is let run, so that a record stays small
// whoever declares what, and a job ends at last.
const maxPreempted = 16

// heard notes what a record says now, and since when this broker knows.
func (e *emergencies) heard(next emergency.Emergency, now time.Time) {
	was, known := e.board.Get(next.ID)
	e.board.Set(next)
	switch {
	case next.Ended:
		delete(e.since, next.ID)
	case !known || was.Active() != next.Active():
		if e.since == nil {
			e.since = map[string]time.Time{}
		}
		e.since[next.ID] = now
	}
}

func (e *emergencies) forget(id string) {
	e.board.Remove(id)
	delete(e.since, id)
}

// putOff has the bytes of a job copied later.
func (e *emergencies) putOff(id job.ID) {
	if e.later == nil {
		e.later = map[job.ID]bool{}
	}
	e.later[id] = true
}

// left returns how long one is still in force, and whether it ends by itself at all.
func (e *emergencies) left(x emergency.Emergency, now time.Time) (time.Duration, bool) {
	return max(x.TTL-now.Sub(e.since[x.ID]), 0), x.Active() && x.TTL > 0
}

// declare writes an emergency down and acts on it. The same one twice is one.
func (b *Broker) declare(ctx actor.Context, q *declaration) {
	e := q.emergency
	if b.stale(ctx, q.seen, e.ID) {
		return
	}
	old, known := b.emergencies.board.Get(e.ID)
	refused := b.noDeclaration(e, old, known)
	switch {
	case refused != nil:
		b.reply(ctx, refused)
	case known:
		b.tellEmergency(ctx, old)
	default:
		e.Broker, e.At = b.ID, b.hybrid()
		b.tellEmergency(ctx, b.putEmergency(ctx, e))
	}
}

// noDeclaration says why an emergency cannot be declared, nil if it can.
func (b *Broker) noDeclaration(e, old emergency.Emergency, known bool) *messages.Refused {
	now := b.hybrid().Wall
	switch {
	case known && (old.Type != e.Type || old.Level != e.Level || old.Area != e.Area || old.TTL != e.TTL || old.By != e.By):
		return &messages.Refused{Code: messages.Refused_CONFLICT, Job: e.ID, Reason: fmt.Sprintf("another emergency was declared as %s: use a new id", e.ID)}
	case known:
		return nil
	case b.disk.full:
		return diskFull(job.ID(e.ID))
	case len(b.emergencies.board.Active()) >= emergency.MaxActive:
		return &messages.Refused{
			Code: messages.Refused_BUSY, Job: e.ID, RetryAfterMs: 1000,
			Reason: fmt.Sprintf("%d emergencies are in force already: clear some that are over", emergency.MaxActive),
		}
	case job.ID(e.ID).Time() < now-b.emergencyKept().Milliseconds():
		// It may have been declared before, and be forgotten by now.
		return &messages.Refused{
			Code: messages.Refused_RENAMED, Job: e.ID, Broker: b.name(), AfterMs: uint64(max(0, now)),
			Reason: "its id was made so long ago that it may be that of an emergency which is over: declare it under a new one",
		}
	}
	return nil
}

func (b *Broker) emergencyKept() time.Duration {
	if b.KeepEmergency > 0 {
		return b.KeepEmergency
	}
	return keepEmergency
}

// clear writes down that an emergency is over. Of several who say so the first one counts.
func (b *Broker) clear(ctx actor.Context, q *clearance) {
	if b.stale(ctx, q.seen, q.id) {
		return
	}
	switch found := b.emergencies.board.Find(q.id); {
	case len(found) == 0:
		b.reply(ctx, &messages.Refused{Code: messages.Refused_NOT_FOUND, Job: q.id, Reason: fmt.Sprintf("no emergency %q is known here", q.id)})
	case len(found) > 1:
		b.reply(ctx, &messages.Refused{Code: messages.Refused_INVALID, Job: q.id, Reason: fmt.Sprintf("more than one emergency begins with %q", q.id)})
	case !found[0].Active():
		b.tellEmergency(ctx, found[0])
	case b.disk.full:
		b.reply(ctx, diskFull(job.ID(q.id)))
	default:
		q.over.At = b.hybrid()
		b.tellEmergency(ctx, b.putEmergency(ctx, found[0].Cleared(q.over)))
	}
}

// putEmergency writes a record in the urgent lane, and has everything follow from it.
func (b *Broker) putEmergency(ctx actor.Context, e emergency.Emergency) emergency.Emergency {
	e = b.put(ctx, ledger.Urgent, emergencyKey(e.ID), emergencyState{e}).State.(emergencyState).Emergency
	b.emergencyMoved(ctx, e)
	return e
}

// emergencyMoved follows a record that was written here, or came from elsewhere.
func (b *Broker) emergencyMoved(ctx actor.Context, e emergency.Emergency) {
	was, known := b.emergencies.board.Get(e.ID)
	b.horizon.ended.note(e.Ended, emergencyKey(e.ID))
	b.emergencies.heard(e, b.Now())
	switch {
	case e.Active() && !known:
		b.note("emergency declared", "", fmt.Sprintf("%s, %s, by %s", e.Type, e.Level, e.ByName))
	case !e.Active() && known && was.Active():
		b.note("emergency over", "", fmt.Sprintf("%s, %s: %s", e.Type, e.Level, e.Over.Reason))
	}
	b.levelMoved(ctx)
}

// resumeEmergencies takes up those that the journal holds. How long they were in force before nobody has counted: their time begins anew here, and
// other brokers end them in the meantime.
func (b *Broker) resumeEmergencies(ctx actor.Context) {
	for _, rec := range sortedRecords(b.replica, ledger.Emergency) {
		e := rec.State.(emergencyState).Emergency
		b.horizon.ended.note(e.Ended, rec.Key)
		b.emergencies.heard(e, b.Now())
	}
	b.levelMoved(ctx)
}

// levelMoved holds the jobs of this broker to the effective level.
func (b *Broker) levelMoved(ctx actor.Context) {
	level := b.emergencies.board.Level()
	if level == b.emergencies.level {
		return
	}
	b.note("emergency level", "", fmt.Sprintf("from %s to %s", b.emergencies.level, level))
	b.emergencies.level = level
	b.queue.SetLevel(uint8(level))
	if level >= emergency.High {
		for _, id := range b.underway() {
			if j, ok := b.job(id); ok {
				b.makeRoom(ctx, j)
			}
		}
	} else {
		b.copyLater()
	}
	b.schedule(ctx)
}

// underway returns the jobs with a supervisor, and those of which an attempt runs at an executor that this broker is not home to, in a fixed order.
func (b *Broker) underway() []job.ID {
	ids := slices.Collect(maps.Keys(b.active))
	for n := range b.owners.orphans {
		ids = append(ids, n.Job)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// makeRoom sets attempts of a job aside that may not go on: at high those whose program has not begun, at critical all. It is asked whenever a job
// has changed, for an attempt may have been placed before this broker heard, or come back with its executor. A job on whose end another broker has
// the say is that one's to set aside.
func (b *Broker) makeRoom(ctx actor.Context, j job.Job) {
	if b.emergencies.level < emergency.High || j.Spec.Emergency != "" || !b.acts(j) || j.Preempted() >= maxPreempted {
		return
	}
	mine, _ := j.Mine(b.journal)
	t, _ := j.Tenure(mine)
	for _, a := range t.Live() {
		if a.State == job.Placed || b.emergencies.level == emergency.Critical {
			b.apply(ctx, j.ID, job.Preempted{Attempt: a.Name, Reason: b.emergencyReason(), At: b.hybrid()})
		}
	}
}

// heldUp says why a job may not start though there were a place for it, "" if it may.
func (b *Broker) heldUp(s *job.Spec) string {
	if b.emergencies.level < emergency.High || s.Emergency != "" {
		return ""
	}
	return placement.HeldBack + ": " + b.emergencyReason()
}

// emergencyReason names the emergency that makes the level.
func (b *Broker) emergencyReason() string {
	e, _ := b.emergencies.board.Highest()
	where := ""
	if e.Area != "" {
		where = " in " + e.Area
	}
	return fmt.Sprintf("emergency %s%s (%s)", e.Type, where, e.Level)
}

// prefers returns the labels that suit a job of an emergency in force (EMG-3): any of which its type is the name or the value, and those that
// say where it is.
func (b *Broker) prefers(s *job.Spec) map[string]string {
	if s.Emergency == "" || b.emergencies.level == emergency.None {
		return nil
	}
	of := b.emergencies.board.OfType(s.Emergency)
	if len(of) == 0 {
		return nil
	}
	prefer := map[string]string{s.Emergency: placement.Any, placement.Any: s.Emergency}
	if gravest := slices.MaxFunc(of, func(x, y emergency.Emergency) int { return cmp.Compare(x.Level, y.Level) }); gravest.Area != "" {
		prefer["location"], prefer["area"] = gravest.Area, gravest.Area
	}
	return prefer
}

// ofEmergency says whether a job is one of an emergency's: what is said of it goes before the rest.
func (b *Broker) ofEmergency(id job.ID) bool {
	j, ok := b.job(id)
	return ok && j.Spec.Emergency != ""
}

// copiesPaused says whether copies of bytes wait that belong to no emergency (EMG-5). Records never do.
func (b *Broker) copiesPaused() bool { return b.emergencies.level >= emergency.High }

// copyLater asks for the bytes that were not copied while an emergency needed the bandwidth, as far as they are still of use.
func (b *Broker) copyLater() {
	for _, id := range slices.Sorted(maps.Keys(b.emergencies.later)) {
		if j, ok := b.job(id); ok {
			b.bytesOf(job.Job{}, j)
		}
	}
	b.emergencies.later = nil
}

// watchEmergencies writes down that the time of an emergency is over, or that one that is over need not be kept. The broker that it was declared at
// does so, and in case that is gone the others a little later, one after the other.
func (b *Broker) watchEmergencies(ctx actor.Context, now time.Time) {
	if len(b.emergencies.since) == 0 || b.disk.full {
		return
	}
	past := b.emergencies.board.Past()
	for i, e := range past {
		keep := b.emergencyKept()
		if i < len(past)-emergency.MaxPast {
			keep = 0
		}
		if b.emergencyDue(e, keep, now) {
			b.putEmergency(ctx, e.End())
		}
	}
	for _, e := range b.emergencies.board.Active() {
		if e.TTL > 0 && b.emergencyDue(e, e.TTL, now) {
			b.putEmergency(ctx, e.Cleared(emergency.Over{By: b.ID, ByName: b.Name, Reason: "its time is over", At: b.hybrid()}))
		}
	}
}

// emergencyDue says whether it is this broker's turn to write down that the time of an emergency is over, for which it has known it.
func (b *Broker) emergencyDue(e emergency.Emergency, after time.Duration, now time.Time) bool {
	held := now.Sub(b.emergencies.since[e.ID])
	if held < after {
		return false
	}
	if e.Broker != b.ID {
		rank := slices.Index(b.ranked(job.ID(e.ID), ""), b.journal)
		after += time.Duration(2+max(rank, 0)) * b.SyncInterval
	}
	return held >= after
}

// tellEmergency answers who declared or cleared an emergency, when it is on disk.
func (b *Broker) tellEmergency(ctx actor.Context, e emergency.Emergency) {
	disks := uint32(0)
	if b.durable() {
		disks = 1
	}
	rec, _ := b.replica.Get(emergencyKey(e.ID))
	to := ctx.Sender()
	told := &messages.EmergencyDeclared{Emergency: b.emergencyInfo(e), Durability: disks, Session: sessionOf(rec.Writes, b.hybrid())}
	b.holdOr(func() { ctx.Send(to, told) }, func() { ctx.Send(to, diskFull(job.ID(e.ID))) })
}

func (b *Broker) listEmergencies(ctx actor.Context, q *listEmergencies) {
	if b.stale(ctx, q.seen, "") {
		return
	}
	res := &messages.EmergenciesResponse{Level: uint32(b.emergencies.level)}
	for _, e := range b.emergencies.board.All() {
		res.Emergencies = append(res.Emergencies, b.emergencyInfo(e))
	}
	b.read(ctx, func() any { return res })
}

func (b *Broker) emergencyInfo(e emergency.Emergency) *messages.EmergencyInfo {
	info := &messages.EmergencyInfo{
		Id: e.ID, Type: e.Type, Level: uint32(e.Level), Area: e.Area, Reason: e.Reason, By: e.By, ByName: e.ByName, Broker: e.Broker,
		AtMs: uint64(max(0, e.At.Wall)),
	}
	if n, ok := b.node(e.Broker); ok {
		info.BrokerName = n.Name
	}
	if left, ends := b.emergencies.left(e, b.Now()); ends {
		info.LeftMs = max(1, uint64(left.Milliseconds()))
	}
	if o := e.Over; o != nil {
		info.Over, info.OverReason, info.OverMs = true, o.Reason, uint64(max(0, o.At.Wall))
		info.OverBy = o.ByName
		if info.OverBy == "" {
			info.OverBy = o.By
		}
	}
	return info
}
