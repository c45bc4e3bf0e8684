// Command sim runs simulated networks, one after the other or several at a time, and says which promises did not hold.
//
//	sim -seeds 1000            1,000 networks; exit status 1 if any broke a promise
//	sim -first 42 -seeds 1 -v  network 42 again, with all that happened in it
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"

	"github.com/urbancompute/ucp/bdd/sim"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes: 0 every promise held, 1 one did not, 2 the flags are wrong.
func run(args []string, out, errs io.Writer) int {
	c := sim.DefaultCampaign()
	c.Workers = runtime.GOMAXPROCS(0)
	flags := flag.NewFlagSet("sim", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Uint64Var(&c.First, "first", c.First, "first seed")
	flags.IntVar(&c.Seeds, "seeds", c.Seeds, "how many seeds")
	flags.IntVar(&c.Workers, "workers", c.Workers, "networks at a time")
	flags.IntVar(&c.Brokers, "brokers", c.Brokers, "brokers of each network")
	flags.IntVar(&c.Executors, "executors", c.Executors, "executors of each network")
	flags.IntVar(&c.Clients, "clients", c.Clients, "clients of each network")
	flags.IntVar(&c.Jobs, "jobs", c.Jobs, "jobs of each network")
	flags.DurationVar(&c.For, "for", c.For, "virtual time of each network")
	verbose := flags.Bool("v", false, "tell everything that happens")
	loose := flags.Bool("default-dispatcher", false, "run actors on goroutines of their own, to see that runs then differ")
	content := flags.Bool("content", false, "hash what messages say too")
	traces := flags.Bool("traces", false, "print the hash over the deliveries of each seed")
	honest := flags.Bool("honest", false, "check that no receiver changes a message")
	without := flags.String("without", "", "checkers to leave out, of "+strings.Join(sim.Checkers(), ","))
	mutant := flags.String("mutant", "", "a seeded bug to look for")
	profile := flags.String("cpuprofile", "", "write a CPU profile")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *mutant != "" && !sim.Mutate(*mutant) {
		_, _ = fmt.Fprintf(errs, "sim: there is no mutant %q in this build\n", *mutant)
		return 2
	}
	c.Options = append(c.Options, sim.Without(strings.Split(*without, ",")...), sim.With(func(s *sim.Settings) {
		s.DefaultDispatcher, s.Content, s.Honest = *loose, *content, *honest
	}))
	if *verbose {
		c.Workers = 1
		c.Options = append(c.Options, sim.Verbose(out))
	}
	stop, err := profiled(*profile)
	if err != nil {
		_, _ = fmt.Fprintln(errs, "sim:", err)
		return 2
	}
	debug.SetGCPercent(400) // worlds are short-lived, and small
	report := c.Go(errs)
	stop()
	if *traces {
		report.WriteTraces(out)
	}
	report.Write(out)
	if len(report.Violations) > 0 {
		return 1
	}
	return 0
}

// profiled writes a CPU profile to a file until it is stopped.
func profiled(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
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
