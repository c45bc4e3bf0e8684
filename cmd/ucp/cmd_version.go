package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"
)

// version is set by the linker: -ldflags '-X main.version=v1.2.3'.
var version = "unknown"

// versionInfo says what program this is.
type versionInfo struct {
	Version  string `json:"version"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which version this is",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			info := versionInfo{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			return a.print(info, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "ucp %s (%s, %s)\n", info.Version, info.Go, info.Platform)
				return err
			})
		},
	}
}
