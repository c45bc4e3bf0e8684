package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/urbancompute/ucp/config"
)

func newConfigCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show or check the configuration",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newConfigShowCommand(a), newConfigCheckCommand(a))
	return cmd
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
				return err
			}
			if a.json() {
				return a.printJSON(resolved)
			}
			return resolved.WriteText(a.stdout)
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
	if a.json() {
		return errors.Join(a.printJSON(foundIn(path, checked, err)), err)
	}
	if err != nil {
		return err
	}
	if checked.Kind == config.ClusterFile {
		_, err = fmt.Fprintf(a.stdout, "%s is right: a cluster file for the network %s with %d nodes\n", path, checked.Network, len(checked.Nodes))
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s is right: the node %s of the network %s\n", path, checked.Nodes[0].Name, checked.Network)
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
