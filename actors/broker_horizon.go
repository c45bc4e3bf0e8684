package actors

import (
	"encoding/binary"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/mutant"
	"github.com/urbancompute/ucp/internal/vclock"
)

// Forgetting (SYNC-8): what has ended is dropped by everybody once everybody knows that it has. Brokers say what they hold, and what all of them hold
// becomes the horizon.

// horizon is this broker's part in forgetting.
type horizon struct {
	ended  endedRecords
	last   time.Time          // when this broker last said what it holds
	silent map[string]silence // by journal: what a broker last said, and since when it says nothing new
	passed ledger.Vector      // the horizon up to which lives that are over were dropped from the clock
	// dropped is when the youngest id was made of the jobs that this broker has forgotten, in Unix milliseconds, and droppedData that of named data.
	dropped, droppedData int64
}

func newHorizon() horizon { return horizon{dropped: -1, droppedData: -1} }

type silence struct {
	rev   uint64
	since time.Time
}

// endedRecords are those that may be forgotten.
type endedRecords map[ledger.Key]struct{}

func (e *endedRecords) note(ended bool, key ledger.Key) {
	if !ended {
		return
	}
	if *e == nil {
		*e = endedRecords{}
	}
	(*e)[key] = struct{}{}
}

// watchHorizon says what this broker holds while there is something to forget, and moves the horizon to what all hold.
func (b *Broker) watchHorizon(ctx actor.Context, now time.Time) {
	b.applyHorizon(ctx)
	if len(b.horizon.ended) == 0 || now.Sub(b.horizon.last) < b.ForgetEvery {
		return
	}
	b.horizon.last = now
	members := b.keepers(now)
	own, ok := b.census.Broker(b.journal)
	if !ok || b.census.Forgotten(b.journal) {
		return
	}
	if len(members) > 1 && !own.Known.CoversAll(b.replica.Vector()) && !b.knownEnough(own.Known) {
		b.putBroker(ctx, own.Knowing(b.replica.Vector()))
	}
	b.moveHorizon(ctx, members)
}

// knownEnough says whether what was said covers everything that waits to be forgotten.
func (b *Broker) knownEnough(known ledger.Vector) bool {
	for key := range b.horizon.ended {
		if rec, ok := b.replica.Get(key); ok && !known.CoversAll(rec.Writes) {
			return false
		}
	}
	return true
}

// keepers returns the members that were heard of within the time that brokers are waited for.
func (b *Broker) keepers(now time.Time) []string {
	var all []string
	for _, m := range b.census.Members() {
		r, _ := b.census.Broker(m)
		s, ok := b.horizon.silent[m]
		if !ok || s.rev != r.Rev || b.reaches(m) {
			if b.horizon.silent == nil {
				b.horizon.silent = map[string]silence{}
			}
			s = silence{r.Rev, now}
			b.horizon.silent[m] = s
		}
		if now.Sub(s.since) < b.Keep {
			all = append(all, m)
		}
	}
	return all
}

// moveHorizon writes what all members said they hold, if it is this broker's turn and something can then be forgotten. One that was away while others
// forgot sets no horizon until it has caught up: what it takes for the whole of a record may lack what they dropped. The turn passes it by.
func (b *Broker) moveHorizon(ctx actor.Context, members []string) {
	if b.replica.Behind() {
		return
	}
	common := b.replica.Vector()
	turn := true
	for _, m := range members {
		if m == b.journal {
			continue
		}
		r, _ := b.census.Broker(m)
		if !mutant.On(mutant.HorizonOfOne) {
			common = common.Meet(r.Known)
		}
		turn = turn && (m > b.journal || !b.reaches(m) || b.saysBehind(m))
	}
	if !turn || !b.someEndedIn(common) {
		return
	}
	b.put(ctx, ledger.Urgent, ledger.HorizonKey, ledger.HorizonState{
		Vector: common, At: vclock.Hybrid{Wall: b.latestEnded(ledger.Job, common)}, Data: vclock.Hybrid{Wall: b.latestEnded(ledger.Data, common)},
	})
	b.applyHorizon(ctx)
}

