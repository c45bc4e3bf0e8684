// Command scale simulates a network of 100 brokers, 10,000 executors and a million jobs with a fire in the middle, prints what was measured, and
// writes it as JSON and as plots.
//
//	scale -out docs/scale      the full size, some minutes of one core and 1.3 GiB of memory
//	scale -small               10 brokers and 200 executors, a second
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/urbancompute/ucp/bdd/scale"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes: 0 done, 1 it could not be written, 2 the flags are wrong.
func run(args []string, out, errs io.Writer) int {
	f := flag.NewFlagSet("scale", flag.ContinueOnError)
	f.SetOutput(errs)
	small := f.Bool("small", false, "simulate a small network")
	seed := f.Uint64("seed", 1, "where everything is drawn from")
	dir := f.String("out", "", "write figures.json and plots into this directory")
	profile := f.String("cpuprofile", "", "write a CPU profile")
	if err := f.Parse(args); err != nil {
		return 2
	}
	s := scale.Full()
	if *small {
		s = scale.Small()
	}
	s.Seed = *seed
	if err := simulate(s, *dir, *profile, out); err != nil {
		_, _ = fmt.Fprintln(errs, "scale:", err)
		return 1
	}
	return 0
}

func simulate(s scale.Settings, dir, profile string, out io.Writer) error {
	stop, err := profiled(profile)
	if err != nil {
		return err
	}
	begin := time.Now()
	report := scale.Run(s)
	took := time.Since(begin)
	stop()
	if err := report.Write(out); err != nil {
		return err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if _, err := fmt.Fprintf(out, "simulated in %.0f s with %d MiB\n", took.Seconds(), m.Sys>>20); err != nil || dir == "" {
		return err
	}
	return save(dir, report, out)
}

// figures is what figures.json holds.
type figures struct {
	*scale.Report
	Costs []scale.Cost
}

func save(dir string, r *scale.Report, out io.Writer) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	costs := scale.Costs()
	for _, c := range costs {
		if _, err := fmt.Fprintf(out, "a placement with %d executors, %s: %.2f µs\n", c.Executors, c.Free, c.Microseconds); err != nil {
			return err
		}
	}
	for name, svg := range r.Charts(costs) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(svg), 0o600); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(figures{r.Brief(), costs}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "figures.json"), append(b, '\n'), 0o600)
}

// profiled writes a CPU profile to a file until it is stopped.
func profiled(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Clean(file))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}
