package actors

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/roster"
	"github.com/urbancompute/ucp/messages"
)

// Who acts for a job is the least of its owners that is in reach (JOB-6). A broker that holds jobs of one out of reach asks the others, and when
// nobody hears it takes them over, in an order that is a function of job and broker, so that rarely two do. Those that meet go by the same rule.

const (
	// askOwners is how often others are asked whether they hear an owner, and watchEvery how often the answer is looked at.
	askOwners = time.Second
	// hearPatience is how long others have for an answer.
	hearPatience = 300 * time.Millisecond
)

// owners knows which brokers are heard, and which undecided jobs are led by whom.
type owners struct {
	heard     map[string]time.Time           // by journal
	suspects  map[string]*suspicion          // by journal
	led       map[string]map[job.ID]struct{} // undecided jobs by the journal of their least owner
	leader    map[job.ID]string              // the same the other way
	away      map[string]bool                // journals out of reach when last looked
	orphans   map[job.Name]orphan            // attempts under way at executors that this broker is not home to
	graced    map[job.Name]bool              // attempts that were waited for behind a cut
	inherited map[string]bool                // journals that were closed when last looked: their heirs have begun
	resumed   map[job.ID]bool                // jobs of an earlier life that may still run somewhere
}

// suspicion is what others said of a broker that is out of reach.
type suspicion struct{ asked, vouched time.Time }

// orphan is an attempt that counts as under way, without this broker knowing it from its executor.
type orphan struct {
	executor string
	lease    uint64
	since    time.Time
	asked    time.Time
	held     bool   // its executor's home has said that it is in hand
	life     uint64 // of the executor, as somebody heard it; 0: only the roster tells
	// Its executor fell silent together with most others.
	behindCut bool
}

func newOwners() owners {
	return owners{
		heard: map[string]time.Time{}, suspects: map[string]*suspicion{}, led: map[string]map[job.ID]struct{}{}, leader: map[job.ID]string{},
		away: map[string]bool{}, orphans: map[job.Name]orphan{}, graced: map[job.Name]bool{},
		resumed: map[job.ID]bool{}, inherited: map[string]bool{},
	}
}

// forgive moves on what was heard by as long as nobody listened.
func (o *owners) forgive(d time.Duration) {
	for j, t := range o.heard {
		o.heard[j] = t.Add(d)
	}
	for n, x := range o.orphans {
		x.since = x.since.Add(d)
		o.orphans[n] = x
	}
}

func (o *owners) answered(journal string, hears bool, now time.Time) {
	if s, ok := o.suspects[journal]; ok && hears {
		s.vouched = now
	}
}

// lead notes who leads an undecided job, or that it is decided.
func (o *owners) lead(j job.Job, over bool) {
	was := o.leader[j.ID]
	now := ""
	if !over {
		now = j.Owners()[0].Journal
	}
	if was == now {
		return
	}
	if was != "" {
		delete(o.led[was], j.ID)
		delete(o.leader, j.ID)
	}
	if now != "" {
		if o.led[now] == nil {
			o.led[now] = map[job.ID]struct{}{}
		}
		o.led[now][j.ID] = struct{}{}
		o.leader[j.ID] = now
	}
}

// hearBroker notes that a broker lives.
func (b *Broker) hearBroker(ctx actor.Context, journal string) {
	if journal == "" || journal == b.journal {
		return
	}
	b.owners.heard[journal] = b.Now()
	delete(b.owners.suspects, journal)
	if b.owners.away[journal] {
		delete(b.owners.away, journal)
		b.note("broker back in reach", "", journal)
		b.reconsider(ctx, journal)
	}
}

// lastHeard returns when a broker was heard last; one never heard counts from this broker's start.
func (b *Broker) lastHeard(journal string) time.Time {
	if t, ok := b.owners.heard[journal]; ok {
		return t
	}
	return b.started
}

// reaches says whether a broker was heard within a lease.
func (b *Broker) reaches(journal string) bool {
	if journal == b.journal {
		return true
	}
	t, ok := b.owners.heard[journal]
	return ok && b.Now().Sub(t) <= b.LeaseTimeout
}

