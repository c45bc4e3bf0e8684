package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// maxAttempts is how many attempts a job may have, all owners together.
const maxAttempts = 15

// maxAside is how often a job makes room for emergencies.
const maxAside = 16

// checkS8 counts the names of attempts that reached executors, and looks that no two attempts have one.
func checkS8(c *Chronicle, f fact) string {
	d, ok := f.(deployed)
	if !ok {
		return ""
	}
	if len(d.story.attempts) > 1 {
		c.w.Rare.add("a job was deployed again")
	}
	allowed := maxAttempts*int(max(d.story.quorum(), 1)) + c.w.Faults["broker loses power"] + c.w.Faults["broker killed"]
	if c.w.alarmed { // what makes room for an emergency costs a job nothing
		allowed += maxAside
	}
	if first := d.story.attempts[d.attempt]; first != d.executor {
		return fmt.Sprintf("attempt %s was given to %s and to %s", short(d.attempt), first.Name, d.executor.Name)
	}
	if n := len(d.story.attempts); n > allowed {
		return fmt.Sprintf("job %s has had %d attempts", d.story.id, n)
	}
	return ""
}

func (s *story) quorum() uint8 {
	if s.spec == nil {
		return 1
	}
	return s.spec.Quorum
}

// checkL1 looks at rest for jobs that neither run nor say why not.
func checkL1(c *Chronicle, f fact) string {
	r, ok := f.(atRest)
	if !ok {
		return ""
	}
	for _, v := range r.views {
		for _, m := range v.jobs {
			j, err := job.Decode(m.GetRecord())
			if err != nil || j.State().Terminal() {
				continue
			}
			if saw := c.stuck(v.node, j, m.GetWaiting()); saw != "" {
				return saw
			}
		}
	}
	return ""
}

func (c *Chronicle) stuck(at *Node, j job.Job, waiting string) string {
	live := j.Current().Live()
	if len(live) == 0 || j.State() != job.StateRunning { // another owner may know better than the authority's last word
		if waiting == "" {
			return fmt.Sprintf("job %s is %s at %s, and does not say what it waits for; its owners say %s", j.ID, j.State(), at.Name, owners(j))
		}
		return ""
	}
	for _, a := range live {
		if sinceThen := epoch.Add(c.w.now).UnixMilli() - a.Placed.Wall; sinceThen < 5000 {
			return "" // it is on its way
		}
		n := c.w.byID[a.Executor]
		if n != nil && (n.life == nil || n.bench.running[a.Name] != nil || c.w.now-n.life.started < 2*c.w.settings.Broker.LeaseTimeout) {
			return ""
		}
	}
	return fmt.Sprintf("job %s runs as %s at %s, says %s, and does not run there; its owners say %s",
		j.ID, short(live[0].Name), c.w.byID[live[0].Executor].Name, at.Name, owners(j))
}

// owners tells in a line what each owner of a job says of its attempts.
func owners(j job.Job) string {
	var b strings.Builder
	for _, t := range j.Tenures {
		fmt.Fprintf(&b, "[%v", t.Owner)
		for _, a := range t.Attempts {
			fmt.Fprintf(&b, " %s %v lease %d", short(a.Name), a.State, a.Lease)
		}
		if t.Verdict != nil {
			fmt.Fprintf(&b, " %v", t.Verdict.Kind)
		}
		fmt.Fprintf(&b, " %q]", t.Waiting)
	}
	return b.String()
}

// checkL2 looks at rest for acknowledged jobs without a verdict.
func checkL2(c *Chronicle, f fact) string {
	r, ok := f.(atRest)
	if !ok {
		return ""
	}
	for _, s := range c.order {
		if !c.due(s) {
			continue
		}
		for _, v := range r.views {
			if j, ok := v.byID[s.id]; ok && winner(j) == nil && v.fed(j) {
				return fmt.Sprintf("job %s, acknowledged at %.3f s, is still %s at %s: %s", s.id, s.acks[0].at.Seconds(), j.State(), v.node.Name, j.Current().Waiting)
			}
		}
	}
	return ""
}

// fed says whether the ends of all that a job follows are final, and what its data stands for, and it is not in quarantine. Else it waits, and says
// so.
func (v *view) fed(j job.Job) bool {
	t := j.Current()
	provisional := len(j.Spec.Data) > 0 && len(t.Inputs) == 0 || slices.ContainsFunc(t.Inputs, func(in job.Input) bool { return in.Name != "" && !in.Final })
	return !t.Quarantined && !provisional && !slices.ContainsFunc(j.Spec.After, func(d job.Dependency) bool { return !v.final[d.Job] })
}

// due says whether a job must have ended by now: it was acknowledged long enough ago, and some executor can take it.
func (c *Chronicle) due(s *story) bool {
	if len(s.acks) == 0 || s.spec == nil {
		return false
	}
	runs := time.Duration(1 + s.spec.Retries)
	if s.spec.Quorum > 1 { // a broker with one executor has it try as often as it may before it gives up
		runs = 5 * time.Duration(s.spec.Quorum)
	}
	if c.w.now < max(s.acks[0].at, s.freed)+10*time.Second+runs*parse(s.spec.Args).length {
		return false
	}
	if c.losses >= c.w.brokers() {
		return false // nobody may be left who can inherit
	}
	if s.troubled() {
		return false
	}
	return slices.ContainsFunc(c.w.nodes, func(n *Node) bool { return n.life != nil && n.bench != nil && n.bench.can(s.spec) })
}

