package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/wasm"
)

// defaultRetention is how long a finished job is kept.
const defaultRetention = 7 * 24 * time.Hour

// maxModule bounds what is read as a module, in bytes; executors have a lower limit of their own.
const maxModule = 1 << 30

// runOptions are what the command line of ucp run says.
type runOptions struct {
	module string
	args   []string

	name      string
	env       []string
	stdin     string
	files     pairs // guest path → host path
	out       pairs
	labels    pairs
	emergency string
	priority  uint8
	retries   uint32
	retention time.Duration
	detach    bool

	timeout, queueTimeout, deadline        time.Duration
	compileTimeout                         time.Duration
	memory, stdoutLimit, stderrLimit, outs config.Size
	openFiles                              uint32
}

func (o *runOptions) addFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SetInterspersed(false) // what follows the module is the module's
	f.StringVar(&o.name, "name", "", "a name for people (default: the module's)")
	f.StringArrayVar(&o.env, "env", nil, "environment variable of the program, KEY=VALUE; may be repeated")
	f.StringVar(&o.stdin, "stdin", "", "file to be the program's stdin, instead of your own")
	f.Var(&o.files, "file", "file or directory for the program, GUEST=HOST; may be repeated")
	f.Var(&o.out, "out", "file to bring back after the run, GUEST=HOST; may be repeated")
	f.Var(&o.labels, "label", "label that the executor must have, KEY=VALUE; may be repeated")
	f.Uint8Var(&o.priority, "priority", 0, "0 to 100, greater goes first")
	f.StringVar(&o.emergency, "emergency", "", "type of the emergency that the job belongs to, as fire: it goes first while one is in force")
	f.Uint32Var(&o.retries, "retries", 0, "how often to run again after the program failed")
	f.Var((*durationFlag)(&o.timeout), "timeout", "longest time one attempt may run (default: the executor's, 60s)")
	f.Var((*durationFlag)(&o.compileTimeout), "compile-timeout", "longest time the module may take to compile (default: the executor's, 60s)")
	f.Var((*durationFlag)(&o.queueTimeout), "queue-timeout", "longest time the job may wait for an executor (default: for ever)")
	f.Var((*durationFlag)(&o.deadline), "deadline", "longest time from now to the job's end (default: none)")
	f.Var((*durationFlag)(&o.retention), "retention", "how long the network keeps the finished job")
	f.Var((*sizeFlag)(&o.memory), "memory", "the program's memory (default: the executor's, 256MiB)")
	f.Var((*sizeFlag)(&o.stdoutLimit), "stdout-limit", "how much of stdout is kept (default: the executor's, 1MiB)")
	f.Var((*sizeFlag)(&o.stderrLimit), "stderr-limit", "how much of stderr is kept (default: the executor's, 1MiB)")
	f.Var((*sizeFlag)(&o.outs), "output-limit", "how much the program may write to files (default: the executor's, 256MiB)")
	f.Uint32Var(&o.openFiles, "open-files", 0, "how many files the program may have open (default: the executor's, 64)")
	f.BoolVar(&o.detach, "detach", false, "print the job's id and leave it to the network")
}