// gone says whether a broker has been out of reach for so long that its jobs may be taken over.
func (b *Broker) gone(journal string) bool {
	return journal != b.journal && (b.census.Forgotten(journal) || b.Now().Sub(b.lastHeard(journal)) >= b.BrokerTimeout)
}

// acts says whether this broker is the one that moves a job on.
func (b *Broker) acts(j job.Job) bool {
	mine, ok := j.Mine(b.journal)
	if !ok {
		return false
	}
	for _, o := range j.Owners() {
		if o == mine {
			return true
		}
		if !b.gone(o.Journal) {
			return false
		}
	}
	return false
}

// actingFor returns the owner in reach that acts for a job.
func (b *Broker) actingFor(j job.Job) (job.Ownership, bool) {
	for _, o := range j.Owners() {
		if b.reaches(o.Journal) && (o.Journal != b.journal || b.acts(j)) {
			return o, true
		}
	}
	return job.Ownership{}, false
}

// watchOwners looks for jobs whose owners have all gone out of reach.
func (b *Broker) watchOwners(ctx actor.Context, now time.Time) {
	for _, journal := range slices.Sorted(maps.Keys(b.owners.led)) {
		if journal == b.journal || len(b.owners.led[journal]) == 0 || b.reaches(journal) {
			continue
		}
		if !b.owners.away[journal] {
			b.owners.away[journal] = true
			b.note("broker out of reach", "", journal)
		}
		if b.gone(journal) && b.nobodyHears(ctx, journal, now) {
			b.reconsider(ctx, journal)
		}
	}
}

// nobodyHears asks the brokers in reach whether they hear one that this broker does not, and says whether they had time to say so and did not.
func (b *Broker) nobodyHears(ctx actor.Context, journal string, now time.Time) bool {
	s, ok := b.owners.suspects[journal]
	if !ok {
		s = &suspicion{}
		b.owners.suspects[journal] = s
	}
	vouched := !s.vouched.IsZero() && now.Sub(s.vouched) < 2*askOwners
	silent := !s.asked.IsZero() && now.Sub(s.asked) >= hearPatience && !vouched
	if s.asked.IsZero() || now.Sub(s.asked) >= askOwners {
		s.asked = now
		for _, p := range sortedPeers(b.peers) {
			ctx.Request(p.pid, &messages.HearRequest{Journal: journal})
		}
	}
	return silent
}

// reconsider goes through the jobs led by a broker that came or went.
func (b *Broker) reconsider(ctx actor.Context, journal string) {
	for _, id := range slices.Sorted(maps.Keys(b.owners.led[journal])) {
		j, ok := b.job(id)
		if !ok {
			continue
		}
		if _, mine := j.Mine(b.journal); mine {
			b.applyMerged(ctx, j)
		} else if b.mayTakeOver(j) {
			b.takeOver(ctx, j)
		}
	}
}

// mayTakeOver says whether all owners are gone, and it is this broker's turn: 1, 1¼, 1½ … timeouts by its rank for the job.
func (b *Broker) mayTakeOver(j job.Job) bool {
	if v, _ := j.Winner(); v != nil || b.census.Forgotten(b.journal) {
		return false
	}
	due := b.started
	for _, o := range j.Owners() {
		if !b.gone(o.Journal) {
			return false
		}
		if t := b.lastHeard(o.Journal); t.After(due) {
			due = t
		}
	}
	rank := slices.Index(b.ranked(j.ID, j.Owners()[0].Journal), b.journal)
	return !b.Now().Before(due.Add(b.BrokerTimeout * time.Duration(4+max(rank, 0)) / 4))
}

// ranked returns the members but one in the order of their rendezvous weight for a job, the greatest first.
func (b *Broker) ranked(id job.ID, but string) []string {
	members := slices.DeleteFunc(b.census.Members(), func(m string) bool { return m == but })
	slices.SortFunc(members, func(x, y string) int {
		return cmp.Or(cmp.Compare(job.Weight(id, y), job.Weight(id, x)), cmp.Compare(x, y))
	})
	return members
}

