package client

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/cluster/link"
	"github.com/urbancompute/ucp/messages"
)

// What the client's own goroutines tell its actor.
type (
	// connected says to which broker questions go from now on.
	connected struct{ broker string }
	// disconnected says that questions would go nowhere.
	disconnected struct{}
	// submit starts following a job.
	submit struct{ *Submission }
	// abandon stops following a job.
	abandon struct{ job string }
	// inputFailed says that a job's input cannot be read to its end.
	inputFailed struct {
		job string
		err error
	}
	// retryDue says that the pause before a job is asked for again is over.
	retryDue struct{ job string }
)

// speaker is the actor "client": it owns the jobs that this client follows, and speaks to the gateway of one broker. It has no clock, so
// its messages carry no stamp. It is not restarted: if it fails the client ends.
type speaker struct {
	client   *Client
	log      *slog.Logger
	gateway  *actor.PID // nil while there is no connection
	jobs     map[string]*followed
	settling []string // jobs of which some end is not final, in the order of their ends; some of them may be over
}

// followed is a job whose end is not final.
type followed struct {
	*Submission
	taken      bool // acknowledged: it is asked for, no longer submitted
	ended      bool // provisionally
	superseded bool // that end does not stand
}

// maxSettling bounds the jobs that are followed although they have ended.
const maxSettling = 4096

func newSpeaker(c *Client) *actor.Props {
	return actor.PropsFromProducer(func() actor.Actor {
		return &speaker{client: c, log: c.log.With("actor", messages.ClientActor), jobs: map[string]*followed{}}
	}, actor.WithSupervisor(actor.NewOneForOneStrategy(0, 0, func(any) actor.Directive { return actor.StopDirective })))
}

// Receive turns messages into changes of submissions.
func (s *speaker) Receive(ctx actor.Context) {
	switch msg := messages.Unstamp(ctx.Message()).(type) {
	case *submit:
		s.follow(ctx, &followed{Submission: msg.Submission})
	case *watch:
		s.watch(ctx, msg.Submission)
	case *messages.JobSubmitted:
		s.submitted(msg)
	case *messages.JobChanged:
		s.changed(msg)
	case *messages.Refused:
		s.refused(ctx, refusal(msg))
	case *messages.ReadStdin:
		s.readStdin(ctx, msg)
	case *messages.OutputChunk:
		s.output(msg)
	case *link.Undelivered:
		s.undelivered(ctx, msg)
	case *retryDue:
		s.ask(ctx, msg.job)
	case *connected:
		s.connected(ctx, msg.broker)
	case *disconnected:
		s.gateway = nil
	case *abandon:
		s.end(msg.job, errAbandoned)
	case *inputFailed:
		s.inputFailed(ctx, msg)
	case *actor.Stopped:
		s.endAll(context.Cause(s.client.ended))
	case actor.SystemMessage, actor.AutoReceiveMessage:
	default:
		s.log.Warn("unexpected message", "type", fmt.Sprintf("%T", msg))
	}
}

func (s *speaker) follow(ctx actor.Context, f *followed) {
	s.jobs[f.id] = f
	s.ask(ctx, f.id)
}

// watch follows a job that others, or earlier clients, submitted.
func (s *speaker) watch(ctx actor.Context, sub *Submission) {
	if _, taken := s.jobs[sub.id]; taken {
		sub.ended(Change{}, invalid("this client follows it already"))
		return
	}
	s.follow(ctx, &followed{Submission: sub, taken: true})
}

// connected goes on with every job at a new broker, or at the same again.
func (s *speaker) connected(ctx actor.Context, broker string) {
	s.gateway = actor.NewPID(broker, messages.GatewayActor)
	for id := range s.jobs {
		s.ask(ctx, id)
	}
}

// ask submits a job, or asks how a submitted one is. Both are harmless twice: an id names one job.
func (s *speaker) ask(ctx actor.Context, id string) {
	f, ok := s.jobs[id]
	switch {
	case !ok || s.gateway == nil: // over, or asked when there is somebody to ask
	case f.taken:
		ctx.Request(s.gateway, &messages.JobRequest{Job: id, Session: s.client.session.bytes(), Watch: true})
	default:
		ctx.Request(s.gateway, &messages.SubmitJob{Job: id, Spec: f.spec, Session: s.client.session.bytes(), Watch: true, Urgent: f.urgent})
	}
}

func (s *speaker) submitted(msg *messages.JobSubmitted) {
	if err := s.client.session.merge(msg.GetSession()); err != nil {
		s.log.Warn("session not understood", "job", msg.GetJob(), "err", err)
	}
	if f, ok := s.jobs[msg.GetJob()]; ok {
		f.taken = true
		f.acknowledged(msg.GetDurability())
	}
}

