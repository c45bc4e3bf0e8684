package actors

import (
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/detect"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
)

// crew is the executors a broker is home to, with what they have in hand.
type crew struct {
	members map[string]*member
	pool    placement.Pool
	held    map[job.ID]int    // slots that are promised to a job: most have none, and are not looked for at each executor
	ended   func(*hold, bool) // is told what became of a hold; with true it was deployed. Nil: nobody cares
}

// member is one executor under one lease.
type member struct {
	*placement.Executor
	crew       *crew
	pid        *actor.PID
	lease      uint64
	life       uint64 // its incarnation
	heard      time.Time
	pulse      detect.Accrual      // of its heartbeats
	doubt      *doubt              // it may be lost: others are being asked
	inHand     map[job.Name]inHand // what it has, by what it said when it came and what was deployed from here since
	reserved   map[job.ID]*hold    // promised to jobs whose attempt is not named yet
	live       map[job.Name]*hold  // attempts under way
	reconnects Timer               // runs while the connection is gone
	told       uint64              // which contacts it heard of last
	stores     uint64              // and which datastores
}

// hold is a slot that is held for an attempt, with what else it reserved. Every hold is given back exactly once: see crew.release.
type hold struct {
	claim   placement.Claim
	account placement.Account // on whose account it is, if charged
	charged time.Duration     // 0: on nobody's
	since   time.Time
}

func newCrew() *crew { return &crew{members: map[string]*member{}, held: map[job.ID]int{}} }

// join adds an executor, or renews one; attempts that are already under way stay counted. What it has in hand under a lease that it had before is
// what was deployed since too: it may have said so before it heard of that.
func (c *crew) join(e placement.Executor, pid *actor.PID, lease, life uint64, now time.Time) *member {
	e.Used = 0
	m := &member{
		Executor: &e, crew: c, pid: pid, lease: lease, life: life, heard: now, inHand: map[job.Name]inHand{}, reserved: map[job.ID]*hold{}, live: map[job.Name]*hold{},
	}
	m.Party = m.party()
	m.pulse.Heard(now)
	old, again := c.members[e.ID]
	if again {
		old.stopTimers()
		m.live, m.reserved, m.Recent = old.live, old.reserved, old.Recent
		if old.lease == lease {
			m.inHand = old.inHand
		}
	}
	if m.Recent == nil {
		m.Recent = &placement.Recent{}
	}
	c.members[e.ID] = m
	c.pool.Put(m.Executor)
	for h := range m.holds() {
		c.pool.Reserve(m.Executor, h.claim)
	}
	return m
}

// jobsOf returns the jobs with an attempt under way or in hand at an executor under its lease of now.
func (c *crew) jobsOf(id string) []job.ID {
	if m, ok := c.members[id]; ok {
		return m.jobs()
	}
	return nil
}

// holds yields everything that is held, in no order.
func (m *member) holds() iter.Seq[*hold] {
	return func(yield func(*hold) bool) {
		for _, h := range m.reserved {
			if !yield(h) {
				return
			}
		}
		for _, h := range m.live {
			if !yield(h) {
				return
			}
		}
	}
}

func (c *crew) leave(m *member) {
	m.stopTimers()
	c.giveUp(m)
	for id := range m.reserved {
		m.unpromise(id)
	}
	delete(c.members, m.ID)
	c.pool.Remove(m.ID)
}

// giveUp settles the accounts of everything that an executor has: nobody waits for its slots any more.
func (c *crew) giveUp(m *member) {
	for _, id := range slices.Sorted(maps.Keys(m.reserved)) {
		c.release(m, m.reserved[id], false)
	}
	for _, n := range sortedNames(m.live) {
		c.release(m, m.live[n], true)
	}
}

// release gives back what was held at an executor.
func (c *crew) release(m *member, h *hold, deployed bool) {
	c.pool.Release(m.Executor, h.claim)
	if c.ended != nil {
		c.ended(h, deployed)
	}
}

// ends gives back the slot of an attempt.
func (m *member) ends(n job.Name) {
	if h, ok := m.live[n]; ok {
		delete(m.live, n)
		m.crew.release(m, h, true)
	}
}

// begins holds a slot for an attempt, that of its job if one was reserved.
func (m *member) begins(n job.Name, h *hold) {
	switch reserved := m.reserved[n.Job]; {
	case m.live[n] != nil:
	case reserved != nil:
		m.unpromise(n.Job)
		m.live[n] = reserved
	default:
		m.live[n] = h
		m.crew.pool.Reserve(m.Executor, h.claim)
	}
}

// overran calls charge for what has held its slot for longer than was charged: as much again each time, so that the account of who runs long
// programs is never far behind. The order does not matter: charges add up.
func (c *crew) overran(now time.Time, charge func(placement.Account, time.Duration)) {
	for _, m := range c.members {
		for _, h := range m.live {
			for h.charged > 0 && now.Sub(h.since) > h.charged {
				charge(h.account, h.charged)
				h.charged *= 2
			}
		}
	}
}

func (c *crew) stop() {
	for _, m := range c.members {
		m.stopTimers()
	}
}

// hear renews the lease of an executor, if it speaks in the life that has it, as far as that is known. One that has begun another life and is home
// elsewhere still sends here what results it kept, and answers for who asks; what it ran in the life before is over all the same.
func (c *crew) hear(id string, life uint64, now time.Time) *member {
	m, ok := c.members[id]
	if ok && (life <= m.life || m.life == 0) {
		m.heard = now
		m.trust()
	}
	return m
}

// forgive moves all leases on by d.
func (c *crew) forgive(d time.Duration) {
	for _, m := range c.members {
		m.heard = m.heard.Add(d)
		m.pulse.Forgive(d)
	}
}

