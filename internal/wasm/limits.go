package wasm

import "time"

// Limits bounds one run. A zero field means the default of [DefaultLimits].
type Limits struct {
	MemoryBytes    int64         // linear memory, in bytes
	StdoutBytes    int64         // standard output; what is over is dropped and marked
	StderrBytes    int64         // standard error; what is over is dropped and marked
	ModuleBytes    int64         // size of the module's file
	OutputBytes    int64         // bytes by which files in the job directory may grow
	OpenFiles      int           // files and directories open at once, standard streams not counted
	Timeout        time.Duration // from the start of the guest, compilation excluded
	CompileTimeout time.Duration // of loading and compiling the module
}

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
)

// DefaultLimits returns the limits of a run that asks for none (RUN-4).
func DefaultLimits() Limits {
	return Limits{
		MemoryBytes:    256 * mib,
		StdoutBytes:    1 * mib,
		StderrBytes:    1 * mib,
		ModuleBytes:    32 * mib,
		OutputBytes:    256 * mib,
		OpenFiles:      64,
		Timeout:        60 * time.Second,
		CompileTimeout: 60 * time.Second,
	}
}

// OrDefault returns l with each zero or negative field replaced by its default.
func (l Limits) OrDefault() Limits {
	d := DefaultLimits()
	return Limits{
		MemoryBytes:    wanted(l.MemoryBytes, d.MemoryBytes),
		StdoutBytes:    wanted(l.StdoutBytes, d.StdoutBytes),
		StderrBytes:    wanted(l.StderrBytes, d.StderrBytes),
		ModuleBytes:    wanted(l.ModuleBytes, d.ModuleBytes),
		OutputBytes:    wanted(l.OutputBytes, d.OutputBytes),
		OpenFiles:      wanted(l.OpenFiles, d.OpenFiles),
		Timeout:        wanted(l.Timeout, d.Timeout),
		CompileTimeout: wanted(l.CompileTimeout, d.CompileTimeout),
	}
}

// Cap returns l held within caps, field by field. A zero field of l asks for the default, a zero field of caps caps nothing.
func (l Limits) Cap(caps Limits) Limits {
	l = l.OrDefault()
	return Limits{
		MemoryBytes:    within(l.MemoryBytes, caps.MemoryBytes),
		StdoutBytes:    within(l.StdoutBytes, caps.StdoutBytes),
		StderrBytes:    within(l.StderrBytes, caps.StderrBytes),
		ModuleBytes:    within(l.ModuleBytes, caps.ModuleBytes),
		OutputBytes:    within(l.OutputBytes, caps.OutputBytes),
		OpenFiles:      within(l.OpenFiles, caps.OpenFiles),
		Timeout:        within(l.Timeout, caps.Timeout),
		CompileTimeout: within(l.CompileTimeout, caps.CompileTimeout),
	}
}

type quantity interface {
	~int | ~int64
}

func wanted[T quantity](v, otherwise T) T {
	if v <= 0 {
		return otherwise
	}
	return v
}

func within[T quantity](v, limit T) T {
	if limit <= 0 {
		return v
	}
	return min(v, limit)
}
