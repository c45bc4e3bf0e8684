package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/cluster"
	"github.com/urbancompute/ucp/cluster/launch"
	"github.com/urbancompute/ucp/config"
)

// devOptions are what "ucp dev" can be told.
type devOptions struct {
	executors, slots, port int
}

// maxDevExecutors is more than anybody needs in one process.
const maxDevExecutors = 64

func newDevCommand(a *app) *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a whole network on this machine, in one process",
		Long: `Run a whole network on this machine, in one process, until Ctrl-C: a broker, and executors that reach it as they would from
other machines. While it runs it is the network that other commands use. Nothing of it is kept.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return usageError{err}
			}
			ctx, stop := untilInterrupted(cmd.Context())
			defer stop()
			return runDev(ctx, a, o)
		},
	}
	cmd.Flags().IntVar(&o.executors, "executors", 2, "how many executors there are")
	cmd.Flags().IntVar(&o.slots, "slots", 0, "jobs each executor runs at once (default: what makes one for each CPU core, together)")
	cmd.Flags().IntVar(&o.port, "port", config.DefaultPort, "port of the broker on 127.0.0.1; 0 takes any that is free")
	return cmd
}

func (o *devOptions) check() error {
	switch {
	case o.executors < 1 || o.executors > maxDevExecutors:
		return fmt.Errorf("--executors must be from 1 to %d, not %d", maxDevExecutors, o.executors)
	case o.slots < 0 || o.slots > 4096:
		return fmt.Errorf("--slots must be from 0 to 4096, not %d", o.slots)
	case o.port < 0 || o.port > 65535:
		return fmt.Errorf("--port must be from 0 to 65535, not %d", o.port)
	}
	if o.slots == 0 {
		o.slots = max(1, runtime.NumCPU()/o.executors)
	}
	return nil
}

// runDev runs the network in the data directory of this machine, which only one can use at a time.
func runDev(ctx context.Context, a *app, o devOptions) error {
	dirs, err := a.env.Directories()
	if dirs.Data == "" {
		return err
	}
	dir := filepath.Join(dirs.Data, "dev")
	hold, err := launch.Take(filepath.Join(dir, "dev.pid"))
	if held, ok := errors.AsType[*launch.HeldError](err); ok {
		return fmt.Errorf("\"ucp dev\" runs already, as process %d: use that one, or end it first", held.PID)
	}
	if err != nil {
		return err
	}
	err = unless(serveDev(ctx, a, dir, o), hold.Release())
	_ = os.Remove(dir) // fails only when somebody else keeps something there
	return err
}

// devPatience is how long the executors may take to find the broker beside them.
const devPatience = 10 * time.Second

func serveDev(ctx context.Context, a *app, dir string, o devOptions) (err error) {
	starting, cancel := context.WithTimeout(ctx, devPatience)
	defer cancel()
	network, err := cluster.StartDev(starting, cluster.DevConfig{
		Dir: dir, Host: "127.0.0.1", Port: o.port, Executors: o.executors, Slots: o.slots,
		CacheDir: moduleCache(a), Version: version, Now: time.Now, Log: a.log,
	})
	if ctx.Err() != nil && err != nil {
		return nil // ended while it started
	}
	if err != nil {
		return explainStart(config.Node{Name: "b1", Host: "127.0.0.1", Port: o.port}, err)
	}
	defer func() { err = unless(err, network.Close()) }() //nolint:contextcheck // it ends in order also when ctx has ended
	selected, err := selectNetwork(ctx, a, "dev", config.Context{
		Network: "dev", Brokers: []string{network.Address()}, CA: network.Client, Identity: network.Client,
	}, false)
	if err != nil {
		return fmt.Errorf("other commands could not find the network: %w", err)
	}
	defer func() { err = unless(err, selected.restore(context.WithoutCancel(ctx))) }()
	if err := a.inviteToDev(network.Address(), o); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-network.Failed(ctx):
		return err
	}
}

// unless returns err, or else what went wrong later.
func unless(err, later error) error {
	if err != nil {
		return err
	}
	return later
}

// inviteToDev says that the network is up, and what to type next.
func (a *app) inviteToDev(address string, o devOptions) error {
	if a.json() {
		return a.printLine(map[string]any{
			"event": "up", "network": "dev", "context": "dev", "brokers": []string{address},
			"executors": o.executors, "slots": o.executors * o.slots, "pid": os.Getpid(),
		})
	}
	_, err := fmt.Fprintf(a.stdout, `A network with %d executors (%d slots) runs here; its broker is at %s.
In another terminal, try:

  ucp run MODULE.wasm     run a WebAssembly program on it
  ucp node list           see its nodes
  ucp job list            see its jobs

Ctrl-C ends it. Nothing of it is kept.
`, o.executors, o.executors*o.slots, address)
	return err
}
