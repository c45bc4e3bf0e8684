package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/urbancompute/ucp/internal/vclock"
)

// json says that output is for programs.
func (a *app) json() bool { return a.output == "json" }

// print writes v as JSON, or else what text writes.
func (a *app) print(v any, text func(io.Writer) error) error {
	if !a.json() {
		return text(a.stdout)
	}
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// printLine writes v as JSON on one line, for what follows something.
func (a *app) printLine(v any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// notice tells the user something on stderr, in a sentence.
func (a *app) notice(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, "ucp: "+format+"\n", args...) // there is nowhere else to tell it
}

// items is a list in JSON.
type items[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// listOf makes an empty list of none, not null.
func listOf[T any](list []T) items[T] {
	if list == nil {
		list = []T{}
	}
	return items[T]{Items: list}
}

// table writes rows in aligned columns. The first row is the head.
func table(w io.Writer, rows ...[]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		for i, cell := range row {
			row[i] = plain(cell)
		}
		if _, err := fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// plain keeps what others named from steering the terminal or breaking a table.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// millis is a duration in JSON: milliseconds, to the microsecond.
type millis time.Duration

// MarshalJSON implements json.Marshaler.
func (m millis) MarshalJSON() ([]byte, error) {
	return json.Marshal(math.Round(float64(m)/float64(time.Microsecond)) / 1000)
}

// instant is a time in JSON, or null for none.
type instant vclock.Hybrid

// MarshalJSON implements json.Marshaler.
func (t instant) MarshalJSON() ([]byte, error) {
	if t.Wall == 0 {
		return []byte("null"), nil
	}
	return json.Marshal(t.time().Format("2006-01-02T15:04:05.000Z07:00"))
}

func (t instant) time() time.Time { return time.UnixMilli(t.Wall).UTC() }

// age tells how long ago t was, roughly.
func (t instant) age(now time.Time) string {
	if t.Wall == 0 {
		return ""
	}
	return roughly(now.Sub(t.time()))
}

func roughly(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// bytesText writes a number of bytes for people: 17 B, 3.0 MiB.
func bytesText(n uint64) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/(1<<10), 0
	for value >= 1<<10 && unit < len(units)-1 {
		value, unit = value/(1<<10), unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, units[unit])
}