// troubled says whether a job goes from executor to executor for longer than a run may take: it takes them down until somebody ends that, or
// they never agree.
func (s *story) troubled() bool {
	if s.spec == nil {
		return false
	}
	p := parse(s.spec.Args)
	return p.kill || s.spec.Quorum > 1 && p.wild
}

// can says whether an executor meets a job's constraints.
func (b *bench) can(spec *job.Spec) bool {
	for k, v := range spec.Needs.Labels {
		if b.labels[k] != v {
			return false
		}
	}
	return true
}

// checkL3 asks, as long after an executor was lost as its silence may be borne, what became of the attempts that it had.
func checkL3(c *Chronicle, f fact) string {
	g, ok := f.(gone)
	if !ok || g.node.bench == nil {
		return ""
	}
	b := c.w.settings.Broker
	within := c.patience(g.node) + b.Reconnect + replan
	for _, s := range c.order {
		for _, d := range s.deployed {
			if d.executor == g.node && d.life == g.life && !d.over && d.broker.responds() && d.broker.disturbed < d.at {
				owner := d.broker.life
				c.w.plan(owner, within, func() { c.askReplanned(d, owner, c.w.now-within) })
			}
		}
	}
	return ""
}

// replan is how long a broker has to act on what it knows.
const replan = 1500 * time.Millisecond

// askReplanned asks the broker of a deployment for its job, if nothing happened to that broker since.
func (c *Chronicle) askReplanned(d *deployment, owner *life, since time.Duration) {
	if b := c.w.settings.Broker; d.behind > 0 && c.w.now < d.behind+b.Grace+replan {
		c.w.plan(owner, d.behind+b.Grace+replan-c.w.now, func() { c.askReplanned(d, owner, since) })
		return
	}
	if x := d.broker.Disk; x.refused > 0 && c.w.now < x.refused+replan { // it tells what its disk has, and is asked when that has had room for a while
		c.w.plan(owner, replan, func() { c.askReplanned(d, owner, since) })
		return
	}
	if d.broker.disturbed >= since || owner.paused || d.broker.Disk.harmed > 0 { // a broker reborn does not speak for its old journal
		return
	}
	c.w.inspect(d.broker, &messages.JobRequest{Job: string(d.name.Job)}, func(answer any) {
		m, ok := answer.(*messages.JobChanged)
		if !ok {
			return
		}
		j, err := job.Decode(m.GetRecord())
		if err != nil || !stillLive(j, d) {
			return
		}
		c.violate("L3", fmt.Sprintf("%s went away at %.3f s, and %s still counts on its attempt %s", d.executor.Name, since.Seconds(), d.broker.Name, short(d.name)))
	})
}

// stillLive says whether a job's owners count on an attempt in the life of the executor that is over. What one of them knows to have ended is not
// counted on, whatever the record of another, who acts no more, says.
func stillLive(j job.Job, d *deployment) bool {
	live := false
	for _, t := range j.Tenures {
		for _, a := range t.Attempts {
			if a.Name != d.name || a.Executor != d.executor.ID || int(a.Lease>>24) != d.life.number {
				continue
			}
			if !a.State.Live() {
				return false
			}
			live = live || a.Name.Owner == t.Owner
		}
	}
	return live
}

// side is the nodes of one side of a partition.
type side struct {
	nodes []*Node
	since time.Duration
	until time.Duration
}

// checkL4 looks, at the end of a partition that lasted, whether each side that could work did.
func checkL4(c *Chronicle, f fact) string {
	s, ok := f.(sided)
	if !ok {
		return ""
	}
	asked := c.askedOf(s.side)
	for _, story := range asked {
		if c.workedOn(story, s.side) {
			return ""
		}
	}
	if len(asked) < 2 {
		return "" // one may have an executor of its own trouble
	}
	return fmt.Sprintf("a side of a partition from %.3f s to %.3f s got %d jobs early enough and ran none", s.side.since.Seconds(), s.side.until.Seconds(), len(asked))
}

// askedOf are the short jobs that a side's own brokers acknowledged early enough to end in it.
func (c *Chronicle) askedOf(s *side) []*story {
	if !c.sound(s) {
		return nil
	}
	var asked []*story
	for _, story := range c.order {
		if story.spec == nil || len(story.spec.Needs.Labels) > 0 || parse(story.spec.Args).length > 2*time.Second {
			continue
		}
		for _, a := range story.acks {
			if slices.Contains(s.nodes, a.broker) && a.at > s.since && a.at < s.until-12*time.Second {
				asked = append(asked, story)
				break
			}
		}
	}
	return asked
}

// sound says whether a side could be expected to work: it has an executor with a broker in reach, and nothing else happened to its nodes.
func (c *Chronicle) sound(s *side) bool {
	pair := false
	for _, n := range s.nodes {
		if n.disturbed > s.since || !n.responds() {
			return false
		}
		for _, b := range s.nodes {
			pair = pair || (n.bench != nil && b.Is(messages.Broker) && c.w.net.end(n, b) != nil)
		}
	}
	return pair
}

func (c *Chronicle) workedOn(s *story, x *side) bool {
	return slices.ContainsFunc(s.deployed, func(d *deployment) bool { return slices.Contains(x.nodes, d.broker) })
}

// brokers counts the brokers of the world.
func (w *World) brokers() int {
	n := 0
	for _, x := range w.nodes {
		if x.Disk != nil {
			n++
		}
	}
	return n
}
