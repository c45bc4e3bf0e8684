package sim

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// outcomeOf says how a verdict ends a job: what a client could tell two ends apart by.
func outcomeOf(v *job.Verdict) string {
	if v == nil {
		return "none"
	}
	s := fmt.Sprintf("kind %d of %s at %s", v.Kind, short(v.Attempt), v.Executor)
	if v.Result != nil {
		s += fmt.Sprintf(" digest %x", v.Result.Digest[:4])
	}
	return s
}

// certain says whether a final end can be held to: since the job was submitted, fewer disks lost something than it was acknowledged on.
func (c *Chronicle) certain(s *story) bool {
	disks := 2
	for _, a := range s.acks {
		disks = min(disks, int(a.durability))
	}
	return c.missing()-s.lost < disks
}

// checkS3 remembers the first final end of every job that anybody was told.
func checkS3(c *Chronicle, f fact) string {
	s, ok := f.(shown)
	if !ok || !isFinal(s.message) {
		return ""
	}
	now := outcome{outcomeOf(winner(s.job)), fmt.Sprintf("%s by %s", s.client.Name, s.broker.Name)}
	was := s.story.final
	switch {
	case was == nil:
		s.story.final = &now
		return c.onDisks(s, now.what)
	case was.what != now.what && c.certain(s.story):
		return fmt.Sprintf("job %s was final with %s (told %s) and is final with %s (told %s)", s.story.id, was.what, was.who, now.what, now.who)
	}
	return ""
}

// onDisks says what is wrong if an end is called final that too few disks hold.
func (c *Chronicle) onDisks(s shown, what string) string {
	need, on := 2, 0
	if _, t := s.job.Authority(); t != nil && t.Single {
		need = 1
	}
	for _, n := range c.w.nodes {
		if n.Disk == nil {
			continue
		}
		if j, ok := c.jobOf(n.Disk.record(s.story.id)); ok && outcomeOf(winner(j)) == what {
			on++
		}
	}
	if on < need && c.losses == 0 && !c.letGo(s.story.id) {
		return fmt.Sprintf("%s calls the end of job %s final, which %d disks hold of %d", s.broker.Name, s.story.id, on, need)
	}
	return ""
}

// checkS4 remembers which result each owner of a job called the winner.
func checkS4(c *Chronicle, f fact) string {
	a, ok := f.(answered)
	if !ok {
		return ""
	}
	if !a.message.GetAccepted() {
		return ""
	}
	if a.message.GetWinner().GetN() == 0 {
		return ""
	}
	s := c.story(a.attempt.Job)
	now := run{attempt: a.attempt, executor: a.executor.ID}
	owner := messages.OwnershipFromWire(a.message.GetOwner())
	if c.unwritten(s, owner) {
		return fmt.Sprintf("%s is told that its result of %s is accepted, and the disk of %v knows no verdict", a.executor.Name, short(a.attempt), owner)
	}
	was, before := s.accepted[owner]
	s.accepted[owner] = now
	switch {
	case !before:
		return ""
	case was != now && !c.rolledBack[owner.Journal] && !c.twice[s.id]:
		return fmt.Sprintf("%v accepted %s of %s, and before %s of %s", owner, short(now.attempt), now.executor, short(was.attempt), was.executor)
	}
	c.w.Rare.add("an accepted result was sent again")
	return ""
}

// unwritten says that an owner has a job on its disk and no verdict of anybody.
func (c *Chronicle) unwritten(s *story, owner job.Ownership) bool {
	for _, n := range c.w.nodes {
		if n.Disk == nil || c.w.Journal(n.Name) != owner.Journal {
			continue
		}
		j, ok := c.jobOf(n.Disk.record(s.id))
		return ok && winner(j) == nil && !c.rolledBack[owner.Journal]
	}
	return false
}

// checkS5 looks at rest whether everybody names the same winner, and counts what losers were told.
func checkS5(c *Chronicle, f fact) string {
	r, ok := f.(atRest)
	if !ok {
		return ""
	}
	for _, s := range c.order {
		if c.restless(s.id) {
			continue
		}
		ends := map[string]string{}
		for _, v := range r.views {
			if j, ok := v.byID[s.id]; ok {
				ends[outcomeOf(winner(j))] = v.node.Name
			}
		}
		if len(ends) > 1 {
			return fmt.Sprintf("job %s ended in several ways: %v", s.id, ends)
		}
		for _, v := range r.views {
			if saw := untold(v.byID[s.id], c.w.Journal(v.node.Name)); saw != "" {
				return fmt.Sprintf("%s told an end of job %s, %s, that does not stand, and has not said so", v.node.Name, s.id, saw)
			}
		}
		for who, n := range s.superseded {
			if n > 1 {
				return fmt.Sprintf("%s told %d times that its end of job %s does not stand", who, n, s.id)
			}
		}
	}
	return ""
}