// readModule returns the bytes of a module that looks as if it could run.
func readModule(name string) ([]byte, error) {
	f, err := os.Open(filepath.Clean(name))
	if err != nil {
		return nil, fmt.Errorf("module %s cannot be read: %w", name, reason(err))
	}
	code, err := io.ReadAll(io.LimitReader(f, maxModule+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("module %s cannot be read: %w", name, reason(err))
	}
	if len(code) > maxModule {
		return nil, fmt.Errorf("module %s has more than %s", name, config.Size(maxModule))
	}
	if err := wasm.Check(code); err != nil {
		return nil, fmt.Errorf("module %s cannot run: %w", name, err)
	}
	return code, nil
}

// reason leaves out the path, which the sentence around it has.
func reason(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

// check finds what is wrong with the files before anybody is asked.
func (o *runOptions) check() error {
	for _, p := range o.files.list {
		if _, err := os.Stat(p[1]); err != nil {
			return fmt.Errorf("--file %s=%s cannot be read: %w", p[0], p[1], reason(err))
		}
	}
	for _, p := range o.out.list {
		if info, err := os.Stat(filepath.Dir(p[1])); err != nil || !info.IsDir() {
			return fmt.Errorf("--out %s=%s cannot be written: there is no directory %s", p[0], p[1], filepath.Dir(p[1]))
		}
	}
	if o.stdin != "" {
		if _, err := os.Stat(o.stdin); err != nil {
			return fmt.Errorf("--stdin %s cannot be read: %w", o.stdin, reason(err))
		}
	}
	return nil
}

// spec says what is to be done, with all bytes it needs known to the network.
func (o *runOptions) spec(ctx context.Context, c *client.Client, code []byte) (*client.Spec, error) {
	base := filepath.Base(o.module)
	s := &client.Spec{
		Name: firstOf(o.name, strings.TrimSuffix(base, ".wasm")), Args: append([]string{base}, o.args...), Env: o.env,
		Priority: o.priority, Emergency: o.emergency, Retries: o.retries, QueueTimeout: o.queueTimeout, Deadline: o.deadline, Retention: o.retention,
		Needs: client.Needs{Labels: o.labels.asMap()},
		Limits: client.Limits{
			Timeout: o.timeout, CompileTimeout: o.compileTimeout, OpenFiles: o.openFiles,
			Memory: uint64(o.memory), Stdout: uint64(o.stdoutLimit), Stderr: uint64(o.stderrLimit), Output: uint64(o.outs),
		},
	}
	for _, p := range o.out.list {
		s.Outputs = append(s.Outputs, guestPath(p[0]))
	}
	var err error
	if s.Module, err = c.PutBytes(ctx, code); err != nil {
		return nil, err
	}
	if o.stdin != "" {
		if s.Stdin, err = c.PutFile(ctx, o.stdin); err != nil {
			return nil, fmt.Errorf("--stdin: %w", err)
		}
	}
	for _, p := range o.files.list {
		files, err := putTree(ctx, c, guestPath(p[0]), p[1])
		if err != nil {
			return nil, fmt.Errorf("--file %s=%s: %w", p[0], p[1], err)
		}
		s.Files = append(s.Files, files...)
	}
	return s, nil
}

// guestPath is a path in the job's directory, which the program sees as /.
func guestPath(p string) string { return path.Clean(strings.TrimLeft(p, "/")) }

// putTree puts a file, or all files of a directory; links are not followed below it.
func putTree(ctx context.Context, c *client.Client, guest, host string) (files []client.File, err error) {
	info, err := os.Stat(host)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		b, err := c.PutFile(ctx, host)
		return []client.File{{Path: guest, Blob: b}}, err
	}
	err = filepath.WalkDir(host, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		rest, err := filepath.Rel(host, name)
		if err != nil {
			return err
		}
		b, err := c.PutFile(ctx, name)
		files = append(files, client.File{Path: path.Join(guest, filepath.ToSlash(rest)), Blob: b})
		return err
	})
	return files, err
}

// pairs is a flag that is given as A=B, more than once.
type pairs struct{ list [][2]string }

// Set implements pflag.Value.
func (p *pairs) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found || key == "" || value == "" {
		return fmt.Errorf("must be of the form A=B, not %q", text)
	}
	if slices.ContainsFunc(p.list, func(old [2]string) bool { return old[0] == key }) {
		return fmt.Errorf("%s is given twice", key)
	}
	p.list = append(p.list, [2]string{key, value})
	return nil
}

// String implements pflag.Value.
func (p *pairs) String() string { return "" }

// Type implements pflag.Value.
func (p *pairs) Type() string { return "A=B" }

func (p *pairs) asMap() map[string]string {
	m := make(map[string]string, len(p.list))
	for _, kv := range p.list {
		m[kv[0]] = kv[1]
	}
	return m
}

// get returns what belongs to a guest path.
func (p *pairs) get(guest string) (string, bool) {
	for _, kv := range p.list {
		if guestPath(kv[0]) == guest {
			return kv[1], true
		}
	}
	return "", false
}

// durationFlag is a flag like 300ms, 10s or 7d.
type durationFlag time.Duration

// Set implements pflag.Value.
func (d *durationFlag) Set(text string) error {
	v, err := config.ParseDuration(text)
	*d = durationFlag(v)
	return err
}

// String implements pflag.Value.
func (d *durationFlag) String() string { return config.FormatDuration(time.Duration(*d)) }

// Type implements pflag.Value.
func (*durationFlag) Type() string { return "duration" }

// sizeFlag is a flag like 256MiB.
type sizeFlag config.Size

// Set implements pflag.Value.
func (s *sizeFlag) Set(text string) error {
	v, err := config.ParseSize(text)
	*s = sizeFlag(v)
	return err
}

// String implements pflag.Value.
func (s *sizeFlag) String() string {
	if *s == 0 {
		return ""
	}
	return config.Size(*s).String()
}

// Type implements pflag.Value.
func (*sizeFlag) Type() string { return "size" }