// saysBehind says whether a broker in reach said last that it was away while others forgot.
func (b *Broker) saysBehind(journal string) bool {
	for _, p := range b.peers {
		if p.journal == journal {
			return p.behind
		}
	}
	return false
}

// latestEnded returns when the youngest id was made of the records of a kind that a horizon forgets. An id from the future counts as made now.
func (b *Broker) latestEnded(kind ledger.Kind, v ledger.Vector) int64 {
	latest, now := int64(0), b.hybrid().Wall
	for key := range b.horizon.ended {
		if rec, ok := b.replica.Get(key); ok && key.Kind == kind && v.CoversAll(rec.Writes) {
			latest = max(latest, min(job.ID(key.ID).Time(), now))
		}
	}
	return latest
}

// forgottenUpTo returns the time in Unix milliseconds up to which ids may name a job that was forgotten, as the horizon says, or as was seen here
// when others told this broker first.
func (b *Broker) forgottenUpTo() int64 {
	upto := b.horizon.dropped
	if rec, ok := b.replica.Get(ledger.HorizonKey); ok {
		upto = max(upto, rec.State.(ledger.HorizonState).At.Wall)
	}
	return upto
}

// dataForgottenUpTo is the same of named data: a put that is sent again after that would replace what replaced it.
func (b *Broker) dataForgottenUpTo() int64 {
	upto := b.horizon.droppedData
	if rec, ok := b.replica.Get(ledger.HorizonKey); ok {
		upto = max(upto, rec.State.(ledger.HorizonState).Data.Wall)
	}
	return upto
}

func (b *Broker) someEndedIn(v ledger.Vector) bool {
	for key := range b.horizon.ended {
		if rec, ok := b.replica.Get(key); ok && v.CoversAll(rec.Writes) {
			return true
		}
	}
	return false
}

// applyHorizon drops what the horizon lets go.
func (b *Broker) applyHorizon(_ actor.Context) {
	for _, key := range b.replica.ApplyHorizon() {
		b.dropped(key)
	}
	if known := b.replica.Horizon(); !b.horizon.passed.CoversAll(known) {
		b.horizon.passed = known
		b.saveMeta(metaHorizon, known.Append(nil))
		b.retireClocks(known)
	}
}

// retireClocks drops from the clock what it counted of lives that are over, as soon as every broker knows that they are (CLK-6).
func (b *Broker) retireClocks(known ledger.Vector) {
	givenUp := func(journal string) bool {
		rec, ok := b.replica.Get(forgetKey(journal))
		return ok && known.CoversAll(rec.Writes)
	}
	var over []vclock.Key
	for rec := range b.replica.All(ledger.Node) {
		if !known.CoversAll(rec.Writes) {
			continue
		}
		if key, ok := b.census.Outlived(rec.State.(nodeState).Node, givenUp); ok {
			over = append(over, key)
		}
	}
	b.Clock.Retire(over...)
}

// dropped forgets what this broker knew of a record.
func (b *Broker) dropped(key ledger.Key) {
	b.unsave(key)
	b.refs.drop(key)
	delete(b.horizon.ended, key)
	id := job.ID(key.ID)
	made := min(id.Time(), b.hybrid().Wall)
	if key.Kind == ledger.Data {
		b.catalog.drop(key.ID)
		if made > b.horizon.droppedData {
			b.horizon.droppedData = made
			b.saveMeta(metaDroppedData, binary.AppendVarint(nil, made))
		}
	}
	if key.Kind == ledger.Emergency {
		b.emergencies.forget(key.ID)
	}
	if key.Kind != ledger.Job {
		return
	}
	if made > b.horizon.dropped {
		b.horizon.dropped = made
		b.saveMeta(metaDropped, binary.AppendVarint(nil, made))
	}
	b.catalog.dropJob(id)
	b.owners.drop(id)
	b.queue.Remove(key.ID)
	b.disarmQueued(id)
	delete(b.inputs, id)
	delete(b.emergencies.later, id)
	delete(b.holders.final, id)
}
