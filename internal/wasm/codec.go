package wasm

import (
	"encoding/binary"
	"time"
)

// order is a Request as the worker gets it.
type order struct {
	run           uint64
	digest        Digest
	args, env     []string
	dir           string
	limits        Limits
	deterministic bool
	stdin         bool // there is one to pull from
	began         bool // the node wants to know when the guest starts
}

func appendOrder(b []byte, o *order) []byte {
	b, start := beginFrame(b, frameRun)
	b = binary.AppendUvarint(b, o.run)
	b = append(b, o.digest[:]...)
	b = appendBool(b, o.deterministic)
	b = appendBool(b, o.stdin)
	b = appendBool(b, o.began)
	for _, v := range []int64{o.limits.MemoryBytes, o.limits.StdoutBytes, o.limits.StderrBytes, o.limits.ModuleBytes, o.limits.OutputBytes, int64(o.limits.OpenFiles)} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	b = appendString(b, o.dir)
	b = appendStrings(b, o.args)
	b = appendStrings(b, o.env)
	return endFrame(b, start)
}

func decodeOrder(payload []byte) (*order, error) {
	f := fields{b: payload}
	o := &order{run: f.uint()}
	copy(o.digest[:], f.bytes(uint64(len(o.digest))))
	o.deterministic, o.stdin, o.began = f.bool(), f.bool(), f.bool()
	o.limits = Limits{
		MemoryBytes: f.int(), StdoutBytes: f.int(), StderrBytes: f.int(),
		ModuleBytes: f.int(), OutputBytes: f.int(), OpenFiles: int(f.int()),
	}
	o.dir, o.args, o.env = f.string(), f.strings(), f.strings()
	return o, f.err("run")
}

func appendLoad(b []byte, path, cacheDir string) []byte {
	b, start := beginFrame(b, frameLoad)
	return endFrame(appendString(appendString(b, path), cacheDir), start)
}

func decodeLoad(payload []byte) (path, cacheDir string, err error) {
	f := fields{b: payload}
	path, cacheDir = f.string(), f.string()
	return path, cacheDir, f.err("load")
}

// appendLoaded says that a module is in memory, and whether it had to be compiled.
func appendLoaded(b []byte, compiled bool) []byte {
	b, start := beginFrame(b, frameLoaded)
	return endFrame(appendBool(b, compiled), start)
}

func decodeLoaded(payload []byte) (compiled bool, err error) {
	f := fields{b: payload}
	compiled = f.bool()
	return compiled, f.err("loaded")
}

// appendData frames standard input; last says that nothing follows.
func appendData(b []byte, run uint64, last bool, data []byte) []byte {
	b, start := beginFrame(b, frameData)
	b = appendBool(binary.AppendUvarint(b, run), last)
	return endFrame(append(b, data...), start)
}

func decodeData(payload []byte) (run uint64, last bool, data []byte, err error) {
	f := fields{b: payload}
	run, last = f.uint(), f.bool()
	return run, last, f.b, f.err("data")
}

func appendEmpty(b []byte, t frameType) []byte {
	b, start := beginFrame(b, t)
	return endFrame(b, start)
}

func appendOutcome(b []byte, o Outcome) []byte {
	b, start := beginFrame(b, frameDone)
	b = append(b, byte(o.Kind))
	b = binary.AppendUvarint(b, uint64(o.ExitCode))
	b = appendBool(appendBool(appendBool(b, o.StdoutTruncated), o.StderrTruncated), o.Cached)
	b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(o.Compile)), uint64(o.Run))
	b = appendString(appendString(appendString(b, clip(o.Trap)), o.Limit), clip(o.Message))
	return endFrame(b, start)
}

func decodeOutcome(payload []byte) (Outcome, error) {
	f := fields{b: payload}
	var o Outcome
	if k := f.bytes(1); len(k) == 1 {
		o.Kind = Kind(k[0])
	}
	o.ExitCode = uint32(f.uint()) //nolint:gosec // written from a uint32
	o.StdoutTruncated, o.StderrTruncated, o.Cached = f.bool(), f.bool(), f.bool()
	o.Compile, o.Run = time.Duration(f.int()), time.Duration(f.int())
	o.Trap, o.Limit, o.Message = f.string(), f.string(), f.string()
	return o, f.err("outcome")
}

// clip bounds a text that a guest has a say in, such as function names in a stack.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return s[:maxText] + "…"
}
