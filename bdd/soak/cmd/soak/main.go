// Command soak runs a network of real processes under random faults and submissions, checks what became of it, and prints one table.
//
//	soak -minutes 10           from a seed of its own, which the table tells
//	soak -minutes 10 -seed 42  the faults and jobs of seed 42
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/urbancompute/ucp/bdd/soak"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Exit codes: 0 clean, 1 not clean, or it could not be done, 2 the flags are wrong.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(errs)
	minutes := flags.Float64("minutes", 10, "how long there are faults and submissions")
	seed := flags.Uint64("seed", 0, "what they are drawn from (default: any)")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 || *minutes <= 0 {
		_, _ = fmt.Fprintln(errs, "soak: give a positive number of minutes, and flags only")
		return 2
	}
	if *seed == 0 {
		*seed = 1 + uint64(rand.Uint32()) // short enough to be typed
	}
	r, err := soak.Run(ctx, soak.Settings{For: time.Duration(*minutes * float64(time.Minute)), Seed: *seed, Limits: soak.DefaultLimits, Progress: errs})
	if err == nil {
		err = r.Write(out)
	}
	if err != nil {
		_, _ = fmt.Fprintf(errs, "soak: seed %d: %v\n", *seed, err)
		return 1
	}
	if !r.Clean() {
		return 1
	}
	return 0
}
