package actors

import (
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/placement"
	"github.com/urbancompute/ucp/messages"
)

// deploy takes an attempt. The same one twice is one; one too many is declined, and the broker finds another place.
func (e *Executor) deploy(ctx actor.Context, msg *messages.DeployAttempt) {
	n := messages.AttemptFromWire(msg.GetAttempt())
	if d, ok := e.hands[n]; ok {
		if d.result != nil {
			e.sendResult(ctx, d)
		}
		return
	}
	spec, inputs, err := readDeployment(msg)
	switch {
	case !e.isHome(ctx):
		ctx.Request(e.brokerOf(ctx), &messages.AttemptDeclined{Attempt: msg.GetAttempt(), Reason: "the executor has moved to another broker", Moved: e.lease})
		return
	case err != nil:
		e.decline(ctx, msg.GetAttempt(), "its description cannot be read: "+err.Error())
		return
	case len(e.hands)-e.finished >= placement.MaxWindow(e.Slots) || e.finished >= maxResults:
		e.decline(ctx, msg.GetAttempt(), "the executor is full")
		return
	}
	d := &deployment{name: n, owner: e.home, spec: spec, inputs: inputs, mac: msg.GetMac(), first: msg.GetUrgent()}
	e.hands[n] = d
	at, _ := slices.BinarySearchFunc(e.waiting, d, laterThan)
	e.waiting = slices.Insert(e.waiting, at, d)
	e.dispatch(ctx)
}

// readDeployment reads what a job is and what it is given.
func readDeployment(msg *messages.DeployAttempt) (*job.Spec, []job.Input, error) {
	spec, err := job.DecodeSpec(msg.GetSpec())
	if err != nil || len(spec.Data) == 0 {
		return spec, nil, err
	}
	inputs, err := job.DecodeInputs(msg.GetInputs())
	if err == nil && len(inputs) != len(spec.Data) {
		err = fmt.Errorf("%d inputs for %d that it names: %w", len(inputs), len(spec.Data), job.ErrInvalid)
	}
	return spec, inputs, err
}

// laterThan orders the queue: what is of an emergency, then by priority; equals are after those that came before them.
func laterThan(queued, d *deployment) int {
	switch {
	case queued.first != d.first && d.first:
		return 1
	case queued.first != d.first, queued.spec.Priority >= d.spec.Priority:
		return -1
	}
	return 1
}

func (e *Executor) decline(ctx actor.Context, a *messages.AttemptName, why string) {
	ctx.Request(e.brokerOf(ctx), &messages.AttemptDeclined{Attempt: a, Reason: why})
}

// brokerOf is the broker on the node that the message under way came from.
func (*Executor) brokerOf(ctx actor.Context) *actor.PID {
	return pid(ctx.Sender().Address, messages.BrokerActor)
}

// dispatch gives waiting attempts to idle runners.
func (e *Executor) dispatch(ctx actor.Context) {
	for _, r := range e.runners {
		if len(e.waiting) == 0 {
			return
		}
		if r.busy == nil {
			r.busy, e.waiting = e.waiting[0], e.waiting[1:]
			ctx.Request(r.pid, &run{r.busy.name, r.busy.spec, r.busy.inputs, r.busy.owner})
		}
	}
}

func (e *Executor) started(ctx actor.Context, n job.Name) {
	if d, ok := e.hands[n]; ok {
		ctx.Request(d.owner, &messages.AttemptStarted{Attempt: messages.AttemptToWire(n), Urgent: d.spec != nil && d.spec.Emergency != ""})
	}
}

// done keeps a result until it is answered, and sends it.
func (e *Executor) done(ctx actor.Context, msg *runDone) {
	if i := slices.IndexFunc(e.runners, func(r *station) bool { return r.busy != nil && r.busy.name == msg.name }); i >= 0 {
		e.runners[i].busy = nil
	}
	if msg.result != nil {
		e.pace.Took(msg.result.Run)
	}
	if d, ok := e.hands[msg.name]; ok && msg.result != nil {
		d.result = &messages.AttemptFinished{Attempt: messages.AttemptToWire(msg.name), Mac: d.mac, Result: msg.result.Append(nil), Urgent: d.spec.Emergency != ""}
		d.since = e.Now()
		e.finished++
		e.sendResult(ctx, d)
		e.shelf.keep(ctx, d)
	} else {
		delete(e.hands, msg.name) // stopped: nobody waits for it
	}
	e.dispatch(ctx)
}

// sendResult sends a result to the broker that deployed the attempt, and to the home broker if that is another one: it may have taken the job over,
// or knows who has.
func (e *Executor) sendResult(ctx actor.Context, d *deployment) {
	d.sent = e.Now()
	e.told = e.window()
	result := &messages.AttemptFinished{Attempt: d.result.GetAttempt(), Mac: d.result.GetMac(), Result: d.result.GetResult(), Window: e.told, Urgent: d.result.GetUrgent()}
	e.tellBrokers(ctx, d, result)
}

func (e *Executor) tellBrokers(ctx actor.Context, d *deployment, m any) {
	ctx.Request(d.owner, m)
	if e.home != nil && !e.home.Equal(d.owner) {
		ctx.Request(e.home, m)
	}
}

func verdictOf(msg *messages.ResultAnswered) string {
	if msg.GetAccepted() {
		return "accepted"
	}
	return "rejected"
}

// speaksFor says whether the sender of the message under way may answer for an attempt: the broker that deployed it, or the home broker.
func (e *Executor) speaksFor(ctx actor.Context, d *deployment) bool {
	return ctx.Sender().Address == d.owner.Address || e.isHome(ctx)
}

func (e *Executor) resultAnswered(ctx actor.Context, msg *messages.ResultAnswered) {
	n := messages.AttemptFromWire(msg.GetAttempt())
	d, ok := e.hands[n]
	if !ok || d.result == nil || !e.speaksFor(ctx, d) {
		return
	}
	if msg.GetHeld() {
		d.held = true // it is kept until others agree
		return
	}
	e.forget(d)
	if d.earlier {
		e.note("result of an earlier life: "+verdictOf(msg), n.Job, "")
	}
	if !msg.GetAccepted() {
		e.log.Warn("result rejected", "job", n.Job, "attempt", n.N, "reason", msg.GetWhy(), "winner", msg.GetWinner().GetN())
	}
}

// stopAttempt ends an attempt that nobody wants any more, wherever it stands.
func (e *Executor) stopAttempt(ctx actor.Context, msg *messages.StopAttempt) {
	n := messages.AttemptFromWire(msg.GetAttempt())
	d, ok := e.hands[n]
	if !ok || !e.speaksFor(ctx, d) || d.result != nil {
		return // finished: its answer lets it go
	}
	e.log.Info("attempt stopped", "job", n.Job, "attempt", n.N, "reason", msg.GetReason())
	delete(e.hands, n)
	if i := slices.Index(e.waiting, d); i >= 0 {
		e.waiting = slices.Delete(e.waiting, i, i+1)
		return
	}
	for _, r := range e.runners {
		if r.busy == d {
			ctx.Send(r.pid, &stopRun{n, msg.GetReason()})
		}
	}
}

func (e *Executor) stdin(ctx actor.Context, msg *messages.StdinChunk) {
	n := messages.AttemptFromWire(msg.GetAttempt())
	for _, r := range e.runners {
		if r.busy != nil && r.busy.name == n {
			ctx.Send(r.pid, msg)
		}
	}
}
