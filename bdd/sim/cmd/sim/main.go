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
	o := options{campaign: sim.DefaultCampaign()}
	flags := o.flags()
	flags.SetOutput(errs)
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if o.mutant != "" && !sim.Mutate(o.mutant) {
		_, _ = fmt.Fprintf(errs, "sim: there is no mutant %q in this build; go run -tags mutants has them\n", o.mutant)
		return 2
	}
	stop, err := profiled(o.profile)
	if err != nil {
		_, _ = fmt.Fprintln(errs, "sim:", err)
		return 2
	}
	debug.SetGCPercent(1600) // worlds are short-lived, and small
	report := o.apply(out).Go(errs)
	stop()
	if o.traces {
		report.WriteTraces(out)
	}
	report.Write(out)
	if len(report.Violations) > 0 || len(report.Unreached()) > 0 {
		return 1
	}
	return 0
}

// options are what the flags say.
type options struct {
	campaign                                sim.Campaign
	verbose, loose, content, honest, traces bool
	without, mutant, profile                string
}

func (o *options) flags() *flag.FlagSet {
	f, c := flag.NewFlagSet("sim", flag.ContinueOnError), &o.campaign
	f.Uint64Var(&c.First, "first", c.First, "first seed")
	f.IntVar(&c.Seeds, "seeds", c.Seeds, "how many seeds")
	f.IntVar(&c.Workers, "workers", runtime.GOMAXPROCS(0), "networks at a time")
	f.IntVar(&c.Brokers, "brokers", c.Brokers, "brokers of each network")
	f.IntVar(&c.Executors, "executors", c.Executors, "executors of each network")
	f.IntVar(&c.Clients, "clients", c.Clients, "clients of each network")
	f.IntVar(&c.Jobs, "jobs", c.Jobs, "jobs of each network")
	f.DurationVar(&c.For, "for", c.For, "virtual time of each network")
	f.BoolVar(&o.verbose, "v", false, "tell everything that happens")
	f.BoolVar(&o.loose, "default-dispatcher", false, "run actors on goroutines of their own, to see that runs then differ")
	f.BoolVar(&o.content, "content", false, "hash what messages say too")
	f.BoolVar(&o.traces, "traces", false, "print the hash over the deliveries of each seed")
	f.BoolVar(&o.honest, "honest", false, "check that no receiver changes a message")
	f.StringVar(&o.without, "without", "", "checkers to leave out, of "+strings.Join(sim.Checkers(), ","))
	f.StringVar(&o.mutant, "mutant", "", "a seeded bug to look for")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile")
	return f
}

// apply makes the campaign that the flags ask for.
func (o *options) apply(out io.Writer) sim.Campaign {
	c := o.campaign
	c.Mutant = o.mutant
	c.Options = append(c.Options, sim.Without(strings.Split(o.without, ",")...), sim.With(func(s *sim.Settings) {
		s.DefaultDispatcher, s.Content, s.Honest = o.loose, o.content, o.honest
	}))
	if o.verbose {
		c.Workers = 1
		c.Options = append(c.Options, sim.Verbose(out))
	}
	return c
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
