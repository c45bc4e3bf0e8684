package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/client"
	"github.com/urbancompute/ucp/config"
)

// The exit codes of ucp. "ucp run" ends with the module's own code when the module ended by itself.
const (
	exitOK        = 0
	exitFailed    = 1
	exitUsage     = 2
	exitNoNetwork = 3
	exitTimeout   = 124
	exitRun       = 125 // "ucp run" failed itself
)

// runVerb is the name of the verb whose failures must not look like a module's.
const runVerb = "run"

// usageError says that the command line is wrong.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// noNetworkError says that a verb needs a network and none is configured.
type noNetworkError struct{ verb string }

func (e noNetworkError) Error() string {
	return fmt.Sprintf("%s needs a network and none is configured: start one with \"ucp dev\" or \"ucp launch CLUSTER.yaml\", or name one with --broker or --context", e.verb)
}

// exitError ends the process with a code. A nil err was told already, or is nothing to tell.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exit tells a failure on stderr and returns the code to end with.
func (a *app) exit(verb *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	var e *exitError
	if !errors.As(err, &e) || e.err != nil {
		_, _ = fmt.Fprintf(a.stderr, "ucp: %s\n", err) // there is nowhere else to tell it
	}
	return codeOf(verb, err)
}

// codeOf maps failures to exit codes.
func codeOf(verb *cobra.Command, err error) int {
	var (
		e     *exitError
		usage usageError
		none  noNetworkError
	)
	switch {
	case errors.As(err, &e):
		return e.code
	case verb != nil && verb.Name() == runVerb:
		return exitRun
	case errors.As(err, &usage), errors.Is(err, config.ErrInvalid):
		return exitUsage
	case errors.As(err, &none), errors.Is(err, client.ErrUnreachable):
		return exitNoNetwork
	}
	return exitFailed
}
