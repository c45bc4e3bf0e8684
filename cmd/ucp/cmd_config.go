package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/config"
)

func newConfigCommand(a *app) *cobra.Command {
	return group("config", "Show or check the configuration", newConfigShowCommand(a), newConfigCheckCommand(a))
}

func newConfigShowCommand(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show every setting of a node, its value, and where that comes from",
		Long: `Show every setting of a node, its value, and where that comes from: the file, a UCP_* variable, a flag, or nowhere.

Without FILE it is the file that "ucp node" would read: UCP_CONFIG, or else node.yaml in the configuration directory.`,
		Args: atMostOneArgument("the node file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			resolved, err := config.Resolve(nodeFileOf(a, chosenFile(file, args)), a.env, config.FlagOverrides(cmd.Flags()))
			if err != nil {
				return usageError{err}
			}
			return a.print(resolved, resolved.WriteText)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "file that describes the node, as \"ucp node\" takes it")
	config.AddFlags(cmd.Flags())
	return cmd
}

func newConfigCheckCommand(a *app) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Find everything that is wrong in a node file or a cluster file",
		Args:  atMostOneArgument("the file"),
		RunE: func(_ *cobra.Command, args []string) error {
			path := nodeFileOf(a, chosenFile(file, args))
			if path == "" {
				return usageError{errors.New("there is no configuration file to check: name one")}
			}
			return checkFile(a, path)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "the file, as \"ucp node\" takes it")
	return cmd
}

// chosenFile returns the file named as an argument, or else by --config.
func chosenFile(flag string, args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return flag
}

// checkedFile is what was found out about a file.
type checkedFile struct {
	File     string          `json:"file"`
	Valid    bool            `json:"valid"`
	Kind     config.FileKind `json:"kind,omitempty"`
	Network  string          `json:"network,omitempty"`
	Nodes    []string        `json:"nodes"`
	Problems []fileProblem   `json:"problems"`
}

type fileProblem struct {
	Source string `json:"source"`
	Line   int    `json:"line,omitempty"`
	Text   string `json:"text"`
}

func checkFile(a *app, path string) error {
	checked, err := config.Check(path, a.env)
	if err == nil {
		return a.print(foundIn(path, checked, nil), func(w io.Writer) error { return writeChecked(w, path, checked) })
	}
	if a.json() {
		if err := a.print(foundIn(path, checked, err), nil); err != nil {
			return err
		}
	}
	return usageError{err}
}

func writeChecked(w io.Writer, path string, checked config.Checked) error {
	what := fmt.Sprintf("a cluster file of %d nodes for", len(checked.Nodes))
	if checked.Kind == config.NodeFile {
		what = fmt.Sprintf("the node %s of", checked.Nodes[0].Name)
	}
	_, err := fmt.Fprintf(w, "%s is right: %s the network %s\n", path, what, checked.Network)
	return err
}

// foundIn describes what was found in the file at path, or why it is wrong.
func foundIn(path string, checked config.Checked, err error) checkedFile {
	found := checkedFile{File: path, Valid: err == nil, Kind: checked.Kind, Network: checked.Network, Nodes: []string{}, Problems: []fileProblem{}}
	for _, node := range checked.Nodes {
		found.Nodes = append(found.Nodes, node.Name)
	}
	var invalid *config.InvalidError
	switch {
	case errors.As(err, &invalid):
		for _, p := range invalid.Problems {
			found.Problems = append(found.Problems, fileProblem{Source: p.Source.String(), Line: p.Source.Line, Text: p.Text})
		}
	case err != nil:
		found.Problems = append(found.Problems, fileProblem{Source: path, Text: err.Error()})
	}
	return found
}
