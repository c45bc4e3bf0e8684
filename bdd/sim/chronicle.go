package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urbancompute/ucp/internal/detect"
	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/internal/workbench"
	"github.com/urbancompute/ucp/messages"
)

// Chronicle is what was seen in a world. It turns what happens into facts and shows each to every checker.
type Chronicle struct {
	w          *World
	checkers   []checker
	violations []Violation
	stories    map[job.ID]*story
	order      []*story // in the order of submission
	results    map[run]bool
	losses     int                            // times that a disk lost something
	outcasts   map[string]bool                // journals that were given up while their brokers lived
	dropped    map[job.ID]map[ledger.Dot]bool // jobs that were forgotten, by the writes that made them
	leaving    map[job.ID]time.Duration       // when a broker last forgot it
	spent      map[job.ID]bool                // jobs of which a broker wrote down that they need not be kept any longer
	stirred    time.Duration                  // when a broker last wrote a job
	read       map[string]ledger.Record       // records of jobs that brokers wrote, by their bytes
	twice      map[job.ID]bool                // jobs that came again after they were forgotten, taken a second time by a broker that had been away
	puts       puts
	pulses     map[hearing]*detect.Accrual // how regularly executors are heard
	seenLost   map[string][]*Node          // by journal, the brokers whose disks hold what its own lost when it was rolled back
	rolledBack map[string]bool             // journals whose disks were rolled back: until their brokers notice, they may decide what they have decided before
}

// Violation is an invariant that did not hold.
type Violation struct {
	Seed  uint64
	At    time.Duration
	Check string // S3
	Saw   string
}

// String tells it in one line.
func (v Violation) String() string {
	return fmt.Sprintf("seed %d at %.3f s: %s: %s", v.Seed, v.At.Seconds(), v.Check, v.Saw)
}

// maxViolations is how many of one world are kept.
const maxViolations = 20

// story is what was seen of one job.
type story struct {
	id         job.ID
	by         *Client
	specs      [][32]byte // as submitted, their submitter left out
	spec       *job.Spec
	submitted  time.Duration
	lost       int // brokers that had lost something or were given up by then
	harmed     int // disks that had lost something by then
	acks       []ack
	freed      time.Duration      // when somebody last let it out of quarantine
	runs       int                // programs begun
	attempts   map[job.Name]*Node // to which executor
	deployed   []*deployment
	final      *outcome
	accepted   map[job.Ownership]run // the result that each owner called accepted
	verdicts   map[job.Ownership]string
	told       map[string]told // client and broker → what was told last
	superseded map[string]int  // broker and journal → how often it told that its provisional end does not stand, as far as its disk can know
	rare       map[string]bool // what its record has shown
}

type ack struct {
	at         time.Duration
	broker     *Node
	durability uint32
	harmed     int // disks that had lost something by then
}

// outcome is how a job ended, as somebody was told.
type outcome struct {
	what string
	who  string
}

type told struct {
	over bool
	what string
	job  job.Job
}

// run is one result: of which attempt, made where, saying what.
type run struct {
	attempt  job.Name
	executor string
	digest   [32]byte
}

// deployment is an attempt that was sent to an executor.
type deployment struct {
	name     job.Name
	at       time.Duration
	broker   *Node
	executor *Node
	life     *life         // of the executor when it arrived
	over     bool          // its result was answered
	behind   time.Duration // when the broker said last that it is waited for, as behind a cut
}

func newChronicle(w *World, without []string) *Chronicle {
	c := &Chronicle{w: w, stories: map[job.ID]*story{}, results: map[run]bool{}, rolledBack: map[string]bool{}, outcasts: map[string]bool{}, seenLost: map[string][]*Node{}, dropped: map[job.ID]map[ledger.Dot]bool{}, leaving: map[job.ID]time.Duration{}, spent: map[job.ID]bool{}, read: map[string]ledger.Record{}, twice: map[job.ID]bool{}, puts: newPuts(), pulses: map[hearing]*detect.Accrual{}}
	for _, x := range allCheckers() {
		if !slices.Contains(without, x.name) {
			c.checkers = append(c.checkers, x)
		}
	}
	return c
}

