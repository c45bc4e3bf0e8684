package sim

import (
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/ledger"
	"github.com/urbancompute/ucp/messages"
)

// record is the state of a job's record, for reading what is on disks.
type record struct{ job.Job }

// Merge implements ledger.State. Nothing is merged here.
func (r record) Merge(ledger.State) ledger.State { return r }

// recordOf reads the record of a job from what a broker wrote, if it is one. All brokers write the same bytes, so what they say is kept; nobody
// changes it.
func (c *Chronicle) recordOf(r SavedRecord) (ledger.Record, bool) {
	if r.Key.Kind != ledger.Job || r.Bytes == nil {
		return ledger.Record{}, false
	}
	if rec, ok := c.read[string(r.Bytes)]; ok {
		return rec, true
	}
	rec, err := ledger.DecodeRecord(r.Bytes, func(_ ledger.Kind, b []byte) (ledger.State, error) {
		j, err := job.Decode(b)
		return record{j}, err
	})
	if err == nil {
		c.read[string(r.Bytes)] = rec
	}
	return rec, err == nil
}

// jobOf reads a job from what a broker wrote, if it is one.
func (c *Chronicle) jobOf(r SavedRecord) (job.Job, bool) {
	rec, ok := c.recordOf(r)
	if !ok {
		return job.Job{}, false
	}
	return rec.State.(record).Job, true
}

// madeBy is the write that made the record of a job.
func (c *Chronicle) madeBy(r SavedRecord) (ledger.Dot, bool) {
	rec, ok := c.recordOf(r)
	return rec.Created, ok
}

// checkS1 looks for acknowledged jobs on the disks, whenever one lost something, and at rest.
func checkS1(c *Chronicle, f fact) string {
	switch f := f.(type) {
	default:
	case acked:
		if n := c.disksWith(f.story.id); n < int(f.ack.durability) && c.losses == 0 && !c.letGo(f.story.id) {
			return fmt.Sprintf("%s acknowledged job %s with durability %d, and it is on %d disks", f.ack.broker.Name, f.story.id, f.ack.durability, n)
		}
	case harm, atRest:
		for _, s := range c.order {
			if c.promised(s) && c.disksWith(s.id) == 0 {
				return fmt.Sprintf("job %s was acknowledged with durability %d and is on no disk", s.id, s.acks[0].durability)
			}
		}
		return c.lostPut()
	}
	return ""
}

// letGo says whether brokers forget a job. What has ended is kept by nobody once everybody knows so (SYNC-8): a broker that has yet to hear that
// others let go of it, or whose answers waited for its disk meanwhile, says what it knew of their disks. A job that has not ended is let go by
// nobody.
func (c *Chronicle) letGo(id job.ID) bool { return c.spent[id] && len(c.dropped[id]) > 0 }

// promised says whether a job must still be there: fewer disks lost something since than it was written to, and its retention is not over.
func (c *Chronicle) promised(s *story) bool {
	if s.spec != nil && c.w.now > s.submitted+s.spec.Retention {
		return false
	}
	for _, a := range s.acks {
		if int(a.durability) > c.losses-a.harmed {
			return true
		}
	}
	return false
}

func (c *Chronicle) disksWith(id job.ID) int {
	key, count := ledger.Key{Kind: ledger.Job, ID: string(id)}, 0
	for _, n := range c.w.nodes {
		if n.Disk != nil && n.Disk.holds(key) {
			count++
		}
	}
	return count
}

// forgettable says whether the retention of a job may be over before a run is.
func (c *Chronicle) forgettable(id job.ID) bool {
	s := c.story(id)
	return s.spec == nil || s.spec.Retention < time.Minute
}

// checkS6 compares the ledgers of all brokers at rest.
func checkS6(c *Chronicle, f fact) string {
	r, ok := f.(atRest)
	if !ok || len(r.views) == 0 {
		return ""
	}
	for _, v := range r.views {
		for _, m := range v.jobs {
			if j, err := job.Decode(m.GetRecord()); err == nil && len(c.dropped[j.ID]) > 0 && !c.twice[j.ID] && !c.underWay(j.ID) {
				return fmt.Sprintf("job %s was forgotten and is known again at %s", j.ID, v.node.Name)
			}
		}
	}
	first := r.views[0]
	for _, v := range r.views[1:] {
		if saw := c.differ(first, v); saw != "" {
			return saw
		}
		if saw := c.differInData(first, v); saw != "" {
			return saw
		}
	}
	return ""
}

