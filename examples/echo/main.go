// Echo prints its arguments with a space between them. With the single argument "-" it copies its input instead.
//
//	ucp run echo.wasm one two
//	ucp run echo.wasm - < letter.txt
package main

import (
	"io"
	"os"
	"strings"
)

func main() {
	if err := echo(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		_, _ = os.Stderr.WriteString("echo: " + err.Error() + "\n")
		os.Exit(1)
	}
}

func echo(args []string, in io.Reader, out io.Writer) error {
	if len(args) == 1 && args[0] == "-" {
		_, err := io.Copy(out, in)
		return err
	}
	_, err := io.WriteString(out, strings.Join(args, " ")+"\n")
	return err
}