func (b *Broker) takeOver(ctx actor.Context, j job.Job) {
	next, _, err := j.TakeOver(b.journal, b.ID)
	if err != nil {
		b.log.Debug("takeover refused", "job", j.ID, "err", err)
		return
	}
	b.note("taken over", j.ID, "from "+j.Owners()[0].Journal)
	b.commit(ctx, next)
	b.armQueued(ctx, j.ID, j.Spec)
	b.inputsKnown(ctx, j.ID)
	b.carriedOn(ctx, j.ID)
	b.mergedIn(ctx, j.ID)
	b.schedule(ctx)
}

// beginTenure takes up a job that a release, its id or a will makes ours (JOB-13, JOB-14).
func (b *Broker) beginTenure(ctx actor.Context, j job.Job) {
	for next, owner, ok := j.Begin(b.journal, b.ID, b.wills()); ok; next, owner, ok = j.Begin(b.journal, b.ID, b.wills()) {
		b.began(ctx, next, owner)
		j, _ = b.job(j.ID)
	}
}

func (b *Broker) began(ctx actor.Context, next job.Job, owner job.Ownership) {
	j := next
	t, _ := next.Tenure(owner)
	if t.Inherited != "" {
		b.note("heir began", j.ID, "of "+t.Inherited)
	} else {
		b.note("tenure began", j.ID, owner.String())
	}
	if t.Doubtful {
		b.note("an end that can not be final", j.ID, "jobs of its time are forgotten")
	}
	delete(b.offers, j.ID)
	b.crew.unreserve(j.ID)
	b.commit(ctx, next)
	b.armQueued(ctx, j.ID, j.Spec)
	b.inputsKnown(ctx, j.ID)
	b.carriedOn(ctx, j.ID)
	b.mergedIn(ctx, j.ID)
	b.schedule(ctx) // into the slot that was held for it
}

func (b *Broker) wills() job.Wills { return b.census.Wills(b.replica.Vector(), b.forgottenUpTo()) }

// mergedIn is applyMerged for the job as it is now.
func (b *Broker) mergedIn(ctx actor.Context, id job.ID) {
	if j, ok := b.job(id); ok {
		b.applyMerged(ctx, j)
	}
}

// applyMerged lets a job of ours take in what others wrote, or who is in reach now.
func (b *Broker) applyMerged(ctx actor.Context, j job.Job) {
	acting := b.acts(j)
	b.applyWith(ctx, j.ID, job.Merged{Acting: acting, At: b.hybrid()})
	b.enqueue(j.ID)
}

// watchOrphans looks after attempts that this broker did not deploy in this life: those of executors at home here must be in their hands, those of
// others must be known to a broker in reach.
func (b *Broker) watchOrphans(ctx actor.Context, now time.Time) {
	for _, n := range sortedNames(b.owners.orphans) {
		o := b.owners.orphans[n]
		m := b.crew.members[o.executor]
		node, known := b.node(o.executor)
		life := max(node.Life, o.life)
		switch {
		case m != nil && m.has(n, now):
			o.since = now
			b.owners.orphans[n] = o
		case m != nil:
			b.disown(ctx, n, "its executor does not have it")
		case known && node.State == roster.Up && node.Home != b.ID && b.reachesNode(node.Home) && !o.overdue(life, now) && now.Sub(o.since) <= b.LeaseTimeout:
			b.askHome(ctx, n, o, node.Home, now)
		case life > o.lease:
			b.disown(ctx, n, "its executor began another life")
		case now.Sub(o.since) > b.LeaseTimeout:
			b.disown(ctx, n, "no broker in reach hears its executor")
		}
	}
}

// overdue says whether an executor in that life has had its time to show that it has the result of an attempt of an earlier one: it keeps results,
// and nothing that ran.
func (o orphan) overdue(life uint64, now time.Time) bool {
	return life > o.lease && !o.held && !o.asked.IsZero() && now.Sub(o.asked) >= hearPatience
}

// askHome asks the broker that is home to an executor whether that has an attempt in hand.
func (b *Broker) askHome(ctx actor.Context, n job.Name, o orphan, home string, now time.Time) {
	if now.Sub(o.asked) >= askOwners {
		o.asked = now
		ctx.Request(b.peers[home].pid, &messages.HeldRequest{Executor: o.executor, Attempt: messages.AttemptToWire(n)})
	}
	b.owners.orphans[n] = o
}

