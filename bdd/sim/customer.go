package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// customer is what a client of a campaign does for one job: it submits it until somebody acknowledges it, and then watches and asks until it
// has ended for good.
type customer struct {
	c     *Client
	rng   *rand.Rand
	id    job.ID
	spec  *job.Spec
	at    *Node // the broker it talks to
	acked bool
	over  bool
	tries int
	again bool
	// quarantined: the job waits for somebody to let it go on.
	quarantined bool
}

// load lets clients hand in jobs for so long.
func (w *World) load(jobs int, until time.Duration) {
	rng := w.stream("load")
	for i := range jobs {
		c := w.clients[rng.IntN(len(w.clients))]
		w.plan(nil, time.Duration(rng.Int64N(int64(until))), func() {
			u := &customer{c: c, rng: w.stream(fmt.Sprintf("customer %d", i))}
			u.begin()
		})
	}
}

func (u *customer) begin() {
	u.at = u.anyBroker()
	u.id, u.spec = u.c.NewID(u.at.Name), randomSpec(u.rng)
	u.relate()
	u.trade()
	u.submit()
	if u.rng.Float64() < 0.05 { // impatient: the same again at once
		u.c.w.Rare.add("the same job submitted twice at once")
		u.submit()
	}
}

// relate makes some jobs wait for one that the client handed in before, often just before.
func (u *customer) relate() {
	before := u.c.submitted
	u.c.submitted = append(before, u.id)
	if len(before) == 0 || u.rng.Float64() > 0.15 {
		return
	}
	if u.rng.IntN(2) == 0 {
		before = before[max(0, len(before)-recent):]
	}
	rule := []job.OnFailure{job.FailJob, job.SkipJob, job.RunAnyway}[u.rng.IntN(3)]
	u.spec.After = []job.Dependency{{Job: before[u.rng.IntN(len(before))], OnFailure: rule}}
}

// trade lets some jobs make named data, and some need what one makes, or may make later, or what nobody does.
func (u *customer) trade() {
	rng := u.c.w.stream("trade of " + string(u.id))
	name := func() string { return fmt.Sprintf("goods/%d/%d", rng.IntN(3), rng.IntN(3)) }
	switch x := rng.Float64(); {
	case x < 0.15:
		u.spec.Results = []job.NamedResult{{Path: "out", Name: name()}}
	case x < 0.18:
		u.spec.Results = []job.NamedResult{{Path: "out/*", Name: fmt.Sprintf("goods/%d/*", rng.IntN(3))}}
	}
	needs := ""
	switch x := rng.Float64(); {
	case x < 0.08:
		needs = name()
	case x < 0.11:
		needs = fmt.Sprintf("goods/%d/*", rng.IntN(3))
	default:
		return
	}
	rule := []job.OnFailure{job.FailJob, job.SkipJob, job.RunAnyway}[rng.IntN(3)]
	u.spec.Data = []job.DataInput{{Name: needs, Path: "in", OnFailure: rule}}
	u.c.w.Rare.add("a job needs named data")
	if rng.IntN(2) == 0 {
		u.spec.Deadline = 20 * time.Second
	}
}

// recent is how many jobs were handed in just before.
const recent = 5

func (u *customer) anyBroker() *Node {
	brokers := u.c.w.where(func(n *Node) bool { return n.Is(messages.Broker) })
	return brokers[u.rng.IntN(len(brokers))]
}

// randomSpec draws a program: most are short and end well.
func randomSpec(rng *rand.Rand) *job.Spec {
	length := time.Duration(float64(50*time.Millisecond) + min(rng.ExpFloat64(), 6)*float64(900*time.Millisecond))
	args := []string{length.Round(time.Microsecond).String()}
	s := Program()
	switch x := rng.Float64(); {
	case x < 0.35:
		args = append(args, "wild")
	case x < 0.42:
		args = append(args, fmt.Sprintf("exit=%d", 1+rng.IntN(9)))
		s.Retries = uint32(rng.IntN(3)) //nolint:gosec // a small number
	case x < 0.49:
		args = append(args, "flaky=1")
		s.Retries = 2
	case x < 0.52:
		args = append(args, "trap")
		s.Retries = 3
	case x < 0.53:
		args = append(args, "kill")
	}
	if rng.Float64() < 0.05 {
		s.Limits.Timeout = 2 * time.Second
	}
	if rng.Float64() < 0.03 {
		s.Deadline = 20 * time.Second
	}
	switch x := rng.Float64(); {
	case x < 0.04:
		s.Quorum = 2
	case x < 0.10:
		s.Speculate, s.Array = true, "array"
	case x < 0.14:
		s.Retention = time.Second // soon forgotten
	case x < 0.16:
		s.QueueTimeout = 10 * time.Second
	}
	s.Priority = uint8(rng.IntN(5) * 10) //nolint:gosec // at most 40
	s.Args = args
	return s
}

