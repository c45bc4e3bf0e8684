package wasm

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/experimental/sysfs"
	"github.com/tetratelabs/wazero/sys"
)

// guest is one run: the module's instance and our own records about it.
type guest struct {
	order  *order
	memory guestMemory
	stdin  *stdin
	stdout stream
	stderr stream
	files  *jobFS // nil without a job directory
}

// execute runs a module to its end.
func (w *child) execute(m *module, o *order) Outcome {
	if m.memoryBytes > o.limits.MemoryBytes {
		return Outcome{
			Kind: LimitHit, Limit: LimitMemory,
			Message: fmt.Sprintf("the module starts with %d bytes of memory, more than the limit of %d", m.memoryBytes, o.limits.MemoryBytes),
		}
	}
	g := &guest{
		order:  o,
		memory: guestMemory{limit: uint64(o.limits.MemoryBytes)},
		stdout: stream{out: w.out, frame: frameStdout, left: o.limits.StdoutBytes},
		stderr: stream{out: w.out, frame: frameStderr, left: o.limits.StderrBytes},
	}
	if o.stdin {
		g.stdin = &stdin{w: w, run: o.run}
	}
	if o.dir != "" {
		files, err := openJobFS(o.dir, o.limits)
		if err != nil {
			return refused("the job directory cannot be opened: %v", err)
		}
		g.files = files
		defer files.close()
	}
	begun := now()
	outcome := g.outcome(g.run(m, w.out.flush))
	outcome.Run = now().Sub(begun)
	outcome.StdoutTruncated, outcome.StderrTruncated = g.stdout.truncated, g.stderr.truncated
	return outcome
}

// run instantiates the module and calls _start. The error is what ended it, nil when _start returned.
func (g *guest) run(m *module, beforeSleep func()) (err error) {
	defer g.memory.Free()
	defer func() {
		if r := recover(); r != nil {
			failed, ok := r.(noMemory)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("the machine has no memory for the guest: %w", failed.err)
		}
	}()
	ctx := experimental.WithMemoryAllocator(context.Background(), &g.memory)
	instance, err := m.runtime.InstantiateModule(ctx, m.compiled, g.config(beforeSleep))
	if err != nil {
		return err
	}
	defer func() { _ = instance.Close(ctx) }() // its files are read-only to us from here: what fails has failed for the guest
	return call(ctx, instance)
}

func call(ctx context.Context, instance api.Module) error {
	_, err := instance.ExportedFunction("_start").Call(ctx)
	return err
}

func (g *guest) config(beforeSleep func()) wazero.ModuleConfig {
	c := wazero.NewModuleConfig().WithName("").WithStartFunctions().WithArgs(g.order.args...).
		WithStdout(&g.stdout).WithStderr(&g.stderr)
	if g.stdin != nil {
		c = c.WithStdin(g.stdin)
	}
	for _, kv := range g.order.env {
		k, v, _ := strings.Cut(kv, "=")
		c = c.WithEnv(k, v)
	}
	if g.files != nil {
		c = c.WithFSConfig(wazero.NewFSConfig().(sysfs.FSConfig).WithSysFSMount(g.files, "/"))
	}
	if g.order.deterministic {
		return virtualTime(c)
	}
	return realTime(c, beforeSleep)
}

// outcome tells apart what ended the guest, by how it ended and by what we refused to it on the way.
func (g *guest) outcome(err error) Outcome {
	o := Outcome{Kind: Exited, Limit: g.denied()}
	var exit *sys.ExitError
	var bug runtime.Error
	switch {
	case err == nil:
	case errors.As(err, &exit):
		o.ExitCode = exit.ExitCode()
	case errors.As(err, &bug):
		return Outcome{Kind: Crashed, Message: "the sandbox failed: " + firstLine(err.Error())}
	default:
		o.Kind, o.Trap = Trapped, err.Error()
		o.Message = "the module trapped: " + strings.TrimPrefix(firstLine(o.Trap), "wasm error: ")
	}
	if o.Limit != "" && (o.Kind == Trapped || o.ExitCode != 0) {
		o.Kind, o.Message = LimitHit, g.limitSentence(o.Limit)
	}
	return o
}

// denied names the first limit that was refused to the guest, in the order in which they tend to kill.
func (g *guest) denied() string {
	if g.memory.denied {
		return LimitMemory
	}
	if g.files != nil {
		return g.files.quota.denied
	}
	return ""
}

func (g *guest) limitSentence(limit string) string {
	switch limit {
	case LimitMemory:
		return fmt.Sprintf("the module failed after it was refused more than %d bytes of memory", g.order.limits.MemoryBytes)
	case LimitFiles:
		return fmt.Sprintf("the module failed after it was refused more than %d open files", g.order.limits.OpenFiles)
	}
	return fmt.Sprintf("the module failed after it was refused to write more than %d bytes of files", g.order.limits.OutputBytes)
}