// show brings a fact to every checker.
func (c *Chronicle) show(f fact) {
	for _, x := range c.checkers {
		if saw := x.see(c, f); saw != "" {
			c.violate(x.name, saw)
		}
	}
}

func (c *Chronicle) violate(check, saw string) {
	saw = c.w.plain(saw)
	c.w.tell("!", "VIOLATION of %s: %s", check, saw)
	if len(c.violations) < maxViolations {
		c.violations = append(c.violations, Violation{c.w.Seed, c.w.now, check, saw})
	}
}

func (c *Chronicle) story(id job.ID) *story {
	s, ok := c.stories[id]
	if !ok {
		s = &story{
			id: id, attempts: map[job.Name]*Node{}, accepted: map[job.Ownership]run{}, verdicts: map[job.Ownership]string{}, told: map[string]told{}, rare: map[string]bool{}, superseded: map[string]int{},
		}
		c.stories[id] = s
		c.order = append(c.order, s)
	}
	return s
}

// restless says whether a job may be on its way to another executor at any time, or follows one that is.
func (c *Chronicle) restless(id job.ID) bool {
	s, ok := c.stories[id]
	if !ok || s.spec == nil {
		return false
	}
	return s.troubled() || slices.ContainsFunc(s.spec.After, func(d job.Dependency) bool { return c.restless(d.Job) })
}

// What the parts of a world tell the chronicle.

// submits notes that a client hands in a job, perhaps again.
func (c *Chronicle) submits(client *Client, id job.ID, spec *job.Spec) {
	s := c.story(id)
	if s.by == nil {
		s.by, s.spec, s.submitted, s.lost, s.harmed = client, spec, c.w.now, c.missing(), c.losses
	}
	s.specs = append(s.specs, anonymousHash(spec))
}

// anonymousHash is a spec's hash without the submitter, whom the gateway fills in.
func anonymousHash(spec *job.Spec) [32]byte {
	anonymous := *spec
	anonymous.Submitter = ""
	return anonymous.Hash()
}

// lossesAtAck returns how many disks had lost something when what an acknowledgement says was true: a copy may be gone by the time it leaves, and
// its broker cannot know. A copy that nobody ever had is another matter.
func (c *Chronicle) lossesAtAck(s *story, durability uint32) int {
	return max(s.harmed, c.losses-max(0, int(durability)-c.disksWith(s.id)))
}

// sent notes a message that a node sends over a connection. What a broker tells counts from the moment that it leaves.
func (c *Chronicle) sent(from, to *Node, p *parcel) {
	switch m := messages.Unstamp(p.message).(type) {
	case *messages.ResultAnswered:
		if m.GetHeld() {
			c.w.Rare.add("a result was held until others agree")
		}
		c.show(answered{from, to, messages.AttemptFromWire(m.GetAttempt()), m})
	case *messages.Heartbeat:
		from.home = to
	case *messages.JobSubmitted:
		s := c.story(job.ID(m.GetJob()))
		a := ack{c.w.now, from, m.GetDurability(), c.lossesAtAck(s, m.GetDurability())}
		s.acks = append(s.acks, a)
		c.show(acked{s, a})
	case *messages.DataPut:
		c.putAcked(from, m)
	case *messages.JobChanged:
		c.tells(from, to, m)
	case *messages.Refused:
		c.w.Rare.add("refused: " + m.GetCode().String())
		c.show(refused{from, m})
	}
	c.show(travels{from, to, p})
}

func (c *Chronicle) tells(from, to *Node, m *messages.JobChanged) {
	j, err := job.Decode(m.GetRecord())
	if err != nil {
		c.violate("S9", fmt.Sprintf("%s tells a job that cannot be read: %v", from.Name, err))
		return
	}
	c.show(shown{c.story(j.ID), to, from, j, m})
}

