package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/messages"
)

// The streams of a job whose client stays pass through the gateway, because executor and client may not be able to reach each other. They
// are a convenience while the job runs: the result brings the whole output again, and an attempt asks for input from the start.

// readStdin passes a wish for input on to the job's client, or ends the input when that is gone.
func (g *Gateway) readStdin(ctx actor.Context, msg *messages.ReadStdin) {
	client := g.client(msg.GetAttempt())
	if client == nil {
		ctx.Request(ctx.Sender(), &messages.StdinChunk{Attempt: msg.GetAttempt(), Offset: msg.GetOffset(), Eof: true})
		return
	}
	g.readers[messages.AttemptFromWire(msg.GetAttempt())] = ctx.Sender()
	ctx.Request(client, msg)
}

// stdin passes input on to the executor that asked for it. Only the job's client is heard.
func (g *Gateway) stdin(ctx actor.Context, msg *messages.StdinChunk) {
	attempt := messages.AttemptFromWire(msg.GetAttempt())
	client, reader := g.client(msg.GetAttempt()), g.readers[attempt]
	if client == nil || reader == nil || client.Address != ctx.Sender().Address {
		g.log.Debug("input that nobody asked for", "job", attempt.Job)
		return
	}
	delete(g.readers, attempt)
	ctx.Request(reader, msg)
}

// output passes what the program wrote on to the job's client.
func (g *Gateway) output(ctx actor.Context, msg *messages.OutputChunk) {
	if client := g.client(msg.GetAttempt()); client != nil {
		ctx.Request(client, msg)
	}
}

// client returns who watches the attempt's job, the first if there are several: that is who submitted it. The client of a job that was
// handed over is behind the gateway of the broker first asked.
func (g *Gateway) client(a *messages.AttemptName) *actor.PID {
	id := job.ID(a.GetJob())
	if ws := g.watchers[id]; len(ws) > 0 {
		return ws[0]
	}
	if first := id.FirstAsked(); first != "" && first != g.ID {
		return pid(first, messages.GatewayActor)
	}
	return nil
}
