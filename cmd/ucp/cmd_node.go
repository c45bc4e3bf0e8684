package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/cluster"
	"github.com/urbancompute/ucp/cluster/identity"
	"github.com/urbancompute/ucp/cluster/launch"
	"github.com/urbancompute/ucp/config"
)

func newNodeCommand(a *app) *cobra.Command {
	var file string
	var launched bool
	cmd := &cobra.Command{
		Use:   "node [--config FILE]",
		Short: "Run one node in the foreground",
		Long: `Run one node in the foreground, until it is told to end.

Every key of the file is also a flag and a variable: sync.interval is --sync-interval and UCP_SYNC_INTERVAL. Flags win over
variables, and these over the file. "ucp config show" tells what applies, and why.

On SIGUSR1 it logs what its process uses: goroutines, bytes on the heap, open descriptors, uptime.`,
		Example: "  ucp node --config node.yaml\n  ucp node --config node.yaml --slots 4 --log-level debug",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilInterrupted(cmd.Context())
			defer stop()
			return runNode(ctx, a, file, config.FlagOverrides(cmd.Flags()), launched)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "file that describes the node (default: node.yaml in the configuration directory)")
	cmd.Flags().BoolVar(&launched, "launched", false, "the node was started by a launch, which it reports to")
	_ = cmd.Flags().MarkHidden("launched") // it exists
	config.AddFlags(cmd.Flags())
	return cmd
}

// runNode runs a node until ctx ends or it fails. A launched node tells its launch how that went.
func runNode(ctx context.Context, a *app, file string, flags config.Overrides, launched bool) error {
	if !launched {
		return serveNode(ctx, a, file, flags, func(*cluster.Node) error { return nil })
	}
	reporter, err := launch.NewReporter()
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		reporter.AwaitOrphaned()
		cancel()
	}()
	err = serveNode(ctx, a, file, flags, func(n *cluster.Node) error { return reporter.Up(string(n.ID()), n.Addr()) })
	if err != nil {
		_ = reporter.Failed(err) // a launch that is gone does not miss it
	}
	return err
}

// serveNode starts a node, calls up and keeps it running until ctx ends or it fails.
func serveNode(ctx context.Context, a *app, file string, flags config.Overrides, up func(*cluster.Node) error) error {
	cfg, err := config.LoadNode(nodeFileOf(a, file), a.env, flags)
	if err != nil {
		return usageError{err}
	}
	log, closeLog, err := openLog(cfg, a.stderr)
	if err != nil {
		return err
	}
	defer closeLog()
	hold, err := holdData(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = hold.Release() }() // the process is about to end, which releases it too
	node, err := startNode(a, cfg, log)   //nolint:contextcheck // a node lives until it is closed
	if err != nil {
		return err
	}
	defer node.Close() //nolint:contextcheck // it ends in order also when ctx has ended
	defer tellState(log.With("node", cfg.Name))()
	log.Info("node is up", "node", cfg.Name, "id", node.ID(), "roles", cfg.Roles, "address", node.Addr(), "pid", os.Getpid())
	if err := up(node); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		log.Info("node ends", "node", cfg.Name)
		return nil
	case err := <-node.Failed():
		return fmt.Errorf("node %s cannot go on: %w", cfg.Name, err)
	}
}

// nodeFileOf returns file, or else the one that the environment or the configuration directory has; "" for none.
func nodeFileOf(a *app, file string) string {
	if file != "" {
		return file
	}
	return a.env.NodeFile(func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

// holdData keeps other processes out of the node's data.
func holdData(cfg config.Node) (*launch.Hold, error) {
	hold, err := launch.Take(filepath.Join(cfg.Dir, "node.pid"))
	if held, ok := errors.AsType[*launch.HeldError](err); ok {
		return nil, fmt.Errorf("node %s runs already, as process %d: its data directory %s is in use; end that process, or give this node another dir",
			cfg.Name, held.PID, cfg.Dir)
	}
	return hold, err
}

func startNode(a *app, cfg config.Node, log *slog.Logger) (*cluster.Node, error) {
	if cfg.Insecure {
		log.Warn("insecure has no effect: links are always encrypted and authenticated", "node", cfg.Name)
	}
	id, err := openIdentity(cfg)
	if err != nil {
		return nil, err
	}
	if err := canListen(cfg); err != nil {
		return nil, explainStart(cfg, err)
	}
	node, err := cluster.Start(cfg, cluster.Options{Identity: id, Version: version, Log: log, CacheDir: moduleCache(a)})
	return node, explainStart(cfg, err)
}

// openIdentity opens the identity of the node, and checks that others will take it for what the node means to be.
func openIdentity(cfg config.Node) (*identity.Identity, error) {
	id, err := identity.Open(cfg.Identity)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("node %s has no identity in %s: \"ucp launch CLUSTER.yaml\" makes one for every node of a cluster file on this machine, "+
			"in nodes/NAME/identity of the launch directory; name that directory with identity", cfg.Name, cfg.Identity)
	}
	if err != nil {
		return nil, err
	}
	for _, role := range cfg.Certified() {
		if !id.Peer().Has(role) {
			return nil, fmt.Errorf("node %s is to be a %s, but its certificate in %s is for %s: launch it again from its cluster file, which renews the certificate",
				cfg.Name, role, cfg.Identity, strings.Join(id.Peer().Roles, ", "))
		}
	}
	return id, id.Check(time.Now())
}

// moduleCache is where compiled modules are kept for all nodes of this machine, "" when nothing says where that is.
func moduleCache(a *app) string {
	dirs, _ := a.env.Directories() // when it is not known, each node keeps its own
	if dirs.Cache == "" {
		return ""
	}
	return filepath.Join(dirs.Cache, "modules")
}

// canListen finds out before anything is started whether the node's address is free, as a rule it is.
func canListen(cfg config.Node) error {
	if cfg.Listen() == "" {
		return nil
	}
	listener, err := net.Listen("tcp", cfg.Listen())
	if err != nil {
		return err
	}
	return listener.Close()
}

// explainStart says in a sentence what keeps a node from listening, and what to do.
func explainStart(cfg config.Node, err error) error {
	i := slices.IndexFunc(listenFailures, func(f listenFailure) bool { return errors.Is(err, f.errno) })
	if i < 0 {
		return err
	}
	return &listenError{node: cfg.Name, address: cfg.Listen(), listenFailure: listenFailures[i]}
}

// listenFailure is a reason why an address cannot be listened on.
type listenFailure struct {
	errno  syscall.Errno
	reason string
	advice string
}

var listenFailures = []listenFailure{
	{syscall.EADDRINUSE, "another program uses that port", "end that program, or give %s another port"},
	{syscall.EADDRNOTAVAIL, "it is not an address of this machine", "give %s a host that is"},
	{syscall.EACCES, "this user may not use that port", "give %s a port from 1024 on"},
}

// listenError says that a node cannot listen where it should.
type listenError struct {
	node, address string
	listenFailure
}

func (e *listenError) Error() string {
	return fmt.Sprintf("cannot listen on %s, since %s: %s", e.address, e.reason, fmt.Sprintf(e.advice, "node "+e.node))
}

func (e *listenError) Unwrap() error { return e.errno }
