package actors

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// supervisor runs one active job: it turns what happens to the job into events, has the broker write the outcome down, and then does what
// follows. When its job is over or back in the queue it retires, and the broker gives it another one later. The broker supervises it, and
// if it breaks down gives its job to a new one, from the ledger.
type supervisor struct {
	*Node
	mac     mac
	self    job.Ownership
	job     job.Job
	log     *slog.Logger
	timers  timers
	handled uint64 // events so far
	pending int    // commits not answered yet
}

func newSupervisor(n *Node, m mac) *actor.Props {
	return n.props(func() actor.Actor {
		return &supervisor{Node: n, mac: m, log: n.Log.With("actor", "supervisor")}
	})
}

// Receive turns messages into job events. Decisions are made in package job.
func (s *supervisor) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *assign:
		s.job, s.self, s.handled = msg.job, msg.owner, 0
	case *told:
		s.handled++
		s.apply(ctx, msg.event)
	case *expired:
		if msg.id == s.job.ID { // else of a job that this supervisor had before
			s.timers.ended(msg.timer)
			s.apply(ctx, job.RetryDue{})
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

// apply moves the job on. Effects wait until the broker has written the job down.
func (s *supervisor) apply(ctx actor.Context, ev job.Event) {
	next, effects, err := s.job.Apply(s.self, ev)
	if err != nil {
		s.log.Debug("event refused", "err", err) // the error names the job
		ctx.Send(ctx.Parent(), &unreserve{s.job.ID})
		s.retireIfIdle(ctx)
		return
	}
	s.job = next
	s.pending++
	ctx.Request(ctx.Parent(), &commit{next, effects})
}

func (s *supervisor) perform(ctx actor.Context, effects []job.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case job.Deploy:
			s.deploy(ctx, e.Attempt)
		case job.Stop, job.Answer:
			tellExecutor(ctx, e)
		case job.Arm:
			s.timers.arm(ctx, s.Node, ctx.Self(), s.job.ID, e)
		case job.Finish:
			s.log.Debug("job is over", "job", s.job.ID, "state", string(s.job.State()))
		case job.Requeue: // being idle says it
		}
	}
	s.retireIfIdle(ctx)
}

func (s *supervisor) deploy(ctx actor.Context, a job.Attempt) {
	if a.Name.N > 1 {
		s.log.Info("job redeployed", "job", s.job.ID, "attempt", a.Name.N, "executor", a.Executor)
	}
	ctx.Request(pid(a.Executor, messages.ExecutorActor), &messages.DeployAttempt{
		Attempt: messages.AttemptToWire(a.Name), Spec: s.job.Spec.Append(nil), Mac: s.mac.sign(a.Name, a.Executor, s.job.Spec), Lease: a.Lease,
	})
}

// returned hears that a message did not reach its executor. A deployment that surely did not is made elsewhere; for one that may have, and for
// answers, the executor's lease decides: it reports what it has in hand.
func (s *supervisor) returned(ctx actor.Context, r returned) {
	m, reason, uncertain := r.Returned()
	if d, ok := m.(*messages.DeployAttempt); ok && !uncertain {
		s.apply(ctx, job.Declined{Attempt: messages.AttemptFromWire(d.GetAttempt()), Reason: reason.Error(), At: s.hybrid()})
		return
	}
	s.log.Debug("message not delivered", "job", s.job.ID, "type", typeName(m), "err", reason)
}

// retireIfIdle offers to end when nothing is under way: no attempt, no timer, no unwritten change.
func (s *supervisor) retireIfIdle(ctx actor.Context) {
	if s.pending > 0 {
		return
	}
	if over := s.job.State().Terminal(); over || (len(s.job.Current().Live()) == 0 && !s.timers.armed()) {
		s.timers.stop()
		ctx.Send(ctx.Parent(), &retire{s.job.ID, s.handled})
	}
}

// tellExecutor sends an effect that is a message to an executor.
func tellExecutor(ctx actor.Context, e job.Effect) {
	switch e := e.(type) {
	case job.Stop:
		ctx.Request(pid(e.Attempt.Executor, messages.ExecutorActor), &messages.StopAttempt{Attempt: messages.AttemptToWire(e.Attempt.Name), Reason: e.Reason})
	case job.Answer:
		ctx.Request(pid(e.Executor, messages.ExecutorActor), &messages.ResultAnswered{
			Attempt: messages.AttemptToWire(e.Attempt), Accepted: e.Accepted, Why: e.Why.String(), Winner: messages.AttemptToWire(e.Winner),
		})
	case job.Deploy, job.Requeue, job.Arm, job.Finish:
	}
}
