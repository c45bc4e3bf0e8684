package actors

import (
	"maps"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/detect"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
)

// crew is the executors a broker is home to, with what they have in hand.
type crew struct{ members map[string]*member }

// member is one executor under one lease.
type member struct {
	placement.Executor
	pid        *actor.PID
	lease      uint64
	life       uint64 // its incarnation
	heard      time.Time
	pulse      detect.Accrual      // of its heartbeats
	doubt      *doubt              // it may be lost: others are being asked
	inHand     map[job.Name]inHand // what it has, by what it said when it came and what was deployed from here since
	reserved   map[job.ID]bool     // slots promised to jobs whose attempt is not named yet
	live       map[job.Name]bool   // attempts under way
	reconnects Timer               // runs while the connection is gone
	told       uint64              // which contacts it heard of last
	stores     uint64              // and which datastores
}

func newCrew() *crew { return &crew{members: map[string]*member{}} }

// join adds an executor, or renews one; attempts that are already under way stay counted. What it has in hand under a lease that it had before is
// what was deployed since too: it may have said so before it heard of that.
func (c *crew) join(e placement.Executor, pid *actor.PID, lease, life uint64, now time.Time) *member {
	m := &member{Executor: e, pid: pid, lease: lease, life: life, heard: now, inHand: map[job.Name]inHand{}, reserved: map[job.ID]bool{}, live: map[job.Name]bool{}}
	m.pulse.Heard(now)
	if old, ok := c.members[e.ID]; ok {
		old.stopTimers()
		m.live, m.reserved = old.live, old.reserved
		if old.lease == lease {
			m.inHand = old.inHand
		}
	}
	if m.Warm == nil {
		m.Warm = map[[32]byte]bool{}
	}
	c.members[e.ID] = m
	return m
}

// jobsOf returns the jobs with an attempt under way or in hand at an executor under its lease of now.
func (c *crew) jobsOf(id string) []job.ID {
	if m, ok := c.members[id]; ok {
		return m.jobs()
	}
	return nil
}

func (c *crew) leave(m *member) {
	m.stopTimers()
	delete(c.members, m.ID)
}

func (c *crew) stop() {
	for _, m := range c.members {
		m.stopTimers()
	}
}

// hear renews the lease of an executor.
func (c *crew) hear(id string, now time.Time) *member {
	m, ok := c.members[id]
	if ok {
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
func (c *crew) free() bool {
	for _, m := range c.members {
		if m.used() < m.Window {
			return true
		}
	}
	return false
}

// choose returns the executor that suits d best.
func (c *crew) choose(d placement.Demand) (*member, error) {
	executors := make([]placement.Executor, 0, len(c.members))
	for _, m := range c.sorted() {
		e := m.Executor
		e.Used, e.Party = m.used(), m.party()
		e.Cut = m.reconnects != nil || m.doubt != nil
		executors = append(executors, e)
	}
	i, err := placement.Choose(d, executors)
	if err != nil {
		return nil, err
	}
	return c.members[executors[i].ID], nil
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
			delete(m.live, a.Name)
		case own && !known && !before.Lists(a.Name):
			delete(m.reserved, a.Name.Job)
			m.live[a.Name], m.inHand[a.Name] = true, inHand{signed: true}
		}
	}
}

// reserved returns how many slots are promised to a job.
func (c *crew) reserved(id job.ID) int {
	n := 0
	for _, m := range c.members {
		if m.reserved[id] {
			n++
		}
	}
	return n
}

// clear forgets what the executors have in hand, but not the executors.
func (c *crew) clear() {
	for _, m := range c.members {
		clear(m.live)
		clear(m.reserved)
	}
}

// party is on whose behalf an executor says what it says: the label party, or itself.
func (m *member) party() string {
	if p := m.Labels["party"]; p != "" {
		return p
	}
	return m.ID
}

func (c *crew) unreserve(id job.ID) {
	for _, m := range c.members {
		delete(m.reserved, id)
	}
}

func (m *member) used() int { return len(m.reserved) + len(m.live) }

// reserve holds a slot for a job before anybody is told (PLACE-1).
func (m *member) reserve(id job.ID) { m.reserved[id] = true }

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
}

// inHand is an attempt that an executor has.
type inHand struct {
	signed bool      // it carries this broker's MAC
	sent   time.Time // when its result was last sent over here; zero: it still runs
}

// sentAgain is how long an executor that has sent a result counts as having it: it sends it again until it is answered, perhaps by another broker.
const sentAgain = 6 * time.Second

// has says whether the executor has an attempt in hand.
func (m *member) has(n job.Name, now time.Time) bool {
	h, ok := m.inHand[n]
	return ok && (h.sent.IsZero() || now.Sub(h.sent) < sentAgain)
}

// sent notes that the executor has sent the result of an attempt: its slot is free.
func (m *member) sent(n job.Name, now time.Time) {
	delete(m.live, n)
	if h, ok := m.inHand[n]; ok {
		h.sent = now
		m.inHand[n] = h
	}
}

// done notes that the executor is through with an attempt.
func (m *member) done(n job.Name) {
	delete(m.inHand, n)
	delete(m.live, n)
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

// prune forgets results that were sent long ago and must have been answered.
func (c *crew) prune(now time.Time) {
	for _, m := range c.members {
		maps.DeleteFunc(m.inHand, func(_ job.Name, h inHand) bool { return !h.sent.IsZero() && now.Sub(h.sent) >= sentAgain })
	}
}
