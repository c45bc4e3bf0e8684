// Spin computes for a while, shows on stderr how far it is, and ends with a number that is the same on every machine. It
// knows no time, since a job may have no clock: -seconds is the work that one core of an ordinary machine does in that
// time. Kill the executor below it and watch the job start again elsewhere.
//
//	ucp run spin.wasm -seconds 20
//	ucp run spin.wasm -count 1000000000 -steps 4
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

// perSecond is how many rounds a core of 2020 makes in a second, compiled by wazero.
const perSecond = 500_000_000

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		os.Exit(2)
	}
}

func run(args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("spin", flag.ContinueOnError)
	flags.SetOutput(progress)
	seconds := flags.Float64("seconds", 10, "how much work, in seconds of an ordinary machine")
	count := flags.Uint64("count", 0, "how much work, in rounds; goes before -seconds")
	steps := flags.Uint64("steps", 10, "how often to show progress")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *count == 0 {
		*count = uint64(max(0, *seconds) * perSecond)
	}
	sum := spin(*count, max(1, *steps), func(done uint64) {
		_, _ = fmt.Fprintf(progress, "spin: %3d%% (%d of %d)\n", percent(done, *count), done, *count)
	})
	_, err := fmt.Fprintf(out, "%d rounds: %016x\n", *count, sum)
	return err
}

// percent returns how much of all is done, without overflow.
func percent(done, all uint64) uint64 {
	if all < 100 {
		return done * 100 / max(1, all)
	}
	return min(100, done/(all/100))
}

// spin makes count rounds of a 64-bit generator, calls step after each of steps equal parts, and returns the last state.
func spin(count, steps uint64, step func(done uint64)) uint64 {
	state, done := uint64(0x9e3779b97f4a7c15), uint64(0)
	for i := range steps {
		until := count / steps * (i + 1)
		if i == steps-1 {
			until = count
		}
		state = rounds(state, until-done)
		done = until
		step(done)
	}
	return state
}

// rounds makes n rounds of xorshift64 (Marsaglia, Xorshift RNGs, 2003): each needs the one before.
func rounds(x, n uint64) uint64 {
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}