func (b *Broker) heldRequest(ctx actor.Context, msg *messages.HeldRequest) {
	n := messages.AttemptFromWire(msg.GetAttempt())
	if m, ok := b.crew.members[msg.GetExecutor()]; ok {
		silent := milliseconds(max(0, b.Now().Sub(m.heard)))
		ctx.Request(ctx.Sender(), &messages.HeldResponse{Attempt: msg.GetAttempt(), Held: m.has(n, b.Now()), SilentMs: silent})
	}
}

// heldResponse hears what the home of an executor knows of an attempt. The lease counts from when that home heard the executor, not from its word:
// it goes on saying so for as long as it takes itself to notice a silence, and both times together would be two leases.
func (b *Broker) heldResponse(ctx actor.Context, msg *messages.HeldResponse) {
	n := messages.AttemptFromWire(msg.GetAttempt())
	o, ok := b.owners.orphans[n]
	switch {
	case !ok:
	case msg.GetHeld():
		o.since, o.held = b.Now().Add(-time.Duration(msg.GetSilentMs())*time.Millisecond), true
		b.owners.orphans[n] = o
	default:
		b.disown(ctx, n, "its executor does not have it")
	}
}

// disown gives up an attempt of which nobody knows any more. It costs the job nothing.
func (b *Broker) disown(ctx actor.Context, n job.Name, why string) {
	delete(b.owners.orphans, n)
	b.applyIfKnown(ctx, n.Job, job.Declined{Attempt: n, Reason: why, At: b.hybrid()})
}

// reachesNode says whether a broker is heard, whatever journal it writes.
func (b *Broker) reachesNode(node string) bool {
	p, ok := b.peers[node]
	return node == b.ID || (ok && p.journal != "" && b.reaches(p.journal))
}

// resumeJob takes up a job found in the journal.
func (b *Broker) resumeJob(ctx actor.Context, rec ledger.Record) {
	j := rec.State.(jobState).Job
	v, by := j.Decided()
	b.owners.lead(j, v != nil)
	b.horizon.ended.note(j.Ended, rec.Key)
	b.refs.noteJob(j)
	b.inputs.note(j)
	b.makerMoved(ctx, j)
	if v != nil {
		if by.Journal == b.journal && !j.Ended {
			b.decided(ctx, j)
		} else if b.keeps(j) && !j.Ended {
			b.retention.add(j.ID, b.Now().Add(j.Spec.Retention))
		}
		return
	}
	b.bytesOf(job.Job{}, j)
	if mine, ok := j.Mine(b.journal); ok {
		b.settled = b.started.Add(b.LeaseTimeout)
		b.owners.resumed[j.ID] = true
		t, _ := j.Tenure(mine)
		b.orphaned(t)
		b.armQueued(ctx, j.ID, j.Spec)
	}
}

// orphaned watches the attempts under way that this broker did not deploy in this life, or whose executors are not home here.
func (b *Broker) orphaned(t job.Tenure) {
	for _, a := range t.Attempts {
		_, watched := b.owners.orphans[a.Name]
		m := b.crew.members[a.Executor]
		switch {
		case !a.State.Live() || (m != nil && m.live[a.Name] != nil): // over, or counted with its executor
			delete(b.owners.orphans, a.Name)
			if !a.State.Live() {
				delete(b.owners.graced, a.Name)
			}
		case !watched:
			b.owners.orphans[a.Name] = orphan{executor: a.Executor, lease: a.Lease, since: b.Now()}
		}
	}
}

// settle puts the jobs of an earlier life back into the queue once their executors had time to report.
func (b *Broker) settle(ctx actor.Context) {
	b.settled = time.Time{}
	resumed := slices.Sorted(maps.Keys(b.owners.resumed))
	clear(b.owners.resumed)
	for _, id := range resumed {
		b.inputsKnown(ctx, id)
		b.applyIfKnown(ctx, id, job.RetryDue{At: b.hybrid()})
		b.mergedIn(ctx, id)
	}
}

// drop forgets a job.
func (o *owners) drop(id job.ID) {
	if was, ok := o.leader[id]; ok {
		delete(o.led[was], id)
		delete(o.leader, id)
	}
	delete(o.resumed, id)
}
