package wasm

import (
	"fmt"
	"io"
	"time"
)

// Digest is the SHA-256 of a module's bytes.
type Digest [32]byte

// Request is one run of a module.
type Request struct {
	Module string // path of the module's file; its bytes are known to have the digest
	Digest Digest
	Args   []string // what the guest sees as its arguments, index 0 included
	Env    []string // K=V; the guest sees these and nothing of the host's
	Dir    string   // the job's directory, seen by the guest as /; "" gives it no files
	Limits Limits

	// Deterministic gives the guest a clock that starts at a fixed instant and moves only by being read or slept on, and
	// random numbers that are the same each time.
	Deterministic bool
}

// IO is what the guest's standard streams are connected to. Each may be nil: an empty input, a dropped output.
//
// Stdin is read only when the guest reads, at most 64 KiB ahead. Stdout and Stderr are written as output comes, from one
// goroutine, and a slow writer holds the guest back. A Read or Write that is in progress when a run is stopped is abandoned, not
// waited for; none is begun once the outcome is known.
type IO struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Began  func() // is called when the guest starts, from another goroutine, and must not block; nil: nobody wants to know, which costs less
}

// Kind says how a run ended.
type Kind uint8

// The ways a run ends.
const (
	Exited   Kind = iota + 1 // the guest returned or called proc_exit; see ExitCode
	Trapped                  // the guest did what WebAssembly forbids; see Trap
	LimitHit                 // the guest failed after a limit was refused to it, or asked for more from the start; see Limit
	Stopped                  // we ended it: cancel or timeout; see Stop
	Refused                  // the module cannot run here; see Message
	Crashed                  // the worker process died under it; see Message
)

var kindNames = [...]string{"unknown", "exited", "trapped", "limit hit", "stopped", "refused", "crashed"}

// String returns the kind in words.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// StopReason says why a run was ended from outside.
type StopReason uint8

// The reasons to stop a run.
const (
	Cancelled StopReason = iota + 1 // its owner wanted no more of it
	TimedOut                        // it ran, or compiled, longer than its limit
	Preempted                       // its slot was needed for something more urgent
	Closing                         // the node is going away
)

var stopNames = [...]string{"not stopped", "cancelled", "timed out", "preempted", "closing"}

// String returns the reason in words.
func (r StopReason) String() string {
	if int(r) < len(stopNames) {
		return stopNames[r]
	}
	return fmt.Sprintf("stop reason %d", uint8(r))
}

// The names found in [Outcome.Limit].
const (
	LimitMemory  = "memory"
	LimitOutput  = "output"
	LimitFiles   = "open files"
	LimitModule  = "module"
	LimitTimeout = "timeout"
	LimitCompile = "compile"
)

// Outcome is how a run ended, and what it took.
type Outcome struct {
	Kind     Kind
	ExitCode uint32     // for Exited, and for LimitHit when the guest exited by itself
	Stop     StopReason // for Stopped
	Trap     string     // for Trapped, and LimitHit when it trapped: the reason and the wasm stack
	Limit    string     // the first limit refused to the guest, also when it coped and exited with 0
	Message  string     // one sentence for people; empty for a plain exit

	StdoutTruncated bool
	StderrTruncated bool

	Compile time.Duration // loading the module, 0 when it was in memory
	Run     time.Duration // from the start of the guest to its end
	Cached  bool          // no compilation was needed
}

// Succeeded reports whether the guest ended by itself with exit code 0.
func (o Outcome) Succeeded() bool { return o.Kind == Exited && o.ExitCode == 0 }

func refused(format string, args ...any) Outcome {
	return Outcome{Kind: Refused, Message: fmt.Sprintf(format, args...)}
}