func (s *speaker) changed(msg *messages.JobChanged) {
	c, err := changeOf(msg)
	if err != nil {
		s.log.Warn("job not understood", "err", err)
		return
	}
	f, ok := s.jobs[string(c.Job.ID)]
	if !ok {
		return // over, or abandoned
	}
	f.superseded = f.superseded || c.Superseded
	switch {
	case f.ended:
	case c.Job.State().Terminal():
		f.ended = true
		f.Submission.ended(c, nil)
		s.settling = append(s.settling, f.id)
		s.letGo()
	default:
		f.Submission.changed(c)
	}
	if c.Final {
		c.Superseded = f.superseded
		delete(s.jobs, f.id)
		f.settle(c, nil)
	}
}

// letGo bounds what is followed after its end: those that ended first are let go. In a network that is whole ends are final soon.
func (s *speaker) letGo() {
	if len(s.settling) < maxSettling {
		return
	}
	s.settling = slices.DeleteFunc(s.settling, func(id string) bool { return s.jobs[id] == nil })
	for len(s.settling) > maxSettling/2 {
		s.end(s.settling[0], ErrUnfollowed)
		s.settling = s.settling[1:]
	}
}

// refused is told of a submission or of a question about a submitted job. What passes is asked again; the rest ends the submission.
func (s *speaker) refused(ctx actor.Context, e *RefusedError) {
	f, ok := s.jobs[e.Job]
	if !ok {
		s.log.Debug("refused", "job", e.Job, "err", e)
		return
	}
	after, passing := e.passing()
	if !passing && e.code == messages.Refused_STALE { // this broker will have heard of it soon
		after, passing = max(e.RetryAfter, staleRetry), true
	}
	if !passing {
		s.end(f.id, e)
		return
	}
	if was := f.waits.Swap(e); !f.taken && e.code != messages.Refused_STALE && (was == nil || was.Reason != e.Reason) {
		s.log.Warn("job not taken yet, asked again", "job", f.id, "reason", e.Error())
	}
	s.retry(ctx, f.id, after)
}

// staleRetry is the pause before a broker that is behind is asked again.
const staleRetry = 200 * time.Millisecond

func (s *speaker) retry(ctx actor.Context, id string, after time.Duration) {
	root, self := ctx.ActorSystem().Root, ctx.Self()
	time.AfterFunc(after, func() { root.Send(self, &retryDue{id}) })
}

// undelivered is told by the link about a message that may not have arrived. Without a connection all is asked again anyway.
func (s *speaker) undelivered(ctx actor.Context, u *link.Undelivered) {
	m, ok := u.Message.(interface{ GetJob() string })
	switch {
	case !ok:
		s.log.Debug("message undelivered", "type", fmt.Sprintf("%T", u.Message), "err", u.Reason)
	case s.gateway != nil:
		s.retry(ctx, m.GetJob(), minRetry)
	}
}

func (s *speaker) readStdin(ctx actor.Context, msg *messages.ReadStdin) {
	f, ok := s.jobs[msg.GetAttempt().GetJob()]
	sender := ctx.Sender()
	if !ok || f.ended || f.console == nil || sender == nil {
		return
	}
	root, self := ctx.ActorSystem().Root, ctx.Self()
	f.console.stdin.ask(want{msg, func(chunk *messages.StdinChunk) { root.RequestWithCustomSender(sender, chunk, self) }})
}

func (s *speaker) output(msg *messages.OutputChunk) {
	if f, ok := s.jobs[msg.GetAttempt().GetJob()]; ok && !f.ended && f.console != nil {
		f.console.output(msg)
	}
}

// inputFailed cancels a job whose program would else take a part of its input for the whole.
func (s *speaker) inputFailed(ctx actor.Context, msg *inputFailed) {
	f, ok := s.jobs[msg.job]
	if ok && f.ended {
		return
	}
	if ok && s.gateway != nil {
		ctx.Request(s.gateway, &messages.CancelJob{Job: msg.job, Session: s.client.session.bytes()})
	}
	s.end(msg.job, msg.err)
}

func (s *speaker) end(id string, err error) {
	f, ok := s.jobs[id]
	if !ok {
		return
	}
	delete(s.jobs, id)
	if f.ended {
		f.settle(Change{}, err)
	} else {
		f.Submission.ended(Change{}, err)
	}
}

func (s *speaker) endAll(err error) {
	if err == nil {
		err = fmt.Errorf("%w: its actor failed", ErrClosed)
	}
	for id := range s.jobs {
		s.end(id, err)
	}
}
