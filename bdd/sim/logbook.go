package sim

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// logbook is the slog.Handler of a node. It writes into the readable trace, and hears of actors that broke down.
type logbook struct {
	life  *life
	attrs string
}

func logger(l *life) *slog.Logger { return slog.New(logbook{life: l}) }

// Enabled implements slog.Handler.
func (b logbook) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelError || (level >= slog.LevelInfo && b.life.node.w.trace.out != nil)
}

// Handle implements slog.Handler.
func (b logbook) Handle(_ context.Context, r slog.Record) error {
	w := b.life.node.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.life.dead {
		return nil
	}
	var line strings.Builder
	line.WriteString(r.Message + b.attrs)
	r.Attrs(func(a slog.Attr) bool {
		fmt.Fprintf(&line, " %s=%s", a.Key, w.plain(a.Value.String()))
		return true
	})
	w.tell(b.life.node.Name, "%s %s", strings.ToLower(r.Level.String()), line.String())
	if r.Level >= slog.LevelError {
		w.chronicle.errorLogged(b.life.node, r.Message, line.String())
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (b logbook) WithAttrs(attrs []slog.Attr) slog.Handler {
	if b.life.node.w.trace.out == nil {
		return b
	}
	for _, a := range attrs {
		b.attrs += fmt.Sprintf(" %s=%s", a.Key, a.Value)
	}
	return b
}

// WithGroup implements slog.Handler.
func (b logbook) WithGroup(string) slog.Handler { return b }

// plain writes the names of nodes for their ids.
func (w *World) plain(s string) string {
	for _, n := range w.nodes {
		s = strings.ReplaceAll(s, n.ID, n.Name)
	}
	return s
}
