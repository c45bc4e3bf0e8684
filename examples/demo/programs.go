package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/urbancompute/ucp/examples/modules"
)

// programs are the examples that the demo runs.
var programs = []string{"wordcount", "mandelbrot", "mosaic", "spin"}

// build compiles the programs, and mandelbrot for this machine, too: the picture is compared with what that renders.
func (d *demo) build(ctx context.Context) error {
	if err := os.Setenv("GOTMPDIR", d.dir); err != nil { // what an interrupted Go tool leaves goes with the rest
		return err
	}
	d.modules = map[string]string{}
	paths := make([]string, len(programs))
	tasks := []func() error{func() error { return buildNative(ctx, d.native()) }}
	for i, name := range programs {
		tasks = append(tasks, func() (err error) {
			paths[i], err = modules.Build(ctx, name, filepath.Join(d.dir, "modules"))
			return err
		})
	}
	if err := together(tasks...); err != nil {
		return err
	}
	for i, name := range programs {
		d.modules[name] = paths[i]
		info, err := os.Stat(paths[i])
		if err != nil {
			return err
		}
		d.say("%-11s %.1f MB", filepath.Base(paths[i]), float64(info.Size())/1e6)
	}
	return nil
}

// native is where mandelbrot is as a program of this machine.
func (d *demo) native() string { return filepath.Join(d.dir, "mandelbrot") }

func buildNative(ctx context.Context, output string) error {
	said, err := exec.CommandContext(ctx, "go", "build", "-o", output, "./examples/mandelbrot").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build mandelbrot for this machine: %w: %s", err, said)
	}
	return nil
}

// together does all tasks at once and returns when they are done.
func together(tasks ...func() error) error {
	errs := make([]error, len(tasks))
	var running sync.WaitGroup
	for i, task := range tasks {
		running.Go(func() { errs[i] = task() })
	}
	running.Wait()
	return errors.Join(errs...)
}
