// Hello greets the world, or whomever its arguments name. It is the smallest of the examples: without package fmt the
// module is half as large, and so starts in half the time.
//
//	ucp run hello.wasm
//	ucp run hello.wasm Ada Grace
package main

import (
	"os"
	"strings"
)

func main() {
	if _, err := os.Stdout.WriteString(greeting(os.Args)); err != nil {
		os.Exit(1)
	}
}

// greeting answers to args as a program gets them: its own name first.
func greeting(args []string) string {
	if len(args) < 2 {
		return "Hello, world!\n"
	}
	return "Hello, " + strings.Join(args[1:], ", ") + "!\n"
}
