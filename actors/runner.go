package actors

import (
	"io"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/workbench"
	"github.com/urbancompute/ucp/messages"
)

// runner takes one attempt at a time through the workbench and carries the streams of one whose client stays. An executor has two for each
// slot: while one's program runs, the other's is made ready. The executor supervises it.
type runner struct {
	*Node
	bench Workbench
	log   *slog.Logger
	now   *running
}

// running is the attempt in hand.
type running struct {
	name    job.Name
	gateway *actor.PID
	stop    func(reason string)
	stopped bool
	input   chan *messages.StdinChunk // the one answer that the program waits for
}

// run asks a runner for an attempt; home is the broker that deployed it.
type run struct {
	name   job.Name
	spec   *job.Spec
	inputs []job.Input // one for each of the spec's Data
	home   *actor.PID
}

// stopRun ends the attempt, if it is still the one in hand.
type stopRun struct {
	name   job.Name
	reason string
}

// runStarted tells the executor that the program began.
type runStarted struct{ name job.Name }

// runDone tells the executor that the runner is free. The result is nil if the attempt was stopped.
type runDone struct {
	name   job.Name
	result *job.Result
}

// benchDone comes from the workbench.
type benchDone struct {
	name   job.Name
	result *job.Result
}

// wantInput comes from the program: it waits for input.
type wantInput struct {
	name   job.Name
	offset uint64
	max    int
}

// wroteOutput comes from the program.
type wroteOutput struct {
	name   job.Name
	stream uint32
	offset uint64
	data   []byte
}

func newRunner(n *Node, bench Workbench, number int) *actor.Props {
	return n.props(func() actor.Actor {
		return &runner{Node: n, bench: bench, log: n.Log.With("actor", "runner", "runner", number)}
	})
}

// Receive turns messages into calls.
func (r *runner) Receive(ctx actor.Context) {
	switch msg := ctx.Message().(type) {
	case *run:
		r.run(ctx, msg)
	case *stopRun:
		if r.runs(msg.name) {
			r.stop(msg.reason)
		}
	case *benchDone:
		r.done(ctx, msg)
	case *wantInput:
		if r.runs(msg.name) {
			// The answer goes to the executor: other nodes may not write to its children.
			ask := &messages.ReadStdin{Attempt: messages.AttemptToWire(msg.name), Offset: msg.offset, Max: narrow(msg.max)}
			ctx.RequestWithCustomSender(r.now.gateway, ask, ctx.Parent())
		}
	case *messages.StdinChunk:
		r.input(msg)
	case *wroteOutput:
		if r.runs(msg.name) {
			ctx.Request(r.now.gateway, &messages.OutputChunk{Attempt: messages.AttemptToWire(msg.name), Stream: msg.stream, Offset: msg.offset, Data: msg.data})
		}
	case *actor.Stopping, *actor.Restarting:
		if r.now != nil {
			r.stop("the executor stops")
		}
	case returned: // output is shown as it comes, and complete in the result
		logReturned(r.log, msg)
	case actor.SystemMessage, actor.AutoReceiveMessage:
	default:
		r.log.Warn("unexpected message", "type", typeName(msg))
	}
}

func (r *runner) runs(n job.Name) bool { return r.now != nil && r.now.name == n }

func (r *runner) run(ctx actor.Context, msg *run) {
	root, self, executor := RootContext(ctx.ActorSystem(), r.Clock), ctx.Self(), ctx.Parent()
	r.now = &running{name: msg.name, gateway: pid(msg.home.Address, messages.GatewayActor)}
	task := workbench.Task{
		Attempt: msg.name, Spec: msg.spec, Inputs: msg.inputs, Home: msg.home.Address,
		Started: func() { root.Send(executor, &runStarted{msg.name}) },
	}
	if msg.spec.Streamed {
		r.now.input = make(chan *messages.StdinChunk, 1)
		task.Stdin = stdinOf(r.now.input, func(offset uint64, n int) { root.Send(self, &wantInput{msg.name, offset, n}) })
		task.Output = func(stream uint32, offset uint64, data []byte) {
			root.Send(self, &wroteOutput{msg.name, stream, offset, data})
		}
	}
	r.now.stop = r.bench.Run(task, func(res *job.Result) { root.Send(self, &benchDone{msg.name, res}) })
}

// stdinOf reads the client's input: it asks, and waits for the one answer. A closed channel ends the input.
func stdinOf(answers <-chan *messages.StdinChunk, ask func(offset uint64, n int)) func(uint64, int) ([]byte, error) {
	return func(offset uint64, n int) ([]byte, error) {
		ask(offset, n)
		for c := range answers {
			if c.GetOffset() != offset {
				continue // the answer to an earlier question
			}
			if len(c.GetData()) == 0 && c.GetEof() {
				return nil, io.EOF
			}
			return c.GetData(), nil
		}
		return nil, io.EOF
	}
}

// input gives the program what it waits for. One that does not wait is not given anything.
func (r *runner) input(msg *messages.StdinChunk) {
	if r.now == nil || r.now.input == nil || r.now.stopped || messages.AttemptFromWire(msg.GetAttempt()) != r.now.name {
		return
	}
	select {
	case r.now.input <- msg:
	default:
	}
}

func (r *runner) stop(reason string) {
	if r.now.stopped {
		return
	}
	r.now.stopped = true
	if r.now.input != nil {
		close(r.now.input)
	}
	r.now.stop(reason)
}

func (r *runner) done(ctx actor.Context, msg *benchDone) {
	if !r.runs(msg.name) {
		return
	}
	d := &runDone{name: msg.name, result: msg.result}
	if r.now.stopped {
		d.result = nil
	} else if r.now.input != nil {
		close(r.now.input)
	}
	r.now = nil
	ctx.Send(ctx.Parent(), d)
}
