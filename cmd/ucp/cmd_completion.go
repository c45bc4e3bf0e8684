package main

import (
	"io"
	"slices"

	"github.com/spf13/cobra"
)

// shells are those that commands can be completed in.
var shells = []struct {
	name  string
	write func(root *cobra.Command, w io.Writer) error
}{
	{"bash", func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) }},
	{"zsh", (*cobra.Command).GenZshCompletion},
	{"fish", func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) }},
	{"powershell", (*cobra.Command).GenPowerShellCompletionWithDesc},
}

func newCompletionCommand(a *app) *cobra.Command {
	names := make([]string, len(shells))
	for i, shell := range shells {
		names[i] = shell.name
	}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that completes commands in a shell",
		Long: `Print a script that completes commands in a shell. To load it in this session:

  bash        source <(ucp completion bash)
  zsh         source <(ucp completion zsh)
  fish        ucp completion fish | source
  powershell  ucp completion powershell | Out-String | Invoke-Expression

For every session, put that line into the file that your shell reads when it starts.`,
		ValidArgs: names,
		Args:      oneOf("the shell", names),
		RunE: func(cmd *cobra.Command, args []string) error {
			return shells[slices.Index(names, args[0])].write(cmd.Root(), a.stdout)
		},
	}
}
