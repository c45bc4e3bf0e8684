package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// noArguments refuses arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%q takes no argument, so not %q", cmd.CommandPath(), args[0])}
	}
	return nil
}

// oneArgument demands one argument, which is what.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usageError{fmt.Errorf("%q needs %s: %s", cmd.CommandPath(), what, cmd.UseLine())}
		}
		return atMostOneArgument(what)(cmd, args)
	}
}

// atMostOneArgument allows one argument, which is what.
func atMostOneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError{fmt.Errorf("%q takes %s and nothing else, so not %q", cmd.CommandPath(), what, args[1])}
		}
		return nil
	}
}

// oneOf demands one argument, which is what and one of words.
func oneOf(what string, words []string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := oneArgument(what)(cmd, args); err != nil {
			return err
		}
		if !slices.Contains(words, args[0]) {
			return usageError{fmt.Errorf("%s must be one of %s, not %q", what, strings.Join(words, ", "), args[0])}
		}
		return nil
	}
}