// untold returns the end that a broker made of a job under the tenure that it handles it under, if that does not stand and the record does not say
// that this is to be told.
func untold(j job.Job, journal string) string {
	decided, _ := j.Decided()
	own, _ := j.Last(journal)
	t, ok := j.Tenure(own)
	if v := t.Verdict; ok && decided != nil && v != nil && v.Kind != job.Released && !t.Superseded && !v.Same(decided) {
		return outcomeOf(v)
	}
	return ""
}

// checkS9 remembers the verdict of every tenure, and what each client was told by each broker.
func checkS9(c *Chronicle, f fact) string {
	switch f := f.(type) {
	default:
	case shown:
		if saw := c.oneVerdict(f.story, f.job, f.broker); saw != "" {
			return saw
		}
		return c.onward(f)
	case wrote:
		for _, j := range f.jobs {
			if saw := c.oneVerdict(c.story(j.ID), j, f.node); saw != "" {
				return saw
			}
		}
	case atRest:
		for _, v := range f.views {
			for _, s := range c.order {
				if saw := c.oneVerdict(s, v.byID[s.id], v.node); saw != "" {
					return saw
				}
			}
		}
	}
	return ""
}

func (c *Chronicle) oneVerdict(s *story, j job.Job, at *Node) string {
	for _, t := range j.Tenures {
		if t.Verdict == nil {
			continue
		}
		what := outcomeOf(t.Verdict)
		was, ok := s.verdicts[t.Owner]
		s.verdicts[t.Owner] = what
		if ok && was != what && !c.rolledBack[t.Owner.Journal] && !c.twice[s.id] {
			return fmt.Sprintf("the owner %v of job %s decided %s, and before %s (seen at %s)", t.Owner, s.id, what, was, at.Name)
		}
	}
	return ""
}

// onward says whether a broker takes back an end that it has told. Another end may come, but not none; only a job whose inputs turn out
// otherwise runs again, and one whose end was made by a broker that had forgotten, with its disk, to have handed the job on.
func (c *Chronicle) onward(s shown) string {
	who := s.client.Name + " by " + s.broker.Name
	was := s.story.told[who]
	now := told{winner(s.job) != nil && (len(s.job.Spec.After)+len(s.job.Spec.Data) == 0 || isFinal(s.message)), string(s.job.State()), s.job}
	if was.job.ID != "" && string(was.job.Merge(s.job).Append(nil)) == string(was.job.Append(nil)) {
		return "" // answers and news go different ways in a node: this is older, or the same again
	}
	_, by := was.job.Winner()
	if was.over && !now.over && !c.rolledBack[by.Journal] && !c.twice[s.story.id] && s.broker.Disk.harmed == 0 && s.broker.life != nil && s.broker.life.started == 0 {
		return fmt.Sprintf("%s was told that job %s is %s, and later that it is %s", who, s.story.id, was.what, now.what)
	}
	s.story.told[who] = now
	return ""
}

// checkS11 recomputes the digests of accepted results.
func checkS11(_ *Chronicle, f fact) string {
	s, ok := f.(shown)
	if !ok {
		return ""
	}
	v := winner(s.job)
	if v == nil || v.Result == nil {
		return ""
	}
	sealed := *v.Result
	sealed.Seal()
	if sealed.Digest != v.Result.Digest {
		return fmt.Sprintf("%s tells of job %s a result whose digest is not its own", s.broker.Name, s.story.id)
	}
	if out := v.Result.Stdout; len(out.Inline) > 0 && sha256.Sum256(out.Inline) != out.Digest {
		return fmt.Sprintf("%s tells of job %s an output whose digest is not its own", s.broker.Name, s.story.id)
	}
	return ""
}

// checkS2 compares what brokers tell with what was submitted, and what was run.
func checkS2(c *Chronicle, f fact) string {
	s, ok := f.(shown)
	if !ok {
		return ""
	}
	if s.job.Spec == nil || !slices.Contains(s.story.specs, anonymousHash(s.job.Spec)) {
		return fmt.Sprintf("%s tells of job %s, which nobody submitted like that", s.broker.Name, s.story.id)
	}
	v := winner(s.job)
	if v == nil || v.Result == nil {
		return ""
	}
	if !c.results[run{v.Attempt, v.Executor, v.Result.Digest}] {
		return fmt.Sprintf("%s tells of job %s a result that no executor made: %s", s.broker.Name, s.story.id, outcomeOf(v))
	}
	return ""
}