// underWay says whether a job has just been forgotten by some: others have not heard yet of what that rests on.
func (c *Chronicle) underWay(id job.ID) bool {
	at, ok := c.leaving[id]
	return ok && c.w.now-at < stillness
}

// differ compares what two brokers tell of all jobs.
func (c *Chronicle) differ(v, o *view) string {
	for _, x := range [][2]*view{{v, o}, {o, v}} {
		for _, m := range x[0].jobs {
			j, err := job.Decode(m.GetRecord())
			if err != nil {
				return err.Error()
			}
			switch there, ok := x[1].raw[j.ID]; {
			case !ok && c.underWay(j.ID):
			case !ok:
				return fmt.Sprintf("job %s (%s) is known at %s and not at %s", j.ID, j.State(), x[0].node.Name, x[1].node.Name)
			case there != x[0].raw[j.ID] && !c.restless(j.ID):
				return fmt.Sprintf("job %s is %s at %s and %s at %s", j.ID, j.State(), x[0].node.Name, x[1].byID[j.ID].State(), x[1].node.Name)
			}
		}
	}
	return ""
}

// newS7 remembers the last vector that each broker wrote, and which jobs were made by somebody who knew those that they follow.
func newS7() func(*Chronicle, fact) string {
	s := s7{map[*Node]ledger.Vector{}, map[ledger.Dot]bool{}, map[ledger.Origin][]birth{}, horizons{}}
	return func(c *Chronicle, f fact) string {
		switch f := f.(type) {
		case harm:
			delete(s.last, f.node)
		case gone:
			delete(s.last, f.node) // what was not synced may be gone
		case wrote:
			if saw := s.forward(c, f); saw != "" {
				return saw
			}
			if saw := s.horizons.unknown(c, f); saw != "" {
				return saw
			}
			return s.named(c, f)
		case atRest:
			return c.goneBack()
		default:
		}
		return ""
	}
}

// goneBack names a broker that goes on under a journal of which its disk has lost writes that others hold.
func (c *Chronicle) goneBack() string {
	for _, n := range c.w.nodes {
		if n.Disk == nil || !n.responds() {
			continue
		}
		if journal := c.w.Journal(n.Name); len(c.seenLost[journal]) > 1 { // one alone may lose that too
			return fmt.Sprintf("the disk of %s lost what others hold of its journal, and it goes on with that", n.Name)
		}
	}
	return ""
}

// witnesses are the brokers whose disks hold more of a broker's journal than its own, which was rolled back.
func (c *Chronicle) witnesses(n *Node) []*Node {
	var all []*Node
	own, _ := ledger.DecodeVector(n.Disk.durable.vector)
	for _, o := range c.w.nodes {
		if o.Disk == nil || o == n {
			continue
		}
		v, _ := ledger.DecodeVector(o.Disk.durable.vector)
		if !own.CoversAll(v.Of(c.w.Journal(n.Name))) {
			all = append(all, o)
		}
	}
	return all
}

// losesSight notes that a disk lost something: its broker is nobody's witness any more.
func (c *Chronicle) losesSight(n *Node) {
	for journal, saw := range c.seenLost {
		c.seenLost[journal] = slices.DeleteFunc(saw, func(o *Node) bool { return o == n })
	}
}

type s7 struct {
	last   map[*Node]ledger.Vector
	whole  map[ledger.Dot]bool // by the write that made a job: whether its maker had those that it follows
	births map[ledger.Origin][]birth
	horizons
}

// birth is the write with which a broker took a job first, which every broker must have that says it has the write.
type birth struct {
	seq uint64
	id  job.ID
}

// claims looks whether a vector that rose says only what is true: the jobs born in between are there.
func (s s7) claims(c *Chronicle, f wrote, was, is ledger.Vector) string {
	s.bear(c, f)
	if f.node.Disk.harmed > 0 {
		return ""
	}
	for _, d := range is.Dots() {
		from := was.Seq(d.Origin)
		for _, b := range slices.Backward(s.births[d.Origin]) {
			if b.seq <= from {
				break
			}
			here := slices.ContainsFunc(f.jobs, func(j job.Job) bool { return j.ID == b.id })
			if b.seq <= d.Seq && !here && !c.forgettable(b.id) && !f.node.Disk.has(ledger.Key{Kind: ledger.Job, ID: string(b.id)}) {
				return fmt.Sprintf("the vector of %s says that it has job %s, and its disk has not", f.node.Name, b.id)
			}
		}
	}
	return ""
}