// delivered notes what arrived.
func (c *Chronicle) delivered(from, to *Node, p *parcel) {
	switch m := messages.Unstamp(p.message).(type) {
	case *messages.RegisterExecutor:
		c.pulses[hearing{to, from}] = &detect.Accrual{}
		c.pulses[hearing{to, from}].Heard(time.Unix(0, int64(c.w.now)))
	case *messages.Heartbeat:
		if a := c.pulses[hearing{to, from}]; a != nil {
			a.Heard(time.Unix(0, int64(c.w.now)))
		}
	case *messages.DeployAttempt:
		n := messages.AttemptFromWire(m.GetAttempt())
		s := c.story(n.Job)
		if s.attempts[n] == nil {
			s.attempts[n] = to
		}
		s.deployed = append(s.deployed, &deployment{name: n, at: c.w.now, broker: from, executor: to, life: to.life})
		c.show(deployed{s, n, from, to})
	case *messages.ResultAnswered:
		n := messages.AttemptFromWire(m.GetAttempt())
		for _, d := range c.story(n.Job).deployed {
			d.over = d.over || (d.name == n && d.executor == to)
		}
	}
}

// hearing is a broker that hears an executor.
type hearing struct{ broker, executor *Node }

// patience is how long the home of an executor bears its silence: a lease, and up to two where it was not heard regularly (decision 19).
func (c *Chronicle) patience(executor *Node) time.Duration {
	b, a := c.w.settings.Broker, c.pulses[hearing{executor.home, executor}]
	borne := b.LeaseTimeout
	for a != nil && borne < 2*b.LeaseTimeout && !a.Suspects(borne, 0, detect.Settings{Interval: b.Heartbeat, Timeout: b.LeaseTimeout}) {
		borne += b.Heartbeat / 10
	}
	return borne
}

// begun and ran note what executors do.
func (c *Chronicle) begun(_ *Node, task workbench.Task) {
	s := c.story(task.Attempt.Job)
	if s.runs++; s.runs > 1 {
		c.w.Rare.add("a job ran more than once")
	}
}

func (c *Chronicle) ran(n *Node, task workbench.Task, r *job.Result) {
	c.results[run{task.Attempt, n.ID, r.Digest}] = true
}

func (c *Chronicle) runsOf(id job.ID) int { return c.story(id).runs }

// written notes what a broker writes to its disk.
func (c *Chronicle) written(n *Node, b Batch) {
	var jobs []job.Job
	for _, r := range b.Records {
		c.follow(n, r)
		c.putWritten(n, r)
		if j, ok := c.jobOf(r); ok {
			jobs = append(jobs, j)
			c.stirred = c.w.now
			c.spent[j.ID] = c.spent[j.ID] || j.Ended
			c.marvel(n, j)
		}
	}
	c.show(wrote{n, b, jobs})
}

// follow notes that a job is forgotten, or comes again. What comes by the write by which it was made before is the same record.
func (c *Chronicle) follow(n *Node, r SavedRecord) {
	id := job.ID(r.Key.ID)
	switch made, ok := c.madeBy(r); {
	case r.Key.Kind != ledger.Job:
	case r.Bytes == nil:
		c.leaving[id] = c.w.now
		if was, known := c.madeBy(n.Disk.latest(r.Key)); known {
			if c.dropped[id] == nil {
				c.dropped[id] = map[ledger.Dot]bool{}
			}
			c.dropped[id][was] = true
		}
	case ok && len(c.dropped[id]) > 0 && !c.dropped[id][made]:
		c.twice[id] = true
	}
}

