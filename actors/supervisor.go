package actors

import (
	"log/slog"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// supervisor runs one active job: it turns what happens to the job into events, deploys what they ask for, and has the broker write the outcome
// down and tell executors. When its job is over or back in the queue it retires, and the broker gives it another one later. The broker supervises
// it, and if it breaks down gives its job to a new one, from the ledger.
type supervisor struct {
	*Node
	mac     mac
	self    job.Ownership
	job     job.Job
	log     *slog.Logger
	inline  map[[32]byte][]byte // bytes of its named data that travel with the deployment that was just asked for
	timers  timers
	handled uint64 // events so far
	pending int    // commits not answered yet
}

func newSupervisor(n *Node) *actor.Props {
	return n.props(func() actor.Actor {
		return &supervisor{Node: n, log: n.Log.With("actor", "supervisor")}
	})
}

// Receive turns messages into job events. Decisions are made in package job.
func (s *supervisor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *assign:
		s.job, s.self, s.mac, s.handled = msg.job, msg.owner, msg.mac, 0
	case *told:
		s.handled++
		s.inline = msg.inline
		s.learn(msg.job)
		s.apply(ctx, msg.event)
	case *expired:
		if msg.id == s.job.ID { // else of a job that this supervisor had before
			s.timers.ended(msg.timer)
			s.apply(ctx, job.RetryDue{At: s.hybrid()})
		}
	case returned:
		s.returned(ctx, msg)
	case *committed:
		s.pending--
		s.perform(ctx, msg.effects)
	case *actor.Stopping:
		s.timers.stop()
	case actor.SystemMessage, actor.AutoReceiveMessage:
	default:
		s.log.Warn("unexpected message", "type", typeName(msg))
	}
}

// learn takes in what other brokers wrote. The broker's copy may lack what is on its way there from here.
func (s *supervisor) learn(j job.Job) {
	if j.ID != s.job.ID {
		return
	}
	s.job = s.job.Merge(j)
	if mine, ok := s.job.Mine(s.self.Journal); ok {
		s.self = mine
	}
}

// apply moves the job on. A deployment goes out at once: an owner that forgets it in a crash knows it again by its signature (JOB-2). All other
// effects wait until the broker has written the job down.
func (s *supervisor) apply(ctx actor.Context, ev job.Event) {
	next, effects, err := s.job.Apply(s.self, ev)
	if err != nil {
		s.log.Debug("event refused", "err", err) // the error names the job
		ctx.Send(ctx.Parent(), &unreserve{s.job.ID})
		s.retireIfIdle(ctx)
		return
	}
	next = next.DecidedIn(s.self, s.Incarnation)
	news := changedBy(s.job, next, s.self)
	s.job = next
	for _, e := range effects {
		if d, ok := e.(job.Deploy); ok {
			s.deploy(ctx, d.Attempt)
		}
	}
	if !news && len(effects) == 0 {
		s.retireIfIdle(ctx)
		return
	}
	s.pending++
	ctx.Request(ctx.Parent(), &commit{next, s.self, news, effects})
}

// changedBy says whether an owner's event changed what a record says.
func changedBy(before, after job.Job, owner job.Ownership) bool {
	was, _ := before.Tenure(owner)
	is, _ := after.Tenure(owner)
	return was.Rev != is.Rev || (before.Cancel == nil) != (after.Cancel == nil)
}

// perform does the effects that concern nobody but this actor.
func (s *supervisor) perform(ctx actor.Context, effects []job.Effect) {
	for _, e := range effects {
		if e, ok := e.(job.Arm); ok {
			s.timers.arm(ctx, s.Node, ctx.Self(), s.job.ID, e)
		}
	}
	s.retireIfIdle(ctx)
}

func (s *supervisor) deploy(ctx actor.Context, a job.Attempt) {
	if s.job.Attempted() > 1 {
		s.log.Info("job redeployed", "job", s.job.ID, "attempt", a.Name.N, "executor", a.Executor)
	}
	ctx.Request(pid(a.Executor, messages.ExecutorActor), &messages.DeployAttempt{
		Attempt: messages.AttemptToWire(a.Name), Spec: s.job.Spec.Append(nil), Mac: s.mac.sign(a.Name, a.Executor, s.job.Spec), Lease: a.Lease,
		Inputs: s.inputs(),
		Urgent: s.job.Spec.Emergency != "",
	})
}

// inputs is what the job's named data stands for, with the bytes that only the broker has.
func (s *supervisor) inputs() []byte {
	t, _ := s.job.Tenure(s.self)
	if len(s.job.Spec.Data) == 0 || len(t.Inputs) != len(s.job.Spec.After)+len(s.job.Spec.Data) {
		return nil
	}
	inputs := slices.Clone(t.Inputs[len(s.job.Spec.After):])
	for i := range inputs {
		files := slices.Clone(inputs[i].Files)
		for k := range files {
			if x := &files[k].Blob; len(x.Inline) == 0 {
				x.Inline = s.inline[x.Digest]
			}
		}
		inputs[i].Files = files
	}
	return job.AppendInputs(nil, inputs)
}

// returned hears that a message did not reach its executor. A deployment that surely did not is made elsewhere; for one that may have, the
// executor's lease decides: it reports what it has in hand.
func (s *supervisor) returned(ctx actor.Context, r returned) {
	m, reason, uncertain := r.Returned()
	d, ok := m.(*messages.DeployAttempt)
	if n := messages.AttemptFromWire(d.GetAttempt()); ok && !uncertain && n.Job == s.job.ID {
		s.apply(ctx, job.Declined{Attempt: n, Reason: reason.Error(), At: s.hybrid()})
		return
	}
	s.log.Debug("message not delivered", "job", s.job.ID, "type", typeName(m), "err", reason)
}

// retireIfIdle offers to end when nothing is under way: no attempt, no timer, no unwritten change.
func (s *supervisor) retireIfIdle(ctx actor.Context) {
	if s.pending > 0 {
		return
	}
	t, _ := s.job.Tenure(s.self)
	if t.Verdict != nil || (len(t.Live()) == 0 && !s.timers.armed()) {
		s.timers.stop()
		ctx.Send(ctx.Parent(), &retire{s.job.ID, s.handled})
	}
}
