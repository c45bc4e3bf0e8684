// Command ucp pools machines into a compute network and runs WebAssembly jobs on it. Each verb is in a file of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/config"
	"github.com/urbancompute/ucp/internal/wasm"
)

func main() {
	if wasm.IsWorker() {
		wasm.WorkerMain()
	}
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, env: config.NewEnvironment(os.Environ(), os.Geteuid())}
	os.Exit(a.main(context.Background(), os.Args[1:]))
}

// app is what all verbs share: the process's streams and environment, and the global flags.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	env    config.Environment

	output   string // text or json
	logLevel string
	broker   string
	context  string
	log      *slog.Logger
}

// main runs the verb that args name and returns the exit code of the process.
func (a *app) main(ctx context.Context, args []string) int {
	a.log = slog.New(slog.DiscardHandler) // until the flags are known
	root := newRootCommand(a)             //nolint:contextcheck // cobra hands the context to the verb
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	verb, err := root.ExecuteContextC(ctx)
	return a.exit(verb, err)
}

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "ucp",
		Short: "Pool machines into a compute network and run WebAssembly jobs on it",
		Long: `Pool machines into a compute network and run WebAssembly jobs on it.

With no network configured, "ucp run MODULE.wasm" runs a job on one inside the command itself.

Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 no network in reach, 124 timeout. "ucp run" ends with the module's own code, with 124
after a timeout and with 125 when it fails itself.`,
		SilenceErrors: true, SilenceUsage: true,
		Args:              cobra.ArbitraryArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.begin() },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true // ours has its own help
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "text", "what to print: text or json")
	flags.StringVar(&a.logLevel, "log-level", "", "least severe level to log on stderr: debug, info, warn or error (default warn)")
	flags.StringVar(&a.broker, "broker", "", "brokers to speak to, host:port with commas between them (UCP_BROKER)")
	flags.StringVar(&a.context, "context", "", "saved network to use (UCP_CONTEXT)")
	root.AddCommand(a.commands()...)
	return root
}

// commands lists the verbs, one a file.
func (a *app) commands() []*cobra.Command {
	node := newNodeCommand(a)
	node.AddCommand(newNodeListCommand(a))
	return []*cobra.Command{
		newRunCommand(a),
		newJobCommand(a),
		newDataCommand(a),
		node,
		newBrokerCommand(a),
		newStatusCommand(a),
		newDevCommand(a),
		newLaunchCommand(a),
		newConfigCommand(a),
		newVersionCommand(a),
		newCompletionCommand(a),
		newBenchCommand(a),
	}
}

// begin checks the global flags and opens the log of verbs. Nodes have a log of their own.
func (a *app) begin() error {
	if a.output != "text" && a.output != "json" {
		return usageError{fmt.Errorf("--output must be text or json, not %q", a.output)}
	}
	level := slog.LevelWarn
	if text := firstOf(a.logLevel, a.env.Variables["UCP_LOG_LEVEL"]); text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return usageError{fmt.Errorf("--log-level must be debug, info, warn or error, not %q", text)}
		}
	}
	a.log = newLogger(a.stderr, "auto", level)
	return nil
}

func firstOf(texts ...string) string {
	i := slices.IndexFunc(texts, func(t string) bool { return t != "" })
	if i < 0 {
		return ""
	}
	return texts[i]
}

// unknownVerb names the nearest verbs.
func unknownVerb(cmd *cobra.Command, verb string) error {
	err := fmt.Errorf("unknown command %q of %q", verb, cmd.CommandPath())
	cmd.SuggestionsMinimumDistance = 2 // what cobra uses itself, and sets only then
	if near := cmd.SuggestionsFor(verb); len(near) > 0 {
		return usageError{fmt.Errorf("%w; did you mean %s?", err, strings.Join(near, " or "))}
	}
	return usageError{fmt.Errorf("%w; \"%s --help\" lists them", err, cmd.CommandPath())}
}

// group is a verb that only has verbs below it.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs, SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0])
			}
			return errors.Join(cmd.Help(), usageError{fmt.Errorf("%q wants one of its commands", cmd.CommandPath())})
		},
	}
	cmd.AddCommand(verbs...)
	return cmd
}
