package workbench

import (
	"math"

	"github.com/urbancompute/ucp/internal/job"
	"github.com/urbancompute/ucp/internal/wasm"
)

// limitsOf turns a job's wishes into the sandbox's terms; zero stays zero, which means the default.
func limitsOf(l job.Limits) wasm.Limits {
	return wasm.Limits{
		MemoryBytes: signed(l.Memory), StdoutBytes: signed(l.Stdout), StderrBytes: signed(l.Stderr),
		ModuleBytes: signed(l.Module), OutputBytes: signed(l.Output), OpenFiles: int(l.OpenFiles),
		Timeout: l.Timeout, CompileTimeout: l.CompileTimeout,
	}
}

// limitsFor are the limits of a job. A stream that goes to a file is a file like any other: all of them together have a limit, it has none of its own unless
// the job asks for one.
func limitsFor(s *job.Spec) wasm.Limits {
	l := limitsOf(s.Limits)
	files := l.OrDefault().OutputBytes
	if s.StdoutFile != "" && l.StdoutBytes == 0 {
		l.StdoutBytes = files
	}
	if s.StderrFile != "" && l.StderrBytes == 0 {
		l.StderrBytes = files
	}
	return l
}

func signed(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// resultOf says in a job's terms how a run ended.
func resultOf(o wasm.Outcome) *job.Result {
	return &job.Result{
		Kind: kindOf(o), ExitCode: o.ExitCode, Message: o.Message, Trap: o.Trap, Limit: o.Limit,
		Truncated: job.Truncation{Stdout: o.StdoutTruncated, Stderr: o.StderrTruncated},
		Compile:   o.Compile, Run: o.Run,
	}
}

func kindOf(o wasm.Outcome) job.ResultKind {
	switch o.Kind {
	case wasm.Exited:
		return job.Exited
	case wasm.Trapped:
		return job.Trapped
	case wasm.LimitHit:
		return job.LimitHit
	case wasm.Refused:
		return job.RefusedModule
	case wasm.Stopped:
		if o.Stop == wasm.TimedOut {
			return job.TimedOut
		}
	case wasm.Crashed:
	}
	return job.Crashed
}