// unwrote forgets verdicts that a crash took back before they were durable: nobody was told of them.
func (c *Chronicle) unwrote(n *Node, b Batch) {
	journal := c.w.Journal(n.Name)
	for _, r := range b.Records {
		j, _ := c.jobOf(r)
		for _, t := range j.Tenures {
			if saved, _ := c.jobOf(n.Disk.record(j.ID)); t.Owner.Journal == journal && !hasVerdict(saved, t.Owner) {
				delete(c.story(j.ID).verdicts, t.Owner)
			}
		}
	}
}

// unsaid forgets that a broker told that its ends do not stand where its disk, put back to an earlier time, does not know that any more. Until a
// peer shows the broker what it has lost it owes that to its clients, and may tell it once more (decision 14).
func (c *Chronicle) unsaid(n *Node) {
	journal := c.w.Journal(n.Name)
	for _, s := range c.order {
		saved, _ := c.jobOf(n.Disk.record(s.id))
		if !slices.ContainsFunc(saved.Tenures, func(t job.Tenure) bool { return t.Owner.Journal == journal && t.Superseded }) {
			delete(s.superseded, n.voice())
		}
	}
}

func hasVerdict(j job.Job, o job.Ownership) bool {
	t, _ := j.Tenure(o)
	return t.Verdict != nil
}

// behindCut notes that the broker of an attempt gives it some time to come back (LOSS-4).
func (c *Chronicle) behindCut(id job.ID, by *Node) {
	for _, d := range c.story(id).deployed {
		if d.broker == by && !d.over {
			d.behind = c.w.now
		}
	}
}

// givenUp notes that a broker was written off by another. If it lives, the others decide without what only it knows.
func (c *Chronicle) givenUp(journal string, by *Node) {
	for _, n := range c.w.nodes {
		if n.Disk != nil && n != by && c.w.Journal(n.Name) == journal {
			c.outcasts[journal] = true
		}
	}
}

// missing counts the disks whose content the others could not rely on, since the beginning.
func (c *Chronicle) missing() int { return c.losses + len(c.outcasts) }

// harmed notes that a disk lost something that was durable.
func (c *Chronicle) harmed(n *Node) {
	c.losses++
	c.show(harm{n})
}

// ended notes that a process ends.
func (c *Chronicle) ended(n *Node) {
	c.show(gone{n, n.life})
}

// broke notes a panic; errorLogged notes what a node logs as an error.
func (c *Chronicle) broke(n *Node, who, why string) {
	c.violate("panic", fmt.Sprintf("actor %s of %s: %s", who, n.Name, why))
}

func (c *Chronicle) errorLogged(n *Node, message, line string) {
	if message == "actor broke down" || strings.HasPrefix(message, "supervisor broke down") {
		c.violate("panic", fmt.Sprintf("at %s: %s", n.Name, line))
		return
	}
	c.w.Rare.add("logged as an error: " + message)
}

// unsendable notes a message that no link would carry, and unchanged looks whether a receiver changed what it was given.
func (c *Chronicle) unsendable(n *Node, p *parcel) {
	c.violate("S10", fmt.Sprintf("%s sends a %T to %s of another node", n.Name, messages.Unstamp(p.message), p.target))
}

func (c *Chronicle) unchanged(n *Node, p *parcel) {
	if p.sum != sumOf(p.message) {
		c.violate("S10", fmt.Sprintf("%s changed a %T that it was given", n.Name, messages.Unstamp(p.message)))
	}
}

// sided shows how a side of a partition fared that ends now, unless more befell it than to be parted.
func (c *Chronicle) sided(nodes []*Node, since time.Duration) {
	if !slices.ContainsFunc(nodes, func(n *Node) bool { return n.cutAt > since }) {
		c.show(sided{&side{nodes, since, c.w.now}})
	}
}

// Rest has the checkers look at everything that must hold once faults are over and the network has had time to come to rest, and returns
// all violations so far.
func (w *World) Rest() []Violation {
	if w.pace.storm {
		return w.Violations()
	}
	w.chronicle.show(atRest{w.views()})
	return w.Violations()
}
