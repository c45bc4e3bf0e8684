package main

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/cluster/launch"
	"github.com/urbancompute/ucp/config"
)

func newLaunchCommand(a *app) *cobra.Command {
	var stop bool
	cmd := &cobra.Command{
		Use:   "launch CLUSTER.yaml",
		Short: "Run every node of a cluster file that belongs to this machine",
		Long: `Run every node of a cluster file that belongs to this machine, each as a process of its own, until Ctrl-C.

A node belongs to this machine if its host is an address or the name of this machine, so one file serves several. The CA is
made on the machine of the first broker; copy the ca directory of its launch directory to the others before you launch there.
A node that dies is started again. While the launch runs, its network is the one that other commands use.`,
		Example: "  ucp launch examples/cluster.yaml\n  ucp launch --stop examples/cluster.yaml",
		Args:    oneArgument("the cluster file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cluster, err := config.LoadCluster(args[0])
			if err != nil {
				return usageError{err}
			}
			if stop {
				return stopLaunch(cmd.Context(), a, cluster)
			}
			ctx, stop := untilInterrupted(cmd.Context())
			defer stop()
			return runLaunch(ctx, a, cluster)
		},
	}
	cmd.Flags().BoolVar(&stop, "stop", false, "end the launch of this file that runs on this machine")
	return cmd
}

// stopPatience is how long a launch may take to end all its nodes.
const stopPatience = 15 * time.Second

func stopLaunch(ctx context.Context, a *app, cluster config.Cluster) error {
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	pid, err := launch.Stop(ctx, cluster)
	if err != nil {
		return err
	}
	if a.json() {
		return a.printLine(map[string]any{"event": "stopped", "network": cluster.Network, "pid": pid})
	}
	_, err = fmt.Fprintf(a.stdout, "%s is stopped.\n", cluster.Network)
	return err
}

// runLaunch launches the nodes of cluster that belong here, and returns when ctx has ended and they have, too.
func runLaunch(ctx context.Context, a *app, cluster config.Cluster) error {
	local, err := config.LocalHosts(ctx)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("the program to run nodes with: %w", err)
	}
	teller := launchTeller{ctx: context.WithoutCancel(ctx), app: a, cluster: cluster}
	defer teller.deselect()
	return launch.Run(ctx, launch.Config{
		Cluster: cluster, Local: local, User: userName(), Now: time.Now, Events: teller.tell,
		Program: []string{program, "node", "--launched", "--config"}, Env: config.ForLaunched(os.Environ()),
	})
}

// userName names the identity that commands on this machine use; it is "client" when the user's own name is not fit for that.
func userName() string {
	u, err := user.Current()
	if err != nil || !plainName(u.Username) {
		return "client"
	}
	return u.Username
}

// plainName reports whether name is safe as that of a directory.
func plainName(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' {
			return false
		}
	}
	return name != "" && len(name) <= 32
}
