package actors

import (
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/proto"
)

// anonymous says whether the message under way could come from another node and does not say from whom. None of ours does that, and what an
// actor does depends on who asks.
func anonymous(ctx actor.Context) bool {
	_, wire := ctx.Message().(proto.Message)
	_, system := ctx.Message().(actor.SystemMessage)
	return wire && !system && ctx.Sender() == nil
}

func logReturned(log *slog.Logger, r returned) {
	m, reason, uncertain := r.Returned()
	log.Debug("message not delivered", "type", typeName(m), "err", reason, "uncertain", uncertain)
}

// narrow fits a count into a field of the wire.
func narrow(n int) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

// milliseconds fits a duration into a field of the wire.
func milliseconds(d time.Duration) uint32 { return narrow(int(d.Milliseconds())) }

func typeName(v any) string { return fmt.Sprintf("%T", v) }
