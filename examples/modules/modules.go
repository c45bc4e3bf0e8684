// Package modules builds the example programs as WebAssembly modules, for the demo and for specs. It needs nothing but
// the Go tool, and the current directory to be inside this repository.
package modules

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// importPath is where the programs are.
const importPath = "github.com/urbancompute/ucp/examples/"

var names = []string{
	"book", "echo", "exitcode", "hello", "mandelbrot", "mosaic", "sensor", "sleep", "spin", "wordcount",
}

// Names returns the programs there are, in alphabetical order.
func Names() []string {
	return slices.Clone(names)
}

// Build compiles the program called name and returns the path of the module, dir/name.wasm. It makes dir if need be.
// The same source gives the same bytes, whatever its commit, and the Go tool's cache makes a second build take a moment;
// the module appears under its name only when it is whole. It is safe to call from several goroutines and processes.
func Build(ctx context.Context, name, dir string) (string, error) {
	if !slices.Contains(names, name) {
		return "", fmt.Errorf("there is no example %q: %s", name, strings.Join(names, ", "))
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("build example %s: %w", name, err)
	}
	module := filepath.Join(dir, name+".wasm")
	draft := module + "." + rand.Text()
	err := compile(ctx, importPath+name, draft)
	if err == nil {
		err = os.Rename(draft, module)
	}
	if err != nil {
		_ = os.Remove(draft) // if there is one
		return "", fmt.Errorf("build example %s: %w", name, err)
	}
	return module, nil
}

// BuildAll builds all programs into dir, one after the other.
func BuildAll(ctx context.Context, dir string) error {
	for _, name := range names {
		if _, err := Build(ctx, name, dir); err != nil {
			return err
		}
	}
	return nil
}

// compile runs the Go tool.
func compile(ctx context.Context, pkg, output string) error {
	output, err := filepath.Abs(output)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", output, pkg)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	said, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("the Go tool is needed: %w", err)
	}
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(said))
	}
	return nil
}
