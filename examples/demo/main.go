// Demo runs the main job of UCP before your eyes: a network of two brokers and three executors on this machine, real
// WebAssembly jobs, and executors that are killed and frozen while they work. Every line it prints was observed just
// then. It needs the ucp binary, the Go tool and this repository as its working directory, and leaves nothing behind but
// a picture.
//
//	make demo
//	go run ./examples/demo --ucp bin/ucp --picture bin/mandelbrot.png
//
// It exits with 1 and a sentence if anything was not as promised, and with 130 after Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// The processes of the demo die with the thread that started them, and the main thread lives longest.
func init() { runtime.LockOSThread() }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

const (
	exitOK          = 0
	exitBroken      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	began := time.Now()
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	ucp := flags.String("ucp", "bin/ucp", "the ucp `BINARY` to run")
	picture := flags.String("picture", "bin/mandelbrot.png", "where the picture goes, the one `FILE` that stays")
	if err := flags.Parse(args); err != nil {
		return exitUsage
	}
	d, err := prepare(*ucp, *picture, teller{w: stdout, began: began})
	if err == nil {
		err = errors.Join(d.play(ctx), d.end(context.WithoutCancel(ctx)))
	}
	switch {
	case ctx.Err() != nil:
		_, _ = fmt.Fprintln(stderr, "demo: interrupted") // there is nowhere else to tell it
		return exitInterrupted
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "\ndemo: not as promised: %v\n", err) // likewise
		return exitBroken
	}
	d.say("everything was as promised; all of it took %s", took(time.Since(began)))
	return exitOK
}

// prepare makes the directory that everything of the demo is in, so that the user's own networks are untouched.
func prepare(ucp, picture string, t teller) (*demo, error) {
	var err error
	d := &demo{teller: t}
	if d.ucp, err = filepath.Abs(ucp); err != nil {
		return nil, err
	}
	if _, err = os.Stat(d.ucp); err != nil {
		return nil, fmt.Errorf("there is no ucp to run: %w; \"make build\" makes one", err)
	}
	if d.picture, err = filepath.Abs(picture); err != nil {
		return nil, err
	}
	if d.dir, err = os.MkdirTemp("", "ucp-demo-"); err != nil {
		return nil, err
	}
	d.env = environment(os.Environ(), d.dir)
	return d, nil
}