// silent returns the executors whose silence means loss.
func (c *crew) silent(now time.Time, strain time.Duration, s detect.Settings) []*member {
	var out []*member
	for _, m := range c.sorted() {
		if m.pulse.Suspects(now.Sub(m.heard), strain, s) {
			out = append(out, m)
		}
	}
	return out
}

// quiet counts the executors that were not heard for longer than d.
func (c *crew) quiet(now time.Time, d time.Duration) int {
	n := 0
	for _, m := range c.members {
		if now.Sub(m.heard) > d {
			n++
		}
	}
	return n
}

func (c *crew) sorted() []*member {
	all := make([]*member, 0, len(c.members))
	for _, id := range slices.Sorted(maps.Keys(c.members)) {
		all = append(all, c.members[id])
	}
	return all
}

// free says whether any executor has room.
func (c *crew) free() bool { return c.pool.Free() }

// choose returns the executor that suits d best, nil if none can take it now.
func (c *crew) choose(d *placement.Demand) *member {
	if e := c.pool.Choose(d); e != nil {
		return c.members[e.ID]
	}
	return nil
}

// account counts the attempts of a job that were just deployed from here, and frees the slots of those that ended. Life is this broker's
// incarnation. What was deployed before is in an executor's hands or not, whatever the record says: another owner may have answered for it.
func (c *crew) account(before, now job.Tenure, life uint64) {
	for _, a := range now.Attempts {
		m, ok := c.members[a.Executor]
		if !ok {
			continue
		}
		_, known := m.inHand[a.Name]
		own := a.Name.Owner == now.Owner && a.Name.Incarnation == life
		switch {
		case !a.State.Live():
			m.ends(a.Name)
		case own && !known && !before.Lists(a.Name):
			m.begins(a.Name, &hold{})
			m.inHand[a.Name] = inHand{signed: true}
		}
	}
}

// reserved returns how many slots are promised to a job.
func (c *crew) reserved(id job.ID) int { return c.held[id] }

// unpromise forgets the slot that is promised to a job here.
func (m *member) unpromise(id job.ID) {
	delete(m.reserved, id)
	if m.crew.held[id]--; m.crew.held[id] <= 0 {
		delete(m.crew.held, id)
	}
}

// clear forgets what the executors have in hand, but not the executors.
func (c *crew) clear() {
	for _, m := range c.sorted() {
		c.giveUp(m)
		clear(m.live)
		clear(m.reserved)
	}
	clear(c.held)
}

// partyLabel says whose an executor is.
const partyLabel = "party"

// party is on whose behalf an executor says what it says: the label party, or itself.
func (m *member) party() string {
	if p := m.Labels[partyLabel]; p != "" {
		return p
	}
	return m.ID
}

func (c *crew) unreserve(id job.ID) {
	if c.held[id] == 0 {
		return
	}
	for _, m := range c.members {
		if h, ok := m.reserved[id]; ok {
			m.unpromise(id)
			c.release(m, h, false)
		}
	}
}

func (m *member) used() int { return m.Used }

// reserve holds a slot for a job before anybody is told (PLACE-1).
func (m *member) reserve(id job.ID, d *placement.Demand, h hold) {
	if m.reserved[id] != nil {
		return
	}
	h.claim = m.crew.pool.Claim(d, m.Executor)
	m.reserved[id] = &h
	m.crew.held[id]++
	m.crew.pool.Reserve(m.Executor, h.claim)
}

// jobs returns the jobs with an attempt under way or in hand here, in a fixed order.
func (m *member) jobs() []job.ID {
	var ids []job.ID
	for n := range m.live {
		ids = append(ids, n.Job)
	}
	for n := range m.inHand {
		ids = append(ids, n.Job)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (m *member) stopTimers() {
	if m.reconnects != nil {
		m.reconnects.Stop()
		m.reconnects = nil
	}
	m.trust()
}

// trust ends doubts.
func (m *member) trust() {
	if m.doubt != nil {
		m.doubt.patience.Stop()
		m.doubt = nil
	}
	m.Cut = m.reconnects != nil
}

// inHand is an attempt that an executor has.
type inHand struct {
	signed bool      // it carries this broker's MAC
	over   time.Time // when its result was last sent over here, or it was told to stop; zero: it still runs
}

// sentAgain is how long an executor that has sent a result counts as having it: it sends it again until it is answered, perhaps by another broker.
// So does one that was told to stop, as its result may have been on the way.
const sentAgain = 6 * time.Second

// has says whether the executor has an attempt in hand.
func (m *member) has(n job.Name, now time.Time) bool {
	h, ok := m.inHand[n]
	return ok && (h.over.IsZero() || now.Sub(h.over) < sentAgain)
}

// over notes that the executor has sent the result of an attempt, or was told to stop it: its slot is free.
func (m *member) over(n job.Name, now time.Time) {
	m.ends(n)
	if h, ok := m.inHand[n]; ok {
		h.over = now
		m.inHand[n] = h
	}
}

// done notes that the executor is through with an attempt.
func (m *member) done(n job.Name) {
	delete(m.inHand, n)
	m.ends(n)
}

// held returns what the executor has in hand of a job, in a fixed order.
func (m *member) held(id job.ID) []job.Held {
	var held []job.Held
	for _, n := range sortedNames(m.inHand) {
		if n.Job == id {
			held = append(held, job.Held{Name: n, Signed: m.inHand[n].signed})
		}
	}
	return held
}

// prune forgets attempts that were over long ago: their results must have been answered.
func (c *crew) prune(now time.Time) {
	for _, m := range c.members {
		maps.DeleteFunc(m.inHand, func(_ job.Name, h inHand) bool { return !h.over.IsZero() && now.Sub(h.over) >= sentAgain })
	}
}
