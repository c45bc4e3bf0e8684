package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// teller prints what was observed, each line with the seconds since the beginning.
type teller struct {
	w      io.Writer
	began  time.Time
	scenes int
}

// scene begins a new part.
func (t *teller) scene(title string) {
	t.scenes++
	_, _ = fmt.Fprintf(t.w, "\n%d. %s\n", t.scenes, title) // nobody listens any more
}

// say prints one sentence.
func (t *teller) say(format string, args ...any) {
	_, _ = fmt.Fprintf(t.w, "%6.1fs  %s\n", time.Since(t.began).Seconds(), fmt.Sprintf(format, args...)) // likewise
}

// quote prints what somebody else said, as it is.
func (t *teller) quote(text string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		_, _ = fmt.Fprintf(t.w, "         | %s\n", strings.TrimRight(line, "\n")) // likewise
	}
}

// took is a duration as people say it.
func took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
