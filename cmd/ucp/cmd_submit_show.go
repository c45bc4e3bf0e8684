package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

// board is what is known of the jobs that are waited for.
type board struct {
	app     *app
	jobs    []attended
	news    []news
	results string
	nodes   map[string]string // what they are called
	called  *strings.Replacer // of ids of jobs by their names
	drawn   int               // lines on the terminal
	dirty   bool
}

// showWaiting shows how jobs go on, until all are over or ctx is.
func (a *app) showWaiting(ctx context.Context, w *waiting) error {
	b := &board{app: a, jobs: w.jobs, news: make([]news, len(w.jobs)), results: w.results, nodes: w.nodes, called: calledBy(w.jobs)}
	watched, stop := context.WithCancel(ctx)
	defer stop()
	w.start(watched)
	live := !a.json() && isTerminal(a.stdout)
	redraw := time.NewTicker(showEvery)
	defer redraw.Stop()
	for left := len(w.jobs); left > 0 && ctx.Err() == nil; {
		select {
		case n, more := <-w.news:
			if !more {
				left = 0
				break
			}
			b.note(n, live)
			if n.over {
				left--
			}
		case <-redraw.C:
			if live {
				b.draw()
			} else {
				b.tellWaiting(time.Now())
			}
		}
	}
	stop()
	for range w.news { // those that were about to tell something end
	}
	if live {
		b.dirty = true
		b.draw()
	}
	return b.conclude(ctx)
}

// calledBy says names instead of ids, where one job waits for another.
func calledBy(jobs []attended) *strings.Replacer {
	var pairs []string
	for _, j := range jobs {
		pairs = append(pairs, j.ID(), j.name)
	}
	return strings.NewReplacer(pairs...)
}

// note keeps news, and prints them if that is how they are shown.
func (b *board) note(n news, live bool) {
	before := b.news[n.which]
	if n.change.Names == nil {
		n.change.Names = b.nodes
	}
	n.line = b.called.Replace(lineOf(n))
	b.news[n.which], b.dirty = n, true
	switch {
	case live:
	case b.app.json():
		_ = b.app.printLine(b.lineOutput(n)) // likewise
	case before.line == n.line:
		b.news[n.which].since = before.since
	case !n.over && n.change.Job.State() == job.StateQueued:
		b.news[n.which].since = time.Now()
	default:
		b.tell(n)
	}
}

// tell prints how a job is.
func (b *board) tell(n news) {
	_, _ = fmt.Fprintf(b.app.stdout, "%-*s  %s\n", b.width(), plain(b.jobs[n.which].name), plain(n.line)) // whoever read it is gone; the exit code tells
}

// worthALine is how long a job waits for one thing before that is told.
const worthALine = time.Second

// tellWaiting prints what jobs wait for, if they do not just do so in passing.
func (b *board) tellWaiting(now time.Time) {
	if b.app.json() {
		return
	}
	for i, n := range b.news {
		if !n.since.IsZero() && now.Sub(n.since) >= worthALine {
			b.news[i].since = time.Time{}
			b.tell(n)
		}
	}
}

// changeOutput is a change of a job that is waited for, in JSON.
type changeOutput struct {
	jobOutput
	Over    bool   `json:"over"`
	Results string `json:"results,omitempty"`
	Error   string `json:"error,omitempty"`
}

func (b *board) lineOutput(n news) changeOutput {
	out := changeOutput{Over: n.over, Results: n.results, Error: errorText(n.err)}
	if n.change.Job.Spec != nil {
		out.jobOutput = jobOutputOf(n.change)
	}
	out.ID, out.Name = b.jobs[n.which].ID(), b.jobs[n.which].name
	return out
}

// maxNameWidth bounds the column of names.
const maxNameWidth = 32

// width is that of the column of names.
func (b *board) width() int {
	w := 0
	for _, j := range b.jobs {
		w = max(w, len(j.name))
	}
	return min(w, maxNameWidth)
}

// row is a line on the terminal: a job or an array.
type row struct {
	name, text string
	moving     bool
}

