package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/internal/job"
)

// Who an exit code comes from.
const (
	fromModule  = "module"
	fromUCP     = "ucp"
	fromTimeout = "timeout"
)

// runEnd is how a run ended.
type runEnd struct {
	job, state string
	source     string
	code       int    // of this process
	module     uint32 // the module's own, if source is fromModule
	message    string // told on stderr; empty if the program ended by itself
	change     client.Change
	result     *client.Result
	captured   *captured // nil unless the output goes into JSON
	durability int
	took       time.Duration
}

// endOf decides how the process ends after a job.
func endOf(j client.Job) *runEnd {
	e := &runEnd{job: string(j.ID), state: string(j.State()), source: fromUCP, code: exitRun, change: client.Change{Job: j}}
	v, _ := j.Winner()
	if v == nil {
		e.message = "the job ended without a verdict"
		return e
	}
	e.result = v.Result
	switch v.Kind {
	case job.Cancelled:
		e.message = "the job was " + cancelReason(j, v)
	case job.Expired:
		e.source, e.code, e.message = fromTimeout, exitTimeout, sentence("the job ran out of time", v.Reason)
	case job.Skipped:
		e.message = sentence("the job was skipped", v.Reason)
	case job.Accepted, job.FailedVerdict, job.Released:
		e.explain(v)
	}
	return e
}

// cancelReason leaves out who it was if it was the user.
func cancelReason(j client.Job, v *job.Verdict) string {
	if j.Cancel != nil && j.Cancel.By == j.Spec.Submitter {
		return "cancelled"
	}
	return v.Reason
}

// explain tells a program's own end from all others.
func (e *runEnd) explain(v *job.Verdict) {
	r := v.Result
	if r == nil {
		e.message = firstOf(v.Reason, "the job failed")
		return
	}
	switch r.Kind {
	case job.Exited:
		e.exited(r.ExitCode)
	case job.LimitHit:
		e.message = withLimit(r)
		if r.Trap == "" && r.ExitCode != 0 {
			e.exited(r.ExitCode)
		}
	case job.TimedOut:
		e.source, e.code, e.message = fromTimeout, exitTimeout, sentence("the job took too long", r.Message)
	case job.Trapped:
		e.message = sentence("the program trapped", firstOf(r.Trap, r.Message))
	case job.RefusedModule:
		e.message = sentence("the module was refused", r.Message)
	case job.Crashed, job.Unfetched:
		e.message = sentence("the job could not be run", r.Message)
	default:
		e.message = sentence("the job failed", r.Message)
	}
}

func (e *runEnd) exited(code uint32) {
	e.source, e.module = fromModule, code
	e.code = int(min(code, 255)) // of a greater code a process keeps the last byte only, which may be 0
}

func withLimit(r *client.Result) string {
	return sentence(fmt.Sprintf("the program hit its limit of %s", r.Limit), firstOf(r.Trap, r.Message))
}

func sentence(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + strings.TrimSpace(why)
}

// runOutput is a run in JSON.
type runOutput struct {
	Job            string        `json:"job,omitempty"`
	State          string        `json:"state,omitempty"`
	ExitCode       int           `json:"exit_code"`
	ExitSource     string        `json:"exit_source"`
	ModuleExitCode *uint32       `json:"module_exit_code,omitempty"`
	Error          string        `json:"error,omitempty"`
	Stdout         *string       `json:"stdout,omitempty"`
	StdoutBase64   []byte        `json:"stdout_base64,omitempty"` // instead, if it is no text
	Stderr         *string       `json:"stderr,omitempty"`
	StderrBase64   []byte        `json:"stderr_base64,omitempty"`
	Durability     int           `json:"durability"`
	Took           millis        `json:"took_ms"`
	Result         *resultOutput `json:"result,omitempty"`
	Attempts       any           `json:"attempts,omitempty"`
	Rejections     any           `json:"rejections,omitempty"`
}

func (e *runEnd) output(runOptions) runOutput {
	out := runOutput{
		Job: e.job, State: e.state, ExitCode: e.code, ExitSource: e.source, Error: e.message,
		Durability: e.durability, Took: millis(e.took), Result: resultOutputOf(e.result),
	}
	if e.source == fromModule {
		out.ModuleExitCode = &e.module
	}
	if e.captured != nil {
		out.Stdout, out.StdoutBase64 = e.captured.stdout.text()
		out.Stderr, out.StderrBase64 = e.captured.stderr.text()
	}
	if e.change.Job.Spec != nil {
		j := jobOutputOf(e.change)
		out.Attempts, out.Rejections = j.Attempts, j.Rejections
	}
	return out
}

// captured keeps a program's output for JSON. It is bounded by the job's own limits.
type captured struct{ stdout, stderr capture }

type capture struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

// Write implements io.Writer.
func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes.Write(p)
}

// text returns what was written as text, or as bytes if it is none.
func (c *capture) text() (*string, []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !utf8.Valid(c.bytes.Bytes()) {
		return nil, c.bytes.Bytes()
	}
	s := c.bytes.String()
	return &s, nil
}

// streams connects the program to the user, or to what goes into JSON.
func (a *app) streams(o runOptions) (client.Streams, *captured) {
	s := client.Streams{Stdin: a.stdin, Stdout: a.stdout, Stderr: a.stderr, Notice: func(text string) { a.notice("%s", text) }}
	if o.stdin != "" {
		s.Stdin = nil
	}
	if !a.json() {
		return s, nil
	}
	c := &captured{}
	s.Stdout, s.Stderr = io.Writer(&c.stdout), io.Writer(&c.stderr)
	return s, c
}
