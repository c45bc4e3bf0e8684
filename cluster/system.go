package cluster

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/urbancompute/ucp/messages"
)

// newActorSystem logs as the node does. The library's own handler would write to the terminal, and at info it prints whole messages, with
// whatever a client put into them: what it says below warn is left out, and messages for nobody are told by type.
func newActorSystem(log *slog.Logger) *actor.ActorSystem {
	log = log.With("actor", "system")
	system := actor.NewActorSystem(actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger {
		return slog.New(atLeastWarn{log.Handler()})
	}))
	system.EventStream.Subscribe(func(event any) {
		if d, ok := event.(*actor.DeadLetterEvent); ok {
			_, message, _ := actor.UnwrapEnvelope(d.Message)
			log.Debug("message for nobody", "target", d.PID.String(), "type", fmt.Sprintf("%T", messages.Unstamp(message)))
		}
	})
	return system
}

// atLeastWarn is a handler that drops what is less than a warning.
type atLeastWarn struct{ slog.Handler }

// Enabled implements slog.Handler.
func (h atLeastWarn) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (h atLeastWarn) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeastWarn{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h atLeastWarn) WithGroup(name string) slog.Handler {
	return atLeastWarn{h.Handler.WithGroup(name)}
}