// draw draws all lines anew, over those that were drawn before.
func (b *board) draw() {
	if !b.dirty {
		return
	}
	b.dirty = false
	width, height := 80, 24
	if f, ok := b.app.stdout.(*os.File); ok {
		if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 20 && h > 3 {
			width, height = w, h
		}
	}
	var out strings.Builder
	if b.drawn > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", b.drawn)
	}
	lines := b.lines(height - 2)
	for _, line := range lines {
		fmt.Fprintf(&out, "\x1b[K%.*s\n", width-1, plain(line))
	}
	out.WriteString("\x1b[J")
	b.drawn = len(lines)
	_, _ = b.app.stdout.Write([]byte(out.String())) // whoever looked is gone; the exit code tells
}

// lines returns at most that many lines: what still moves stays visible longest.
func (b *board) lines(room int) []string {
	rows := b.rows()
	hidden := len(rows) - room
	var lines []string
	over := 0
	for _, r := range rows {
		if hidden+1 > over && len(rows) > room && !r.moving {
			over++
			continue
		}
		if len(lines) < room-1 || len(rows) <= room {
			lines = append(lines, fmt.Sprintf("%-*s  %s", b.width(), r.name, r.text))
		}
	}
	if more := len(rows) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more: %s", more, b.tally()))
	}
	return lines
}

func (b *board) rows() []row {
	var rows []row
	for i := range b.jobs {
		if b.jobs[i].array == 0 {
			n := b.news[i]
			rows = append(rows, row{b.jobs[i].name, firstOf(n.line, string(job.StateQueued)), !n.over})
			continue
		}
		if slices.ContainsFunc(rows, func(r row) bool { return r.name == b.jobs[i].base }) {
			continue
		}
		rows = append(rows, b.array(b.jobs[i].base))
	}
	return rows
}

// array is the line of an array: a bar, and how many of its jobs are how.
func (b *board) array(base string) row {
	all, over := 0, 0
	count := map[client.State]int{}
	for i, j := range b.jobs {
		if j.array == 0 || j.base != base {
			continue
		}
		all++
		n := b.news[i]
		if n.over {
			over++
		}
		if n.change.Job.Spec != nil {
			count[n.change.Job.State()]++
		} else {
			count[job.StateQueued]++
		}
	}
	return row{base, fmt.Sprintf("%s %d of %d  %s", bar(over, all, 30), over, all, states(count)), over < all}
}

// states lists how many jobs are how, in the order of their lives.
func states(count map[client.State]int) string {
	var parts []string
	for _, s := range jobStates {
		if n := count[client.State(s)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	return strings.Join(parts, ", ")
}

func (b *board) tally() string {
	count := map[client.State]int{}
	for _, n := range b.news {
		if n.change.Job.Spec != nil {
			count[n.change.Job.State()]++
		} else {
			count[job.StateQueued]++
		}
	}
	return states(count)
}

// conclude says how it ended, and what the process ends with unless it ended early.
func (b *board) conclude(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failed := 0
	var errs []error
	for i, n := range b.news {
		switch {
		case n.err != nil:
			errs = append(errs, fmt.Errorf("job %s: %w", b.jobs[i].name, n.err))
		case !succeeded(n.change):
			failed++
		}
	}
	if !b.app.json() {
		where := ""
		if b.results != "" {
			where = "; results are in " + b.results
		}
		_, _ = fmt.Fprintf(b.app.stdout, "%s: %s%s\n", counted(len(b.jobs), "job"), b.tally(), where) // whoever read it is gone; the exit code tells
	}
	switch {
	case len(errs) > 0:
		return errors.Join(errs...)
	case failed > 0:
		return &exitError{exitFailed, nil}
	}
	return nil
}

// showEvery is how often the terminal is drawn anew: faster than anybody reads.
const showEvery = 100 * time.Millisecond

// bar draws how much of a whole is done.
func bar(done, all, width int) string {
	full := width
	if all > 0 {
		full = min(done*width/all, width)
	}
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", width-full) + "]"
}