// submit asks the broker to take the job, and asks again, perhaps another one, if it does not.
func (u *customer) submit() {
	u.tries++
	if u.tries > 1 {
		u.c.w.Rare.add("a client submitted again")
	}
	forget := u.c.ask(u.at, u.c.Submission(u.id, u.spec), u.answer)
	u.later(2*time.Second+u.upTo(2*time.Second), func() {
		if !u.acked {
			forget()
			u.move()
			u.submit()
		}
	})
}

// move goes to another broker, sometimes.
func (u *customer) move() {
	if !able.Takeover && !u.acked {
		return // a job taken by two brokers at a time is one only if one of them takes it as a takeover
	}
	if was := u.at; u.rng.Float64() < 0.6 {
		if u.at = u.anyBroker(); u.at != was {
			u.c.w.Rare.add("a client moved to another broker")
		}
	}
}

func (u *customer) later(d time.Duration, do func()) { u.c.w.plan(u.c.node.life, d, do) }

func (u *customer) upTo(d time.Duration) time.Duration { return time.Duration(u.rng.Int64N(int64(d))) }

// answer takes what the broker says to the submission, and what it tells because of it from then on.
func (u *customer) answer(m any) {
	switch m := m.(type) {
	case *messages.JobSubmitted:
		if !u.acked {
			u.acked = true
			u.later(u.upTo(4*time.Second), u.look)
		}
	case *messages.JobChanged:
		u.told(m)
	case *messages.Refused:
		if name := newName(m); name != "" {
			u.c.names[u.at] = name
		}
		if strings.Contains(m.GetReason(), " waits for ") { // for itself: it would never run
			u.c.w.Rare.add("a cycle was refused")
			u.acked, u.over = true, true
		}
	}
}

func (u *customer) told(m *messages.JobChanged) {
	j, err := job.Decode(m.GetRecord())
	if err != nil || j.ID != u.id {
		return
	}
	if u.over = winner(j) != nil && (isFinal(m) || !able.Journal); u.over {
		u.askAgain()
	}
	u.quarantined = strings.Contains(m.GetWaiting(), "quarantine")
}

// askAgain submits some jobs that are soon forgotten once more, long after they have ended, as a client does that was told nothing and held on.
func (u *customer) askAgain() {
	if u.again || u.spec.Retention > 10*time.Second {
		return
	}
	u.again = true
	u.later(8*time.Second+time.Duration(u.c.w.jobs%8)*time.Second, func() {
		if u.c.w.silent() {
			return
		}
		u.c.w.Rare.add("a job was submitted again long after its end")
		u.c.ask(u.at, u.c.Submission(u.id, u.spec), func(any) {})
	})
}

// look asks how the job is doing, now here and now there, until it is over.
func (u *customer) look() {
	if u.over {
		return
	}
	u.move()
	var m proto.Message = &messages.JobRequest{Job: string(u.id), Session: u.c.session, Watch: u.rng.Float64() < 0.5}
	if reprieve := messageNamed("ReprieveJob", map[string]string{"job": string(u.id)}); u.quarantined && reprieve != nil && !u.c.w.silent() {
		u.c.w.Rare.add("a quarantined job was let go on")
		u.c.w.chronicle.story(u.id).freed = u.c.w.now
		m = reprieve
	}
	if able.Cancel && u.rng.Float64() < 0.03 && !u.c.w.silent() {
		u.c.w.Rare.add("a client cancelled")
		m = &messages.CancelJob{Job: string(u.id), Session: u.c.session}
	}
	forget := u.c.ask(u.at, m, u.answer)
	u.later(3*time.Second+u.upTo(4*time.Second), func() {
		if u.rng.Float64() < 0.5 {
			forget()
		}
		u.look()
	})
}

// operator gives up brokers, if the vocabulary has words for it.
type operator struct {
	w         *World
	c         *Client
	rng       *rand.Rand
	forgotten []*Node
}

// forget asks some broker that is up to give up another one, again and again until one says that it is written down.
func (o *operator) forget(lost *Node, name string) {
	m := messageNamed("ForgetBroker", map[string]string{"broker": name, "reason": "its disk is gone"})
	ups := o.w.where(func(n *Node) bool {
		return n.Is(messages.Broker) && n.Up() && n != lost && !slices.Contains(o.forgotten, n)
	})
	if m == nil || len(ups) == 0 {
		return
	}
	o.ask(ups[o.rng.IntN(len(ups))], lost, name, m)
}

// tell is forget with one broker to ask.
func (o *operator) tell(at, lost *Node, name string) {
	if m := messageNamed("ForgetBroker", map[string]string{"broker": name, "reason": "its disk is gone"}); m != nil {
		o.ask(at, lost, name, m)
	}
}

// ask puts the question, and asks another broker if there is no answer.
func (o *operator) ask(at, lost *Node, name string, m proto.Message) {
	done := false
	o.c.ask(at, m, func(answer any) {
		if _, bad := answer.(*messages.Refused); !bad && !done {
			done = true
			o.forgotten = append(o.forgotten, lost)
			o.w.Rare.add("a broker was given up")
		}
	})
	o.w.plan(o.c.node.life, 2*time.Second, func() {
		if !done {
			o.forget(lost, name)
		}
	})
}