// bear notes the jobs that a broker writes for the first time, and under which number.
func (s s7) bear(c *Chronicle, f wrote) {
	journal := c.w.Journal(f.node.Name)
	for _, r := range f.batch.Records {
		rec, ok := c.recordOf(r)
		if !ok || f.node.Disk.has(r.Key) {
			continue
		}
		for _, d := range rec.Writes.Of(journal).Dots() {
			if all := s.births[d.Origin]; len(all) == 0 || all[len(all)-1].seq < d.Seq {
				s.births[d.Origin] = append(all, birth{d.Seq, job.ID(r.Key.ID)})
			}
		}
	}
}

func (s s7) forward(c *Chronicle, f wrote) string {
	v, err := ledger.DecodeVector(f.batch.Vector)
	if len(f.batch.Vector) == 0 || err != nil {
		return ""
	}
	was, known := s.last[f.node]
	if !known { // the first of a life, which goes on from what is durable
		was, _ = ledger.DecodeVector(f.node.Disk.durable.vector)
	}
	s.last[f.node] = v
	if !v.CoversAll(was) {
		return fmt.Sprintf("the vector of %s goes back", f.node.Name)
	}
	return s.claims(c, f, was, v)
}

// named looks whether a job comes to a disk only after those that it follows, if its maker had them.
func (s s7) named(c *Chronicle, f wrote) string {
	for i, r := range f.batch.Records {
		rec, ok := c.recordOf(r)
		if !ok || f.node.Disk.has(r.Key) {
			continue
		}
		j, made := rec.State.(record).Job, rec.Created
		if len(j.Spec.After) == 0 {
			continue
		}
		if _, seen := s.whole[made]; !seen && made.Journal == c.w.Journal(f.node.Name) { // its maker knew what it wrote before
			s.whole[made] = f.lacks(c, f.batch.Records[:i], made, j.Spec.After) == ""
		}
		if missing := f.lacks(c, f.batch.Records, made, j.Spec.After); s.whole[made] && missing != "" && f.node.Disk.harmed == 0 {
			return fmt.Sprintf("%s has job %s and not job %s, which it follows", f.node.Name, j.ID, missing)
		}
	}
	return ""
}

// lacks names a job that is neither on the disk nor among records from before the write made, and may not be forgotten yet.
func (f wrote) lacks(c *Chronicle, records []SavedRecord, made ledger.Dot, after []job.Dependency) job.ID {
	for _, d := range after {
		here := slices.ContainsFunc(records, func(r SavedRecord) bool {
			first, ok := c.madeBy(r)
			return ok && r.Key.ID == string(d.Job) && (first.Origin != made.Origin || first.Seq < made.Seq)
		})
		if !here && !c.forgettable(d.Job) && !f.node.Disk.has(ledger.Key{Kind: ledger.Job, ID: string(d.Job)}) {
			return d.Job
		}
	}
	return ""
}

// maxFrame is the size of the largest message that a link takes.
const maxFrame = 256 << 10

// checkS10 looks at the size and the allowance of what travels, at queues, and at reasons.
func checkS10(c *Chronicle, f fact) string {
	switch f := f.(type) {
	default:
	case travels:
		return f.tooMuch()
	case storm:
		return fmt.Sprintf("%d things happened within a second, and there is no end to it", f.steps)
	case refused:
		if f.message.GetReason() == "" {
			return fmt.Sprintf("%s refuses with %s and gives no reason", f.broker.Name, f.message.GetCode())
		}
	case atRest:
		for _, v := range f.views {
			s := c.w.Status(v.node.Name)
			if s != nil && s.GetQueued() > uint64(c.w.settings.Broker.MaxQueued) {
				return fmt.Sprintf("%s has %d jobs in its queue", v.node.Name, s.GetQueued())
			}
		}
	}
	return ""
}

func (t travels) tooMuch() string {
	m, ok := messages.Unstamp(t.parcel.message).(proto.Message)
	if !ok {
		return ""
	}
	if size := proto.Size(m); size > maxFrame {
		return fmt.Sprintf("%s sends a %T of %d bytes", t.from.Name, m, size)
	}
	id, _ := messages.TypeID(m)
	if err := messages.Allowed(t.from.Roles, t.parcel.target, id); err != nil {
		return fmt.Sprintf("%s sends %s what it may not: %v", t.from.Name, t.to.Name, err)
	}
	return ""
}
